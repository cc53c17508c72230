//! The clock of a core: nanoseconds since the core began, real or, in tests, virtual.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// Whether `frozen_at` counts instead of the system's clock.
    frozen: AtomicBool,
    frozen_at: AtomicU64,
    /// Added to the system's clock: what virtual time was ahead when it ended.
    ahead: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock {
            start: Instant::now(),
            frozen: AtomicBool::new(false),
            frozen_at: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
        }
    }

    fn real(&self) -> u64 {
        // 584 years fit.
        let elapsed = self.start.elapsed().as_nanos() as u64;
        elapsed.saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    /// Nanoseconds since the core began.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        if self.frozen.load(Ordering::Relaxed) { self.frozen_at.load(Ordering::Acquire) } else { self.real() }
    }

    /// This point of the core's time as an instant.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        self.start + Duration::from_nanos(at)
    }

    /// An instant in the core's time; instants before the core began are 0.
    pub(crate) fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether this clock is not the system's.
    pub(crate) fn is_shifted(&self) -> bool {
        self.is_frozen() || self.ahead.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// Stops the clock; `false` if it stood still already.
    pub(crate) fn freeze(&self) -> bool {
        let now = self.now();
        self.frozen_at.store(now, Ordering::Release);
        !self.frozen.swap(true, Ordering::AcqRel)
    }

    /// Lets the clock go on from where it stands; `false` if it was not stopped.
    pub(crate) fn resume(&self) -> bool {
        if !self.is_frozen() {
            return false;
        }
        let at = self.frozen_at.load(Ordering::Acquire);
        let behind = at.saturating_sub(self.real());
        self.ahead.fetch_add(behind, Ordering::Relaxed);
        self.frozen.store(false, Ordering::Release);
        true
    }

    /// Moves a stopped clock on to `at`, never back.
    pub(crate) fn jump_to(&self, at: u64) {
        debug_assert!(self.is_frozen());
        self.frozen_at.fetch_max(at, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told_and_never_goes_back() {
        let clock = Clock::new();
        assert!(clock.freeze());
        assert!(!clock.freeze());
        let at = clock.now();
        assert_eq!(clock.now(), at);
        clock.jump_to(at + 5_000_000_000);
        clock.jump_to(at);
        assert_eq!(clock.now(), at + 5_000_000_000);
        assert!(clock.resume());
        assert!(clock.now() >= at + 5_000_000_000, "resuming keeps what was skipped");
        assert!(!clock.resume());
    }
}
