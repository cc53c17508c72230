//! Spawning: from a future to a task in a slot, with its first entry made; and back to a free slot.

use super::cell::Layout;
use super::origin::Origin;
use super::{Id, JoinHandle, TaskRef, state};
use crate::blocking::{Blocking, Work};
use crate::role::{Role, RoleLocal, Thread, context, with_role, worker};
use crate::runtime::core::{Core, OutsidePools};
use maniac_arena::{ArenaError, Leaf, SizeClass, Slot, SlotPool};
use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Why a task could not be spawned.
///
/// ```
/// use maniac_runtime::runtime::{Runtime, SpawnError};
/// let runtime = Runtime::new_multi_threaded(1, 1)?;
/// let only = runtime.spawn(std::future::pending::<()>());
/// assert!(matches!(runtime.handle().try_spawn(async {}), Err(SpawnError::TooManyTasks(1))));
/// # drop(only);
/// # Ok::<(), maniac_runtime::runtime::BuildError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// The runtime has as many tasks as `max_tasks` allows; holds that limit.
    TooManyTasks(u64),
    /// The task arena cannot grow.
    Arena(ArenaError),
    /// The runtime is shutting down, or gone.
    ShutDown,
    /// This thread is in no runtime.
    NoRuntime,
    /// The runtime's stacks have no room for a signal's frame, which preemptible tasks need.
    NotPreemptible(maniac_context::preempt::NotPreemptible),
    /// The blocking pool has no thread and the system gives none.
    Thread(std::io::Error),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::TooManyTasks(limit) => {
                write!(f, "the runtime has {limit} tasks, as many as its max_tasks allows")
            }
            SpawnError::Arena(error) => error.fmt(f),
            SpawnError::ShutDown => f.write_str("the runtime is shutting down"),
            SpawnError::NoRuntime => f.write_str(NO_RUNTIME),
            SpawnError::NotPreemptible(error) => error.fmt(f),
            SpawnError::Thread(error) => write!(f, "no thread for blocking work: {error}"),
        }
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SpawnError::Arena(error) => error.source(),
            SpawnError::NotPreemptible(error) => Some(error),
            SpawnError::Thread(error) => Some(error),
            _ => None,
        }
    }
}

/// What a call says that needs a runtime and finds none.
pub(crate) const NO_RUNTIME: &str = "this thread is in no maniac runtime: call it from a task, from inside `Runtime::block_on`, or \
     through a `Handle`; `#[maniac::main]` sets a runtime up";

/// Tag of a leaf whose free slots serve spawns from outside.
const OUTSIDE: u32 = 1 << 31;

pub(crate) fn outside_pools() -> OutsidePools {
    std::array::from_fn(|class| {
        let bytes = (class + 1) * SizeClass::STEP;
        SlotPool::new(SizeClass::for_size(bytes).expect("every class has a size"))
    })
}

