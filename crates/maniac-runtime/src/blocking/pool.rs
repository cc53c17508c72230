//! The threads of the blocking pool: started when work waits and none is idle, ended when idle for long.

use crate::role::{context, worker};
use crate::runtime::config::Config;
use crate::runtime::core::Core;
use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A piece of blocking work.
#[derive(Debug)]
pub(crate) enum Work {
    /// The entry of a task whose poll blocks.
    Task(u32),
    /// An operation that the driver cannot do without blocking.
    Operation(maniac_driver::Job),
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Pool {
    most: usize,
    idle_timeout: Duration,
    state: Mutex<State>,
    /// Told when there is work, and when the pool closes.
    work: Condvar,
    /// Told when a thread ends.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bounded by the arena: each entry is a task or an operation that has its own memory.
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
    /// Idle threads that were told of work and have not come for it yet.
    told: usize,
    closed: bool,
    started: u64,
}

/// The pool at one moment.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// runtime.block_on(runtime.handle().spawn_blocking(|| ())).unwrap();
/// let pool = runtime.metrics().blocking;
/// assert_eq!((pool.threads, pool.queued), (1, 0), "the thread waits for more work for a while");
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// Threads alive.
    pub threads: usize,
    /// Of these, those that wait for work.
    pub idle: usize,
    /// Work that waits for a thread.
    pub queued: usize,
}

impl Pool {
    pub(crate) fn new(config: &Config) -> Pool {
        Pool {
            most: config.blocking_threads,
            idle_timeout: config.blocking_idle,
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn metrics(&self) -> PoolMetrics {
        let state = self.lock();
        PoolMetrics { threads: state.threads, idle: state.idle, queued: state.queue.len() }
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.queue.is_empty() && state.idle == state.threads
    }

    /// Queues work, and starts a thread if none is free for it.
    ///
    /// # Errors
    /// Gives the work back when the pool is closed, or when it has no thread and the system refuses one.
    pub(crate) fn submit(&self, core: &'static Core, work: Work) -> Result<(), (Work, io::Error)> {
        let mut state = self.lock();
        if state.closed {
            return Err((work, io::Error::other("the runtime is shutting down")));
        }
        state.queue.push_back(work);
        if state.idle > state.told {
            state.told += 1;
            drop(state);
            self.work.notify_one();
            return Ok(());
        }
        if state.threads >= self.most {
            return Ok(());
        }
        state.threads += 1;
        state.started += 1;
        let name = format!("{}-blocking-{}", core.config().thread_name, state.started);
        drop(state);
        match std::thread::Builder::new().name(name).spawn(move || core.blocking().thread_main(core)) {
            Ok(_) => Ok(()),
            Err(error) => self.thread_refused(error),
        }
    }

    /// The system gave no thread: the work waits for those there are, if there are any.
    fn thread_refused(&self, error: io::Error) -> Result<(), (Work, io::Error)> {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Ok(());
        }
        match state.queue.pop_back() {
            Some(work) => Err((work, error)),
            None => Ok(()),
        }
    }

    fn thread_main(&self, core: &'static Core) {
        context::works_for(core.number());
        let record = core.acquire_thread().ok();
        if let Some(thread) = record {
            thread.bind();
            context::set_thread(Some(thread));
        }
        core.thread_starts();
        while let Some(work) = self.next_work() {
            match work {
                Work::Task(index) => worker::run_blocking(core, index),
                Work::Operation(job) => job.run(),
            }
            if let Some(thread) = record {
                worker::drain_pinned(thread);
            }
        }
        context::set_thread(None);
        if let Some(thread) = record {
            core.retire_thread(thread);
        }
        crate::task::coroutine::clear_table();
        core.thread_stops();
        self.lock().threads -= 1;
        self.ended.notify_all();
    }

    /// Waits for work; `None` when the thread has to end.
    fn next_work(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.queue.pop_front() {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            let (woken, waited) =
                self.work.wait_timeout(state, self.idle_timeout).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            state.told = state.told.saturating_sub(1).min(state.idle);
            if waited.timed_out() && state.queue.is_empty() {
                return None;
            }
        }
    }

    /// Takes no more work; gives what had not begun. Threads end when they are done.
    pub(crate) fn close(&self) -> Vec<Work> {
        let mut state = self.lock();
        state.closed = true;
        let rest = state.queue.drain(..).collect();
        drop(state);
        self.work.notify_all();
        rest
    }

    /// Waits until all threads have ended, or the time is up; `true` if they have.
    pub(crate) fn wait_ended(&self, until: std::time::Instant) -> bool {
        let mut state = self.lock();
        while state.threads > 0 {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Takes work again, for the next runtime of this core.
    pub(crate) fn reopen(&self) {
        self.lock().closed = false;
    }
}
