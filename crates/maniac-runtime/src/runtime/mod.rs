//! Runtimes: building, entering, spawning into and shutting them down.
//!
//! # When something is stuck
//!
//! | what you see | look at | it tells |
//! |---|---|---|
//! | the program does nothing | [`Handle::dump`], printed: from a signal handler's task, a debug request, a thread that waits on a pipe | every task, where it was spawned, what it waits for; how many are ready in which queue |
//! | a task never ends | its line in the dump: `waiting, for task 7.1`, `suspended, blocking thread 3, for the operation read`, `running on thread 2, overdue` | whom to look at next |
//! | tasks that wait in `sync_await` | [`Handle::dump_with_backtraces`] | the place in the code where each of them waits |
//! | others are slow, a core is busy | [`RuntimeBuilder::on_stall`], [`Metrics::stalls`], events of the target `maniac::stall` | which task does not yield, and where it next called the runtime |
//! | several tasks wait for each other | a debug build: [`RuntimeBuilder::on_deadlock`], else standard error | the circle ([`Deadlock`]); locks take part if they are [`TrackedMutex`](crate::sync::TrackedMutex)es |
//! | many tasks, all `waiting` without "for" | futures of other crates do not say what they wait for | their place of spawn; give tasks names ([`task::Builder::name`](crate::task::Builder::name)) |
//! | `ready` grows, workers `asleep` | a defect of the runtime: please report it with the dump | |
//! | tasks `complete, its result not taken` | who holds the `JoinHandle` and does not await it | |
//! | `refused` in [`PreemptionMetrics`] | more tasks that never yield than `max_overdue_threads` | move them to [`spawn_blocking`](crate::blocking::spawn_blocking) |
//!
//! A dump costs its tasks nothing; ask for it in production too, from a thread that is in no runtime if the workers may be stuck:
//!
//! ```
//! # use maniac_runtime as maniac;
//! use maniac::{runtime::Runtime, time::Duration};
//! let runtime = Runtime::new_multi_threaded(1, 64)?;
//! let handle = runtime.handle().clone();
//! let (ask, asked) = std::sync::mpsc::channel::<()>(); // a control socket, a signal's pipe
//! let watcher = std::thread::spawn(move || {
//!     while asked.recv().is_ok() {
//!         eprintln!("{}", handle.dump_with_backtraces(Duration::from_millis(100)));
//!     }
//! });
//! ask.send(()).unwrap();
//! # drop(ask);
//! # watcher.join().unwrap();
//! # Ok::<(), maniac::runtime::BuildError>(())
//! ```
//!
//! A future of your own says what it waits for with the module `wait` of `maniac-sync` (`maniac::sync::wait`), where it gives `Pending`.

mod block_on;
mod builder;
pub(crate) mod config;
pub(crate) mod core;
pub(crate) mod deadlock;
mod dump;
mod handle;
mod hooks;
mod host;
mod look;
mod metrics;
mod monitor;
mod overdue;
pub(crate) mod quantum;
mod ready;
mod shutdown;
mod stall;
mod start;
mod threads;

pub use crate::task::SpawnError;
pub use block_on::Entered;
pub use builder::RuntimeBuilder;
pub use config::{BuildError, DriverKind, MAX_WORKER_LIMIT, Preemption, TaskArenaConfig, TaskArenaOptions};
pub use deadlock::{Deadlock, DeadlockedTask, Obstacle};
pub use dump::{Dump, TaskDump, TaskState, WaitsFor, WorkerDump};
pub use handle::Handle;
pub use metrics::{Metrics, WorkerMetrics};
pub use overdue::PreemptionMetrics;
pub use shutdown::ShutdownReport;
pub use stall::Stall;

pub use crate::blocking::PoolMetrics;
pub use maniac_arena::HugePages;
pub(crate) use ready::{enqueue, enqueue_background, forward};

use crate::task::JoinHandle;
use std::sync::Arc;
use std::time::Duration;

