//! A role: a partition of the Signal Tree, a timer wheel and a driver, held by one thread at a time.
//!
//! The owner-only part is reached through a [`RoleGuard`] alone: the scheduler holds one, gives it up when it enters a task
//! ([`RoleGuard::enter_task`]) and gets it back when it leaves ([`leave_task`]), unless the role was given away meanwhile. Runtime
//! calls from inside a task go through [`with_role`](super::bracket::with_role).

use super::batch::Batch;
use super::local::RoleLocal;
use super::next::NextRing;
use super::park::Sleeper;
use super::remote::RemoteBox;
use super::thread::Thread;
use crate::runtime::core::Core;
use crate::runtime::quantum::Waits;
use maniac_driver::Remote;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's page. Roles live as long as the process.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Role {
    index: u32,
    core: &'static Core,
    /// The arbiter of all changes of hands.
    hands: Mutex<Hands>,
    /// `hands.owner`, for those who only look.
    holder: AtomicPtr<Thread>,
    /// Tasks to run next; thieves may take from it.
    pub(crate) next: NextRing,
    /// Taken out of the ready set; thieves may take from it.
    pub(crate) batch: Batch,
    /// Timers and the like from threads that do not own the role.
    pub(crate) remote: RemoteBox,
    pub(crate) driver: Mutex<Option<Remote>>,
    /// Whether the owner sleeps in its driver, or is about to.
    pub(crate) asleep: Sleeper,
    /// What the owner counts, for metrics; written by the owner alone.
    pub(crate) counts: Counts,
    /// Tasks that were spawned into this partition from outside.
    pub(crate) placed: AtomicU64,
    local: UnsafeCell<Option<Box<RoleLocal>>>,
}

/// Who has a role, had it, and wants it.
#[derive(Debug, Default)]
struct Hands {
    owner: Option<&'static Thread>,
    /// The thread that the role comes back to after others had it because that one was overdue.
    home: Option<&'static Thread>,
    /// The home thread, while it waits for the role.
    heir: Option<&'static Thread>,
}

fn same(one: Option<&'static Thread>, other: &'static Thread) -> bool {
    one.is_some_and(|one| std::ptr::eq(one, other))
}

/// Plain counters: the owner adds by load and store, anybody reads.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spawned: Counter,
    pub(crate) completed: Counter,
    pub(crate) polls: Counter,
    pub(crate) parks: Counter,
    pub(crate) steals: Counter,
    pub(crate) timers_fired: Counter,
}

impl Counts {
    fn all(&self) -> [&Counter; 6] {
        let Counts { spawned, completed, polls, parks, steals, timers_fired } = self;
        [spawned, completed, polls, parks, steals, timers_fired]
    }
}

/// A counter with one writer at a time.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        // Release: who sees a completion counted sees its spawn counted.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Release);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

// SAFETY: [ROLE-2] `local` is reached only by the thread that owns the role (a RoleGuard, or the bracket inside a task), and
// what it holds is Send; the rest is Sync by itself.
unsafe impl Sync for Role {}
// SAFETY: [ROLE-2] as above.
unsafe impl Send for Role {}

impl Role {
    pub(crate) fn new(core: &'static Core, index: u32) -> Role {
        Role {
            index,
            core,
            hands: Mutex::default(),
            holder: AtomicPtr::new(null_mut()),
            next: NextRing::new(),
            batch: Batch::new(),
            remote: RemoteBox::new(),
            driver: Mutex::new(None),
            asleep: Sleeper::new(),
            counts: Counts::default(),
            placed: AtomicU64::new(0),
            local: UnsafeCell::new(None),
        }
    }

    /// Begins to count anew; nobody has the role.
    pub(crate) fn forget_counts(&self) {
        for counter in self.counts.all() {
            counter.0.store(0, Ordering::Relaxed);
        }
        self.placed.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index as usize
    }

