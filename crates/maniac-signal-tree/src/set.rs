//! Setting bits, and raising the summaries above them.

use crate::{
    GROUPS, SignalTree, Taken, WORDS_PER_LEAF,
    leaf::{Leaf, Link},
    partition_bit,
    shim::{self, Ordering},
    waker::HAS_TASKS,
};

/// What [`SignalTree::set`] found.
///
/// ```
/// use maniac_signal_tree::{Look, SetOutcome, SignalTree};
///
/// let tree = SignalTree::new(2, 1)?;
/// let leaf = tree.add_leaf(1)?;
/// assert!(tree.prepare_park(1, Look::Own));
/// assert_eq!(tree.set(leaf.slot(0)), SetOutcome::OwnerParked { partition: 1 });
/// assert_eq!(tree.set(leaf.slot(0)), SetOutcome::AlreadySet);
/// assert_eq!(tree.notify(1), Some(1)); // now wake worker 1's thread
/// # Ok::<(), maniac_signal_tree::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a parked worker must be told, or the caller must run the slot itself"]
pub enum SetOutcome {
    /// The slot was set already: whoever set it acts on its own outcome.
    AlreadySet,
    /// The slot is now set, and the worker of its partition will look before it parks.
    OwnerAwake,
    /// The slot is now set, and the worker of its partition is parked: the caller must call
    /// [`SignalTree::notify`], now or later, unless it takes the slot itself.
    OwnerParked {
        /// The partition to notify.
        partition: usize,
    },
}

