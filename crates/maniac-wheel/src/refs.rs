//! References to timers that are kept elsewhere: what cascaded into a spoke, a spoke's ranking, the timers due soon.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::store::{Ref, Store};

/// Lists of up to this many references keep their memory when they are emptied.
const KEPT: usize = 8;
/// A heap of fewer references is not swept.
const SWEPT: usize = 32;

/// What a spoke refers to, beside the entries filed in it.
#[derive(Debug)]
pub(crate) enum Refs {
    /// The timers that cascaded here from the level above, in no order.
    List(Vec<Ref>),
    /// Those, and the spoke's own entries, as a heap. A spoke is ranked when its earliest timer was cancelled and it has
    /// too many to look through each time that happens.
    Ranked(BinaryHeap<Reverse<Ref>>),
}

impl Refs {
    pub(crate) const fn new() -> Self {
        Self::List(Vec::new())
    }

    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::List(list) => list.capacity(),
            Self::Ranked(heap) => heap.capacity(),
        }
    }

    #[cfg(any(test, feature = "timers-introspection"))]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Ranked(heap) => heap.len(),
        }
    }

    /// Takes all references out, in no order. If the spoke was ranked its own entries are among them, and the first of
    /// all is given, too.
    pub(crate) fn take(&mut self) -> (Vec<Ref>, Option<Ref>) {
        match std::mem::replace(self, Self::new()) {
            Self::List(list) => (list, None),
            Self::Ranked(heap) => {
                let first = heap.peek().map_or(Ref::NONE, |Reverse(first)| *first);
                (heap.into_vec().into_iter().map(|Reverse(timer)| timer).collect(), Some(first))
            }
        }
    }

    /// Puts an emptied list back, for its memory.
    pub(crate) fn recycle(&mut self, mut list: Vec<Ref>) {
        if list.capacity() <= KEPT && self.capacity() == 0 {
            list.clear();
            *self = Self::List(list);
        }
    }
}

/// Adds to a heap. One that would have to grow first loses what `is_live` disowns, so that timers that are scheduled
/// and cancelled for ever do not fill it: it stays within twice its live references (and a few), and the sweeps cost O(1)
/// for each push.
pub(crate) fn push_swept<R: Ord>(heap: &mut BinaryHeap<R>, reference: R, is_live: impl Fn(&R) -> bool) {
    if heap.len() == heap.capacity() && heap.len() >= SWEPT {
        heap.retain(is_live);
        if heap.len() > heap.capacity() / 2 {
            heap.reserve(heap.capacity());
        } else {
            heap.shrink_to((2 * heap.len()).max(SWEPT));
        }
    }
    heap.push(reference);
}

/// The earliest live reference of a ranking; what lies before it and is gone is dropped.
pub(crate) fn first_live<T>(heap: &mut BinaryHeap<Reverse<Ref>>, store: &Store<T>) -> Option<Ref> {
    while let Some(&Reverse(first)) = heap.peek() {
        if store.is_live(first) {
            return Some(first);
        }
        heap.pop();
    }
    None
}
