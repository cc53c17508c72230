//! Which of a level's 1,024 spokes may hold timers: a bitmap of 16 words under one summary word.

use crate::SPOKES_PER_LEVEL;

const WORDS: usize = SPOKES_PER_LEVEL / 64;

/// A set of spokes, searched round the ring with two bit scans.
///
/// A set bit means "maybe": the last timer of a spoke may have been cancelled since. A clear bit means "none".
#[derive(Clone, Default)]
pub(crate) struct Occupancy {
    words: [u64; WORDS],
    /// Bit w is set if words[w] is not 0.
    summary: u16,
}

impl Occupancy {
    #[inline]
    pub(crate) fn set(&mut self, spoke: usize) {
        self.words[spoke / 64 % WORDS] |= 1 << (spoke % 64);
        self.summary |= 1 << (spoke / 64);
    }

    #[inline]
    pub(crate) fn clear(&mut self, spoke: usize) {
        let word = &mut self.words[spoke / 64 % WORDS];
        *word &= !(1 << (spoke % 64));
        if *word == 0 {
            self.summary &= !(1 << (spoke / 64));
        }
    }

    /// How many spokes after `start`, going up and round the ring, the first occupied one is; 0 is `start` itself.
    #[inline]
    pub(crate) fn distance_from(&self, start: usize) -> Option<usize> {
        let (word, bit) = (start / 64 % WORDS, start % 64);
        let here = self.words[word] >> bit;
        if here != 0 {
            return Some(here.trailing_zeros() as usize);
        }
        // The words after this one, and at last this one again for its bits below `start`.
        let after = self.summary.rotate_right(word as u32 + 1);
        if after == 0 {
            return None;
        }
        let next = (word + 1 + after.trailing_zeros() as usize) % WORDS;
        let found = next * 64 + self.words[next].trailing_zeros() as usize;
        Some(found.wrapping_sub(start) % SPOKES_PER_LEVEL)
    }

    /// How many spokes are set.
    #[cfg(any(test, feature = "timers-introspection"))]
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn distance_in(set: &BTreeSet<usize>, start: usize) -> Option<usize> {
        let found = set.range(start..).next().or_else(|| set.first())?;
        Some((found + SPOKES_PER_LEVEL - start) % SPOKES_PER_LEVEL)
    }

    #[test]
    fn it_finds_what_a_set_finds() {
        let mut random = crate::testing::Random::new(1);
        for density in [1, 3, 40, 900] {
            let (mut occupancy, mut set) = (Occupancy::default(), BTreeSet::new());
            for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
                let spoke = random.below(SPOKES_PER_LEVEL as u64) as usize;
                if set.len() < density {
                    occupancy.set(spoke);
                    set.insert(spoke);
                } else {
                    let gone = set.range(spoke..).next().or(set.first()).copied().unwrap();
                    occupancy.clear(gone);
                    set.remove(&gone);
                }
                let start = random.below(SPOKES_PER_LEVEL as u64) as usize;
                assert_eq!(occupancy.distance_from(start), distance_in(&set, start), "{start} in {set:?}");
                assert_eq!(occupancy.count(), set.len());
            }
        }
    }

    #[test]
    fn one_spoke_is_found_from_everywhere() {
        for spoke in [0, 1, 63, 64, 500, 1023] {
            let mut occupancy = Occupancy::default();
            assert_eq!(occupancy.distance_from(spoke), None);
            occupancy.set(spoke);
            for start in 0..SPOKES_PER_LEVEL {
                assert_eq!(occupancy.distance_from(start), Some((spoke + 1024 - start) % 1024));
            }
        }
    }
}
