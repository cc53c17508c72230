//! Announcing that one is about to sleep, and looking for such an announcement.
//!
//! The sleeper announces itself, fences, and looks at everything that could be its work once more; who makes work publishes it, fences, and looks for
//! an announcement. One of the two fences comes first in the order of all of them: either the sleeper sees the work, or its maker sees the sleeper.

use crate::shim::{AtomicU32, AtomicU64, Ordering, fence_all, ordering};

/// What a [`Sleeper`] says while nobody is about to sleep.
pub(crate) const AWAKE: u32 = 0;

/// Whether one thread sleeps, or is about to, and on what.
#[derive(Debug)]
pub(crate) struct Sleeper(AtomicU32);

impl Sleeper {
    pub(crate) fn new() -> Sleeper {
        Sleeper(AtomicU32::new(AWAKE))
    }

    /// Announces a sleep on `place` (not [`AWAKE`]). What the caller looks at after this, it sees as it was published by whoever then finds it awake.
    pub(crate) fn announce(&self, place: u32) {
        // Release: who sees this sees what the place is.
        self.0.store(place, ordering("park.announce", Ordering::Release));
        fence_all("park.sleeper");
    }

    /// Takes the announcement back.
    pub(crate) fn awake(&self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// Where the sleeper sleeps, after the caller published work for it: [`AWAKE`] if it will see that work by itself.
    #[inline]
    pub(crate) fn look(&self) -> u32 {
        fence_all("park.maker");
        self.0.load(ordering("park.look", Ordering::Acquire))
    }

    /// As [`Sleeper::look`], for those who only want to know.
    pub(crate) fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Relaxed) != AWAKE
    }
}

/// Words of a [`Sleepers`].
const WORDS: usize = if cfg!(loom) { 2 } else { 8 };

/// Which of at most 512 workers sleep: hints for those who want help with their work.
#[derive(Debug)]
pub(crate) struct Sleepers([AtomicU64; WORDS]);

impl Sleepers {
    pub(crate) fn new() -> Sleepers {
        Sleepers(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Relaxed, as all steps here: that no work is left lying is the business of [`Sleeper`].
    pub(crate) fn add(&self, worker: usize) {
        self.0[worker / 64].fetch_or(1 << (worker % 64), Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, worker: usize) {
        self.0[worker / 64].fetch_and(!(1 << (worker % 64)), Ordering::Relaxed);
    }

    /// Takes one sleeper out, which is the caller's to wake; the search begins in the word of `from`.
    pub(crate) fn claim(&self, from: usize) -> Option<usize> {
        for step in 0..WORDS {
            let word = (from / 64 + step) % WORDS;
            let sleepers = self.0[word].load(Ordering::Relaxed);
            if sleepers != 0 {
                let bit = sleepers & sleepers.wrapping_neg();
                // Whoever clears the bit wakes; the sleeper clears it by itself otherwise.
                if self.0[word].fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
                    return Some(word * 64 + bit.trailing_zeros() as usize);
                }
            }
        }
        None
    }
}
