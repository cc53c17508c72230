//! Where new tasks from outside go.

use crate::shim::{AtomicU64, Ordering};

/// Deals tasks out over partitions in turn (slide 17): after any number of placements over the same partitions, by any
/// number of threads, the partitions' counts differ by at most one.
///
/// ```
/// use maniac_signal_tree::Placement;
///
/// let placement = Placement::new();
/// let mut counts = [0; 3];
/// (0..100_000).for_each(|_| counts[placement.next(3)] += 1);
/// assert_eq!(counts, [33_334, 33_333, 33_333]);
/// ```
#[derive(Debug)]
pub struct Placement {
    next: AtomicU64,
}

impl Placement {
    /// Begins with partition 0.
    pub fn new() -> Self {
        Self { next: AtomicU64::new(0) }
    }

    /// The next of `partitions` partitions. The number may change from call to call (workers come and go).
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[inline]
    pub fn next(&self, partitions: usize) -> usize {
        (self.next.fetch_add(1, Ordering::Relaxed) % partitions as u64) as usize
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self::new()
    }
}
