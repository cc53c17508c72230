//! The runtime as this crate uses it: operations, blocking calls, the budget of a poll.

use maniac_driver::op::Operation;
use maniac_runtime::blocking;
use maniac_runtime::coop::{self, Unit};
use maniac_runtime::driver;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

/// Takes one unit of the task's budget, which an operation that begins has used: after 128 of them the task yields.
#[inline]
pub(crate) async fn charge() {
    poll_fn(poll_charge).await;
}

/// As [`charge`], for a call that is complete in one poll.
#[inline]
pub(crate) fn poll_charge(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(Unit::made_progress)
}

/// Does `op`, whose result is all that it gives.
pub(crate) async fn run<T, R>(op: T) -> io::Result<R>
where
    T: Operation<Output = io::Result<R>>,
{
    driver::submit(op)?.await
}

/// Makes a blocking call on a thread of the blocking pool. Once begun it runs to its end, also if the future is dropped.
pub(crate) async fn unblock<R: Send + 'static>(
    call: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    match blocking::try_spawn_blocking(call).map_err(io::Error::other)?.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            Err(error) => Err(io::Error::other(error)),
        },
    }
}

/// Does `op`, which gives its buffer back with the result.
pub(crate) async fn run_owned<T, R, B>(op: T) -> (io::Result<R>, B)
where
    T: Operation<Output = (io::Result<R>, B)>,
{
    match driver::try_submit(op) {
        Ok(begun) => begun.await,
        Err((error, op)) => op.finish(Err(error)),
    }
}
