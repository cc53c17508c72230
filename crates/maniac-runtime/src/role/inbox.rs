//! A thread's inbox: the entries of pinned tasks that others woke, linked through the slots.
//!
//! Many push, the thread takes all. Stack order on the way in, popped from the other end on the way out: first in, first out.

use crate::shim::{AtomicU32, Ordering, ordering};

/// No slot.
const END: u32 = u32::MAX;

/// See the module's page. `LINK` of a slot is the pusher's from the moment it holds the entry until the take.
#[derive(Debug)]
pub(crate) struct Inbox {
    head: AtomicU32,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { head: AtomicU32::new(END) }
    }

    /// Adds the entry of slot `index`, whose link is `link`.
    pub(crate) fn push(&self, index: u32, link: &AtomicU32) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link.store(head, Ordering::Relaxed);
            let success = ordering("inbox.push", Ordering::Release);
            match self.head.compare_exchange_weak(head, index, success, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Whether there is anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) == END
    }

    /// Takes everything into an empty vector, newest first: popping gives the order of the pushes. `link_of` finds a slot's
    /// link.
    pub(crate) fn take_all<'a>(&self, link_of: impl Fn(u32) -> &'a AtomicU32, into: &mut Vec<u32>) {
        debug_assert!(into.is_empty());
        if self.is_empty() {
            return;
        }
        let mut index = self.head.swap(END, ordering("inbox.take", Ordering::Acquire));
        while index != END {
            into.push(index);
            index = link_of(index).load(Ordering::Relaxed);
        }
    }
}
