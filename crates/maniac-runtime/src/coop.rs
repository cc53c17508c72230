//! The budget: how many leaf operations a poll may complete before it has to yield.
//!
//! A leaf future calls [`poll_proceed`] first, and [`Unit::made_progress`] when it completes.

use crate::role::{Thread, context};
use std::task::{Context, Poll};

/// Leaf operations a poll may complete before its task goes to the back of the queue.
pub(crate) const BUDGET: u32 = 128;
/// Not inside a task's poll, or lifted by `unconstrained`.
pub(crate) const UNLIMITED: u32 = u32::MAX;

/// One unit of budget, given back unless the operation says that it made progress.
///
/// ```
/// use maniac_runtime::coop::{Unit, poll_proceed};
/// use std::{io, task::{Context, Poll, Waker, ready}};
/// fn poll_read(cx: &mut Context<'_>, mut read: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
///     let unit: Unit = ready!(poll_proceed(cx));
///     match read() {
///         // Given back: a poll that finds nothing costs no budget.
///         Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
///         result => {
///             unit.made_progress();
///             Poll::Ready(result)
///         }
///     }
/// }
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(poll_read(&mut cx, || Err(io::ErrorKind::WouldBlock.into())).is_pending());
/// assert!(poll_read(&mut cx, || Ok(1)).is_ready());
/// ```
#[derive(Debug)]
#[must_use = "a unit that is dropped was not used"]
pub struct Unit {
    before: u32,
}

/// Takes a unit; `Pending` (with a wake on the way) when none is left, and when others have waited for this poll's end for a quantum.
///
/// ```
/// use std::task::{Context, Poll, Waker, ready};
/// fn poll_leaf(cx: &mut Context<'_>, done: bool) -> Poll<()> {
///     let unit = ready!(maniac_runtime::coop::poll_proceed(cx));
///     if !done {
///         return Poll::Pending;
///     }
///     unit.made_progress();
///     Poll::Ready(())
/// }
/// assert!(poll_leaf(&mut Context::from_waker(Waker::noop()), true).is_ready());
/// ```
#[inline]
pub fn poll_proceed(cx: &Context<'_>) -> Poll<Unit> {
    let before = context::budget();
    if before == UNLIMITED {
        return Poll::Ready(Unit { before });
    }
    if before == 0 || context::runner().is_some_and(Thread::should_yield) {
        give_way(cx);
        return Poll::Pending;
    }
    context::set_budget(before - 1);
    Poll::Ready(Unit { before })
}

/// The task goes to the back of the queue; shows where it was, if it is one that stalls.
#[cold]
fn give_way(cx: &Context<'_>) {
    if let Some(thread) = context::runner().filter(|thread| thread.is_trace_wanted()) {
        thread.leave_trace();
    }
    cx.waker().wake_by_ref();
}

impl Unit {
    /// The operation is complete: the unit is used.
    #[inline]
    pub fn made_progress(self) {
        // Nothing to give back; a unit holds nothing else.
        let _ = std::mem::ManuallyDrop::new(self);
    }
}

impl Drop for Unit {
    #[inline]
    fn drop(&mut self) {
        context::set_budget(self.before);
    }
}

/// Runs `f` without a budget, for combinators that poll many and answer for their own.
pub(crate) fn exempt<R>(f: impl FnOnce() -> R) -> R {
    let _restored = Unit { before: context::budget() };
    context::set_budget(UNLIMITED);
    f()
}