/// A whole runtime: workers, task arena, timers, drivers, blocking pool.
///
/// Dropping it shuts it down: tasks are cancelled and threads joined. Dropped on one of its own threads it goes down in the background.
///
/// ```
/// use maniac_runtime::runtime::{Runtime, TaskArenaConfig, TaskArenaOptions};
///
/// let runtime = Runtime::new(TaskArenaConfig::new(8, 4096)?, TaskArenaOptions::new(false, false), 2)?;
/// let sum = runtime.block_on(async {
///     let handles: Vec<_> = (0..10).map(|n| maniac_runtime::spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for handle in handles {
///         sum += handle.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 285);
/// # Ok::<(), maniac_runtime::runtime::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
}

impl Runtime {
    /// A runtime with `worker_count` workers (0 means 1), whose task arena begins as `arena` says.
    ///
    /// # Errors
    /// As [`RuntimeBuilder::build`].
    pub fn new(
        arena: TaskArenaConfig,
        options: TaskArenaOptions,
        worker_count: usize,
    ) -> Result<Runtime, BuildError> {
        RuntimeBuilder::new().arena(arena).memory(options).worker_count(worker_count).build()
    }

    /// As [`RuntimeBuilder::new`].
    ///
    /// ```
    /// use maniac_runtime::runtime::Runtime;
    /// let runtime = Runtime::builder().worker_count(2).build()?;
    /// assert_eq!(runtime.metrics().workers.len(), 2);
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::new()
    }

    /// A runtime without threads: its tasks run inside [`Runtime::block_on`] and [`Runtime::tick`], on the caller's thread. Never preempted.
    ///
    /// # Errors
    /// As [`RuntimeBuilder::build`].
    ///
    /// ```
    /// use maniac_runtime::runtime::Runtime;
    /// let runtime = Runtime::new_single_threaded()?;
    /// let task = runtime.spawn(async { std::thread::current().id() });
    /// assert_eq!(runtime.block_on(task).unwrap(), std::thread::current().id());
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    pub fn new_single_threaded() -> Result<Runtime, BuildError> {
        RuntimeBuilder::new().host().build()
    }

    /// A runtime with `workers` workers and at most `max_tasks` tasks.
    ///
    /// # Errors
    /// As [`RuntimeBuilder::build`].
    pub fn new_multi_threaded(workers: usize, max_tasks: u64) -> Result<Runtime, BuildError> {
        RuntimeBuilder::new().worker_count(workers).max_tasks(max_tasks).build()
    }

    /// Runs `future` on this thread until it is done, with the runtime at hand.
    ///
    /// # Panics
    /// If `future` panics.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Spawns a task; see [`spawn`](crate::spawn).
    ///
    /// # Panics
    /// At the limit of tasks; see [`Handle::try_spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// A handle to this runtime, which does not keep it alive.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What the runtime counts.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }

    /// Shuts down, waiting at most `limit`; tells what did not stop.
    ///
    /// Order: no more spawns; all tasks are aborted; futures are dropped on threads that may; operations are cancelled and reaped; threads are
    /// joined. What did not stop by the limit is leaked, and reported: nothing is unmapped, reused or unwound from another thread.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// let report = runtime.shutdown_timeout(std::time::Duration::from_secs(60));
    /// assert!(report.is_clean() && task.is_finished());
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[must_use = "the report says what did not stop"]
    pub fn shutdown_timeout(self, limit: Duration) -> ShutdownReport {
        shutdown::shut_down(&self.handle.shared, Some(limit))
    }

    /// Shuts down in the background.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// runtime.shutdown_background();
    /// while !task.is_finished() {
    ///     std::thread::yield_now();
    /// }
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub fn shutdown_background(self) {
        shutdown::shut_down_in_background(Arc::clone(&self.handle.shared));
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        shutdown::shut_down_on_drop(&self.handle.shared);
    }
}
