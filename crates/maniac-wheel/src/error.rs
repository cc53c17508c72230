//! What can be wrong with a request, said in types.

use std::fmt;

/// Why a timer was not scheduled. It gives back the value that was to fire.
///
/// ```
/// use maniac_wheel::{TimerWheel, WheelError};
///
/// let mut wheel = TimerWheel::new(0);
/// let two_days = 2 * 86_400 * 1_000_000_000;
/// let error = wheel.schedule_timer(two_days, "backup").unwrap_err();
/// assert!(matches!(error, WheelError::BeyondRange { deadline_ns, .. } if deadline_ns == two_days));
/// assert_eq!(error.into_value(), "backup");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WheelError<T> {
    /// The deadline is later than the wheel can hold now.
    /// [`schedule_timer_best_fit`](crate::TimerWheel::schedule_timer_best_fit) takes it part of the way.
    #[non_exhaustive]
    BeyondRange {
        /// The value that was to fire.
        value: T,
        /// The deadline that was asked for, in ns.
        deadline_ns: u64,
        /// The latest deadline that the wheel takes now, in ns.
        max_deadline_ns: u64,
    },
    /// The deadline's spoke holds as many timers as it may.
    #[non_exhaustive]
    SpokeFull {
        /// The value that was to fire.
        value: T,
        /// How many timers a spoke may hold: [`MAX_TIMERS_PER_SPOKE`](crate::MAX_TIMERS_PER_SPOKE) or what
        /// [`with_spoke_limit`](crate::TimerWheel::with_spoke_limit) set.
        limit: u32,
    },
}

impl<T> WheelError<T> {
    /// The value that was to fire.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let error = wheel.schedule_timer(u64::MAX, String::from("never")).unwrap_err();
    /// assert_eq!(error.into_value(), "never");
    /// ```
    pub fn into_value(self) -> T {
        match self {
            Self::BeyondRange { value, .. } | Self::SpokeFull { value, .. } => value,
        }
    }
}

impl<T> fmt::Debug for WheelError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondRange { deadline_ns, max_deadline_ns, .. } => f
                .debug_struct("BeyondRange")
                .field("deadline_ns", deadline_ns)
                .field("max_deadline_ns", max_deadline_ns)
                .finish_non_exhaustive(),
            Self::SpokeFull { limit, .. } => {
                f.debug_struct("SpokeFull").field("limit", limit).finish_non_exhaustive()
            }
        }
    }
}

impl<T> fmt::Display for WheelError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondRange { deadline_ns, max_deadline_ns, .. } => write!(
                f,
                "the deadline, {deadline_ns} ns, is beyond the timer wheel's range, which ends at {max_deadline_ns} ns: \
                 use schedule_timer_best_fit, and schedule the rest when that timer fires"
            ),
            Self::SpokeFull { limit, .. } => write!(
                f,
                "the deadline's spoke already holds its limit of {limit} timers: use another deadline, another wheel or a \
                 higher limit (TimerWheel::with_spoke_limit)"
            ),
        }
    }
}

impl<T> std::error::Error for WheelError<T> {}

/// The tick given to [`TimerWheel::with_tick`](crate::TimerWheel::with_tick) is no power of two, or above
/// [`MAX_TICK_DURATION_NS`](crate::MAX_TICK_DURATION_NS).
///
/// ```
/// let error = maniac_wheel::TimerWheel::<()>::with_tick(0, 1_000_000).unwrap_err();
/// assert_eq!(error.tick_ns, 1_000_000);
/// assert!(error.to_string().contains("1048576"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTick {
    /// The tick that was asked for, in ns.
    pub tick_ns: u64,
}

impl fmt::Display for InvalidTick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nearest = self.tick_ns.clamp(1, crate::MAX_TICK_DURATION_NS).next_power_of_two();
        write!(
            f,
            "a timer wheel's tick is a power of two from 1 to {} ns, not {} ns: {nearest} ns would do",
            crate::MAX_TICK_DURATION_NS,
            self.tick_ns
        )
    }
}

impl std::error::Error for InvalidTick {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_was_wrong_and_what_to_do() {
        let far = WheelError::BeyondRange { value: (), deadline_ns: 9, max_deadline_ns: 7 };
        assert!(far.to_string().contains("9 ns") && far.to_string().contains("7 ns"));
        assert!(far.to_string().contains("schedule_timer_best_fit"));
        assert_eq!(format!("{far:?}"), "BeyondRange { deadline_ns: 9, max_deadline_ns: 7, .. }");
        let full = WheelError::SpokeFull { value: (), limit: 3 };
        assert!(full.to_string().contains("limit of 3"));
        assert_eq!(format!("{full:?}"), "SpokeFull { limit: 3, .. }");
        assert_eq!(full.into_value(), ());
        assert!(InvalidTick { tick_ns: 0 }.to_string().ends_with("1 ns would do"));
        assert!(InvalidTick { tick_ns: u64::MAX }.to_string().ends_with("4294967296 ns would do"));
    }
}