    #[inline]
    pub(crate) fn core(&self) -> &'static Core {
        self.core
    }

    /// Whether something else is about to run here.
    #[inline]
    pub(crate) fn runs_on(&self) -> bool {
        !self.batch.is_empty() || self.core.maybe_ready(self.index()) || self.next.maybe_ready()
    }

    /// How many tasks wait here, about: counted to two, which is as far as anybody wants to know.
    pub(crate) fn waiting(&self) -> usize {
        let here = self.next.len() + self.batch.len();
        if here >= 2 || !self.core.maybe_ready(self.index()) {
            return here;
        }
        here + self.core.tree().ready_count(self.index())
    }

    /// What waits behind a poll of this role's owner, which is kept out: `local` is the owner-only part.
    pub(crate) fn waits(&self, local: &mut RoleLocal) -> Waits {
        if local.has_events(self, self.core.clock().now()) {
            Waits::Events
        } else if self.waiting() != 0 {
            Waits::Tasks
        } else {
            Waits::Nothing
        }
    }

    /// Wakes the owner out of its driver.
    pub(crate) fn unpark(&self) {
        // A lock on the way to a system call; nobody holds it for longer than a clone.
        let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = &*driver {
            driver.unpark();
        }
    }

    /// The role's driver as other threads reach it.
    pub(crate) fn driver_remote(&self) -> Option<Remote> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn arbiter(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_owner(&self, hands: &mut Hands, owner: Option<&'static Thread>) {
        hands.owner = owner;
        let holder = owner.map_or(null_mut(), |owner| std::ptr::from_ref(owner).cast_mut());
        // Release: who sees a thread here sees its record, which may have been made just now.
        self.holder.store(holder, Ordering::Release);
    }

    /// Who owns the role, or did a moment ago.
    pub(crate) fn holder(&self) -> Option<&'static Thread> {
        let holder = self.holder.load(Ordering::Acquire);
        // SAFETY: [ROLE-1] records of threads are never freed.
        unsafe { holder.as_ref() }
    }

    /// In debug builds: `thread`, the calling one, has the role for itself.
    #[inline]
    pub(super) fn check_owner(&self, thread: &'static Thread) {
        debug_assert!(
            std::ptr::eq(self.holder.load(Ordering::Relaxed), thread),
            "[ROLE-2] a thread touches a role that it does not own"
        );
    }

    /// Puts the owner-only part in place, or takes it out, while nobody owns the role.
    ///
    /// # Panics
    /// If the role has an owner.
    pub(crate) fn replace_local(&self, local: Option<Box<RoleLocal>>) -> Option<Box<RoleLocal>> {
        let mut hands = self.arbiter();
        assert!(hands.owner.is_none(), "the role has an owner");
        (hands.home, hands.heir) = (None, None);
        *self.driver.lock().unwrap_or_else(PoisonError::into_inner) =
            local.as_ref().map(|local| local.reactor.remote());
        // SAFETY: [ROLE-2] the arbiter is held and the role has no owner, so nobody else reaches the local part.
        let place = unsafe { &mut *self.local.get() };
        std::mem::replace(place, local)
    }

    /// Makes `thread`, the calling one, the owner of a role that has none.
    pub(crate) fn claim(&'static self, thread: &'static Thread) -> Option<RoleGuard> {
        let mut hands = self.arbiter();
        if hands.owner.is_some() {
            return None;
        }
        self.set_owner(&mut hands, Some(thread));
        drop(hands);
        Some(RoleGuard::new(self, thread))
    }

    /// Makes `thread` the owner in place of nobody, before the thread knows: it claims the guard by
    /// [`Role::take_up`] when it finds the role in its mailbox.
    pub(crate) fn hand_to(&'static self, thread: &'static Thread) {
        let mut hands = self.arbiter();
        debug_assert!(hands.owner.is_none());
        self.set_owner(&mut hands, Some(thread));
        hands.home = Some(thread);
        drop(hands);
        thread.give(self);
    }

    /// Takes the role back from a thread that never started.
    pub(crate) fn withdraw(&self, thread: &'static Thread) {
        let mut hands = self.arbiter();
        let given = thread.accept();
        debug_assert!(given.is_some_and(|role| std::ptr::eq(role, self)));
        self.set_owner(&mut hands, None);
    }

    /// The guard of a role that was handed to `thread`, the calling one.
    pub(crate) fn take_up(&'static self, thread: &'static Thread) -> RoleGuard {
        let hands = self.arbiter();
        assert!(same(hands.owner, thread), "the role was handed to another");
        drop(hands);
        let mut guard = RoleGuard::new(self, thread);
        guard.local().reactor.moved();
        guard
    }

    /// Gives the role that `thread`, the calling one, owns inside a task to `to`; `false` if it was given away before.
    pub(crate) fn pass_on(&'static self, thread: &'static Thread, to: &'static Thread) -> bool {
        let mut hands = self.arbiter();
        if !same(hands.owner, thread) {
            return false;
        }
        if same(hands.home, thread) {
            hands.home = Some(to);
        }
        thread.poll.doubt();
        self.change_hands(&mut hands, to);
        true
    }

    /// Whether `thread`, the calling one, which has doubts, still owns the role.
    #[cold]
    pub(super) fn still_owned_by(&self, thread: &'static Thread) -> bool {
        let hands = self.arbiter();
        let mine = same(hands.owner, thread);
        if mine && hands.heir.is_none() {
            // A seizure that was called off.
            thread.poll.trust();
        }
        mine
    }

    /// Has `thread` ask the arbiter at its next runtime call, if it owns the role: for what that call does besides.
    pub(crate) fn nudge(&self, thread: &'static Thread) {
        let hands = self.arbiter();
        if same(hands.owner, thread) {
            thread.poll.doubt();
        }
    }

    /// As [`Role::still_owned_by`], between two tasks: gives the role to its heir, if there is one.
    #[cold]
    fn still_kept_by(&'static self, thread: &'static Thread) -> bool {
        let mut hands = self.arbiter();
        let mut mine = same(hands.owner, thread);
        if mine && let Some(heir) = hands.heir {
            self.change_hands(&mut hands, heir);
            mine = false;
        }
        if mine {
            thread.poll.trust();
        }
        mine
    }

    /// Interrupts `thread`, the owner, in the poll whose word was `seen`: calls `decide` with the owner-only part and the home thread that waits for the
    /// role, if one does, and gives the role to the thread that it names, if any. `None`: that poll is over, or a runtime call is under way;
    /// nothing has happened.
    pub(crate) fn interrupt<R>(
        &'static self,
        thread: &'static Thread,
        seen: u64,
        decide: impl FnOnce(&mut RoleLocal, Option<&'static Thread>) -> (R, Option<&'static Thread>),
    ) -> Option<R> {
        let mut hands = self.arbiter();
        if !same(hands.owner, thread) {
            return None;
        }
        let (result, to) = if thread.poll.keep_out(seen) {
            // SAFETY: [ROLE-2] the owner is in user code, and asks the arbiter, which is held, before it next touches the role.
            let (result, to) = decide(unsafe { self.local() }, hands.heir);
            (Some(result), to)
        } else {
            (None, None)
        };
        match to {
            Some(to) => {
                thread.set_overdue();
                self.change_hands(&mut hands, to);
            }
            None if hands.heir.is_none() => thread.poll.trust(),
            None => {}
        }
        result
    }

    /// Makes `to`, a thread that waits, the owner in place of another.
    fn change_hands(&'static self, hands: &mut Hands, to: &'static Thread) {
        self.set_owner(hands, Some(to));
        if same(hands.heir, to) {
            hands.heir = None;
        } else if hands.heir.is_some() {
            // It gives the role to the heir after its next poll.
            to.poll.doubt();
        }
        to.give(self);
    }

    /// `thread`, the calling one, lost this role in a poll that was overdue and is its home: asks for it back, and then finds it in
    /// its mailbox, after the interim owner's next poll at the latest. `false`: it is not its home.
    pub(crate) fn ask_back(&'static self, thread: &'static Thread) -> bool {
        let mut hands = self.arbiter();
        let Some(owner) = hands.owner.filter(|_| same(hands.home, thread)) else { return false };
        debug_assert!(!same(hands.owner, thread) && hands.heir.is_none());
        hands.heir = Some(thread);
        owner.poll.doubt();
        drop(hands);
        // The owner looks for doubts after it announced its sleep.
        self.core.tell(self);
        true
    }

    /// Takes [`Role::ask_back`] back; `false`: too late, the role is in the mailbox.
    pub(crate) fn renounce(&self, thread: &'static Thread) -> bool {
        let mut hands = self.arbiter();
        let waits = same(hands.heir, thread);
        if waits {
            hands.heir = None;
        }
        waits
    }

    /// The owner-only part.
    ///
    /// # Safety
    /// The calling thread owns the role, and no other reference to the local part is alive.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "the contract makes the reference unique")]
    pub(super) unsafe fn local(&self) -> &mut RoleLocal {
        // SAFETY: [ROLE-2] passed on to the caller.
        let local = unsafe { &mut *self.local.get() };
        match local {
            Some(local) => local,
            None => unreachable!("[ROLE-3] an owned role has its local part"),
        }
    }
}

