//! [`interval`]: ticks at equal distances.

use super::{Duration, Instant, Sleep, sleep_until};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Ticks every `period`, the first time at once.
///
/// # Panics
/// If `period` is zero.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, interval};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// let mut interval = interval(Duration::from_millis(2));
/// let first = interval.tick().await;
/// let second = interval.tick().await;
/// assert_eq!(second.duration_since(first), Duration::from_millis(2));
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
/// If `period` is zero.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, Instant, interval_at};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let start = Instant::now() + Duration::from_millis(1);
/// let first = runtime.block_on(async { interval_at(start, Duration::from_secs(1)).tick().await });
/// assert_eq!(first, start);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period must not be zero");
    Interval { sleep: sleep_until(start), period, missed: MissedTickBehavior::default() }
}

/// What an interval does when a tick was not taken in time.
///
/// ```
/// use maniac_runtime::{self as maniac, time::{self, Duration, Instant, MissedTickBehavior}};
/// maniac::runtime::Runtime::new_single_threaded()?.block_on(async {
///     time::pause();
///     let start = Instant::now();
///     let mut interval = time::interval(Duration::from_millis(10));
///     interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
///     assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Skip);
///     interval.tick().await;
///     time::advance(Duration::from_millis(25)).await; // two ticks went by: one is late, the other is left out
///     assert_eq!(interval.tick().await, start + Duration::from_millis(10));
///     assert_eq!(interval.tick().await, start + Duration::from_millis(30));
/// });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissedTickBehavior {
    /// Ticks follow one another at once until the schedule is caught up with.
    #[default]
    Burst,
    /// The schedule moves: the next tick comes a period after the late one.
    Delay,
    /// Missed ticks are left out: the next one is the next point of the schedule.
    Skip,
}

/// Ticks at equal distances; see [`interval`].
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// use maniac::time::{Duration, interval};
/// use std::task::{Context, Waker};
/// let mut interval = interval(Duration::from_secs(3600));
/// assert_eq!(interval.period(), Duration::from_secs(3600));
/// let first = interval.tick().await;
/// interval.reset_at(first + Duration::from_millis(1));
/// assert_eq!(interval.tick().await, first + Duration::from_millis(1));
/// interval.reset_immediately();
/// assert!(interval.tick().await > first, "at once, not in an hour");
/// interval.reset();
/// assert!(interval.poll_tick(&mut Context::from_waker(Waker::noop())).is_pending());
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick; gives the point of the schedule that it stands for.
    ///
    /// # Cancel safety
    /// Cancel-safe: a tick that was not delivered comes again.
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// The poll form of [`Interval::tick`].
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.sleep.deadline();
        let next = self.next_after(due, Instant::now());
        Pin::new(&mut self.sleep).reset(next);
        Poll::Ready(due)
    }

    fn next_after(&self, due: Instant, now: Instant) -> Instant {
        let next = due.saturating_add(self.period);
        if now < next {
            return next;
        }
        match self.missed {
            MissedTickBehavior::Burst => next,
            MissedTickBehavior::Delay => now.saturating_add(self.period),
            MissedTickBehavior::Skip => {
                let late = now.duration_since(due).as_nanos() % self.period.as_nanos();
                // Below one period, and a period fits a Duration.
                let late = Duration::new((late / 1_000_000_000) as u64, (late % 1_000_000_000) as u32);
                now.saturating_add(self.period - late)
            }
        }
    }

    /// The next tick comes a period from now.
    pub fn reset(&mut self) {
        Pin::new(&mut self.sleep).reset(Instant::now().saturating_add(self.period));
    }

    /// The next tick comes at once.
    pub fn reset_immediately(&mut self) {
        Pin::new(&mut self.sleep).reset(Instant::now());
    }

    /// The next tick comes at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        Pin::new(&mut self.sleep).reset(deadline);
    }

    /// The distance of the ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What happens when a tick was not taken in time.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what happens when a tick was not taken in time.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }
}
