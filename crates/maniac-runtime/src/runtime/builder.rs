//! [`RuntimeBuilder`]: the options of a runtime, one by one.

use super::config::{BuildError, Config, MAX_WORKER_LIMIT, Preemption, TaskArenaConfig, TaskArenaOptions};
use super::hooks::Hooks;
use super::{Deadlock, DriverKind, Runtime, Stall, overdue};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Builds a [`Runtime`].
///
/// ```
/// use maniac_runtime::runtime::{DriverKind, RuntimeBuilder, TaskArenaConfig};
/// use std::time::Duration;
/// let runtime = RuntimeBuilder::new()
///     .worker_count(2)
///     .max_tasks(65_536)
///     .arena(TaskArenaConfig::new(1, 1024)?)
///     .huge_pages(false)
///     .preinitialize(true)
///     .driver(DriverKind::Auto)
///     .thread_name("web")
///     .blocking_max_threads(8)
///     .blocking_idle_timeout(Duration::from_secs(1))
///     .on_deadlock(|deadlock| eprintln!("{deadlock}"))
///     .build()?;
/// assert_eq!(runtime.metrics().workers.len(), 2);
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// # Ok::<(), maniac_runtime::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RuntimeBuilder {
    config: Config,
    hooks: Hooks,
}

/// What a quantum can be: shorter ones would keep the monitor busy.
const QUANTUM: RangeInclusive<Duration> = Duration::from_micros(20)..=Duration::from_secs(24 * 3600);

/// The shortest stall: a shorter one would keep the monitor busy.
const SHORTEST_STALL: Duration = Duration::from_millis(1);

/// Threads of the blocking pool at most, unless said otherwise (slide 22).
const BLOCKING_MAX_THREADS: usize = 500;

impl RuntimeBuilder {
    /// As many workers as the process may use processors (its cgroup's quota included), no limit of tasks, the driver that a probe
    /// chooses or `MANIAC_DRIVER` names.
    pub fn new() -> RuntimeBuilder {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let blocking = std::env::var("BLOCKING_MAX_THREADS").ok().and_then(|text| text.parse().ok());
        RuntimeBuilder {
            config: Config {
                workers: processors.min(MAX_WORKER_LIMIT),
                host: false,
                max_tasks: None,
                arena: TaskArenaConfig::default(),
                memory: TaskArenaOptions::default(),
                preemption: Preemption::default(),
                quantum: Duration::from_millis(1),
                max_overdue_threads: overdue::default_limit(processors),
                stall_after: Duration::from_millis(100),
                driver: DriverKind::Auto,
                stack_size: 256 * 1024,
                signal_reserve: None,
                max_sync_threads: 512,
                coroutines: false,
                report_overflows: true,
                thread_name: String::from("maniac"),
                blocking_threads: blocking.filter(|count| *count > 0).unwrap_or(BLOCKING_MAX_THREADS),
                blocking_idle: Duration::from_secs(10),
                spin: processors > 1,
            },
            hooks: Hooks::default(),
        }
    }

    /// How many workers: 1 to 512; 0 means 1.
    pub fn worker_count(mut self, count: usize) -> RuntimeBuilder {
        self.config.workers = count.max(1);
        self
    }

    /// How many tasks there can be at one time. Beyond it `try_spawn` gives an error and `spawn` panics. No limit by default.
    pub fn max_tasks(mut self, count: u64) -> RuntimeBuilder {
        self.config.max_tasks = Some(count);
        self
    }

    /// The first size of the task arena.
    pub fn arena(mut self, arena: TaskArenaConfig) -> RuntimeBuilder {
        self.config.arena = arena;
        self
    }

    /// Whether to ask for huge pages for the task arena.
    pub fn huge_pages(mut self, wanted: bool) -> RuntimeBuilder {
        self.config.memory.use_huge_pages = wanted;
        self
    }

    /// Whether to make the memory of the arena's first leaves present at the start.
    pub fn preinitialize(mut self, wanted: bool) -> RuntimeBuilder {
        self.config.memory.preinitialize = wanted;
        self
    }

    /// How tasks that never yield are kept from holding up others: [`Preemption::HandOff`] by default.
    pub fn preemption(mut self, preemption: Preemption) -> RuntimeBuilder {
        self.config.preemption = preemption;
        self
    }

    /// How long a poll may go on while timers or I/O wait, before preemption acts: 1 ms by default, from 20 us to a day. First the poll is asked to
    /// yield at its next leaf operation, half a quantum later its worker goes on without it. For tasks that merely compete it is ten times as
    /// long, but at most 10 ms; where nothing waits, a poll may take as long as it likes.
    pub fn quantum(mut self, quantum: Duration) -> RuntimeBuilder {
        self.config.quantum = quantum;
        self
    }

