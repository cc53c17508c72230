//! Giving others a turn, and lifting the budget.

use crate::coop::{self, UNLIMITED};
use crate::role::context;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets other tasks run: this one goes to the back of the queue.
///
/// # Cancel safety
/// Cancel-safe: it does nothing but wait.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// runtime.block_on(async { maniac::task::yield_now().await });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
///
/// ```
/// use std::task::{Context, Waker};
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut turn = std::pin::pin!(maniac_runtime::task::yield_now());
/// assert!(turn.as_mut().poll(&mut cx).is_pending(), "whoever polls may turn to others now");
/// assert!(turn.as_mut().poll(&mut cx).is_ready());
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Lifts the budget of 128 leaf operations a poll for `future`: it is never made to yield.
///
/// # Cancel safety
/// That of `future`.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// runtime.block_on(maniac::task::unconstrained(async { /* many ready operations */ }));
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn unconstrained<F: Future>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}

pin_project_lite::pin_project! {
    /// The future of [`unconstrained`].
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let greedy = maniac::task::unconstrained(async {
    ///     for _ in 0..1_000 {
    ///         maniac::time::sleep(maniac::time::Duration::ZERO).await; // ready at once, each of them
    ///     }
    ///     7
    /// });
    /// assert_eq!(runtime.block_on(greedy), 7);
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        struct Restore(u32);
        impl Drop for Restore {
            fn drop(&mut self) {
                context::set_budget(self.0);
            }
        }
        let _restore = Restore(context::budget());
        context::set_budget(UNLIMITED);
        self.project().future.poll(cx)
    }
}

const _: () = assert!(coop::BUDGET < UNLIMITED);
