//! `next`: the few tasks that a role runs before it looks at its ready set.
//!
//! A ring of few entries that only the role's owner fills, in order; the owner and thieves both take entries by a swap, so that a task
//! waiting behind a long poll can be helped out by others.

use crate::shim::{AtomicU32, Ordering, ordering};

/// How many entries `next` has: as many as tasks run before what they gathered goes to the kernel, so that those whose writes that completes
/// run before others, which would begin more writes, each with a record of its own. Models get by with fewer.
pub(crate) const NEXT: u32 = if cfg!(loom) { 8 } else { 16 };

/// The shared part: a slot's number plus one, or zero.
#[derive(Debug)]
pub(crate) struct NextRing {
    entries: [AtomicU32; NEXT as usize],
}

/// The owner's part.
#[derive(Debug, Default)]
pub(crate) struct NextEnds {
    head: u32,
    tail: u32,
}

impl NextRing {
    pub(crate) fn new() -> NextRing {
        NextRing { entries: std::array::from_fn(|_| AtomicU32::new(0)) }
    }

    /// Adds `index` at the end, unless the ring is full.
    #[inline]
    pub(crate) fn push(&self, ends: &mut NextEnds, index: u32) -> bool {
        if ends.tail.wrapping_sub(ends.head) == NEXT {
            return false;
        }
        let entry = &self.entries[(ends.tail % NEXT) as usize];
        debug_assert_eq!(entry.load(Ordering::Relaxed), 0);
        // Release: the thief that takes the entry sees the NOTIFIED that it stands for, and the task's header.
        entry.store(index + 1, ordering("next.push", Ordering::Release));
        ends.tail = ends.tail.wrapping_add(1);
        true
    }

    /// Takes the oldest entry that no thief took.
    #[inline]
    pub(crate) fn pop(&self, ends: &mut NextEnds) -> Option<u32> {
        while ends.head != ends.tail {
            let entry = &self.entries[(ends.head % NEXT) as usize];
            ends.head = ends.head.wrapping_add(1);
            // Acquire is for thieves; Release for nobody: the owner learns nothing from an entry that a thief took.
            let taken = entry.swap(0, Ordering::Relaxed);
            if taken != 0 {
                return Some(taken - 1);
            }
        }
        None
    }

    /// Takes an entry, by anybody.
    pub(crate) fn steal(&self) -> Option<u32> {
        for entry in &self.entries {
            if entry.load(Ordering::Relaxed) != 0 {
                let taken = entry.swap(0, ordering("next.steal", Ordering::Acquire));
                if taken != 0 {
                    return Some(taken - 1);
                }
            }
        }
        None
    }

    /// How many entries there are, about.
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().filter(|entry| entry.load(Ordering::Relaxed) != 0).count()
    }

    /// Whether there is an entry (perhaps no more).
    pub(crate) fn maybe_ready(&self) -> bool {
        self.entries.iter().any(|entry| entry.load(Ordering::Relaxed) != 0)
    }
}
