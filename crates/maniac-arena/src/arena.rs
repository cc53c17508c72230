//! The arena: where leaves come from.

use crate::class::SizeClass;
use crate::leaf::{Leaf, MAX_SLOTS_PER_LEAF, MIN_SLOTS_PER_LEAF};
use crate::map::{self, Chunk, HugePages};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How an [`Arena`] gets its memory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArenaOptions {
    /// Slots in a leaf: a power of two from 64 to 4,096 (the default).
    pub slots_per_leaf: u32,
    /// The most leaves that there can be; default 16,384 (67 million slots of a full-sized leaf).
    pub max_leaves: u32,
    /// Ask the kernel for huge pages.
    pub huge_pages: bool,
    /// Make a leaf's pages present when the leaf is acquired, so that using its slots never faults.
    pub preinitialize: bool,
}

impl ArenaOptions {
    /// 4,096 slots in a leaf, at most 16,384 leaves, ordinary pages, present when touched.
    #[must_use]
    pub fn new() -> ArenaOptions {
        ArenaOptions {
            slots_per_leaf: MAX_SLOTS_PER_LEAF as u32,
            max_leaves: 16_384,
            huge_pages: false,
            preinitialize: false,
        }
    }
}

impl Default for ArenaOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Why an arena could not be made or grown.
#[derive(Debug)]
#[non_exhaustive]
pub enum ArenaError {
    /// `slots_per_leaf` is no power of two from 64 to 4,096; holds what was asked for.
    SlotsPerLeaf(u32),
    /// `max_leaves` is zero or above 1,048,576 (slot numbers have 32 bits); holds what was asked for.
    MaxLeaves(u32),
    /// All of `max_leaves` are in use; holds that limit.
    Full(u32),
    /// The operating system gave no memory.
    Memory(std::io::Error),
}

impl fmt::Display for ArenaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArenaError::SlotsPerLeaf(n) => {
                write!(f, "tasks per leaf must be a power of two from 64 to 4,096, not {n}")
            }
            ArenaError::MaxLeaves(n) => {
                write!(f, "the number of leaves must be from 1 to 1,048,576, not {n}")
            }
            ArenaError::Full(n) => write!(f, "all {n} leaves of the task arena are in use; raise the limit"),
            ArenaError::Memory(error) => write!(f, "no memory for the task arena: {error}"),
        }
    }
}

impl std::error::Error for ArenaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ArenaError::Memory(error) => Some(error),
            _ => None,
        }
    }
}

/// Leaves in memory that is mapped once and stays mapped for the life of the process, also after the arena is dropped.
///
/// Growing is rare and takes a lock; finding a leaf by its number is one load. See the crate's page for an example.
#[derive(Debug)]
pub struct Arena {
    options: ArenaOptions,
    leaves: Box<[AtomicPtr<Leaf>]>,
    leaf_count: AtomicU32,
    growth: Mutex<Growth>,
}

#[derive(Debug)]
struct Growth {
    /// The part of the newest chunk that is not given out.
    next: *mut u8,
    left: usize,
    /// Leaves that were given back, by class.
    spare: [Vec<&'static Leaf>; SizeClass::COUNT],
    huge: HugePages,
}

// SAFETY: [INV-2] `next` is only an address inside a chunk that stays mapped; it is used under the lock alone.
unsafe impl Send for Growth {}

/// Chunks start here and double up to [`LARGEST_CHUNK`]; untouched pages cost nothing but addresses.
const SMALLEST_CHUNK: usize = 4 << 20;
const LARGEST_CHUNK: usize = 256 << 20;

/// The leaves of all arenas, for LeakSanitizer: what a static leads to is not lost.
#[cfg(maniac_asan)]
static LEAVES: Mutex<Vec<&'static Leaf>> = Mutex::new(Vec::new());

impl Arena {
    /// An arena without leaves.
    ///
    /// # Errors
    /// If an option is out of its range.
    pub fn new(options: ArenaOptions) -> Result<Arena, ArenaError> {
        let slots = options.slots_per_leaf;
        let range = MIN_SLOTS_PER_LEAF as u32..=MAX_SLOTS_PER_LEAF as u32;
        if !slots.is_power_of_two() || !range.contains(&slots) {
            return Err(ArenaError::SlotsPerLeaf(slots));
        }
        if options.max_leaves == 0 || options.max_leaves > 1 << 20 {
            return Err(ArenaError::MaxLeaves(options.max_leaves));
        }
        let leaves = (0..options.max_leaves).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect();
        let growth = Growth {
            next: std::ptr::null_mut(),
            left: 0,
            spare: [const { Vec::new() }; SizeClass::COUNT],
            huge: HugePages::Off,
        };
        Ok(Arena { options, leaves, leaf_count: AtomicU32::new(0), growth: Mutex::new(growth) })
    }

