//! Going down: close admission, abort all, drop futures where they may be dropped, reap operations, join threads.

use super::core::{CLOSING, Core, OPEN, STOPPING};
use super::handle::Shared;
use super::start::retire;
use crate::blocking::Work;
use crate::role::{Thread, context, worker};
use crate::task::TaskRef;
use crate::task::state;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// What did not stop by the limit of a shutdown. All zero: everything stopped.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use std::{sync::mpsc, time::Duration};
/// let (started, start) = mpsc::channel();
/// let (end, ended) = mpsc::channel::<()>();
/// let work = runtime.handle().spawn_blocking(move || (started.send(()), ended.recv()));
/// start.recv().unwrap();
/// let report = runtime.shutdown_timeout(Duration::from_millis(10));
/// assert!(!report.is_clean());
/// assert_eq!(report.blocking_threads, 1, "blocking work cannot be aborted");
/// # drop((end, work));
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Tasks that were aborted and have not yielded, or are pinned to threads that run no runtime code any more.
    pub tasks: u64,
    /// Workers and spare threads that have not ended.
    pub threads: usize,
    /// Threads of the blocking pool that are still at work.
    pub blocking_threads: usize,
}

impl ShutdownReport {
    /// Whether everything stopped.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == ShutdownReport::default()
    }
}

/// How often a shutdown looks for tasks that were spawned while it began.
const SWEEP: Duration = Duration::from_millis(10);
/// How long dropping a runtime waits for its tasks to yield and its blocking work to end.
const DROP_LIMIT: Duration = Duration::from_secs(3600 * 24 * 365);

/// What dropping a [`Runtime`](super::Runtime) does; nothing if it was shut down before.
pub(super) fn shut_down_on_drop(shared: &Arc<Shared>) {
    if shared.closed.load(Ordering::Acquire) {
        return;
    }
    // The monitor calls hooks, which may do this.
    if context::is_within(shared.core.number()) || shared.core.monitor.is_here() {
        shut_down_in_background(Arc::clone(shared));
    } else {
        let _report = shut_down(shared, None);
    }
}

pub(super) fn shut_down_in_background(shared: Arc<Shared>) {
    shared.closed.store(true, Ordering::Release);
    let again = Arc::clone(&shared);
    let started = std::thread::Builder::new().name(String::from("maniac-shutdown")).spawn(move || {
        let _report = shut_down(&again, None);
    });
    if started.is_err() {
        // No thread to wait on: the tasks are aborted all the same, and the threads stay.
        shared.core.close();
        shared.core.abort_all();
    }
}

/// Shuts a runtime down; waits at most `limit` (`None`: as long as it takes).
pub(super) fn shut_down(shared: &Arc<Shared>, limit: Option<Duration>) -> ShutdownReport {
    shared.closed.store(true, Ordering::Release);
    let core = shared.core;
    let until = Instant::now() + limit.unwrap_or(DROP_LIMIT);
    core.close();
    core.abort_blocking();
    core.stop_tasks(until);
    let tasks = core.live_tasks();
    core.phase.store(STOPPING, Ordering::Release);
    core.unpark_all();
    let threads = core.wait_threads(until);
    let pool_ended = core.blocking().wait_ended(until);
    let blocking_threads = if pool_ended { 0 } else { core.blocking().metrics().threads };
    let report = ShutdownReport { tasks, threads, blocking_threads };
    if threads == 0 {
        for role in core.roles() {
            drop(role.replace_local(None));
        }
    }
    if report.is_clean() {
        retire(core);
    }
    report
}

impl Core {
    fn close(&self) {
        let _ = self.phase.compare_exchange(OPEN, CLOSING, Ordering::AcqRel, Ordering::Relaxed);
        self.settle_outside_spawns();
    }

    /// Cancels blocking work that has not begun.
    fn abort_blocking(&'static self) {
        self.abort_all();
        for work in self.blocking().close() {
            match work {
                Work::Task(index) => worker::run_blocking(self, index),
                Work::Operation(job) => job.run(),
            }
        }
    }

    /// Aborts every task there is.
    fn abort_all(&'static self) {
        self.for_each_slot(TaskRef::abort);
    }

    /// Aborts the tasks pinned to `thread`, the calling one, and drops them; whether none is left.
    pub(super) fn abort_pinned(&'static self, thread: &'static Thread) -> bool {
        if !thread.had_pinned() {
            return true;
        }
        // A destructor may spawn again: a few rounds, then the rest is left to be reported.
        for _ in 0..8 {
            let mut found = false;
            self.for_each_slot(|task| {
                let word = task.header().state.load();
                let mine = state::pinned_thread(word) == Some(thread.id);
                if mine && word & state::LIVE != 0 && word & state::COMPLETE == 0 {
                    found = true;
                    task.abort();
                }
            });
            if !found {
                return true;
            }
            worker::drain_pinned(thread);
        }
        false
    }

    /// Aborts tasks until none is left, or the time is up.
    fn stop_tasks(&'static self, until: Instant) {
        while self.live_tasks() != 0 && Instant::now() < until {
            self.abort_all();
            if self.config.host {
                self.drive_host();
            }
            let guard = self.lock_changed();
            if self.live_tasks() == 0 {
                return;
            }
            let left = until.saturating_duration_since(Instant::now()).min(SWEEP);
            drop(self.changed.1.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Runs what is runnable of a host loop, on this thread.
    fn drive_host(&'static self) {
        let entered = super::block_on::Entered::new(self);
        let Some(mut guard) = self.roles()[0].claim(entered.thread()) else { return };
        loop {
            match worker::turn_with_background(guard) {
                worker::Turn::Busy(kept) => guard = kept,
                worker::Turn::Nothing(kept) => return kept.resign(),
                worker::Turn::Lost => return,
            }
        }
    }

    fn wait_threads(&'static self, until: Instant) -> usize {
        let mut guard = self.lock_changed();
        loop {
            let running = self.running_threads();
            let left = until.saturating_duration_since(Instant::now());
            if running == 0 || left.is_zero() {
                return running;
            }
            guard = self.changed.1.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
