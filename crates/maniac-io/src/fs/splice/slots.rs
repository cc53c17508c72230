//! What copies between streams may take of the process at one time.
//!
//! A copy's pipe lasts as long as its sink keeps it waiting, and who is at the other end decides that: a proxy with many slow peers would
//! run out of descriptors, and its user out of memory for pipes (pipe(7), pipe-user-pages-soft). So the pipes have the size that the
//! system gives them anyway, and only so many copies at a time have one; the others are carried through memory.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The size of a pipe.
pub(super) const ROOM: usize = 64 << 10;

/// How many copies have a pipe at a time: 4 MiB, and 128 descriptors.
const SLOTS: usize = 64;

/// Only counts: nothing is published by it.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// The right to have a pipe. Dropped, it is free for another.
pub(super) struct Slot(());

impl Slot {
    /// One of those that are free, if any.
    pub(super) fn take() -> Option<Self> {
        let one_more = |taken| (taken < SLOTS).then_some(taken + 1);
        TAKEN.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Self(()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Relaxed);
    }
}
