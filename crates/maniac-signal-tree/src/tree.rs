//! The tree as a whole: making it, its leaves and whose they are, and what is read of it for metrics.

use crate::{
    MAX_LEAVES, MAX_PARTITIONS, PARTITION_WORDS, TreeError, WORDS_PER_LEAF,
    leaf::Leaf,
    shim::{self, AtomicU64, Mutex, OnceLock, Ordering},
    waker::{WorkerWaker, YIELD},
};
use crossbeam_utils::CachePadded;

/// A leaf's place in the tree: the high 20 bits of its slots.
///
/// ```
/// use maniac_signal_tree::{LeafIndex, SignalTree};
///
/// let tree = SignalTree::new(1, 2)?;
/// tree.add_leaf(0)?;
/// let leaf = tree.add_leaf(0)?;
/// assert_eq!((leaf.get(), leaf.slot(3)), (1, 4096 + 3));
/// assert_eq!(LeafIndex::of(4096 + 3), leaf);
/// # Ok::<(), maniac_signal_tree::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(u32);

impl LeafIndex {
    /// The leaf of `slot`, whether it has been added or not.
    #[inline]
    pub const fn of(slot: u32) -> Self {
        Self(slot >> 12)
    }

    /// The number: leaves are numbered from 0 in the order in which they are added.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The slot with the given number (its low 12 bits) in this leaf.
    #[inline]
    pub const fn slot(self, number: u32) -> u32 {
        self.0 << 12 | (number & 0xfff)
    }
}

/// The ready set of all workers. See the crate's documentation.
///
/// Worker `w` owns partition `w`: of all threads, only the one that holds the role of worker `w` at the time may call
/// [`take`](Self::take), [`take_last`](Self::take_last), [`prepare_park`](Self::prepare_park) and the other methods
/// whose documentation says "the worker". Two threads in one role lose wake-ups, never memory safety, and never make
/// one bit be taken twice. Everything else may be called by anybody at any time.
///
/// ```
/// use maniac_signal_tree::{SignalTree, TreeError};
///
/// let tree = SignalTree::new(4, 1)?;
/// tree.add_leaf(3)?;
/// assert_eq!(tree.add_leaf(3), Err(TreeError::Full { max_leaves: 1 }));
/// # Ok::<(), TreeError>(())
/// ```
#[derive(Debug)]
pub struct SignalTree {
    pub(crate) wakers: Box<[WorkerWaker]>,
    pub(crate) leaves: Box<[OnceLock<Box<Leaf>>]>,
    /// Bit `p`: partition `p` may have a runnable slot. What thieves read.
    pub(crate) roots: CachePadded<[AtomicU64; PARTITION_WORDS]>,
    /// Bit `w`: worker `w` is parked and would steal. A bit may stay up for a moment after the worker was claimed.
    pub(crate) stealers: CachePadded<[AtomicU64; PARTITION_WORDS]>,
    /// How many workers search, and whether one of them owes a look (see `park.rs`).
    pub(crate) searching: CachePadded<AtomicU64>,
    /// How many leaves there are. Held while a leaf is added or changes its partition.
    growth: Mutex<usize>,
}

