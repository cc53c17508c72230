//! The worker word and what lies beside it, one of each a partition.

use crate::{
    GROUPS,
    shim::{AtomicU64, Ordering},
};
use crossbeam_utils::CachePadded;

/// Bits 0 to 61 of a status word: group `g` may have a runnable slot.
pub(crate) const GROUP_BITS: u64 = (1 << 62) - 1;
/// Bit 62: the partition has (may have) tasks. Up whenever a group's bit is; together with the root bit.
pub(crate) const HAS_TASKS: u64 = 1 << 62;
/// Bit 63: the task that the worker polls is asked to yield.
pub(crate) const YIELD: u64 = 1 << 63;

/// Bit 0 of `permits`: a wake-up that the worker has not consumed. It stands for any number, since all are consumed at
/// once, and cannot overflow.
pub(crate) const PERMIT: u64 = 1;
/// Bits 32 to 61 of `permits`: the searches that this worker is counted for.
pub(crate) const SEARCH: u64 = 1 << 32;
/// Bit 62 of `permits`, with [`PARKED`]: the worker never steals, and nobody else has its work.
pub(crate) const HOME: u64 = 1 << 62;
/// Bit 63 of `permits`: the worker is parked, or about to look once more and park. Who clears it must wake it.
pub(crate) const PARKED: u64 = 1 << 63;

/// A worker's words.
#[derive(Debug)]
pub(crate) struct WorkerWaker {
    pub(crate) summary: CachePadded<Summary>,
    /// Permit, searches and whether the worker is parked. In one word, so that a worker that is claimed while it wakes
    /// up for another reason knows what it was claimed for.
    pub(crate) permits: CachePadded<AtomicU64>,
}

/// What a search reads first. The status and the first group words share a line: they change together.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) status: AtomicU64,
    /// Word `g`, bit `l`: leaf `64 g + l` may have a runnable slot of this partition.
    pub(crate) groups: [AtomicU64; GROUPS],
}

impl WorkerWaker {
    pub(crate) fn new() -> Self {
        let groups = std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            summary: CachePadded::new(Summary { status: AtomicU64::new(0), groups }),
            permits: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// The groups that may have a runnable slot.
    #[inline(always)]
    pub(crate) fn groups_up(&self) -> u64 {
        self.summary.status.load(Ordering::Acquire) & GROUP_BITS
    }

    /// Whether the worker is parked. The caller has ordered the load by read-modify-writes of its own.
    #[inline(always)]
    pub(crate) fn is_parked(&self) -> bool {
        self.permits.load(Ordering::Relaxed) & PARKED != 0
    }
}
