//! An OS thread as one runtime sees it: its poll word, its inbox, and how to wake it.

use super::inbox::Inbox;
use super::park::{AWAKE, Sleeper};
use super::role::Role;
use super::word::PollWord;
use crate::runtime::core::Core;
use crate::task::{Id, TaskRef};
use maniac_context::preempt::{self, REQUEST_BITS};
use std::backtrace::Backtrace;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// An OS thread in one runtime. Its memory is never freed; when the OS thread leaves, another one may take it over.
///
/// Only the OS thread itself writes `role`.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Thread {
    /// Whether user code runs here, and whether the role is still this thread's.
    pub(crate) poll: PollWord,
    /// The word of the poll that is asked to yield at its next leaf operation.
    yield_at: AtomicU64,
    /// The word of its last poll of a preemptible task.
    preemptible: AtomicU64,
    /// Where requests to leave such a poll go.
    target: preempt::Target,
    /// The role that this thread holds, or held when its poll began.
    pub(crate) role: AtomicPtr<Role>,
    /// The role in whose driver this thread sleeps, or a host's loop in its place.
    sleeps_on: AtomicPtr<Role>,
    /// Entries of tasks that are pinned to this thread.
    pub(crate) inbox: Inbox,
    /// Whether its role was taken because of the poll that it is in. Set under the role's arbiter, cleared by the thread itself.
    overdue: AtomicBool,
    /// The slot of the task whose poll is this thread's, or was its last one; [`NO_TASK`] in other foreign code.
    running: AtomicU32,
    /// The task that blocks this thread in `sync_await`, as bits of its id; 0 without one.
    blocked: AtomicU64,
    /// The word of the poll that went on for too long and shall leave a trace.
    wanted: AtomicU64,
    /// That trace, and the word of its poll.
    trace: Mutex<Option<(u64, Backtrace)>>,
    /// A role that somebody gives to this thread while it is a spare.
    mailbox: AtomicPtr<Role>,
    /// The slot of a task that somebody has this thread poll while it is a spare; [`NO_TASK`] without one.
    errand: AtomicU32,
    /// What this thread is parked on: see the constants below.
    parked: Sleeper,
    /// Whether a task was ever pinned to it.
    pinned: AtomicBool,
    /// How to wake it where it is not parked on a role's driver.
    handle: Mutex<Option<std::thread::Thread>>,
    /// This thread's number in its core, as in the state word of its pinned tasks.
    pub(crate) id: u16,
    core: &'static Core,
}

/// Not in a task.
pub(crate) const NO_TASK: u32 = u32::MAX;

/// How far a trace is that a poll is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Wanted,
    UnderWay,
    Left,
}

const PARKED: u32 = 1;
const PARKED_ON_ROLE: u32 = 2;

impl Thread {
    pub(crate) fn new(core: &'static Core, id: u16) -> Thread {
        Thread {
            poll: PollWord::new(),
            yield_at: AtomicU64::new(0),
            preemptible: AtomicU64::new(0),
            target: preempt::Target::new(),
            role: AtomicPtr::new(null_mut()),
            sleeps_on: AtomicPtr::new(null_mut()),
            inbox: Inbox::new(),
            overdue: AtomicBool::new(false),
            running: AtomicU32::new(NO_TASK),
            blocked: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            trace: Mutex::new(None),
            mailbox: AtomicPtr::new(null_mut()),
            errand: AtomicU32::new(NO_TASK),
            parked: Sleeper::new(),
            pinned: AtomicBool::new(false),
            handle: Mutex::new(None),
            id,
            core,
        }
    }

