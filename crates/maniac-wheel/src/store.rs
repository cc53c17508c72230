//! Where timers are kept for life: the spokes of all levels, and references to their entries.
//!
//! What a spoke is due for, and when, is not known here: that is `wheel`'s and `turn`'s.

use crate::id::TimerId;
use crate::slots::{Entry, Slots};
use crate::{LEVELS, SPOKES_PER_LEVEL};

/// The level of the timers whose deadline lay in the wheel's current tick or before it when they were scheduled. It
/// has one spoke.
pub(crate) const DUE: usize = LEVELS;

/// A timer somewhere in the store, if it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ref {
    pub(crate) deadline: u64,
    pub(crate) id: TimerId,
}

impl Ref {
    pub(crate) const NONE: Self = Self { deadline: u64::MAX, id: TimerId::NOBODY };
}

/// One bucket of a level: the entries filed in it, and what is known of the earliest timer to be found through it.
/// Exactly a cache line, so that a schedule or a cancel touches one line here and one for the entry.
#[repr(align(64))]
pub(crate) struct Spoke<T> {
    pub(crate) slots: Slots<T>,
    /// The earliest timer scheduled or moved here since this was last found out; it may be gone since, and then the
    /// earliest one left is later. `NONE` while the spoke holds nothing, or its timers are ranked in a heap (`Refs`).
    pub(crate) first: Ref,
}

impl<T> Spoke<T> {
    fn new(level: usize) -> Self {
        Self { slots: Slots::new(), first: no_first(level) }
    }
}

/// What a spoke without timers has as its first one. Of the late timers another structure knows the first one: no
/// deadline is before the one given here.
pub(crate) fn no_first(level: usize) -> Ref {
    if level == DUE { Ref { deadline: 0, ..Ref::NONE } } else { Ref::NONE }
}

/// All spokes. A level takes memory from its first timer on.
pub(crate) struct Store<T> {
    pub(crate) levels: [Vec<Spoke<T>>; LEVELS + 1],
}

impl<T> Store<T> {
    pub(crate) const fn new() -> Self {
        Self { levels: [const { Vec::new() }; LEVELS + 1] }
    }

    /// Makes a level's spokes.
    #[cold]
    #[inline(never)]
    pub(crate) fn add_spokes(&mut self, level: usize) {
        let count = if level == DUE { 1 } else { SPOKES_PER_LEVEL };
        self.levels[level].reserve_exact(count);
        self.levels[level].resize_with(count, || Spoke::new(level));
    }

    /// The entry that `reference` names, if that timer is still scheduled.
    ///
    /// The deadline must fit too, so that a reference kept until its generation comes again never fires another timer
    /// early.
    #[inline]
    pub(crate) fn find(&self, reference: Ref) -> Option<&Entry<T>> {
        let id = reference.id;
        let entry = self.levels[id.level()].get(id.spoke())?.slots.get(id.slot())?;
        (entry.generation == id.generation() && entry.deadline == reference.deadline).then_some(entry)
    }

    #[inline]
    pub(crate) fn is_live(&self, reference: Ref) -> bool {
        self.find(reference).is_some()
    }

    /// A reference to the timer in a slot of a spoke, if there is one.
    pub(crate) fn filed_in(&self, level: usize, spoke: usize, slot: u32) -> Option<Ref> {
        let entry = self.levels[level][spoke].slots.get(slot).filter(|entry| entry.is_live())?;
        Some(Ref { deadline: entry.deadline, id: TimerId::new(level, entry.generation, spoke, slot) })
    }

    /// References to all timers filed in a spoke, and their order.
    pub(crate) fn filed(&self, level: usize, spoke: usize) -> impl Iterator<Item = (Ref, u32)> {
        let slots = self.levels[level].get(spoke).map(|spoke| &spoke.slots);
        slots.into_iter().flat_map(move |slots| {
            slots.live_entries().map(move |(slot, entry)| {
                let id = TimerId::new(level, entry.generation, spoke, slot);
                (Ref { deadline: entry.deadline, id }, entry.order)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoke_is_a_cache_line_and_a_reference_two_words() {
        assert_eq!(size_of::<Spoke<u64>>(), 64);
        assert_eq!(align_of::<Spoke<u64>>(), 64);
        assert_eq!(size_of::<Ref>(), 16);
    }

    #[test]
    fn nobody_is_never_found() {
        let mut store = Store::new();
        assert!(!store.is_live(Ref::NONE));
        for level in 0..=DUE {
            store.add_spokes(level);
            store.levels[level][0].slots.insert(u64::MAX, 0, (), 1).unwrap();
        }
        assert!(!store.is_live(Ref::NONE));
    }

    #[test]
    fn a_reference_with_another_deadline_is_stale() {
        let mut store = Store::new();
        store.add_spokes(1);
        let (slot, generation) = store.levels[1][5].slots.insert(77, 3, (), 9).unwrap();
        let id = TimerId::new(1, generation, 5, slot);
        assert!(store.is_live(Ref { deadline: 77, id }));
        assert!(!store.is_live(Ref { deadline: 76, id }));
        assert_eq!(store.filed(1, 5).collect::<Vec<_>>(), [(Ref { deadline: 77, id }, 3)]);
        assert_eq!(store.filed(2, 5).count(), 0);
    }
}
