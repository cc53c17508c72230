//! Blocking work: closures on threads of their own, kept away from the workers.
//!
//! | use [`unblock`] or [`spawn_blocking`] for | use async operations for |
//! |---|---|
//! | `std::fs`, system calls that block | files and sockets of this runtime |
//! | long computations | what awaits |
//! | C libraries that block | |

mod pool;

pub use pool::PoolMetrics;
pub(crate) use pool::{Pool, Work};

use crate::runtime::{Handle, SpawnError};
use crate::task::JoinHandle;

/// Runs `f` on a thread of the blocking pool and gives its value; a panic of `f` goes on in the caller.
///
/// # Panics
/// Outside a runtime, at the runtime's limit of tasks, and if the runtime shuts down before `f` ran.
///
/// # Cancel safety
/// Before its first poll nothing has begun. After it, dropping the future leaves `f` to run to its end; its value is dropped.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let sum: u64 = runtime.block_on(maniac::blocking::unblock(|| (1..=1000).sum()));
/// assert_eq!(sum, 500_500);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub async fn unblock<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match spawn_blocking(f).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            Err(error) => panic!("blocking work was not run: {error}"),
        },
    }
}

/// Runs `f` on a thread of the blocking pool; gives the handle of that task at once.
///
/// Aborting the handle keeps `f` from starting; once it runs it runs to its end.
///
/// # Panics
/// Outside a runtime, and at the runtime's limit of tasks; see [`try_spawn_blocking`].
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let handle = runtime.block_on(async { maniac::blocking::spawn_blocking(|| std::fs::read_dir("/").is_ok()) });
/// assert!(runtime.block_on(handle).unwrap());
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match try_spawn_blocking(f) {
        Ok(handle) => handle,
        Err(SpawnError::ShutDown) => JoinHandle::refused(),
        Err(error) => panic!("{error}"),
    }
}

/// As [`spawn_blocking`], with an error where that panics.
///
/// # Errors
/// [`SpawnError`]: outside a runtime, at its limit of tasks, during its shutdown.
///
/// ```
/// # use maniac_runtime as maniac;
/// assert!(maniac::blocking::try_spawn_blocking(|| ()).is_err(), "outside a runtime");
/// ```
#[track_caller]
pub fn try_spawn_blocking<F, T>(f: F) -> Result<JoinHandle<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Handle::try_current().ok_or(SpawnError::NoRuntime)?.try_spawn_blocking(f)
}

/// A closure as a future: ready at its first poll, which a thread of the pool makes.
pub(crate) struct Blocking<F>(Option<F>);

impl<F> Blocking<F> {
    pub(crate) fn new(f: F) -> Blocking<F> {
        Blocking(Some(f))
    }
}

// The closure is taken out by value before it is called, never pinned.
impl<F> Unpin for Blocking<F> {}

impl<F: FnOnce() -> T, T> Future for Blocking<F> {
    type Output = T;

    fn poll(mut self: std::pin::Pin<&mut Self>, _cx: &mut std::task::Context<'_>) -> std::task::Poll<T> {
        let f = self.0.take().expect("blocking work runs once");
        std::task::Poll::Ready(f())
    }
}
