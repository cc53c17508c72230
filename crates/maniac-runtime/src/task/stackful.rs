//! Stackful tasks: a closure that waits with `sync_await` instead of `.await`.

use super::origin::Origin;
use super::spawn::SpawnError;
use super::{JoinHandle, or_panic, try_spawn_at};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Spawns a closure as a task of its own stack: it waits with [`sync_await`](crate::sync_await), at any depth of calls.
///
/// In a runtime that was built with [`coroutines`](crate::runtime::RuntimeBuilder::coroutines) it is a green thread; in any other a thread of the spare
/// pool serves it whenever it waits. It stays on its thread while it waits.
///
/// # Panics
/// As [`spawn`](crate::spawn).
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, sleep};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(2, 64)?;
/// fn countdown(n: u32) -> u32 {
///     maniac::sync_await(sleep(Duration::from_millis(1)));
///     if n == 0 { 0 } else { 1 + countdown(n - 1) }
/// }
/// let _entered = runtime.handle().enter();
/// let task = maniac::spawn_stackful(|| countdown(3));
/// assert_eq!(runtime.block_on(task).unwrap(), 3);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn spawn_stackful<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    or_panic(try_spawn_at(Stackful::new(f), Origin::here(None)))
}

/// As [`spawn_stackful`], with an error where that panics.
///
/// # Errors
/// As [`try_spawn`](super::try_spawn).
///
/// ```
/// assert!(maniac_runtime::task::try_spawn_stackful(|| ()).is_err(), "outside a runtime");
/// ```
#[track_caller]
pub fn try_spawn_stackful<F, T>(f: F) -> Result<JoinHandle<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    try_spawn_at(Stackful::new(f), Origin::here(None))
}

/// A closure as a future: its first poll runs it to the end.
pub(super) struct Stackful<F>(Option<F>);

impl<F> Stackful<F> {
    pub(super) fn new(f: F) -> Stackful<F> {
        Stackful(Some(f))
    }
}

// The closure is taken out by value before it is called, never pinned.
impl<F> Unpin for Stackful<F> {}

impl<F: FnOnce() -> T, T> Future for Stackful<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<T> {
        let f = self.0.take().expect("a stackful task is polled once");
        Poll::Ready(f())
    }
}
