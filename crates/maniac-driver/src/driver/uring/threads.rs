//! Which thread submitted which operation: the kernel completes it there, so that thread must not end before.

use crate::driver::core::ThreadOps;
use std::collections::VecDeque;
use std::sync::Arc;

/// An entry of no record.
const NONE: usize = usize::MAX;

/// Counts entries by the thread that gave them to the kernel. Idle (and free) until a thread is set.
#[derive(Default)]
pub(super) struct Threads {
    /// One more than the current thread's place in `table`; zero if operations are not counted.
    current: u32,
    table: Vec<Arc<ThreadOps>>,
    /// Places (one more, as above) by record key.
    owners: Vec<u32>,
    /// Keys of the entries in the submission queue, oldest first.
    queued: VecDeque<usize>,
}

impl Threads {
    /// From now on `thread` submits; `in_queue` entries are not submitted yet.
    pub(super) fn set(&mut self, thread: Option<Arc<ThreadOps>>, in_queue: usize) {
        let Some(thread) = thread else {
            self.current = 0;
            self.queued.clear();
            return;
        };
        if self.current == 0 {
            self.queued = std::iter::repeat_n(NONE, in_queue).collect();
        }
        let known = self.table.iter().position(|other| Arc::ptr_eq(other, &thread));
        // A thread that is gone and has nothing left makes room.
        let free =
            || self.table.iter().position(|other| Arc::strong_count(other) == 1 && other.in_flight() == 0);
        let place = match known.or_else(free) {
            Some(place) => {
                self.table[place] = thread;
                place
            }
            None => {
                self.table.push(thread);
                self.table.len() - 1
            }
        };
        self.current = place as u32 + 1;
    }

    /// An entry went into the queue: of a record, or none.
    pub(super) fn queued(&mut self, key: Option<usize>) {
        if self.current != 0 {
            self.queued.push_back(key.unwrap_or(NONE));
        }
    }

    /// The kernel has taken entries: so many are left in the queue.
    pub(super) fn taken(&mut self, left: usize) {
        if self.current == 0 {
            return;
        }
        let taken = self.queued.len() - left;
        for key in self.queued.drain(..taken).filter(|&key| key != NONE) {
            if self.owners.len() <= key {
                self.owners.resize(key + 1, 0);
            }
            self.owners[key] = self.current;
            self.table[self.current as usize - 1].add();
        }
    }

    /// The kernel has completed a record's entry.
    pub(super) fn completed(&mut self, key: usize) {
        if let Some(owner) = self.owners.get_mut(key).map(std::mem::take).filter(|&owner| owner != 0) {
            self.table[owner as usize - 1].remove();
        }
    }
}