    #[inline]
    pub(crate) fn core(&self) -> &'static Core {
        self.core
    }

    /// Binds this record to the calling OS thread.
    pub(crate) fn bind(&self) {
        self.target.bind();
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
    }

    /// The role that this thread holds, or held when its poll began.
    #[inline]
    pub(crate) fn role(&self) -> Option<&'static Role> {
        let role = self.role.load(Ordering::Relaxed);
        // SAFETY: [ROLE-1] roles are never freed.
        unsafe { role.as_ref() }
    }

    pub(crate) fn set_role(&self, role: Option<&'static Role>) {
        self.role
            .store(role.map_or(null_mut(), |role| std::ptr::from_ref(role).cast_mut()), Ordering::Relaxed);
    }

    /// Whether this thread, the calling one, is in a runtime call that touches its role.
    pub(crate) fn in_bracket(&self) -> bool {
        !self.poll.in_task() && self.role().is_some()
    }

    /// Asks the poll whose word is `word` to yield; `false` if it was asked before.
    pub(crate) fn ask_to_yield(&self, word: u64) -> bool {
        self.yield_at.swap(word, Ordering::Relaxed) != word
    }

    /// Whether the poll that this thread, the calling one, is in was asked to yield.
    #[inline]
    pub(crate) fn should_yield(&self) -> bool {
        let asked = self.yield_at.load(Ordering::Relaxed);
        asked == self.poll.now() && asked & 1 == 1
    }

    /// The calling OS thread leaves this record.
    pub(crate) fn unbind(&self) {
        self.target.unbind();
    }

    /// The poll that this thread, the calling one, is in may be left by a switch.
    pub(crate) fn set_preemptible(&self) {
        self.preemptible.store(self.poll.now(), Ordering::Relaxed);
    }

    /// Asks the thread to leave the poll whose word is `word`; `false` if that poll cannot be left so.
    pub(crate) fn ask_to_leave(&self, word: u64) -> bool {
        self.is_preemptible(word) && self.target.request(word).is_ok()
    }

    /// Whether the poll whose word is `word` may be left by a switch.
    pub(crate) fn is_preemptible(&self, word: u64) -> bool {
        self.preemptible.load(Ordering::Relaxed) == word
    }

    /// Whether this thread, the calling one, is still in the poll that `request` is about, and has its role, as far as it knows: somebody may be about to take
    /// it, and a home thread may wait for it. Async-signal-safe.
    pub(crate) fn is_asked_to_leave(&self, request: u64) -> bool {
        let word = self.poll.now();
        let same_poll = word & 1 == 1 && (word ^ request) << (u64::BITS - REQUEST_BITS) == 0;
        let holder = self.role().and_then(Role::holder);
        same_poll && holder.is_some_and(|holder| std::ptr::eq(holder, self))
    }

    /// The role is taken because of the poll that this thread is in. The caller holds the role's arbiter, and counted the thread.
    pub(crate) fn set_overdue(&self) {
        self.overdue.store(true, Ordering::Relaxed);
        self.core.overdue.seized();
    }

    /// This thread, the calling one, has left the task in which its role was given away.
    pub(crate) fn lost_role(&self) {
        self.set_role(None);
        self.poll.trust();
        self.caught_up();
    }

    /// This thread, the calling one, has left its overdue poll, or blocks in it, if it was in one.
    pub(crate) fn caught_up(&self) {
        if self.overdue.swap(false, Ordering::Relaxed) {
            self.core.overdue.ended();
        }
    }

    /// Has this spare thread, which the caller counted as overdue, poll a task that the caller took; wakes it.
    pub(crate) fn give_task(&self, task: TaskRef) {
        self.overdue.store(true, Ordering::Relaxed);
        // Release: the task's state as the caller found it, and the flag above.
        let before = self.errand.swap(task.index(), Ordering::Release);
        debug_assert_eq!(before, NO_TASK, "a spare was given two tasks");
        self.unpark();
    }

    /// Takes the task that was given to this thread, the calling one, by its slot.
    pub(crate) fn accept_task(&self) -> Option<u32> {
        let index = self.errand.swap(NO_TASK, Ordering::Acquire);
        (index != NO_TASK).then_some(index)
    }

    /// Says whose poll begins on this thread, the calling one, before its word turns odd.
    #[inline]
    pub(crate) fn set_running(&self, index: u32) {
        // Release: who sees this sees that the poll before is over.
        self.running.store(index, Ordering::Release);
    }

    /// The slot of the task that runs here, or did last.
    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::Acquire)
    }

    /// Says which task blocks this thread, the calling one, in `sync_await`.
    pub(crate) fn set_blocked(&self, task: Option<Id>) {
        self.blocked.store(task.map_or(0, Id::to_bits), Ordering::Release);
    }

    /// The task that blocks this thread in `sync_await`.
    pub(crate) fn blocked_by(&self) -> Option<Id> {
        let bits = self.blocked.load(Ordering::Acquire);
        (bits != 0).then(|| Id::from_bits(bits))
    }

    /// Has the poll of this word leave a trace when it next comes by.
    pub(crate) fn want_trace(&self, word: u64) {
        self.wanted.store(word, Ordering::Relaxed);
    }

    /// Whether the poll that this thread, the calling one, is in shall leave a trace.
    pub(crate) fn is_trace_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) == self.poll.now() | 1
    }

    /// Leaves the trace that is wanted of the poll that this thread, the calling one, is in.
    #[cold]
    pub(crate) fn leave_trace(&self) {
        let word = self.wanted.swap(0, Ordering::Relaxed);
        let trace = Backtrace::force_capture();
        *self.trace.lock().unwrap_or_else(PoisonError::into_inner) = Some((word, trace));
    }

    /// How far the trace is that the poll of this word is asked for.
    pub(crate) fn trace_of(&self, word: u64) -> Trace {
        let trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        if trace.as_ref().is_some_and(|(of, _)| *of == word) {
            Trace::Left
        } else if self.wanted.load(Ordering::Relaxed) == word {
            Trace::Wanted
        } else {
            Trace::UnderWay
        }
    }

    /// The trace that the poll of this word has left; none is wanted of it any more.
    pub(crate) fn take_trace(&self, word: u64) -> Option<Backtrace> {
        let _ = self.wanted.compare_exchange(word, 0, Ordering::Relaxed, Ordering::Relaxed);
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.take().filter(|(of, _)| *of == word).map(|(_, trace)| trace)
    }

    /// Whether its role was taken because of the poll that it is in.
    pub(crate) fn is_overdue(&self) -> bool {
        self.overdue.load(Ordering::Relaxed)
    }

    /// Gives a role to this spare thread and wakes it.
    pub(crate) fn give(&self, role: &'static Role) {
        let before = self.mailbox.swap(std::ptr::from_ref(role).cast_mut(), Ordering::AcqRel);
        debug_assert!(before.is_null(), "a spare was given two roles");
        self.unpark();
    }

    /// Takes the role that was given to this thread.
    pub(crate) fn accept(&self) -> Option<&'static Role> {
        let role = self.mailbox.swap(null_mut(), Ordering::AcqRel);
        // SAFETY: [ROLE-1] roles are never freed.
        unsafe { role.as_ref() }
    }

    /// A task is pinned to this thread, the calling one.
    pub(crate) fn note_pinned(&self) {
        self.pinned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn had_pinned(&self) -> bool {
        self.pinned.load(Ordering::Relaxed)
    }

    /// Whether a role or a task was given to this thread that it has not taken.
    pub(crate) fn has_mail(&self) -> bool {
        !self.mailbox.load(Ordering::Acquire).is_null() || self.errand.load(Ordering::Relaxed) != NO_TASK
    }

    /// Announces that this thread is about to sleep, on its role's driver or on its own. The caller looks for work once more
    /// after this (the announcement is ordered before that look), then sleeps, then calls [`Thread::awake`].
    pub(crate) fn announce_park(&self, on: Option<&'static Role>) {
        if let Some(role) = on {
            self.sleeps_on.store(std::ptr::from_ref(role).cast_mut(), Ordering::Relaxed);
        }
        self.parked.announce(if on.is_some() { PARKED_ON_ROLE } else { PARKED });
    }

    pub(crate) fn awake(&self) {
        self.parked.awake();
    }

    /// Wakes this thread if it sleeps or is about to. What the caller published before is seen by the thread's last look
    /// otherwise.
    pub(crate) fn unpark(&self) {
        match self.parked.look() {
            AWAKE => {}
            PARKED_ON_ROLE => {
                let role = self.sleeps_on.load(Ordering::Relaxed);
                // SAFETY: [ROLE-1] roles are never freed.
                if let Some(role) = unsafe { role.as_ref() } {
                    role.unpark();
                }
            }
            _ => {
                let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(handle) = &*handle {
                    handle.unpark();
                }
            }
        }
    }

    /// Whether this is the calling OS thread's own record.
    pub(crate) fn is_current(&self) -> bool {
        super::context::thread().is_some_and(|thread| std::ptr::eq(thread, self))
    }
}
