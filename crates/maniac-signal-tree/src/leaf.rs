//! A leaf: 64 signal words, their summary, and the link that says whose leaf it is. The protocol lives in `set.rs`
//! and `search.rs`.

use crate::{
    WORDS_PER_LEAF,
    shim::{AtomicU64, Ordering},
};
use crossbeam_utils::CachePadded;

/// Up to 4,096 slots.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) head: CachePadded<Head>,
    /// Signal words: a bit is a runnable slot.
    pub(crate) words: [AtomicU64; WORDS_PER_LEAF],
}

/// What every search of the leaf reads, on a line of its own.
#[derive(Debug)]
pub(crate) struct Head {
    /// Bit `w`: signal word `w` may hold a bit.
    pub(crate) summary: AtomicU64,
    /// A [`Link`].
    pub(crate) link: AtomicU64,
}

impl Leaf {
    pub(crate) fn new(partition: usize) -> Self {
        let head = Head { summary: AtomicU64::new(0), link: AtomicU64::new(Link::new(partition).0) };
        Self { head: CachePadded::new(head), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    #[inline(always)]
    pub(crate) fn link(&self) -> Link {
        Link(self.head.link.load(Ordering::Acquire))
    }
}

/// Bits 0 to 15: the leaf's partition. Bit 16: every summary above the leaf was up after this link was written.
/// Bits 17 to 63: a version, which every change but the raising of bit 16 advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(pub(crate) u64);

impl Link {
    const LINKED: u64 = 1 << 16;
    const VERSION: u64 = 1 << 17;

    fn new(partition: usize) -> Self {
        Self(partition as u64)
    }

    #[inline(always)]
    pub(crate) fn partition(self) -> usize {
        usize::from(self.0 as u16)
    }

    #[inline(always)]
    pub(crate) fn is_linked(self) -> bool {
        self.0 & Self::LINKED != 0
    }

    pub(crate) fn linked(self) -> Self {
        Self(self.0 | Self::LINKED)
    }

    /// The next version, for `partition`, with nothing said about the summaries.
    pub(crate) fn unlinked(self, partition: usize) -> Self {
        let version = (self.0 & !(Self::VERSION - 1)).wrapping_add(Self::VERSION);
        Self(version | partition as u64)
    }
}
