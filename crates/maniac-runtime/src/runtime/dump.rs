//! A runtime at one moment, as [`Handle::dump`](super::Handle::dump) gives it: every task, and what lies in the queues.

use crate::blocking::PoolMetrics;
use crate::task::Id;
use crate::time::Instant;
use std::backtrace::Backtrace;
use std::fmt;
use std::panic::Location;

/// All tasks of a runtime, and how many wait where. Each task is looked at by itself, while others run on.
///
/// Its `Display` is a report for people: a line for each task and each worker.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::runtime::{TaskState, WaitsFor};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let build = maniac::task::Builder::new().name("sleeper");
/// let _entered = runtime.handle().enter();
/// let task = build.spawn(maniac::time::sleep(maniac::time::Duration::from_secs(3600)))?;
/// let sleeper = loop {
///     let mut dump = runtime.handle().dump();
///     let sleeper = dump.tasks.pop().expect("it is there from its spawn on");
///     if sleeper.state == TaskState::Waiting {
///         break sleeper;
///     }
/// };
/// assert_eq!(sleeper.id, task.id());
/// assert_eq!(sleeper.name.as_deref(), Some("sleeper"));
/// assert!(matches!(sleeper.waits_for, Some(WaitsFor::Time(_))));
/// println!("{}", runtime.handle().dump());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Dump {
    /// When it was made, by the runtime's clock.
    pub at: Instant,
    /// The tasks: all that are not complete, and those whose result nobody has taken yet.
    pub tasks: Vec<TaskDump>,
    /// The workers, by number.
    pub workers: Vec<WorkerDump>,
    /// Background tasks that are ready.
    pub background: usize,
    /// The blocking pool.
    pub blocking: PoolMetrics,
}

/// A task at one moment.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use maniac::runtime::TaskDump;
/// let handle = runtime.spawn(std::future::pending::<()>());
/// let task: TaskDump = runtime.handle().dump().tasks.remove(0);
/// assert_eq!((task.id, task.spawned_at.file()), (handle.id(), file!()));
/// assert!(task.name.is_none() && task.pinned_to.is_none() && !task.aborted);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskDump {
    /// Its id.
    pub id: Id,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it is doing.
    pub state: TaskState,
    /// What it waits for, as far as the future that it waits for says so: those of this package do. Of several the last one that its poll came to.
    pub waits_for: Option<WaitsFor>,
    /// Whether its last poll came to more than one such future.
    pub waits_for_others: bool,
    /// The thread that it has to run on.
    pub pinned_to: Option<u16>,
    /// Whether it was aborted and is still to notice.
    pub aborted: bool,
    /// Where it waits in [`sync_await`](crate::sync_await); asked for by
    /// [`Handle::dump_with_backtraces`](super::Handle::dump_with_backtraces).
    pub backtrace: Option<Backtrace>,
}

/// What a task is doing.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use maniac::runtime::TaskState;
/// let handle = runtime.spawn(async {});
/// while !handle.is_finished() {
///     std::thread::yield_now();
/// }
/// let state = runtime.handle().dump().tasks[0].state;
/// assert_eq!(state, TaskState::Complete);
/// assert_eq!(state.to_string(), "complete, its result not taken");
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is polled, on this thread, if that was to be seen.
    #[non_exhaustive]
    Running {
        /// The number of the thread.
        thread: Option<u16>,
        /// Whether the thread's worker role went to another one, since the poll is overdue.
        overdue: bool,
    },
    /// It will be polled when a worker comes to it.
    Ready,
    /// It waits for a wake.
    Waiting,
    /// It waits in [`sync_await`](crate::sync_await), in the midst of its poll.
    #[non_exhaustive]
    Suspended {
        /// The number of the thread that it goes on on.
        thread: u16,
        /// Whether it blocks that thread, instead of having a stack of its own.
        blocks: bool,
    },
    /// It is done, and nobody has taken its result.
    Complete,
}

