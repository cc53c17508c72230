//! [`Instant`]: a point of the runtime's time.

use crate::role::context;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// A point in time, as [`std::time::Instant`]; in a runtime whose clock is paused it follows that clock.
///
/// ```
/// use maniac_runtime::time::{Duration, Instant};
/// let start = Instant::now();
/// let later = start + Duration::from_secs(1);
/// assert!(later > start && later.elapsed() <= start.elapsed());
/// assert_eq!(later.duration_since(start), later - start);
/// assert_eq!(start.duration_since(later), Duration::ZERO);
/// assert_eq!(later.checked_sub(Duration::from_secs(1)), Some(start));
/// assert_eq!(start.checked_add(Duration::MAX), None);
/// assert_eq!(Instant::from_std(start.into_std()), start);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instant(std::time::Instant);

/// Farther than anybody waits: 30 years.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

impl Instant {
    /// Now.
    #[must_use]
    pub fn now() -> Instant {
        match context::thread() {
            Some(thread) if thread.core().clock().is_shifted() => {
                let clock = thread.core().clock();
                Instant(clock.instant(clock.now()))
            }
            _ => Instant(std::time::Instant::now()),
        }
    }

    /// A point so far in the future that it never comes.
    pub(crate) fn far_future() -> Instant {
        Instant(std::time::Instant::now() + FAR)
    }

    /// `self + duration`, or a point that never comes where that cannot be represented.
    pub(crate) fn saturating_add(self, duration: Duration) -> Instant {
        self.checked_add(duration).unwrap_or_else(Instant::far_future)
    }

    /// The time since `earlier`, zero if that is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time since this instant.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// `self + duration`, if that can be represented.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    /// `self - duration`, if that can be represented.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_sub(duration).map(Instant)
    }

    /// As the standard library's instant.
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.0
    }

    /// From the standard library's instant.
    #[must_use]
    pub fn from_std(instant: std::time::Instant) -> Instant {
        Instant(instant)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(instant: std::time::Instant) -> Instant {
        Instant(instant)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> std::time::Instant {
        instant.0
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}
