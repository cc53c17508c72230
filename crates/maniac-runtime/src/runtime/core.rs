//! The core of a runtime: what its threads, roles and handles share. Cores live as long as the process, since a waker
//! may point into one at any time; a core whose runtime is gone serves a later runtime of the same shape.

use super::config::Config;
use super::handle::Shared;
use super::look::Traces;
use super::monitor::Monitor;
use super::overdue::Overdue;
use super::threads::Threads;
use crate::blocking::Pool;
use crate::role::Role;
use crate::role::park::Sleepers;
use crate::task::TaskRef;
use crate::time::clock::Clock;
use crossbeam_queue::SegQueue;
use maniac_arena::{Arena, SizeClass, SlotPool};
use maniac_context::stack::{StackPool, StackPoolConfig};
use maniac_signal_tree::SignalTree;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Most cores that a process can have at one time.
const MAX_CORES: usize = 4096;

static CORES: [OnceLock<&'static Core>; MAX_CORES] = [const { OnceLock::new() }; MAX_CORES];
static COUNT: Mutex<u32> = Mutex::new(0);

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Core {
    number: u32,
    pub(crate) config: Config,
    pub(crate) arena: Arena,
    pub(crate) tree: SignalTree,
    roles: OnceLock<Box<[Role]>>,
    pub(super) threads: Threads,
    /// Free slots for spawns from outside, by partition.
    pub(crate) outside: Box<[Mutex<OutsidePools>]>,
    /// Held while a leaf is added.
    pub(crate) growth: Mutex<()>,
    /// Spawns from outside so far, and requests from there: whose turn is next.
    pub(super) placement: AtomicU32,
    requests: AtomicU32,
    pub(super) phase: AtomicU32,
    /// Tasks completed where no role was at hand.
    pub(crate) outside_completed: AtomicU64,
    /// Tasks alive, counted only where `max_tasks` limits them.
    pub(crate) limited: AtomicU64,
    pub(crate) first_generation: AtomicU32,
    /// One bit for each role whose owner sleeps.
    pub(super) sleepers: Sleepers,
    /// Entries of tasks that run when nothing else is ready.
    pub(crate) background: SegQueue<u32>,
    pub(super) monitor: Monitor,
    pub(super) traces: Traces,
    #[cfg(debug_assertions)]
    pub(super) circles: super::deadlock::Circles,
    /// Polls that were reported as stalled.
    pub(super) stalled: AtomicU64,
    pub(crate) overdue: Overdue,
    clock: Clock,
    blocking: Pool,
    /// Stacks of coroutines, made when the first one is asked for.
    stacks: OnceLock<Option<StackPool>>,
    /// Threads blocked in `sync_await`.
    pub(crate) sync_waits: AtomicUsize,
    /// What the handles of the runtime share that this core serves now.
    pub(super) life: Mutex<Weak<Shared>>,
    /// Told when the last task is gone during a shutdown, and when a thread ends.
    pub(super) changed: (Mutex<()>, Condvar),
}

pub(crate) type OutsidePools = [SlotPool; SizeClass::COUNT];

/// Tasks may be spawned.
pub(super) const OPEN: u32 = 0;
/// No task may be spawned any more; those alive are aborted.
pub(super) const CLOSING: u32 = 1;
/// Threads leave.
pub(super) const STOPPING: u32 = 2;

impl Core {
    /// A new core, registered for ever.
    pub(super) fn register(config: Config) -> Result<&'static Core, super::BuildError> {
        let workers = config.workers;
        let arena = Arena::new(config.arena_options()).map_err(super::BuildError::from)?;
        let tree = SignalTree::new(workers, arena.options().max_leaves as usize)
            .map_err(|error| super::BuildError::invalid(error.to_string()))?;
        let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *count;
        if number as usize >= MAX_CORES {
            return Err(super::BuildError::too_many_runtimes(MAX_CORES));
        }
        let outside = (0..workers).map(|_| Mutex::new(crate::task::spawn::outside_pools())).collect();
        let core: &'static Core = Box::leak(Box::new(Core {
            number,
            clock: Clock::new(),
            blocking: Pool::new(&config),
            config,
            arena,
            tree,
            roles: OnceLock::new(),
            threads: Threads::new(),
            outside,
            growth: Mutex::new(()),
            placement: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            phase: AtomicU32::new(OPEN),
            outside_completed: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            first_generation: AtomicU32::new(1),
            sleepers: Sleepers::new(),
            background: SegQueue::new(),
            monitor: Monitor::default(),
            traces: Traces::default(),
            #[cfg(debug_assertions)]
            circles: super::deadlock::Circles::default(),
            stalled: AtomicU64::new(0),
            overdue: Overdue::default(),
            stacks: OnceLock::new(),
            sync_waits: AtomicUsize::new(0),
            life: Mutex::new(Weak::new()),
            changed: (Mutex::new(()), Condvar::new()),
        }));
        let roles = (0..workers).map(|index| Role::new(core, index as u32)).collect();
        let set = core.roles.set(roles);
        debug_assert!(set.is_ok());
        let registered = CORES[number as usize].set(core);
        debug_assert!(registered.is_ok());
        *count += 1;
        Ok(core)
    }

    /// The core of this number.
    #[inline]
    pub(crate) fn by_number(number: u32) -> &'static Core {
        match CORES[number as usize].get() {
            Some(core) => core,
            None => unreachable!("numbers come from slots of registered cores"),
        }
    }

    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    #[inline]
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn blocking(&self) -> &Pool {
        &self.blocking
    }

    #[inline]
    pub(crate) fn roles(&'static self) -> &'static [Role] {
        match self.roles.get() {
            Some(roles) => roles,
            None => unreachable!("roles are set before a core is known to anybody"),
        }
    }

    /// Where stacks of coroutines come from; `None` if the system gives no memory for them.
    pub(crate) fn stacks(&self) -> Option<&StackPool> {
        let make = || {
            if self.config.report_overflows {
                crate::task::coroutine::report_overflows();
            }
            let mut stacks = StackPoolConfig::default().stack_size(self.config.stack_size);
            if let Some(bytes) = self.config.signal_reserve {
                stacks = stacks.signal_reserve(bytes);
            }
            StackPool::new(stacks).ok()
        };
        self.stacks.get_or_init(make).as_ref()
    }

    /// A role for requests from outside.
    pub(crate) fn a_role(&'static self) -> &'static Role {
        &self.roles()[self.requests.fetch_add(1, Ordering::Relaxed) as usize % self.roles().len()]
    }

    /// The task in slot `index`.
    #[inline]
    pub(crate) fn task(&self, index: u32) -> Option<TaskRef> {
        let leaf = self.arena.leaf(index >> 12)?;
        Some(TaskRef::from_slot(leaf.slot(index & 0xfff)))
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OPEN
    }

    /// Tasks that were spawned and are not complete. Exact once nothing is spawned or run any more.
    pub(crate) fn live_tasks(&'static self) -> u64 {
        // Completions first: a task completed after this is still counted as spawned below, never the other way round.
        let completed: u64 = self.outside_completed.load(Ordering::Acquire)
            + self.roles().iter().map(|role| role.counts.completed.get()).sum::<u64>();
        let counted = |role: &Role| role.counts.spawned.get() + role.placed.load(Ordering::Acquire);
        let spawned: u64 = self.roles().iter().map(counted).sum();
        spawned.saturating_sub(completed)
    }

    pub(crate) fn count_outside_completion(&self) {
        self.outside_completed.fetch_add(1, Ordering::Release);
        self.note_completion();
    }

    /// A task of a closing runtime completed.
    #[inline]
    pub(crate) fn note_completion(&self) {
        if !self.is_open() {
            self.announce_change();
        }
    }

    pub(super) fn lock_changed(&self) -> MutexGuard<'_, ()> {
        self.changed.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a shutdown that something changed.
    pub(super) fn announce_change(&self) {
        drop(self.lock_changed());
        self.changed.1.notify_all();
    }
}
