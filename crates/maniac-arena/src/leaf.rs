//! A leaf: up to 4,096 equal slots, and those of them that other threads gave back.

use crate::class::SizeClass;
use crate::shim::{AtomicU64, is_weak, ordering};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// The most slots that a leaf can have: 64 signal words of 64 slots.
pub const MAX_SLOTS_PER_LEAF: usize = 4096;
/// The fewest slots that a leaf can have: one signal word.
pub const MIN_SLOTS_PER_LEAF: usize = 64;

/// Words of a leaf's bitmap; loom's atomics are dear, and its leaves small.
const WORDS: usize = if cfg!(loom) { 2 } else { MAX_SLOTS_PER_LEAF / 64 };

/// A run of equal slots in memory that stays mapped for the life of the process.
#[derive(Debug)]
pub struct Leaf {
    base: NonNull<u8>,
    class: SizeClass,
    slots: u32,
    index: u32,
    /// This leaf's place in its pool; written by the pool's owner alone.
    place: AtomicU32,
    /// Whatever the caller wants to know a leaf's owner by.
    owner: AtomicU32,
    /// Free slots that threads other than the owner gave back, one bit each.
    remote: [AtomicU64; WORDS],
    /// Which words of `remote` may have bits.
    remote_summary: AtomicU64,
}

// SAFETY: [INV-2] `base` is only an address of memory that stays mapped for ever; the leaf itself never dereferences it.
unsafe impl Send for Leaf {}
// SAFETY: [INV-2] as above; the rest is atomic.
unsafe impl Sync for Leaf {}

impl Leaf {
    /// A leaf of the models: its slots have numbers, but no memory behind them.
    #[cfg(loom)]
    #[must_use]
    pub fn without_memory(class: SizeClass) -> &'static Leaf {
        let slots = WORDS as u32 * 64;
        let memory = vec![0_u8; slots as usize * class.stride()].leak();
        Box::leak(Box::new(Leaf::new(NonNull::from(memory).cast(), class, slots, 0)))
    }

    pub(crate) fn new(base: NonNull<u8>, class: SizeClass, slots: u32, index: u32) -> Leaf {
        Leaf {
            base,
            class,
            slots,
            index,
            place: AtomicU32::new(0),
            owner: AtomicU32::new(0),
            remote: std::array::from_fn(|_| AtomicU64::new(0)),
            remote_summary: AtomicU64::new(0),
        }
    }

    /// This leaf's number in its arena: bits 12 and up of its slots' numbers.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many slots this leaf has: a power of two from 64 to 4,096.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// The class of this leaf's slots.
    #[must_use]
    #[inline]
    pub fn class(&self) -> SizeClass {
        self.class
    }

    /// The distance between two slots, in bytes.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.class.stride()
    }

    /// Where this leaf's memory begins.
    #[must_use]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The number that the caller knows this leaf's owner by.
    #[must_use]
    #[inline]
    pub fn owner(&self) -> u32 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Sets the number that the caller knows this leaf's owner by; before any of its slots is allocated.
    pub fn set_owner(&self, owner: u32) {
        self.owner.store(owner, Ordering::Relaxed);
    }

    pub(crate) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set_place(&self, place: usize) {
        self.place.store(place as u32, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots as usize * self.stride()
    }

    /// The slot at `position` in this leaf.
    ///
    /// # Panics
    /// If `position` is not below [`Leaf::slots`].
    #[must_use]
    #[inline]
    pub fn slot(&'static self, position: u32) -> Slot {
        assert!(position < self.slots, "slot {position} of a leaf of {}", self.slots);
        Slot { leaf: self, position }
    }

    /// Gives `position` back from a thread that does not own this leaf's free slots.
    ///
    /// Two plain read-modify-writes and no fence: a bit whose summary is not there yet is found by the drain after the
    /// one that missed it.
    ///
    /// # Panics
    /// If `position` is not below [`Leaf::slots`].
    pub fn free_remote(&self, position: u32) {
        assert!(position < self.slots);
        let word = (position / 64) as usize;
        // Release: the next owner of the slot sees its last use.
        let release = ordering("free.slot", Ordering::Release);
        let before = self.remote[word].fetch_or(1 << (position % 64), release);
        debug_assert_eq!(before & 1 << (position % 64), 0, "slot freed twice");
        // Also where the bit seems to be set: the drain that clears it may have looked at the word already.
        if is_weak("free.summary") && self.remote_summary.load(Ordering::Acquire) & 1 << word != 0 {
            return;
        }
        // Release: who clears the bit finds the slot's. (loom runs read-modify-writes of different words in one order, and cannot show this.)
        self.remote_summary.fetch_or(1 << word, Ordering::Release);
    }

    /// Whether another thread gave back slots that nobody has drained yet (perhaps).
    #[must_use]
    pub fn has_remote(&self) -> bool {
        self.remote_summary.load(Ordering::Relaxed) != 0
    }

    /// Takes what other threads gave back: calls `found(word, bits)` for each word that has some.
    pub(crate) fn drain_remote(&self, mut found: impl FnMut(usize, u64)) {
        let mut summary = self.remote_summary.swap(0, Ordering::Acquire);
        while summary != 0 {
            let word = summary.trailing_zeros() as usize;
            summary &= summary - 1;
            let bits = self.remote[word].swap(0, ordering("drain.slots", Ordering::Acquire));
            if bits != 0 {
                found(word, bits);
            }
        }
    }
}

/// A slot of a leaf: a place in memory that stays mapped for ever, with a number.
///
/// Holding one gives no right to the memory: the [`SlotPool`](crate::SlotPool) that allocated it does, until it is freed.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    leaf: &'static Leaf,
    position: u32,
}

impl Slot {
    /// The leaf that this slot is in.
    #[must_use]
    #[inline]
    pub fn leaf(self) -> &'static Leaf {
        self.leaf
    }

    /// The slot's place in its leaf.
    #[must_use]
    #[inline]
    pub fn position(self) -> u32 {
        self.position
    }

    /// The slot's number in its arena: the leaf's number, then 12 bits of position.
    #[must_use]
    #[inline]
    pub fn index(self) -> u32 {
        self.leaf.index << 12 | self.position
    }

    /// The slot's address; 64-byte aligned.
    #[must_use]
    #[inline]
    pub fn as_ptr(self) -> NonNull<u8> {
        // SAFETY: [INV-2] position < slots, so the place lies inside the leaf's memory.
        unsafe { self.leaf.base.add(self.position as usize * self.leaf.stride()) }
    }
}
