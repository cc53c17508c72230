//! What a runtime counts.

use super::core::Core;
use super::overdue::PreemptionMetrics;
use crate::blocking::PoolMetrics;
use crate::role::Role;
use maniac_arena::HugePages;
use std::sync::atomic::Ordering;

/// A runtime at one moment. Counters only grow; each is read by itself, so that sums may be off by what happens meanwhile.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(2, 64)?;
/// runtime.block_on(async { maniac::spawn(async {}).await }).unwrap();
/// let metrics = runtime.metrics();
/// assert_eq!(metrics.workers.len(), 2);
/// println!("{} polls on the first", metrics.workers[0].polls);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// Tasks that were spawned and are not complete.
    pub live_tasks: u64,
    /// Leaves of the task arena.
    pub arena_leaves: u32,
    /// What came of the wish for huge pages.
    pub huge_pages: HugePages,
    /// Coroutines of the process that had to be left suspended for ever (a shutdown's deadline, or their thread's end, came first).
    pub abandoned_coroutines: usize,
    /// The workers, by number.
    pub workers: Vec<WorkerMetrics>,
    /// The blocking pool.
    pub blocking: PoolMetrics,
    /// Preemption.
    pub preemption: PreemptionMetrics,
    /// Polls that went on for longer than [`stall_after`](super::RuntimeBuilder::stall_after) says.
    pub stalls: u64,
    /// Times that the monitor looked at the workers: none while all of them sleep.
    pub monitor_looks: u64,
}

/// A worker at one moment.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use maniac::runtime::WorkerMetrics;
/// runtime.block_on(runtime.spawn(async {})).unwrap();
/// let worker: WorkerMetrics = runtime.metrics().workers[0];
/// assert_eq!((worker.placed, worker.steals), (1, 0), "spawned from outside, for the only worker");
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Tasks spawned on this worker, by tasks that ran there.
    pub spawned: u64,
    /// Tasks spawned from outside that were placed here; each worker in turn.
    pub placed: u64,
    /// Tasks completed on this worker.
    pub completed: u64,
    /// Polls.
    pub polls: u64,
    /// Times that it went to sleep.
    pub parks: u64,
    /// Tasks taken from other workers.
    pub steals: u64,
    /// Timers that fired.
    pub timers_fired: u64,
    /// Whether it sleeps.
    pub asleep: bool,
    /// Tasks in its part of the ready set.
    pub queued: u64,
}

impl Core {
    /// Begins to count anew, for another runtime: the one before is gone, its tasks and threads with it.
    pub(super) fn forget_counts(&'static self) {
        self.roles().iter().for_each(Role::forget_counts);
        self.outside_completed.store(0, Ordering::Relaxed);
        self.overdue.forget();
        self.stalled.store(0, Ordering::Relaxed);
        self.monitor.forget_looks();
    }

    pub(super) fn metrics(&'static self) -> Metrics {
        let workers = self.roles().iter().map(|role| {
            let counts = &role.counts;
            WorkerMetrics {
                spawned: counts.spawned.get(),
                placed: role.placed.load(Ordering::Relaxed),
                completed: counts.completed.get(),
                polls: counts.polls.get(),
                parks: counts.parks.get(),
                steals: counts.steals.get(),
                timers_fired: counts.timers_fired.get(),
                asleep: role.asleep.is_asleep(),
                queued: self.tree.ready_count(role.index()) as u64,
            }
        });
        Metrics {
            live_tasks: self.live_tasks(),
            arena_leaves: self.arena.leaf_count(),
            huge_pages: self.arena.huge_pages(),
            abandoned_coroutines: maniac_context::coroutine::abandoned(),
            workers: workers.collect(),
            blocking: self.blocking().metrics(),
            preemption: self.overdue.metrics(self.clock()),
            stalls: self.stalled.load(Ordering::Relaxed),
            monitor_looks: self.monitor.looks(),
        }
    }
}
