//! A look at a task from outside, while it may run, complete and make room for another one.

use super::state::{self, LIVE};
use super::{Id, TaskRef};
use crate::shim::{Ordering, fence};
use maniac_sync::wait::Wait;
use std::panic::Location;

/// What a slot holds at one moment.
#[derive(Debug)]
pub(crate) struct Glimpse {
    pub(crate) id: Id,
    pub(crate) name: Option<String>,
    pub(crate) spawned_at: &'static Location<'static>,
    /// The state word.
    pub(crate) word: u64,
    pub(crate) waits: Option<Wait>,
}

/// Looks at a slot that keeps changing; after so many what was seen of one task may be of two moments.
const TRIES: u32 = 8;

impl TaskRef {
    /// The task in this slot, if there is one. All of it is the same task's; its state and what it waits for are of the same moment, unless it changes all
    /// the time.
    pub(crate) fn glimpse(self) -> Option<Glimpse> {
        for left in (0..TRIES).rev() {
            let before = self.header().state.load();
            if before & LIVE == 0 {
                return None;
            }
            // Both acquire: whatever a later task in this slot wrote here, its state is seen below.
            let waits = self.header().waits.load();
            let origin = self.copy_origin();
            fence(Ordering::Acquire);
            let word = self.header().state.load();
            let same_task = state::generation(word) == state::generation(before) && word & LIVE != 0;
            if let Some((name, spawned_at)) = origin
                && same_task
                && (word == before || left == 0)
            {
                let id = Id::new(self.index(), state::generation(word));
                return Some(Glimpse { id, name, spawned_at, word, waits });
            }
        }
        None
    }
}