    /// The options that this arena was made with.
    #[must_use]
    pub fn options(&self) -> &ArenaOptions {
        &self.options
    }

    /// What came of the wish for huge pages so far.
    #[must_use]
    pub fn huge_pages(&self) -> HugePages {
        self.lock().huge
    }

    /// How many leaves there are, spare ones included.
    #[must_use]
    pub fn leaf_count(&self) -> u32 {
        self.leaf_count.load(Ordering::Acquire)
    }

    /// The leaf with this number.
    #[must_use]
    #[inline]
    pub fn leaf(&self, index: u32) -> Option<&'static Leaf> {
        let leaf = self.leaves.get(index as usize)?.load(Ordering::Acquire);
        // SAFETY: [INV-5] a leaf in the table is leaked: it lives for ever and is only ever shared.
        unsafe { leaf.as_ref() }
    }

    /// A leaf of `class`, all of whose slots are free and, in a leaf that was never used, zeroed.
    ///
    /// `chunk_hint` is how many leaves of this size are likely to follow (0: unknown); they get one mapping then.
    ///
    /// # Errors
    /// [`ArenaError::Full`] at the limit, [`ArenaError::Memory`] if the operating system refuses.
    pub fn acquire_leaf(&self, class: SizeClass, chunk_hint: usize) -> Result<&'static Leaf, ArenaError> {
        let mut growth = self.lock();
        if let Some(leaf) = growth.spare[class.index()].pop() {
            return Ok(leaf);
        }
        let index = self.leaf_count.load(Ordering::Relaxed);
        if index >= self.options.max_leaves {
            return Err(ArenaError::Full(self.options.max_leaves));
        }
        let bytes = self.options.slots_per_leaf as usize * class.stride();
        if growth.left < bytes {
            growth.add_chunk(&self.options, index, bytes * chunk_hint.max(1))?;
        }
        let base = NonNull::new(growth.next).expect("a chunk was just made sure of");
        growth.next = growth.next.wrapping_add(bytes);
        growth.left -= bytes;
        if self.options.preinitialize {
            map::populate(base, bytes);
        }
        let leaf: &'static Leaf =
            Box::leak(Box::new(Leaf::new(base, class, self.options.slots_per_leaf, index)));
        #[cfg(maniac_asan)]
        LEAVES.lock().unwrap_or_else(PoisonError::into_inner).push(leaf);
        self.leaves[index as usize].store(ptr::from_ref(leaf).cast_mut(), Ordering::Release);
        self.leaf_count.store(index + 1, Ordering::Release);
        Ok(leaf)
    }

    /// Takes all leaves back, for later [`Arena::acquire_leaf`]s.
    ///
    /// With `discard` their pages are given back to the operating system and read as zeros afterwards.
    ///
    /// # Safety
    /// Nobody will use a slot through what was allocated before, or is giving one back; no pool holds a leaf of this arena any more. (Atomic
    /// loads and compare-and-swaps of stale pointers stay sound: the memory stays mapped.)
    pub unsafe fn reset(&self, discard: bool) {
        let mut growth = self.lock();
        growth.spare.iter_mut().for_each(Vec::clear);
        for index in 0..self.leaf_count() {
            let Some(leaf) = self.leaf(index) else { continue };
            leaf.drain_remote(|_, _| ());
            if discard {
                // SAFETY: [INV-3] the caller promises that no slot of this leaf is in use.
                unsafe { map::discard(leaf.base(), leaf.bytes()) };
            }
            growth.spare[leaf.class().index()].push(leaf);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Growth> {
        // Nothing under this lock runs foreign code; a panic there leaves it consistent.
        self.growth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growth {
    fn add_chunk(&mut self, options: &ArenaOptions, leaves: u32, least: usize) -> Result<(), ArenaError> {
        // What is left of the old chunk is lost: addresses, not memory.
        let doubled = SMALLEST_CHUNK << (leaves / 8).min(6);
        let bytes = doubled.min(LARGEST_CHUNK).max(least).next_multiple_of(Chunk::ALIGN);
        let chunk = Chunk::map(bytes).map_err(ArenaError::Memory)?;
        if options.huge_pages {
            self.huge = map::advise_huge(chunk.base, chunk.bytes);
        }
        self.next = chunk.base.as_ptr();
        self.left = chunk.bytes;
        Ok(())
    }
}
