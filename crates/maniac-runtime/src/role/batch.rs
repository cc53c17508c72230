//! `batch`: the ready tasks that a role's owner took out of its partition and has not run yet.
//!
//! Two words, each a run of 32 slots: which run in the upper half, which of its slots in the lower. One compare-and-swap thus takes an
//! entry by name: where the whole word is what the taker saw, so is the entry, however often the batch was emptied and filled
//! meanwhile. Only the owner fills, and only an empty batch; the owner and thieves both take.

use crate::shim::{AtomicU64, Ordering, ordering};

/// Slots of a word.
const RUN: u32 = 32;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Batch([AtomicU64; 2]);

impl Batch {
    pub(crate) fn new() -> Batch {
        Batch(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Fills the empty batch with slots `first + i` for every bit `i` set; `first` is a multiple of 64. For the owner.
    #[inline]
    pub(crate) fn fill(&self, first: u32, bits: u64) {
        for (half, word) in (0_u32..).zip(&self.0) {
            debug_assert_eq!(word.load(Ordering::Relaxed) as u32, 0, "the batch is empty");
            let mask = bits >> (half * RUN) & u64::from(u32::MAX);
            if mask != 0 {
                let run = u64::from(first / RUN + half);
                // Release: the thief that takes an entry sees the NOTIFIED that it stands for, and the task's header.
                word.store(run << 32 | mask, ordering("batch.fill", Ordering::Release));
            }
        }
    }

    /// Takes an entry, by anybody.
    #[inline]
    pub(crate) fn take(&self) -> Option<u32> {
        for word in &self.0 {
            let mut seen = word.load(Ordering::Relaxed);
            while seen as u32 != 0 {
                let rest = seen & (seen - 1);
                let acquire = ordering("batch.take", Ordering::Acquire);
                match word.compare_exchange_weak(seen, rest, acquire, Ordering::Relaxed) {
                    Ok(_) => return Some((seen >> 32) as u32 * RUN + (seen as u32).trailing_zeros()),
                    Err(now) => seen = now,
                }
            }
        }
        None
    }

    /// How many entries there are, about.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| (word.load(Ordering::Relaxed) as u32).count_ones() as usize).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
