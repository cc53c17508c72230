//! [`Builder`]: a task's name and other options.

use super::origin::Origin;
use super::stackful::Stackful;
use super::{JoinHandle, state};
use crate::role::{Thread, context};
use crate::runtime::SpawnError;

/// Options of a task.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// let handle = maniac::task::Builder::new().name("compaction").spawn(async { 7 })?;
/// assert_eq!(handle.await.unwrap(), 7);
/// # Ok::<(), maniac::runtime::SpawnError>(())
/// # }).unwrap();
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<String>,
    /// COROUTINE and BACKGROUND, as far as they were asked for.
    flags: u64,
}

impl Builder {
    /// No name, nothing special.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The task's name, for dumps, traces and the report of a stack overflow.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Has the task run when a worker finds nothing else to do: neither tasks, nor timers that are due, nor completions, nor another
    /// worker's tasks. While the others keep all workers busy it does not run at all. Once begun, each of its polls takes as long as it takes.
    ///
    /// For tasks that any worker may run; one that stays on its thread ([`Builder::spawn_local`], or while it waits in
    /// [`sync_await`](crate::sync_await)) has its turn there like any other.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// # runtime.block_on(async {
    /// let sweeper = maniac::task::Builder::new().name("sweeper").background().spawn(async { "swept" })?;
    /// assert_eq!(sweeper.await.unwrap(), "swept");
    /// # Ok::<(), maniac::runtime::SpawnError>(())
    /// # }).unwrap();
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub fn background(mut self) -> Builder {
        self.flags |= state::BACKGROUND;
        self
    }

    /// Lets this task wait in [`sync_await`](crate::sync_await) by suspending its stack instead of blocking a thread: what
    /// [`coroutines`](crate::runtime::RuntimeBuilder::coroutines) does for all tasks of a runtime.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let _entered = runtime.handle().enter();
    /// // SAFETY: the closure holds nothing across its wait.
    /// let builder = unsafe { maniac::task::Builder::new().coroutine() };
    /// let task = builder.spawn_stackful(|| {
    ///     maniac::sync_await(maniac::task::yield_now());
    ///     7
    /// })?;
    /// assert_eq!(runtime.block_on(task).unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// That of [`coroutines`](crate::runtime::RuntimeBuilder::coroutines), for all code that this task calls, and for all that the runtime's other tasks
    /// call which are marked likewise.
    pub unsafe fn coroutine(mut self) -> Builder {
        self.flags |= state::COROUTINE;
        self
    }

    /// Spawns a task that any worker may run.
    ///
    /// # Errors
    /// [`SpawnError`]: outside a runtime, at its limit of tasks, during its shutdown.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Result<JoinHandle<F::Output>, SpawnError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let core = thread()?.core();
        // SAFETY: [TASK-10] the future and its output are Send: any thread may poll, drop and take them.
        unsafe { core.spawn_pinned(future, Origin::here(self.name), self.flags, None) }
    }

    /// Spawns a closure as a stackful task, as [`spawn_stackful`](crate::spawn_stackful) does.
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    #[track_caller]
    pub fn spawn_stackful<F, T>(self, f: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn(Stackful::new(f))
    }

    /// Spawns a task that stays on this thread.
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let _entered = runtime.handle().enter();
    /// let shared = std::rc::Rc::new(7);
    /// let handle = maniac::task::Builder::new().name("local").spawn_local(async move { *shared })?;
    /// assert_eq!(runtime.block_on(handle)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> Result<JoinHandle<F::Output>, SpawnError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let thread = thread()?;
        // SAFETY: [TASK-10] pinned to the calling thread.
        unsafe { thread.core().spawn_pinned(future, Origin::here(self.name), self.flags, Some(thread)) }
    }

    /// Runs a closure on the blocking pool.
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let _entered = runtime.handle().enter();
    /// let handle = maniac::task::Builder::new().name("manifest").spawn_blocking(|| std::fs::read("Cargo.toml"))?;
    /// assert!(runtime.block_on(handle)??.starts_with(b"[package]"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, T>(self, f: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let core = thread()?.core();
        core.spawn_blocking(f, Origin::here(self.name))
    }
}

/// The calling thread in its runtime.
fn thread() -> Result<&'static Thread, SpawnError> {
    context::thread().ok_or(SpawnError::NoRuntime)
}
