//! [`timeout`]: a future with a deadline.

use super::{Duration, Instant, Sleep, sleep_until};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for `future`, at most `duration`.
///
/// # Errors
/// [`Elapsed`] when the time is up; the future is dropped with this one then.
///
/// # Panics
/// When polled outside a runtime.
///
/// # Cancel safety
/// That of `future`.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, timeout};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// assert_eq!(timeout(Duration::from_secs(5), async { 42 }).await, Ok(42));
/// assert!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    timeout_at(Instant::now().saturating_add(duration), future)
}

/// Waits for `future`, at most until `deadline`. See [`timeout`].
///
/// # Errors
/// [`Elapsed`] when the deadline has passed.
///
/// # Cancel safety
/// That of `future`.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, Instant, timeout_at};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let soon = Instant::now() + Duration::from_millis(1);
/// assert!(runtime.block_on(timeout_at(soon, std::future::pending::<()>())).is_err());
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep_until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// # runtime.block_on(async {
    /// use maniac::time::{Duration, timeout};
    /// let patient = timeout(Duration::from_secs(5), async { 42 });
    /// let future = patient.into_inner(); // changed one's mind: it may take as long as it likes
    /// assert_eq!(future.await, 42);
    /// # });
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The future inside.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // A future that used the budget up must not keep its own deadline from being seen.
        let due = crate::coop::exempt(|| Pin::new(this.sleep).poll(cx));
        due.map(|()| Err(Elapsed(())))
    }
}

/// The time was up before the future was done.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// use maniac::time::{Duration, timeout};
/// let elapsed = timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
/// assert_eq!(elapsed.to_string(), "the time was up before the future was done");
/// assert_eq!(std::io::Error::from(elapsed).kind(), std::io::ErrorKind::TimedOut);
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up before the future was done")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}
