//! Counts of what the wheel did. Without the feature `timers-introspection` they take no memory and no time.

/// What a wheel has done since it was made.
#[cfg(any(test, feature = "timers-introspection"))]
pub(crate) struct Counters {
    pub(crate) fired: u64,
    pub(crate) cancelled: u64,
    pub(crate) cascaded: u64,
}

#[cfg(any(test, feature = "timers-introspection"))]
impl Counters {
    pub(crate) const NONE: Self = Self { fired: 0, cancelled: 0, cascaded: 0 };

    #[inline]
    pub(crate) fn fired(&mut self) {
        self.fired += 1;
    }

    #[inline]
    pub(crate) fn cancelled(&mut self) {
        self.cancelled += 1;
    }

    #[inline]
    pub(crate) fn cascaded(&mut self) {
        self.cascaded += 1;
    }
}

/// Nothing.
#[cfg(not(any(test, feature = "timers-introspection")))]
pub(crate) struct Counters;

#[cfg(not(any(test, feature = "timers-introspection")))]
impl Counters {
    pub(crate) const NONE: Self = Self;

    #[inline]
    pub(crate) fn fired(&mut self) {}

    #[inline]
    pub(crate) fn cancelled(&mut self) {}

    #[inline]
    pub(crate) fn cascaded(&mut self) {}
}
