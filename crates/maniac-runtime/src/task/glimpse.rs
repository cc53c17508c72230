//! A look at a task from outside, while it may run, complete and make room for another one.

use super::{Id, TaskRef, state};
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

impl TaskRef {
    /// The task in this slot, if there is one. All of it is the same task's; its state and what it waits for are of the same moment, unless it changes all
    /// the time.
    pub(crate) fn glimpse(self) -> Option<Glimpse> {
        let read = || Some((self.header().waits.load(), self.copy_origin()?));
        let (word, (waits, (name, spawned_at))) = self.header().state.observe(read)?;
        let id = Id::new(self.index(), state::generation(word));
        Some(Glimpse { id, name, spawned_at, word, waits })
    }
}
