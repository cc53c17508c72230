//! The order in which a worker looks at other partitions.

use crate::{MAX_PARTITIONS, PARTITION_WORDS, TreeError, partition_bit};

/// The partitions that a worker steals from, in tiers: those that share its cache, then those of its memory node, then
/// the others. Which those are is the caller's to know.
///
/// ```
/// use maniac_signal_tree::Neighbours;
///
/// let neighbours = Neighbours::new(2, &[&[2, 3], &[0, 1, 2, 3]])?;
/// assert_eq!(neighbours.iter(0).collect::<Vec<_>>(), [3, 0, 1]);
/// assert_eq!(neighbours.iter(1).collect::<Vec<_>>(), [3, 1, 0]); // a later round begins elsewhere
/// # Ok::<(), maniac_signal_tree::TreeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// Disjoint sets.
    tiers: Box<[[u64; PARTITION_WORDS]]>,
}

impl Neighbours {
    /// The neighbours of `worker`, nearest tier first. The worker itself, and partitions named in an earlier tier, are
    /// left out.
    ///
    /// # Errors
    /// [`TreeError::NoSuchPartition`] for a number that no tree has.
    ///
    /// ```
    /// # use maniac_signal_tree::{Neighbours, TreeError};
    /// let error = Neighbours::new(0, &[&[1, 512]]).unwrap_err();
    /// assert_eq!(error, TreeError::NoSuchPartition { partition: 512, partitions: 512 });
    /// ```
    pub fn new(worker: usize, tiers: &[&[usize]]) -> Result<Self, TreeError> {
        let mut named = [0; PARTITION_WORDS];
        let (word, bit) = checked_bit(worker)?;
        named[word] |= bit;
        let mut sets = Vec::with_capacity(tiers.len());
        for tier in tiers {
            let mut set = [0; PARTITION_WORDS];
            for &partition in *tier {
                let (word, bit) = checked_bit(partition)?;
                set[word] |= bit & !named[word];
                named[word] |= bit;
            }
            sets.push(set);
        }
        Ok(Self { tiers: sets.into() })
    }

    /// All of `partitions` partitions but the worker's, in one tier.
    ///
    /// # Errors
    /// [`TreeError::NoSuchPartition`] for more partitions than a tree can have.
    ///
    /// ```
    /// # use maniac_signal_tree::Neighbours;
    /// assert_eq!(Neighbours::all(1, 4)?.iter(0).collect::<Vec<_>>(), [0, 2, 3]);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn all(worker: usize, partitions: usize) -> Result<Self, TreeError> {
        let all: Vec<usize> = (0..partitions).collect();
        Self::new(worker, &[&all])
    }

    /// The partitions in order, each tier beginning with the first at or behind `from` and going once around.
    pub fn iter(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        let from = from % MAX_PARTITIONS;
        self.tiers.iter().flat_map(move |tier| {
            let members = |range: std::ops::Range<usize>| {
                range.filter(|&partition| {
                    let (word, bit) = partition_bit(partition);
                    tier[word] & bit != 0
                })
            };
            members(from..64 * PARTITION_WORDS).chain(members(0..from.min(64 * PARTITION_WORDS)))
        })
    }

    /// Calls `visit` with each neighbour whose bit is up in `words`, in the order of [`iter`](Self::iter), until one
    /// gives something.
    pub(crate) fn find<T>(
        &self,
        from: usize,
        words: &dyn Fn(usize) -> u64,
        visit: &mut dyn FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let (first, bit) = partition_bit(from % MAX_PARTITIONS);
        let ahead = bit.wrapping_neg();
        for tier in &self.tiers {
            for step in 0..=PARTITION_WORDS {
                let word = (first + step) & (PARTITION_WORDS - 1);
                let part = match step {
                    0 => ahead,
                    PARTITION_WORDS => !ahead,
                    _ => u64::MAX,
                };
                let members = tier[word] & part;
                let mut up = if members == 0 { 0 } else { words(word) & members };
                while up != 0 {
                    let partition = word * 64 + up.trailing_zeros() as usize;
                    up &= up - 1;
                    if let Some(found) = visit(partition) {
                        return Some(found);
                    }
                }
            }
        }
        None
    }
}

fn checked_bit(partition: usize) -> Result<(usize, u64), TreeError> {
    if partition < MAX_PARTITIONS {
        Ok(partition_bit(partition))
    } else {
        Err(TreeError::NoSuchPartition { partition, partitions: MAX_PARTITIONS })
    }
}
