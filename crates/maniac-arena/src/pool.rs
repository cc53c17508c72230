//! The free slots of one size class that one owner hands out.

use crate::class::SizeClass;
use crate::leaf::{Leaf, Slot};

/// The free slots of one owner in one size class.
///
/// Allocating and freeing by the owner are a few plain instructions; other threads give slots back through
/// [`Leaf::free_remote`], and the owner fetches those when it has no others. Nothing is ever given back to the arena.
#[derive(Debug)]
pub struct SlotPool {
    class: SizeClass,
    leaves: Vec<LocalLeaf>,
    /// The leaf that served the last allocation.
    current: usize,
}

#[derive(Debug)]
struct LocalLeaf {
    leaf: &'static Leaf,
    /// Which words of `free` have bits.
    summary: u64,
    free: [u64; 64],
}

impl LocalLeaf {
    fn all_free(leaf: &'static Leaf) -> LocalLeaf {
        let words = leaf.slots() as usize / 64;
        let mut free = [0; 64];
        free[..words].fill(u64::MAX);
        let summary = if words == 64 { u64::MAX } else { (1 << words) - 1 };
        LocalLeaf { leaf, summary, free }
    }

    #[inline]
    fn take(&mut self) -> Option<Slot> {
        if self.summary == 0 {
            return None;
        }
        let word = self.summary.trailing_zeros() as usize;
        let bits = self.free[word];
        debug_assert_ne!(bits, 0);
        let rest = bits & (bits - 1);
        self.free[word] = rest;
        if rest == 0 {
            self.summary &= self.summary - 1;
        }
        Some(self.leaf.slot(word as u32 * 64 + bits.trailing_zeros()))
    }

    #[inline]
    fn put(&mut self, word: usize, bits: u64) {
        debug_assert_eq!(self.free[word] & bits, 0, "slot freed twice");
        self.free[word] |= bits;
        self.summary |= 1 << word;
    }

    fn fetch_remote(&mut self) -> bool {
        let leaf = self.leaf;
        leaf.drain_remote(|word, bits| self.put(word, bits));
        self.summary != 0
    }
}

impl SlotPool {
    /// An empty pool for slots of `class`.
    #[must_use]
    pub fn new(class: SizeClass) -> SlotPool {
        SlotPool { class, leaves: Vec::new(), current: 0 }
    }

    /// The class of this pool's slots.
    #[must_use]
    pub fn class(&self) -> SizeClass {
        self.class
    }

    /// Takes over a leaf, all of whose slots are free.
    ///
    /// # Panics
    /// If the leaf is of another class.
    pub fn add_leaf(&mut self, leaf: &'static Leaf) {
        assert_eq!(leaf.class(), self.class, "a leaf of another class");
        self.current = self.leaves.len();
        leaf.set_place(self.current);
        self.leaves.push(LocalLeaf::all_free(leaf));
    }

    /// A free slot, or `None` when the pool needs another leaf.
    ///
    /// O(1), but for the search through all leaves when the current one is used up; after a search in vain the caller adds a
    /// leaf, so that its cost is spread over the new leaf's slots.
    #[inline]
    pub fn allocate(&mut self) -> Option<Slot> {
        match self.leaves.get_mut(self.current).and_then(LocalLeaf::take) {
            Some(slot) => Some(slot),
            None => self.allocate_elsewhere(),
        }
    }

    #[cold]
    fn allocate_elsewhere(&mut self) -> Option<Slot> {
        let count = self.leaves.len();
        for step in 1..=count {
            let position = (self.current + step) % count;
            let leaf = &mut self.leaves[position];
            if leaf.summary != 0 || leaf.leaf.has_remote() && leaf.fetch_remote() {
                self.current = position;
                return self.leaves[position].take();
            }
        }
        None
    }

    /// Gives a slot of this pool back, by the pool's owner.
    ///
    /// # Panics
    /// If the slot is not of a leaf of this pool.
    #[inline]
    pub fn free_local(&mut self, slot: Slot) {
        let local = self.leaves.get_mut(slot.leaf().place());
        let local =
            local.filter(|local| std::ptr::eq(local.leaf, slot.leaf())).expect("a slot of another pool");
        local.put(slot.position() as usize / 64, 1 << (slot.position() % 64));
    }

    /// The leaves of this pool.
    pub fn leaves(&self) -> impl Iterator<Item = &'static Leaf> + '_ {
        self.leaves.iter().map(|local| local.leaf)
    }

    /// How many slots are free without another leaf (those that other threads gave back are counted once fetched).
    #[must_use]
    pub fn free_count(&self) -> usize {
        self.leaves.iter().flat_map(|local| &local.free).map(|word| word.count_ones() as usize).sum()
    }
}