impl SignalTree {
    /// A tree for `partitions` workers (1 to [`MAX_PARTITIONS`](crate::MAX_PARTITIONS)) with room for `max_leaves`
    /// leaves (1 to [`MAX_LEAVES`](crate::MAX_LEAVES)), of which there are none yet.
    ///
    /// Takes about 800 bytes a partition and 16 bytes a possible leaf.
    ///
    /// # Errors
    /// [`TreeError::Partitions`], [`TreeError::Leaves`]: a number is outside its range.
    ///
    /// ```
    /// # use maniac_signal_tree::{SignalTree, TreeError};
    /// assert_eq!(SignalTree::new(4, 8)?.partitions(), 4);
    /// assert_eq!(SignalTree::new(513, 8).unwrap_err(), TreeError::Partitions { asked: 513 });
    /// # Ok::<(), TreeError>(())
    /// ```
    pub fn new(partitions: usize, max_leaves: usize) -> Result<Self, TreeError> {
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(TreeError::Partitions { asked: partitions });
        }
        if !(1..=MAX_LEAVES).contains(&max_leaves) {
            return Err(TreeError::Leaves { asked: max_leaves });
        }
        Ok(Self {
            wakers: (0..partitions).map(|_| WorkerWaker::new()).collect(),
            leaves: (0..max_leaves).map(|_| OnceLock::new()).collect(),
            roots: CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0))),
            stealers: CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0))),
            searching: CachePadded::new(AtomicU64::new(0)),
            growth: Mutex::new(0),
        })
    }

    /// How many partitions the tree was made with.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert_eq!(SignalTree::new(4, 8)?.partitions(), 4);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn partitions(&self) -> usize {
        self.wakers.len()
    }

    /// How many leaves have been added.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(4, 8)?;
    /// tree.add_leaf(2)?;
    /// assert_eq!(tree.leaves(), 1);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn leaves(&self) -> usize {
        *shim::lock(&self.growth)
    }

    /// Adds a leaf to `partition`. Its slots may be used by whoever learns the index. Takes a lock and allocates.
    ///
    /// # Errors
    /// [`TreeError::NoSuchPartition`]; [`TreeError::Full`] when there are `max_leaves` already.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(4, 8)?;
    /// let leaf = tree.add_leaf(2)?;
    /// assert_eq!(tree.leaf_partition(leaf)?, 2);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn add_leaf(&self, partition: usize) -> Result<LeafIndex, TreeError> {
        self.check_partition(partition)?;
        let mut leaves = shim::lock(&self.growth);
        let index = *leaves;
        let place = self.leaves.get(index).ok_or(TreeError::Full { max_leaves: self.leaves.len() })?;
        let added = place.set(Box::new(Leaf::new(partition)));
        assert!(added.is_ok(), "a leaf beyond the last one exists: the count of leaves is wrong");
        *leaves += 1;
        // At most MAX_LEAVES.
        Ok(LeafIndex(index as u32))
    }

    /// The partition that `leaf` belongs to at the moment.
    ///
    /// # Errors
    /// [`TreeError::NoSuchLeaf`].
    ///
    /// ```
    /// # use maniac_signal_tree::{LeafIndex, SignalTree, TreeError};
    /// let tree = SignalTree::new(4, 8)?;
    /// assert_eq!(tree.leaf_partition(LeafIndex::of(0)), Err(TreeError::NoSuchLeaf { leaf: 0 }));
    /// # Ok::<(), TreeError>(())
    /// ```
    pub fn leaf_partition(&self, leaf: LeafIndex) -> Result<usize, TreeError> {
        Ok(self.try_leaf(leaf)?.link().partition())
    }

    /// Gives `leaf` and the bits set in it to `partition`. Returns whether it has bits: then the caller must
    /// [`notify`](Self::notify) the partition, as after a [`set`](Self::set). Takes a lock.
    ///
    /// Searches of the old partition that are under way may still take bits of the leaf.
    ///
    /// # Errors
    /// [`TreeError::NoSuchLeaf`], [`TreeError::NoSuchPartition`].
    ///
    /// ```
    /// # use maniac_signal_tree::{Hand, SignalTree, TakeMode};
    /// let tree = SignalTree::new(2, 1)?;
    /// let leaf = tree.add_leaf(0)?;
    /// tree.set(leaf.slot(9));
    /// assert!(tree.reassign(leaf, 1)?);
    /// let mut hand = Hand::new();
    /// assert!(tree.take(0, &mut hand, TakeMode::Whole).is_none());
    /// assert!(tree.take(1, &mut hand, TakeMode::Whole).is_some());
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn reassign(&self, leaf: LeafIndex, partition: usize) -> Result<bool, TreeError> {
        self.check_partition(partition)?;
        let index = leaf;
        let leaf = self.try_leaf(index)?;
        let _held = shim::lock(&self.growth);
        loop {
            let link = leaf.link();
            if link.partition() == partition {
                return Ok(false);
            }
            let next = link.unlinked(partition);
            if leaf.head.link.compare_exchange(link.0, next.0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                break;
            }
        }
        // A setter whose bit is not seen here comes later and sees the new link; all other bits are raised here.
        let mut ready = 0;
        for word in 0..WORDS_PER_LEAF {
            if shim::look("reassign.look", &leaf.words[word]) != 0 {
                ready |= 1 << word;
            }
        }
        if ready != 0 {
            leaf.head.summary.fetch_or(ready, Ordering::AcqRel);
            self.link_up(index.0, leaf);
        }
        Ok(ready != 0)
    }

    /// How many slots of `partition` are ready, as far as one look at each word tells. For metrics: it reads every
    /// word that a summary points at.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(1, 1)?;
    /// let leaf = tree.add_leaf(0)?;
    /// tree.set(leaf.slot(9));
    /// tree.set(leaf.slot(900));
    /// assert_eq!(tree.ready_count(0), 2);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn ready_count(&self, partition: usize) -> usize {
        let mut count = 0;
        self.any_word(
            partition,
            |_, place| place.load(Ordering::Acquire),
            |word| {
                count += word.count_ones() as usize;
                false
            },
        );
        count
    }

    /// Asks the task that `partition`'s worker polls to yield: sets bit 63 of the status word.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(1, 1)?;
    /// tree.request_yield(0);
    /// assert!(tree.yield_requested(0));
    /// assert!(tree.take_yield(0));
    /// assert!(!tree.take_yield(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn request_yield(&self, partition: usize) {
        self.wakers[partition].summary.status.fetch_or(YIELD, Ordering::Release);
    }

    /// Whether a yield is asked for. One load.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert!(!SignalTree::new(1, 1)?.yield_requested(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn yield_requested(&self, partition: usize) -> bool {
        self.wakers[partition].summary.status.load(Ordering::Relaxed) & YIELD != 0
    }

    /// Whether a yield was asked for; it no longer is.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert!(!SignalTree::new(1, 1)?.take_yield(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn take_yield(&self, partition: usize) -> bool {
        self.yield_requested(partition)
            && self.wakers[partition].summary.status.fetch_and(!YIELD, Ordering::Acquire) & YIELD != 0
    }

    fn check_partition(&self, partition: usize) -> Result<(), TreeError> {
        let partitions = self.wakers.len();
        if partition < partitions {
            Ok(())
        } else {
            Err(TreeError::NoSuchPartition { partition, partitions })
        }
    }

    fn try_leaf(&self, leaf: LeafIndex) -> Result<&Leaf, TreeError> {
        let found = self.leaves.get(leaf.0 as usize).and_then(OnceLock::get);
        found.map(Box::as_ref).ok_or(TreeError::NoSuchLeaf { leaf: leaf.0 })
    }

    /// The leaf with that index, which the caller got from `add_leaf`.
    #[inline(always)]
    pub(crate) fn leaf(&self, index: u32) -> &Leaf {
        match self.leaves.get(index as usize).and_then(OnceLock::get) {
            Some(leaf) => leaf,
            None => no_leaf(index),
        }
    }
}

#[cold]
#[inline(never)]
fn no_leaf(index: u32) -> ! {
    panic!("{}", TreeError::NoSuchLeaf { leaf: index })
}
