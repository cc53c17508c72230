//! The Signal Tree: a lock-free bitmap of runnable task slots under summary words, for the maniac runtime.
//!
//! A task's slot is one bit. Making it runnable is [`SignalTree::set`]; a worker takes up to 64 of them with one atomic
//! operation ([`SignalTree::take`]); idle workers take from others ([`SignalTree::steal`]) and agree with the setters
//! on who must be woken ([`SignalTree::prepare_park`], [`SignalTree::notify`]). The crate knows no clock, no operating
//! system and no runtime: whoever calls it blocks and wakes threads. It allocates when a tree is made and when a leaf
//! is added, never otherwise.
//!
//! The protocol and its proof sketch are in the crate's README.
//!
//! ```
//! use maniac_signal_tree::{Hand, SetOutcome, SignalTree, TakeMode};
//!
//! let tree = SignalTree::new(2, 8)?;
//! let leaf = tree.add_leaf(0)?;
//! assert_eq!(tree.set(leaf.slot(5)), SetOutcome::OwnerAwake);
//! assert_eq!(tree.set(leaf.slot(7)), SetOutcome::OwnerAwake);
//!
//! let mut hand = Hand::new();
//! let taken = tree.take(0, &mut hand, TakeMode::Whole).unwrap();
//! assert_eq!(taken.slots().collect::<Vec<_>>(), [leaf.slot(5), leaf.slot(7)]);
//! assert!(tree.take(0, &mut hand, TakeMode::Whole).is_none());
//! # Ok::<(), maniac_signal_tree::TreeError>(())
//! ```
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "maniac_count is this crate's own")]

#[cfg(maniac_count)]
#[doc(hidden)]
pub mod count;
mod error;
mod hand;
mod leaf;
mod neighbours;
mod park;
mod placement;
mod search;
mod set;
#[cfg(loom)]
#[doc(hidden)]
pub mod shim;
#[cfg(not(loom))]
mod shim;
mod tree;
mod waker;

pub use error::TreeError;
pub use hand::{Hand, TakeMode, Taken};
pub use neighbours::Neighbours;
pub use park::Look;
pub use placement::Placement;
pub use set::SetOutcome;
pub use tree::{LeafIndex, SignalTree};

/// Slots of a signal word: slide 18's `TASK_SLOTS_PER_SIGNAL`.
///
/// ```
/// assert_eq!(maniac_signal_tree::SLOTS_PER_WORD, 64);
/// ```
pub const SLOTS_PER_WORD: usize = 64;

/// Signal words of a leaf: slide 18's `SIGNALS_PER_LEAF`. (Two in a loom model.)
///
/// ```
/// assert_eq!(maniac_signal_tree::WORDS_PER_LEAF, 64);
/// ```
pub const WORDS_PER_LEAF: usize = if cfg!(loom) { 2 } else { 64 };

/// The distance between the first slots of two leaves. A leaf may be used for fewer.
///
/// ```
/// assert_eq!(maniac_signal_tree::SLOTS_PER_LEAF, 4096);
/// ```
pub const SLOTS_PER_LEAF: usize = 4096;

/// Leaves that a tree can have: 62 groups of 64, as many as a worker word has bits for. 16,252,928 slots.
///
/// ```
/// assert_eq!(maniac_signal_tree::MAX_LEAVES, 3968);
/// ```
pub const MAX_LEAVES: usize = 62 * 64;

/// Partitions, and so workers, that a tree can have: slide 18's `MAX_WORKER_LIMIT`.
///
/// ```
/// assert_eq!(maniac_signal_tree::MAX_PARTITIONS, 512);
/// ```
pub const MAX_PARTITIONS: usize = 512;

/// Group words of a partition; the last two are never used, and make the index a mask.
const GROUPS: usize = if cfg!(loom) { 1 } else { 64 };

/// Words of a set of partitions.
const PARTITION_WORDS: usize = if cfg!(loom) { 1 } else { MAX_PARTITIONS / 64 };

/// The word and the bit of `partition` in a set of partitions.
#[inline(always)]
const fn partition_bit(partition: usize) -> (usize, u64) {
    ((partition >> 6) & (PARTITION_WORDS - 1), 1 << (partition & 63))
}