impl SignalTree {
    /// Makes `slot` ready. Everything that this thread did before is visible to whoever takes it.
    ///
    /// # Panics
    /// If the slot's leaf has not been added.
    ///
    /// ```
    /// # use maniac_signal_tree::{SetOutcome, SignalTree};
    /// let tree = SignalTree::new(1, 1)?;
    /// let leaf = tree.add_leaf(0)?;
    /// assert_eq!(tree.set(leaf.slot(70)), SetOutcome::OwnerAwake);
    /// assert_eq!(tree.set(leaf.slot(70)), SetOutcome::AlreadySet);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn set(&self, slot: u32) -> SetOutcome {
        let leaf = self.leaf(slot >> 12);
        let word = word_of(slot);
        let bit = 1 << (slot & 63);
        if leaf.words[word].fetch_or(bit, shim::ordering("set.word", Ordering::AcqRel)) & bit != 0 {
            return SetOutcome::AlreadySet;
        }
        self.surface(slot >> 12, leaf, word)
    }

    /// As [`set`](Self::set), for a runtime that keeps account of its sleepers by itself: gives the partition that the slot's leaf belongs to.
    ///
    /// # Panics
    /// If the slot's leaf has not been added.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(2, 1)?;
    /// let leaf = tree.add_leaf(1)?;
    /// assert_eq!(tree.set_in(leaf.slot(70)), 1);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn set_in(&self, slot: u32) -> usize {
        let leaf = self.leaf(slot >> 12);
        let word = word_of(slot);
        let bit = 1 << (slot & 63);
        if leaf.words[word].fetch_or(bit, shim::ordering("set.word", Ordering::AcqRel)) & bit != 0 {
            return leaf.link().partition();
        }
        self.lift(slot >> 12, leaf, word).partition()
    }

    /// Puts back what was taken and not run: a role that must give up its batch. Slots that have been set again in
    /// the meantime stay set once.
    ///
    /// # Panics
    /// If `taken` was made up, and its leaf has not been added.
    ///
    /// ```
    /// # use maniac_signal_tree::{Hand, SignalTree, TakeMode};
    /// let tree = SignalTree::new(1, 1)?;
    /// let leaf = tree.add_leaf(0)?;
    /// (0..3).for_each(|slot| _ = tree.set(leaf.slot(slot)));
    /// let mut taken = tree.take(0, &mut Hand::new(), TakeMode::Whole).unwrap();
    /// assert_eq!(taken.pop(), Some(0));
    /// let _ = tree.restore(taken);
    /// assert_eq!(tree.ready_count(0), 2);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn restore(&self, taken: Taken) -> SetOutcome {
        let (slot, bits) = (taken.base(), taken.bits());
        let leaf = self.leaf(slot >> 12);
        let word = word_of(slot);
        if leaf.words[word].fetch_or(bits, shim::ordering("set.word", Ordering::AcqRel)) & bits == bits {
            return SetOutcome::AlreadySet;
        }
        self.surface(slot >> 12, leaf, word)
    }

    /// Claims the single slot `slot`: whether it was set. It no longer is.
    ///
    /// # Panics
    /// If the slot's leaf has not been added.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(1, 1)?;
    /// let leaf = tree.add_leaf(0)?;
    /// let _ = tree.set(leaf.slot(70));
    /// assert!(tree.clear(leaf.slot(70)));
    /// assert!(!tree.clear(leaf.slot(70)));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn clear(&self, slot: u32) -> bool {
        let bit = 1 << (slot & 63);
        let order = shim::ordering("take.acquire", Ordering::AcqRel);
        self.leaf(slot >> 12).words[word_of(slot)].fetch_and(!bit, order) & bit != 0
    }

    /// Sees to it that every summary above signal word `word`, into which the caller has just published a bit, is up.
    #[inline(always)]
    fn surface(&self, index: u32, leaf: &Leaf, word: usize) -> SetOutcome {
        let partition = self.lift(index, leaf, word).partition();
        if self.wakers[partition].is_parked() {
            SetOutcome::OwnerParked { partition }
        } else {
            SetOutcome::OwnerAwake
        }
    }

    /// [`surface`](Self::surface) without the look at the partition's worker; gives the leaf's link.
    #[inline(always)]
    fn lift(&self, index: u32, leaf: &Leaf, word: usize) -> Link {
        let summary = leaf.head.summary.load(shim::ordering("set.summary", Ordering::Acquire));
        if summary & (1 << word) == 0 {
            leaf.head.summary.fetch_or(1 << word, shim::ordering("raise.summary", Ordering::AcqRel));
        }
        let link = Link(leaf.head.link.load(shim::ordering("set.link", Ordering::Acquire)));
        if link.is_linked() { link } else { self.link_up(index, leaf) }
    }

    /// Raises every summary above `leaf` and says so in its link, which it returns.
    #[cold]
    pub(crate) fn link_up(&self, index: u32, leaf: &Leaf) -> Link {
        loop {
            let link = leaf.link();
            if link.is_linked() {
                return link;
            }
            self.raise(link.partition(), index);
            let linked = link.linked();
            let order = shim::ordering("link.publish", Ordering::AcqRel);
            // Fails when the leaf was unlinked or moved meanwhile: what was raised may be down again, or elsewhere.
            if leaf.head.link.compare_exchange(link.0, linked.0, order, Ordering::Relaxed).is_ok() {
                return linked;
            }
        }
    }

    /// Raises the summaries of `partition` above leaf `index`.
    pub(crate) fn raise(&self, partition: usize, index: u32) {
        let (group, leaf_bit) = group_of(index);
        let summary = &self.wakers[partition].summary;
        summary.groups[group].fetch_or(leaf_bit, shim::ordering("raise.group", Ordering::AcqRel));
        if summary.status.load(Ordering::Acquire) & (1 << group) == 0 {
            let bits = 1 << group | HAS_TASKS;
            summary.status.fetch_or(bits, shim::ordering("raise.status", Ordering::AcqRel));
        }
        let (word, bit) = partition_bit(partition);
        if self.roots[word].load(Ordering::Acquire) & bit == 0 {
            self.roots[word].fetch_or(bit, Ordering::AcqRel);
        }
    }
}

/// The signal word of `slot` in its leaf.
#[inline(always)]
pub(crate) const fn word_of(slot: u32) -> usize {
    (slot >> 6) as usize & (WORDS_PER_LEAF - 1)
}

/// The group of leaf `index`, and its bit there.
#[inline(always)]
pub(crate) const fn group_of(index: u32) -> (usize, u64) {
    ((index >> 6) as usize & (GROUPS - 1), 1 << (index & 63))
}
