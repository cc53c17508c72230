//! What a runtime is made of: the options of the builder, checked and completed.

use maniac_arena::{ArenaOptions, MAX_SLOTS_PER_LEAF, MIN_SLOTS_PER_LEAF, SizeClass};
use std::fmt;
use std::time::Duration;

/// The most workers that a runtime can have (slide 18).
pub const MAX_WORKER_LIMIT: usize = 512;

/// The most leaves of the task arena, as many as a Signal Tree has room for: 16 million tasks of full-sized leaves.
const MAX_LEAVES: u32 = 3968;

/// The size class that pre-initialised leaves have: futures of up to 192 bytes fit.
const PREINITIALIZED: SizeClass = match SizeClass::for_size(256) {
    Some(class) => class,
    None => unreachable!(),
};

/// Whether a task that never yields is kept from holding up the others, and how. A single-threaded runtime has none of it: its thread is its host's.
///
/// ```
/// use maniac_runtime::runtime::{Preemption, RuntimeBuilder};
/// let cooperative = RuntimeBuilder::new().worker_count(1).preemption(Preemption::Off).build()?;
/// # Ok::<(), maniac_runtime::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preemption {
    /// Cooperative: a task runs until it yields. Waiting tasks are still helped out by other workers.
    Off,
    /// A poll that goes on while others wait keeps its thread, and the thread loses its worker role to another one, which goes on with the rest. Sound for
    /// all code: nothing is interrupted, no signal is sent, no thread's priority changes.
    #[default]
    HandOff,
    /// As [`Preemption::HandOff`], but a poll of a task that was spawned as [preemptible](crate::task::spawn_preemptible) is first tried to be left where it is, by a signal
    /// to its thread (SIGURG), or on Windows by suspending it: the thread goes on with the others, and later with that task. Where that is refused the role is handed off.
    /// Experimental; Linux on x86-64, AArch64, RISC-V 64 and LoongArch64, Windows on x86-64, and macOS, where it has never run. Elsewhere the same as `HandOff`.
    HandOffAndSwitch,
}

/// Which driver a runtime uses.
pub use maniac_driver::DriverKind;

/// A runtime could not be built; says why, and what to do.
///
/// ```
/// let error = maniac_runtime::runtime::RuntimeBuilder::new().worker_count(513).build().unwrap_err();
/// assert_eq!(error.to_string(), "worker_count must be from 0 to 512, not 513");
/// ```
#[derive(Debug)]
pub struct BuildError(Reason);

#[derive(Debug)]
enum Reason {
    Invalid(String),
    Arena(maniac_arena::ArenaError),
    Io(&'static str, std::io::Error),
}

impl BuildError {
    pub(crate) fn invalid(text: String) -> BuildError {
        BuildError(Reason::Invalid(text))
    }

    pub(crate) fn io(what: &'static str, error: std::io::Error) -> BuildError {
        BuildError(Reason::Io(what, error))
    }

    pub(crate) fn too_many_runtimes(limit: usize) -> BuildError {
        BuildError(Reason::Invalid(format!(
            "the process has {limit} runtimes of different shapes, as many as it can have; build fewer and share them"
        )))
    }
}

impl From<maniac_arena::ArenaError> for BuildError {
    fn from(error: maniac_arena::ArenaError) -> BuildError {
        BuildError(Reason::Arena(error))
    }
}

impl From<BuildError> for std::io::Error {
    fn from(error: BuildError) -> std::io::Error {
        std::io::Error::other(error)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Invalid(text) => f.write_str(text),
            Reason::Arena(error) => error.fmt(f),
            Reason::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Reason::Invalid(_) => None,
            Reason::Arena(error) => error.source(),
            Reason::Io(_, error) => Some(error),
        }
    }
}

/// The first size of the task arena (slide 28). It grows beyond it; [`RuntimeBuilder::max_tasks`](super::RuntimeBuilder::max_tasks) is the
/// limit, where one is wanted.
///
/// ```
/// use maniac_runtime::runtime::TaskArenaConfig;
/// assert!(TaskArenaConfig::new(8, 4096).is_ok());
/// assert!(TaskArenaConfig::new(8, 1000).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskArenaConfig {
    /// Leaves to begin with.
    pub leaf_count: usize,
    /// Tasks in a leaf: a power of two from 64 to 4,096.
    pub tasks_per_leaf: usize,
}