impl Core {
    /// Spawns a task that any thread may run.
    #[inline]
    pub(crate) fn spawn<F>(
        &'static self,
        future: F,
        origin: Origin,
    ) -> Result<JoinHandle<F::Output>, SpawnError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: [TASK-10] the future and its output are Send: any thread may poll, drop and take them.
        unsafe { self.spawn_pinned(future, origin, 0, None) }
    }

    /// Spawns a task that a thread of the blocking pool polls: the pool's queue holds its entry.
    pub(crate) fn spawn_blocking<F, T>(
        &'static self,
        f: F,
        origin: Origin,
    ) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.admit()?;
        let mut start = Start {
            core: self,
            queue: Queue::Nobody,
            flags: state::HANDLE,
            parts: Some((origin, Blocking::new(f))),
        };
        // SAFETY: [TASK-10] the closure and its value are Send.
        let handle = unsafe { self.place(&mut start) }?;
        let index = handle.index().expect("a task that was just begun");
        match self.blocking().submit(self, Work::Task(index)) {
            Ok(()) => Ok(handle),
            Err((_, error)) => {
                handle.abort();
                worker::run_blocking(self, index);
                Err(if self.is_open() { SpawnError::Thread(error) } else { SpawnError::ShutDown })
            }
        }
    }

    /// Spawns a task, pinned to `pin` if given, with `flags` of its state word: COROUTINE, PREEMPTIBLE, BACKGROUND.
    ///
    /// # Safety
    /// The future and its output are Send, or `pin` is the calling thread.
    #[inline]
    pub(crate) unsafe fn spawn_pinned<F>(
        &'static self,
        future: F,
        origin: Origin,
        flags: u64,
        pin: Option<&'static Thread>,
    ) -> Result<JoinHandle<F::Output>, SpawnError>
    where
        F: Future + 'static,
    {
        self.admit()?;
        let queue = match pin {
            Some(thread) => Queue::Inbox(thread),
            None if flags & state::BACKGROUND != 0 => Queue::Background,
            None => Queue::Ready,
        };
        let preemptible = flags & state::PREEMPTIBLE != 0;
        let coroutines = if self.config.coroutines && !preemptible { state::COROUTINE } else { 0 };
        let flags = state::HANDLE | coroutines | flags;
        let mut start = Start { core: self, queue, flags, parts: Some((origin, future)) };
        // SAFETY: [TASK-10] passed on.
        unsafe { self.place(&mut start) }
    }

    /// Finds a slot for an admitted task, begins it there and makes its first entry.
    ///
    /// # Safety
    /// As [`Core::spawn_pinned`].
    #[inline]
    unsafe fn place<F>(&'static self, start: &mut Start<F>) -> Result<JoinHandle<F::Output>, SpawnError>
    where
        F: Future + 'static,
    {
        loop {
            match with_role(self.number(), |role, local| start.in_role(role, local)) {
                Ok(Some((task, id))) => return Ok(start.done(task, id)),
                Ok(None) => self.grow_role(Layout::<F>::CLASS).inspect_err(|_| self.unadmit())?,
                Err(_) => {
                    let (task, id) = self.place_outside(start).inspect_err(|_| self.unadmit())?;
                    if matches!(start.queue, Queue::Ready) {
                        self.set_ready_and_notify(task.index());
                    }
                    return Ok(start.done(task, id));
                }
            }
        }
    }

    /// Checks that a task may be spawned, and counts it where there is a limit.
    #[inline]
    fn admit(&self) -> Result<(), SpawnError> {
        if !self.is_open() {
            return Err(SpawnError::ShutDown);
        }
        match self.config.max_tasks {
            None => Ok(()),
            Some(limit) => self.admit_limited(limit),
        }
    }

    #[cold]
    fn admit_limited(&self, limit: u64) -> Result<(), SpawnError> {
        let under = |live: u64| (live < limit).then_some(live + 1);
        match self.limited.fetch_update(Ordering::AcqRel, Ordering::Relaxed, under) {
            Ok(_) => Ok(()),
            Err(_) => Err(SpawnError::TooManyTasks(limit)),
        }
    }

    fn unadmit(&self) {
        if self.config.max_tasks.is_some() {
            self.limited.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Adds a leaf to the calling thread's role, if it still has one.
    #[cold]
    fn grow_role(&'static self, class: SizeClass) -> Result<(), SpawnError> {
        let Some(role) = context::thread().and_then(Thread::role) else { return Ok(()) };
        let leaf = self.add_leaf(class, role.index(), role.index() as u32)?;
        let added = with_role(self.number(), |now, local| {
            // The role may have been given away between the two brackets.
            let same = now.index() == role.index();
            if same {
                local.add_leaf(leaf);
            }
            same
        });
        if !matches!(added, Ok(true)) {
            leaf.set_owner(OUTSIDE | role.index() as u32);
            let mut pools = self.outside[role.index()].lock().unwrap_or_else(PoisonError::into_inner);
            pools[class.index()].add_leaf(leaf);
        }
        Ok(())
    }

    /// A new leaf in `partition`, whose free slots are `owner`'s.
    pub(crate) fn add_leaf(
        &'static self,
        class: SizeClass,
        partition: usize,
        owner: u32,
    ) -> Result<&'static Leaf, SpawnError> {
        let _growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        let leaf = self.arena.acquire_leaf(class, 0).map_err(SpawnError::Arena)?;
        let end = leaf.base().as_ptr().addr() + leaf.slots() as usize * leaf.stride();
        assert!(
            super::waker::addressable(end - SizeClass::STEP),
            "the kernel maps beyond what a waker can hold"
        );
        leaf.set_owner(owner);
        self.assign_leaf(leaf.index(), partition);
        Ok(leaf)
    }

    /// Begins a task in a slot of the outside pools, whose lock is held until the task is LIVE and counted: whoever closes the core goes
    /// through all those locks ([`Core::settle_outside_spawns`]), so that a task begun here is part of this life of the core, or refused.
    fn place_outside<F: Future + 'static>(
        &'static self,
        start: &mut Start<F>,
    ) -> Result<(TaskRef, Id), SpawnError> {
        let (partition, class) = (self.next_partition(), Layout::<F>::CLASS);
        let mut pools = self.outside[partition].lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_open() {
            return Err(SpawnError::ShutDown);
        }
        let pool = &mut pools[class.index()];
        let slot = loop {
            if let Some(slot) = pool.allocate() {
                break slot;
            }
            pool.add_leaf(self.add_leaf(class, partition, OUTSIDE | partition as u32)?);
        };
        let started = start.in_slot(slot);
        self.roles()[partition].placed.fetch_add(1, Ordering::Release);
        Ok(started)
    }

    /// Waits until spawns from outside that saw the core open have begun their tasks.
    pub(crate) fn settle_outside_spawns(&self) {
        for pools in &self.outside {
            drop(pools.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Who makes or holds a new task's first entry.
#[derive(Clone, Copy)]
enum Queue {
    /// The ready set.
    Ready,
    /// The inbox of the thread that the task is pinned to.
    Inbox(&'static Thread),
    /// That of background tasks.
    Background,
    /// The caller, elsewhere.
    Nobody,
}

/// A task on its way into a slot.
struct Start<F> {
    core: &'static Core,
    queue: Queue,
    /// HANDLE, COROUTINE where the task's code bears suspensions, PREEMPTIBLE, BACKGROUND.
    flags: u64,
    parts: Option<(Origin, F)>,
}

impl<F: Future + 'static> Start<F> {
    /// With a slot of the role; `None` when the role needs a leaf.
    #[inline]
    fn in_role(&mut self, role: &'static Role, local: &mut RoleLocal) -> Option<(TaskRef, Id)> {
        let slot = local.allocate(Layout::<F>::CLASS, self.core.config.preinitialized())?;
        let (task, id) = self.in_slot(slot);
        role.counts.spawned.add(1);
        if matches!(self.queue, Queue::Ready) {
            local.enqueue(role, task);
        }
        Some((task, id))
    }

    #[inline]
    fn in_slot(&mut self, slot: Slot) -> (TaskRef, Id) {
        let Some((origin, future)) = self.parts.take() else { unreachable!("a task is started once") };
        let task = TaskRef::from_slot(slot);
        task.write_header(Layout::<F>::VTABLE, slot.index(), self.core.number(), origin);
        // SAFETY: [TASK-5] the slot was just allocated, from the pool of the class or of a larger one.
        unsafe { Layout::<F>::write(task, future) };
        let first = self.core.first_generation.load(Ordering::Relaxed);
        let pin = match self.queue {
            Queue::Inbox(thread) => {
                thread.note_pinned();
                Some(thread.id)
            }
            Queue::Ready | Queue::Background | Queue::Nobody => None,
        };
        let generation = task.header().state.begin(first, pin, self.flags);
        (task, Id::new(slot.index(), generation))
    }

    #[inline]
    fn done(&self, task: TaskRef, id: Id) -> JoinHandle<F::Output> {
        match self.queue {
            Queue::Inbox(thread) => crate::runtime::forward(task, thread.id),
            Queue::Background => crate::runtime::enqueue_background(task),
            Queue::Ready | Queue::Nobody => {}
        }
        // SAFETY: [TASK-8] `begin` made the task with HANDLE, for this handle; its future is an `F`.
        unsafe { JoinHandle::new(task, id) }
    }
}

/// Frees a complete task's slot.
///
/// # Safety
/// The caller has the last claim on the task, which is COMPLETE, and its output is gone.
#[inline]
pub(crate) unsafe fn free_task(task: TaskRef) {
    // SAFETY: [TASK-2] complete and the caller's: live until `end`.
    let vtable = unsafe { task.vtable() };
    // SAFETY: [TASK-9] passed on.
    unsafe { (vtable.drop_payload)(task) };
    // SAFETY: [TASK-9] passed on.
    unsafe { task.drop_origin() };
    let (index, core) = (task.index(), Core::by_number(task.core()));
    let leaf = core.arena.leaf(index >> 12).expect("a slot lies in a leaf");
    let slot = leaf.slot(index & 0xfff);
    core.unadmit();
    let freed = with_role(core.number(), |role, local| {
        let mine = leaf.owner() == role.index() as u32;
        if mine {
            task.header().state.end();
            local.free(slot);
        }
        mine
    });
    if !matches!(freed, Ok(true)) {
        task.header().state.end_while(|| leaf.free_remote(slot.position()));
    }
}

impl Core {
    /// Calls `f` with every slot there is, whatever is in it.
    pub(crate) fn for_each_slot(&'static self, mut f: impl FnMut(TaskRef)) {
        for index in 0..self.arena.leaf_count() {
            let Some(leaf) = self.arena.leaf(index) else { continue };
            for position in 0..leaf.slots() {
                f(TaskRef::from_slot(leaf.slot(position)));
            }
        }
    }

    /// Makes all slots of a core free whose runtime is gone, whose threads have ended and whose roles have no local part;
    /// `false` if a handle still has a claim on one.
    pub(crate) fn renew_slots(&'static self) -> bool {
        let mut claimed = false;
        self.for_each_slot(|task| claimed |= task.header().state.is_claimed());
        if claimed {
            return false;
        }
        for pools in &self.outside {
            *pools.lock().unwrap_or_else(PoisonError::into_inner) = outside_pools();
        }
        // SAFETY: [TASK-11] no slot is live or on its way to a free list, the roles' pools went with their local parts and the outside
        // ones were just replaced; a new claim needs a spawn, and the core is closed (`place_outside` looks under the pool's lock).
        unsafe { self.arena.reset(!self.config.memory.preinitialize) };
        // Generations go on from another place, so that handles of the life before name no task of the next.
        self.first_generation.fetch_add(0x9e37_79b0, Ordering::Relaxed);
        true
    }
}
