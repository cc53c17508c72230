//! [`Handle`]: a runtime as seen by those who do not own it.

use super::core::Core;
use super::dump::Dump;
use super::hooks::Hooks;
use super::metrics::Metrics;
use crate::role::{Thread, context};
use crate::task::JoinHandle;
use crate::task::origin::Origin;
use crate::task::spawn::{NO_RUNTIME, SpawnError};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One life of a core: what is shared by a runtime and its handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) core: &'static Core,
    /// Set when this runtime's shutdown begins; its core may serve another runtime later.
    pub(super) closed: AtomicBool,
    pub(super) hooks: Hooks,
}

/// A runtime as seen by those who do not own it: spawns into it, blocks on it, asks for its metrics. Cheap to clone.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let handle = runtime.handle().clone();
/// let answer = std::thread::spawn(move || handle.block_on(async { 42 })).join().unwrap();
/// assert_eq!(answer, 42);
///
/// use maniac::runtime::Handle;
/// assert!(Handle::try_current().is_none(), "this thread is in no runtime");
/// runtime.block_on(async {
///     let answer = Handle::current().spawn_blocking(|| 6 * 7).await;
///     assert_eq!(answer.unwrap(), 42);
/// });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("runtime", &self.shared.core.number()).finish_non_exhaustive()
    }
}

impl Handle {
    /// The runtime that this thread is in.
    ///
    /// # Panics
    /// If it is in none; see [`Handle::try_current`].
    #[must_use]
    #[track_caller]
    pub fn current() -> Handle {
        Handle::try_current().expect(NO_RUNTIME)
    }

    /// The runtime that this thread is in, or `None`.
    #[must_use]
    pub fn try_current() -> Option<Handle> {
        let core = context::thread().map(Thread::core)?;
        Some(Handle { shared: core.current_life()? })
    }

    /// The core, unless this runtime is shut down.
    pub(crate) fn core(&self) -> Result<&'static Core, SpawnError> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(SpawnError::ShutDown);
        }
        Ok(self.shared.core)
    }

    /// Spawns a task into this runtime. During its shutdown, and after, the task is cancelled at once.
    ///
    /// # Panics
    /// At the runtime's limit of tasks, and when there is no memory.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.try_spawn(future) {
            Ok(handle) => handle,
            Err(SpawnError::ShutDown) => JoinHandle::refused(),
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Handle::spawn`], with an error where that panics or gives a cancelled handle. The future is dropped then.
    ///
    /// # Errors
    /// [`SpawnError`].
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// use maniac::runtime::SpawnError;
    /// let handle = runtime.handle().clone();
    /// drop(runtime);
    /// assert!(matches!(handle.try_spawn(async {}), Err(SpawnError::ShutDown)));
    /// assert!(matches!(handle.try_spawn_blocking(|| ()), Err(SpawnError::ShutDown)));
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, SpawnError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.core()?.spawn(future, Origin::here(None))
    }

    /// Runs `f` on a thread of the blocking pool.
    ///
    /// # Panics
    /// At the runtime's limit of tasks.
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.try_spawn_blocking(f) {
            Ok(handle) => handle,
            Err(SpawnError::ShutDown) => JoinHandle::refused(),
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Handle::spawn_blocking`], with an error where that panics or gives a cancelled handle.
    ///
    /// # Errors
    /// [`SpawnError`].
    #[track_caller]
    pub fn try_spawn_blocking<F, T>(&self, f: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.core()?.spawn_blocking(f, Origin::here(None))
    }

    /// Runs `future` on this thread until it is done, with the runtime at hand.
    ///
    /// On a worker of this runtime it is [`sync_await`](crate::sync_await); elsewhere it blocks the thread.
    ///
    /// # Panics
    /// If `future` panics, or the runtime is shut down.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.core() {
            Ok(core) => super::block_on::block_on(core, future),
            Err(error) => panic!("{error}"),
        }
    }

    /// What the runtime counts.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// assert_eq!(runtime.handle().metrics().live_tasks, 1);
    /// # drop(task);
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.core.metrics()
    }

    /// Lists every task: its name, where it was spawned, what it is doing and what it waits for; and how much lies in the queues. Tasks run on
    /// meanwhile. Takes some ten nanoseconds for each slot of the arena. Of a runtime that is gone, what was left in it, until another one takes its place.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let handle = runtime.spawn(std::future::pending::<()>());
    /// let dump = runtime.handle().dump();
    /// assert!(dump.tasks.iter().any(|task| task.id == handle.id()));
    /// println!("{dump}");
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump {
        self.look(Core::dump)
    }

    /// As [`Handle::dump`], with a backtrace of each task that waits in [`sync_await`](crate::sync_await), as far as they come within `limit`, for
    /// which this blocks.
    ///
    /// Each such task is woken and captures its own backtrace, so that it takes its thread: those on a thread that is busy, or that calls this,
    /// may be missing.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// use maniac::runtime::TaskState;
    /// use std::time::Duration;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let task = runtime.spawn(async { maniac::sync_await(std::future::pending::<()>()) });
    /// loop {
    ///     let dump = runtime.handle().dump_with_backtraces(Duration::from_secs(30));
    ///     if matches!(dump.tasks[0].state, TaskState::Suspended { .. }) && dump.tasks[0].backtrace.is_some() {
    ///         break;
    ///     }
    /// }
    /// task.abort();
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn dump_with_backtraces(&self, limit: Duration) -> Dump {
        self.look(|core| core.dump_with_backtraces(limit))
    }

    fn look(&self, look: impl FnOnce(&'static Core) -> Dump) -> Dump {
        let is_current =
            || self.shared.core.current_life().is_some_and(|life| Arc::ptr_eq(&life, &self.shared));
        if !is_current() {
            return Dump::empty();
        }
        let dump = look(self.shared.core);
        // Another runtime may have taken this one's core meanwhile.
        if is_current() { dump } else { Dump::empty() }
    }

    /// Makes this runtime the current one of this thread until the guard is dropped, so that `spawn` and timers find it.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let entered = runtime.handle().enter();
    /// let handle = maniac::spawn(async { 1 });
    /// drop(entered);
    /// assert_eq!(runtime.block_on(handle).unwrap(), 1);
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[must_use = "dropping the guard leaves the runtime again"]
    pub fn enter(&self) -> super::block_on::Entered {
        super::block_on::Entered::new(self.shared.core)
    }
}