    /// How many threads may run polls whose worker went on without them, at one time; by default four for each processor, and 16 at least, but not
    /// more than half of what the process's control group allows. At the limit an overdue poll holds its worker up, which is counted
    /// ([`PreemptionMetrics`](super::PreemptionMetrics)) and warned about once on standard error. With 0 polls are asked to yield, and that is all.
    ///
    /// ```
    /// use maniac_runtime::runtime::{Preemption, RuntimeBuilder};
    /// use std::{sync::mpsc, time::Duration};
    /// let runtime = RuntimeBuilder::new()
    ///     .worker_count(1)
    ///     .preemption(Preemption::HandOff)
    ///     .quantum(Duration::from_micros(200))
    ///     .max_overdue_threads(2)
    ///     .build()?;
    /// let (send, receive) = mpsc::channel();
    /// let hog = runtime.spawn(async move { receive.recv() }); // holds the only worker up
    /// let other = runtime.spawn(async move { send.send(7) }); // and yet this one has its turn
    /// assert_eq!(runtime.block_on(hog).unwrap(), Ok(7));
    /// # runtime.block_on(other).unwrap().unwrap();
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    pub fn max_overdue_threads(mut self, count: usize) -> RuntimeBuilder {
        self.config.max_overdue_threads = count;
        self
    }

    /// How long a poll may go on before it is reported as stalled, whether anything waits behind it or not: 100 ms by default, from 1 ms;
    /// `Duration::MAX` for never. Not watched: blocking work, which is meant to take long; a single-threaded runtime, which has no monitor; and polls of pinned
    /// tasks on a thread that has no worker role.
    ///
    /// Each such poll is counted in [`Metrics::stalls`](super::Metrics::stalls), told to [`on_stall`](RuntimeBuilder::on_stall), and with the
    /// feature `tracing` an event of the target `maniac::stall`. It is asked to yield at its next leaf operation.
    pub fn stall_after(mut self, limit: Duration) -> RuntimeBuilder {
        self.config.stall_after = limit;
        self
    }