impl TaskArenaConfig {
    /// `leaf_count` leaves of `tasks_per_leaf` tasks to begin with.
    ///
    /// # Errors
    /// If `tasks_per_leaf` is no power of two from 64 to 4,096, or `leaf_count` is 0 or above 3,968.
    pub fn new(leaf_count: usize, tasks_per_leaf: usize) -> Result<TaskArenaConfig, BuildError> {
        let range = MIN_SLOTS_PER_LEAF..=MAX_SLOTS_PER_LEAF;
        if !tasks_per_leaf.is_power_of_two() || !range.contains(&tasks_per_leaf) {
            return Err(BuildError::invalid(format!(
                "tasks_per_leaf must be a power of two from 64 to 4,096, not {tasks_per_leaf}"
            )));
        }
        if !(1..=MAX_LEAVES as usize).contains(&leaf_count) {
            return Err(BuildError::invalid(format!(
                "leaf_count must be from 1 to {MAX_LEAVES}, not {leaf_count}"
            )));
        }
        Ok(TaskArenaConfig { leaf_count, tasks_per_leaf })
    }
}

impl Default for TaskArenaConfig {
    /// 8 leaves of 4,096 tasks (slide 19).
    fn default() -> Self {
        TaskArenaConfig { leaf_count: 8, tasks_per_leaf: 4096 }
    }
}

/// How the task arena gets its memory (slide 28).
///
/// ```
/// use maniac_runtime::runtime::TaskArenaOptions;
/// let options = TaskArenaOptions::new(true, true);
/// assert!(options.use_huge_pages && options.preinitialize);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TaskArenaOptions {
    /// Ask the kernel for huge pages; whether it gave any shows in the runtime's metrics.
    pub use_huge_pages: bool,
    /// Make the first leaves' memory present at the start, so that spawning into it never faults.
    pub preinitialize: bool,
}

impl TaskArenaOptions {
    /// With or without huge pages and pre-initialisation.
    #[must_use]
    pub fn new(use_huge_pages: bool, preinitialize: bool) -> TaskArenaOptions {
        TaskArenaOptions { use_huge_pages, preinitialize }
    }
}

/// All options of a runtime.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    /// Driven by its caller, without threads of its own.
    pub(crate) host: bool,
    pub(crate) max_tasks: Option<u64>,
    pub(crate) arena: TaskArenaConfig,
    pub(crate) memory: TaskArenaOptions,
    pub(crate) preemption: Preemption,
    pub(crate) quantum: Duration,
    pub(crate) max_overdue_threads: usize,
    pub(crate) stall_after: Duration,
    pub(crate) driver: DriverKind,
    pub(crate) stack_size: usize,
    pub(crate) signal_reserve: Option<usize>,
    pub(crate) max_sync_threads: usize,
    pub(crate) coroutines: bool,
    pub(crate) report_overflows: bool,
    pub(crate) thread_name: String,
    pub(crate) blocking_threads: usize,
    pub(crate) blocking_idle: Duration,
    pub(crate) spin: bool,
}

impl Config {
    pub(super) fn arena_options(&self) -> ArenaOptions {
        let mut options = ArenaOptions::new();
        options.slots_per_leaf = self.arena.tasks_per_leaf as u32;
        options.max_leaves = MAX_LEAVES;
        options.huge_pages = self.memory.use_huge_pages;
        options.preinitialize = self.memory.preinitialize;
        options
    }

    /// Whether polls of preemptible tasks are left by a switch.
    pub(crate) fn switches(&self) -> bool {
        self.preemption == Preemption::HandOffAndSwitch && maniac_context::preempt::SUPPORTED
    }

    /// The class of pre-initialised leaves, which serve smaller tasks too.
    #[inline]
    pub(crate) fn preinitialized(&self) -> Option<SizeClass> {
        self.memory.preinitialize.then_some(PREINITIALIZED)
    }
}