/// What a task waits for.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use maniac::runtime::{Dump, WaitsFor};
/// let first = runtime.spawn(std::future::pending::<()>());
/// let id = first.id();
/// let second = runtime.spawn(first);
/// let waits = |dump: Dump| dump.tasks.iter().any(|task| task.waits_for == Some(WaitsFor::Task(id)));
/// while !waits(runtime.handle().dump()) {
///     std::thread::yield_now();
/// }
/// # drop(second);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A point in time.
    Time(Instant),
    /// The end of this task of the same runtime.
    Task(Id),
    /// A [`TrackedMutex`](crate::sync::TrackedMutex), by its number.
    Lock(u64),
    /// An operation of the operating system, by its name.
    Operation(&'static str),
    /// Something else, in words that follow "waits for".
    Other(&'static str),
}

/// A worker at one moment.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use maniac::runtime::WorkerDump;
/// let worker: WorkerDump = runtime.handle().dump().workers[0];
/// assert_eq!(worker.next + worker.batch + worker.ready + worker.inbox, 0, "there are no tasks");
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkerDump {
    /// The thread that holds the worker role.
    pub thread: Option<u16>,
    /// Whether it sleeps.
    pub asleep: bool,
    /// Tasks that it runs next.
    pub next: usize,
    /// Tasks that it took out of its part of the ready set.
    pub batch: usize,
    /// Tasks in its part of the ready set.
    pub ready: usize,
    /// Tasks that are ready and pinned to its thread.
    pub inbox: usize,
    /// Timers that other threads asked it to set or to cancel.
    pub remote: usize,
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} tasks on {} workers", self.tasks.len(), self.workers.len())?;
        for task in &self.tasks {
            writeln!(f, "{}", Line { task, at: self.at })?;
            if let Some(backtrace) = &task.backtrace {
                writeln!(f, "{backtrace}")?;
            }
        }
        for (number, worker) in self.workers.iter().enumerate() {
            writeln!(f, "worker {number} {worker}")?;
        }
        writeln!(f, "background tasks ready: {}", self.background)?;
        let blocking = &self.blocking;
        write!(
            f,
            "blocking pool: {} threads, {} of them idle, {} pieces of work waiting",
            blocking.threads, blocking.idle, blocking.queued
        )
    }
}

/// A task's line in a report of this moment.
struct Line<'a> {
    task: &'a TaskDump,
    at: Instant,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task;
        write!(f, "{}: ", Who { id: task.id, name: task.name.as_deref(), spawned_at: task.spawned_at })?;
        write!(f, "{}", task.state)?;
        if let Some(waits) = &task.waits_for {
            match waits {
                WaitsFor::Time(until) if *until >= self.at => {
                    write!(f, ", for a time {:?} ahead", *until - self.at)?;
                }
                WaitsFor::Time(_) => f.write_str(", for a time that has come")?,
                other => write!(f, ", for {other}")?,
            }
            if task.waits_for_others {
                f.write_str(" and others")?;
            }
        }
        if let Some(thread) = task.pinned_to {
            write!(f, ", pinned to thread {thread}")?;
        }
        if task.aborted { f.write_str(", aborted") } else { Ok(()) }
    }
}

/// A task as reports name it.
pub(super) struct Who<'a> {
    pub(super) id: Id,
    pub(super) name: Option<&'a str>,
    pub(super) spawned_at: &'static Location<'static>,
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}", self.spawned_at)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskState::Running { thread: None, .. } => f.write_str("running"),
            TaskState::Running { thread: Some(thread), overdue: false } => {
                write!(f, "running on thread {thread}")
            }
            TaskState::Running { thread: Some(thread), overdue: true } => {
                write!(f, "running on thread {thread}, overdue")
            }
            TaskState::Ready => f.write_str("ready"),
            TaskState::Waiting => f.write_str("waiting"),
            TaskState::Suspended { thread, blocks: false } => write!(f, "suspended on thread {thread}"),
            TaskState::Suspended { thread, blocks: true } => {
                write!(f, "suspended, blocking thread {thread}")
            }
            TaskState::Complete => f.write_str("complete, its result not taken"),
        }
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitsFor::Time(_) => f.write_str("a point in time"),
            WaitsFor::Task(id) => write!(f, "task {id}"),
            WaitsFor::Lock(number) => write!(f, "lock {number}"),
            WaitsFor::Operation(name) => write!(f, "the operation {name}"),
            WaitsFor::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for WorkerDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thread {
            Some(thread) => write!(f, "on thread {thread}")?,
            None => f.write_str("on no thread")?,
        }
        if self.asleep {
            f.write_str(", asleep")?;
        }
        write!(
            f,
            ": next {}, batch {}, ready {}, inbox {}, remote {}",
            self.next, self.batch, self.ready, self.inbox, self.remote
        )
    }
}

impl Dump {
    /// That of a runtime that is gone.
    pub(super) fn empty() -> Dump {
        Dump {
            at: Instant::from_std(std::time::Instant::now()),
            tasks: Vec::new(),
            workers: Vec::new(),
            background: 0,
            blocking: PoolMetrics { threads: 0, idle: 0, queued: 0 },
        }
    }
}
