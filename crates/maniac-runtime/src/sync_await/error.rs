//! Why `try_sync_await` could not wait.

use std::fmt;

/// Why [`try_sync_await`](crate::try_sync_await) could not wait.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use maniac::{SyncAwaitError, try_sync_await};
/// assert_eq!(try_sync_await(async { 7 }), Err(SyncAwaitError::OffWorker), "this thread runs no task");
/// assert_eq!(runtime.block_on(runtime.spawn(async { try_sync_await(async { 7 }) })).unwrap(), Ok(7));
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncAwaitError {
    /// As many threads block in `sync_await` as the runtime allows; holds that limit.
    ThreadLimit(usize),
    /// The task was aborted, and this frame must not be unwound.
    Cancelled,
    /// This code runs in no task.
    OffWorker,
    /// The task's runtime is driven by its host's thread, which must not block.
    HostLoop,
    /// The system gave no thread to take the role over.
    NoThread,
}

impl fmt::Display for SyncAwaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncAwaitError::ThreadLimit(limit) => write!(
                f,
                "{limit} threads block in sync_await, as many as max_sync_threads allows: raise it, or await in async code"
            ),
            SyncAwaitError::Cancelled => f.write_str("the task was aborted"),
            SyncAwaitError::OffWorker => f.write_str(
                "this code runs in no task of a runtime: use block_on here, or try_sync_await to get this as an error",
            ),
            SyncAwaitError::HostLoop => f.write_str(
                "the runtime is driven by this thread, which must not block: await in async code, or use a runtime with workers",
            ),
            SyncAwaitError::NoThread => f.write_str("the system gave no thread to take this worker's role over"),
        }
    }
}

impl std::error::Error for SyncAwaitError {}