/// The right to a role's owner-only part, on the owner's thread. There is one at most for each role.
#[derive(Debug)]
pub(crate) struct RoleGuard {
    role: &'static Role,
    thread: &'static Thread,
    /// Not Send: the owner is a thread.
    not_send: PhantomData<*const ()>,
}

impl RoleGuard {
    fn new(role: &'static Role, thread: &'static Thread) -> RoleGuard {
        debug_assert!(thread.is_current());
        role.check_owner(thread);
        thread.set_role(Some(role));
        RoleGuard { role, thread, not_send: PhantomData }
    }

    #[inline]
    pub(crate) fn role(&self) -> &'static Role {
        self.role
    }

    #[inline]
    pub(crate) fn thread(&self) -> &'static Thread {
        self.thread
    }

    #[inline]
    pub(crate) fn core(&self) -> &'static Core {
        self.role.core
    }

    #[inline]
    pub(crate) fn local(&mut self) -> &mut RoleLocal {
        self.role.check_owner(self.thread);
        // SAFETY: [ROLE-2] the guard is the right, and it is borrowed mutably as long as the reference lives.
        unsafe { self.role.local() }
    }

    /// Enters a task: from here on the role may be given away. Gives the thread, for [`leave_task`].
    #[inline]
    pub(crate) fn enter_task(self) -> &'static Thread {
        self.role.check_owner(self.thread);
        self.thread.poll.enter();
        self.thread
    }

    /// Whether the role's home thread wants it back; asked where no poll may come soon that ends with that question.
    pub(crate) fn is_wanted(&self) -> bool {
        self.thread.poll.is_doubtful()
    }

    /// Gives the role to its heir, if there is one.
    pub(crate) fn keep(self) -> Option<RoleGuard> {
        if self.is_wanted() && !self.role.still_kept_by(self.thread) {
            self.thread.lost_role();
            return None;
        }
        Some(self)
    }

    /// Gives the role up: it has no owner afterwards.
    pub(crate) fn resign(self) {
        self.role.set_owner(&mut self.role.arbiter(), None);
        self.thread.set_role(None);
    }
}

/// Leaves a task: the guard again, or `None` if the role was given away meanwhile.
#[inline]
pub(crate) fn leave_task(thread: &'static Thread) -> Option<RoleGuard> {
    let doubtful = thread.poll.leave();
    let role = thread.role()?;
    if doubtful && !role.still_kept_by(thread) {
        thread.lost_role();
        return None;
    }
    role.check_owner(thread);
    Some(RoleGuard { role, thread, not_send: PhantomData })
}
