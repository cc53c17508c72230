//! maniac as the async runtime of a Node addon built with napi 3.
//!
//! Call [`register`] from the addon's `#[module_init]`; from then on its `#[napi] async fn`s run on maniac. README.md holds
//! the invariants that the `SAFETY` comments name.

use maniac_runtime::runtime::{Handle, Runtime, RuntimeBuilder};
use napi::bindgen_prelude::{
    AsyncRuntime, AsyncRuntimeGuard, AsyncRuntimeRejection, AsyncRuntimeTask, Error, Result, Status,
    register_async_runtime, retain_current_module_for_unload_safety,
};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a shutdown waits for tasks and threads.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A closure for a thread that may block.
type Work = Box<dyn FnOnce() + Send + 'static>;

/// maniac, as napi wants an async runtime: dormant until napi starts it, and restartable.
pub struct Maniac {
    builder: Box<dyn Fn() -> RuntimeBuilder + Send + Sync>,
    shutdown_timeout: Duration,
    /// None while dormant. A lock, since it is taken once for each call from JavaScript, which costs microseconds.
    runtime: Mutex<Option<Runtime>>,
}

impl Maniac {
    /// With the runtime's own defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::with_builder(RuntimeBuilder::new)
    }

    /// Each start builds its runtime with what `builder` gives.
    pub fn with_builder(builder: impl Fn() -> RuntimeBuilder + Send + Sync + 'static) -> Self {
        Self {
            builder: Box::new(builder),
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            runtime: Mutex::new(None),
        }
    }

    /// How long a shutdown waits, 5 s by default. Node waits with it.
    #[must_use]
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = limit;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Option<Runtime>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running runtime; the lock is not held while it is used.
    fn handle(&self) -> Result<Handle> {
        let runtime = self.lock();
        runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(|| {
            Error::new(Status::Closing, "maniac is not running: no environment of Node has started it")
        })
    }
}

impl Default for Maniac {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes `runtime` the addon's async runtime. To be called from `#[module_init]`; napi reports a second registration when the
/// addon is loaded.
pub fn register(runtime: Maniac) {
    register_async_runtime(runtime);
}

/// Makes a runtime the current one of a thread.
struct Entered<Guard> {
    _guard: Guard,
}

impl<Guard> AsyncRuntimeGuard for Entered<Guard> {}

// SAFETY: [INV-1] the image stays loaded, so whatever survives a shutdown can go on; [INV-2] accepted tasks are polled to their end or
// dropped.
unsafe impl AsyncRuntime for Maniac {
    fn spawn(
        &self,
        task: AsyncRuntimeTask,
    ) -> std::result::Result<(), AsyncRuntimeRejection<AsyncRuntimeTask>> {
        match self.handle() {
            Err(error) => Err(AsyncRuntimeRejection::new(task, error)),
            Ok(handle) => {
                // A refusal from here on (a limit of tasks, a shutdown at this moment) drops the task, which rejects its promise.
                drop(handle.try_spawn(task));
                Ok(())
            }
        }
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) -> Result<()> {
        self.handle()?.block_on(future);
        Ok(())
    }

    fn enter(&self) -> Result<Box<dyn AsyncRuntimeGuard + '_>> {
        Ok(Box::new(Entered { _guard: self.handle()?.enter() }))
    }

    fn start(&self) -> Result<()> {
        let mut runtime = self.lock();
        if runtime.is_none() {
            retain_current_module_for_unload_safety();
            let built = (self.builder)().build();
            *runtime = Some(built.map_err(|error| Error::new(Status::GenericFailure, error.to_string()))?);
        }
        Ok(())
    }

    fn shutdown(&self) -> Result<()> {
        // Taken first, so that nothing is admitted while it ends.
        let Some(runtime) = self.lock().take() else { return Ok(()) };
        let report = runtime.shutdown_timeout(self.shutdown_timeout);
        if report.is_clean() {
            return Ok(());
        }
        Err(Error::new(Status::GenericFailure, format!("maniac did not stop in time: {report:?}")))
    }

    fn spawn_blocking(&self, work: Work) -> std::result::Result<(), AsyncRuntimeRejection<Work>> {
        match self.handle() {
            Err(error) => Err(AsyncRuntimeRejection::new(work, error)),
            Ok(handle) => {
                drop(handle.try_spawn_blocking(work));
                Ok(())
            }
        }
    }
}
