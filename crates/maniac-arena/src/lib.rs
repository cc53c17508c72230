//! Type-stable memory for task slots.
//!
//! An [`Arena`] hands out *leaves*: runs of equal slots in mapped memory. What a leaf's memory holds is the caller's business;
//! that it stays mapped for the life of the process is the arena's promise. A pointer to a slot can therefore be kept by
//! anybody for ever (a waker is nothing but such a pointer and a generation): at worst it points to a slot that
//! holds another task, or none.
//!
//! What lives here: the mapping ([`Arena`]), the leaf with the slots that other threads gave back ([`Leaf`]), and the free slots that one
//! owner hands out ([`SlotPool`]). What does not: the state of a task, the ready set, who runs what.
//!
//! ```
//! use maniac_arena::{Arena, ArenaOptions, SizeClass, SlotPool};
//!
//! let arena = Arena::new(ArenaOptions::new())?;
//! let class = SizeClass::for_size(100).expect("100 bytes fit a slot");
//! let mut pool = SlotPool::new(class);
//! pool.add_leaf(arena.acquire_leaf(class, 0)?);
//! let slot = pool.allocate().expect("a new leaf has free slots");
//! assert_eq!(slot.leaf().stride(), 128);
//! pool.free_local(slot);
//! # Ok::<(), maniac_arena::ArenaError>(())
//! ```

#[cfg(feature = "track-allocations")]
pub mod allocations;
mod arena;
mod class;
mod leaf;
mod map;
mod pool;
#[cfg(not(loom))]
mod shim;
#[cfg(loom)]
#[doc(hidden)]
pub mod shim;

pub use arena::{Arena, ArenaError, ArenaOptions};
pub use class::SizeClass;
pub use leaf::{Leaf, MAX_SLOTS_PER_LEAF, MIN_SLOTS_PER_LEAF, Slot};
pub use map::{HugePages, page_size};
pub use pool::SlotPool;