    /// Calls `hook` for each poll that stalls, once, on the runtime's monitor thread: it must not block, but may drop the runtime, which then goes down in the background. The report comes when the task has next called the
    /// runtime, and then with a backtrace; else when its poll ends; else after a grace of 100 ms.
    ///
    /// ```
    /// use maniac_runtime::{self as maniac, runtime::RuntimeBuilder};
    /// use std::{sync::mpsc, time::{Duration, Instant}};
    /// let (stalls, told) = mpsc::channel();
    /// let runtime = RuntimeBuilder::new()
    ///     .worker_count(1)
    ///     .stall_after(Duration::from_millis(5))
    ///     .on_stall(move |stall| drop(stalls.send(stall.to_string())))
    ///     .build()?;
    /// let hog = runtime.spawn(async move {
    ///     loop {
    ///         if let Ok(report) = told.try_recv() {
    ///             break report; // "task 0.1, spawned at src/main.rs:9:19, has run for 11ms without yielding, on thread 0"
    ///         }
    ///     }
    /// });
    /// assert!(runtime.block_on(hog)?.contains("without yielding"));
    /// assert_eq!(runtime.metrics().stalls, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_stall(mut self, hook: impl Fn(&Stall) + Send + Sync + 'static) -> RuntimeBuilder {
        self.hooks.stall = Some(Arc::new(hook));
        self
    }

    /// Calls `hook`, in debug builds, for each deadlock among tasks that comes to light (see [`Deadlock`]), once, on the thread that closed
    /// the circle. Without a hook it is written to standard error.
    pub fn on_deadlock(mut self, hook: impl Fn(&Deadlock) + Send + Sync + 'static) -> RuntimeBuilder {
        self.hooks.deadlock = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` on each thread that runs tasks or blocking work, before it does: for what every thread of a program needs, such as a
    /// scope of another library. Not for the monitor's thread, nor for threads of the program's that enter the runtime. A panic in it is contained.
    ///
    /// ```
    /// use maniac_runtime::{self as maniac, runtime::RuntimeBuilder};
    /// use std::cell::Cell;
    /// thread_local!(static READY: Cell<bool> = const { Cell::new(false) });
    /// let runtime = RuntimeBuilder::new().worker_count(1).on_thread_start(|| READY.set(true)).build()?;
    /// assert!(runtime.block_on(runtime.spawn(async { READY.get() }))?);
    /// assert!(runtime.block_on(runtime.handle().spawn_blocking(|| READY.get()))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> RuntimeBuilder {
        self.hooks.thread_start = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` on each such thread when it has run its last task or blocking work. A thread that outlives the runtime, because its blocking
    /// work went on beyond the shutdown's limit, is not told.
    ///
    /// ```
    /// use maniac_runtime::runtime::RuntimeBuilder;
    /// use std::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}};
    /// let threads = Arc::new(AtomicUsize::new(0));
    /// let (started, stopped) = (threads.clone(), threads.clone());
    /// let runtime = RuntimeBuilder::new()
    ///     .worker_count(2)
    ///     .on_thread_start(move || drop(started.fetch_add(1, Relaxed)))
    ///     .on_thread_stop(move || drop(stopped.fetch_sub(1, Relaxed)))
    ///     .build()?;
    /// drop(runtime);
    /// assert_eq!(threads.load(Relaxed), 0);
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> RuntimeBuilder {
        self.hooks.thread_stop = Some(Arc::new(hook));
        self
    }

    /// Which driver to use. An explicit choice that this machine cannot serve is an error of [`RuntimeBuilder::build`].
    pub fn driver(mut self, kind: DriverKind) -> RuntimeBuilder {
        self.config.driver = kind;
        self
    }

    /// The stack of a coroutine, in bytes. Only what is touched costs memory.
    pub fn stack_size(mut self, bytes: usize) -> RuntimeBuilder {
        self.config.stack_size = bytes;
        self
    }

    /// Bytes below the usable part of a coroutine's stack where a signal's frame finds room; by default what the largest frame of this machine takes and 1 KiB
    /// for its handler. With less, [preemptible](crate::task::spawn_preemptible) tasks are refused.
    ///
    /// ```
    /// use maniac_runtime::runtime::{Preemption, RuntimeBuilder};
    /// // A handler of the program's own may interrupt such a task, too: room for two frames.
    /// let builder = RuntimeBuilder::new().preemption(Preemption::HandOffAndSwitch).signal_reserve(32 * 1024);
    /// let runtime = builder.worker_count(1).build()?;
    /// assert_eq!(runtime.metrics().preemption.switched, 0);
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    pub fn signal_reserve(mut self, bytes: usize) -> RuntimeBuilder {
        self.config.signal_reserve = Some(bytes);
        self
    }

    /// Whether an overflow of a coroutine's stack ends the process with a message that names the task, by a handler of SIGSEGV that passes every other
    /// fault on to the one before it. On by default; turn it off where the signal is somebody else's, as in a plug-in.
    ///
    /// ```
    /// use maniac_runtime::{self as maniac, runtime::RuntimeBuilder};
    /// let builder = RuntimeBuilder::new().worker_count(1).stack_size(64 * 1024).report_stack_overflows(false);
    /// // SAFETY: the task holds nothing across its wait.
    /// let runtime = unsafe { builder.coroutines() }.build()?;
    /// let task = runtime.spawn(async { maniac::sync_await(async { maniac::task::yield_now().await }) });
    /// assert!(runtime.block_on(task).is_ok());
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub fn report_stack_overflows(mut self, wanted: bool) -> RuntimeBuilder {
        self.config.report_overflows = wanted;
        self
    }

    /// How many threads may block in `sync_await` at one time.
    ///
    /// ```
    /// use maniac_runtime::{SyncAwaitError, runtime::RuntimeBuilder, try_sync_await};
    /// let runtime = RuntimeBuilder::new().worker_count(1).max_sync_threads(0).build()?;
    /// let task = runtime.spawn(async { try_sync_await(std::future::pending::<()>()) });
    /// assert_eq!(runtime.block_on(task).unwrap(), Err(SyncAwaitError::ThreadLimit(0)));
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    pub fn max_sync_threads(mut self, count: usize) -> RuntimeBuilder {
        self.config.max_sync_threads = count;
        self
    }

    /// How the runtime's threads are called; a number is added.
    pub fn thread_name(mut self, name: impl Into<String>) -> RuntimeBuilder {
        self.config.thread_name = name.into();
        self
    }

    /// How many threads the blocking pool may have; 500 by default, or what the environment's `BLOCKING_MAX_THREADS` says.
    pub fn blocking_max_threads(mut self, count: usize) -> RuntimeBuilder {
        self.config.blocking_threads = count.max(1);
        self
    }

    /// How long a thread of the blocking pool waits for work before it ends; 10 seconds by default.
    pub fn blocking_idle_timeout(mut self, time: Duration) -> RuntimeBuilder {
        self.config.blocking_idle = time;
        self
    }

    /// The safe half of `coroutines`, whose contract is spelled out there.
    pub(crate) fn with_coroutines(mut self) -> RuntimeBuilder {
        self.config.coroutines = true;
        self
    }

    /// The arena's memory options at once.
    pub(super) fn memory(mut self, memory: TaskArenaOptions) -> RuntimeBuilder {
        self.config.memory = memory;
        self
    }

    /// No threads: whoever calls `block_on` or `tick` runs the tasks.
    pub(super) fn host(mut self) -> RuntimeBuilder {
        self.config.host = true;
        self.config.spin = false;
        self.config.workers = 1;
        self
    }

    /// Builds the runtime and starts its workers.
    ///
    /// # Errors
    /// If an option is out of its range, the driver that was asked for is not available, or the system gives no memory or thread.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let workers = self.config.workers;
        if workers > MAX_WORKER_LIMIT {
            return Err(BuildError::invalid(format!(
                "worker_count must be from 0 to {MAX_WORKER_LIMIT}, not {workers}"
            )));
        }
        if self.config.max_tasks == Some(0) {
            return Err(BuildError::invalid(String::from("max_tasks must be at least 1")));
        }
        if !QUANTUM.contains(&self.config.quantum) {
            return Err(BuildError::invalid(format!(
                "quantum must be from 20 us to a day, not {:?}",
                self.config.quantum
            )));
        }
        if self.config.stall_after < SHORTEST_STALL {
            return Err(BuildError::invalid(format!(
                "stall_after must be 1 ms at least, not {:?}",
                self.config.stall_after
            )));
        }
        Runtime::start(self.config, self.hooks)
    }
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        Self::new()
    }
}
