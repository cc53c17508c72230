//! Which timer is the first: of the wheel, of each spoke.
//!
//! The first timer known is kept as a reference, for the wheel and for each spoke. Cancelling does not look whether it
//! takes such a first one; whoever needs it looks whether it is still there, and searches if it is not.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::SPOKES_PER_LEVEL;
use crate::refs::{self, Refs};
use crate::store::Ref;
use crate::wheel::{LEVEL_SHIFT, TimerWheel};

/// A spoke with at most this many timers is looked through for its earliest one; a larger one is ranked.
const SCAN_LIMIT: usize = 64;

impl<T> TimerWheel<T> {
    /// Notes a timer earlier than the spoke's first one, which was just filed there or moved there as a reference.
    #[inline(never)]
    pub(crate) fn set_first(&mut self, level: usize, index: usize, timer: Ref) {
        self.occupied[level].set(index);
        if let Some(Refs::Ranked(heap)) = self.refs[level].get_mut(index) {
            let store = &self.store;
            refs::push_swept(heap, Reverse(timer), |Reverse(timer)| store.is_live(*timer));
        } else {
            self.store.levels[level][index].first = timer;
        }
    }

    /// Puts a reference to a timer filed elsewhere into a spoke.
    pub(crate) fn add_ref(&mut self, level: usize, index: usize, timer: Ref) {
        if self.refs[level].is_empty() {
            self.add_refs(level);
        }
        if let Refs::List(list) = &mut self.refs[level][index] {
            list.push(timer);
        }
        // A ranked spoke has no first one, so that its heap gets this, too.
        if timer.deadline < self.store.levels[level][index].first.deadline {
            self.set_first(level, index, timer);
        }
    }

    /// From now on the level's spokes can refer to timers that are filed elsewhere, and be ranked.
    #[cold]
    fn add_refs(&mut self, level: usize) {
        if self.store.levels[level].is_empty() {
            self.store.add_spokes(level);
        }
        self.refs[level].resize_with(SPOKES_PER_LEVEL, Refs::new);
    }

    /// The exact deadline of the earliest timer, in ns: how long the owner may sleep. `None` if there is none.
    ///
    /// It may lie in the past: then the last poll's budget did not suffice, or the timer was scheduled late.
    /// Asking often is cheap. It looks at one spoke of each level at most; only when the earliest timer of a spoke was
    /// cancelled must the next one be found, which costs O(log n) of the spoke's timers, amortised.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// assert_eq!(wheel.next_deadline(), None);
    /// let id = wheel.schedule_timer(1_234_567, ()).unwrap();
    /// wheel.schedule_timer(98_765_432_100, ()).unwrap();
    /// assert_eq!(wheel.next_deadline(), Some(1_234_567));
    /// wheel.cancel_timer(id);
    /// assert_eq!(wheel.next_deadline(), Some(98_765_432_100));
    /// ```
    #[inline]
    pub fn next_deadline(&mut self) -> Option<u64> {
        if !self.store.is_live(self.soonest) {
            self.soonest = if self.is_empty() { Ref::NONE } else { self.find_soonest() };
        }
        (!self.is_empty()).then_some(self.soonest.deadline)
    }

    /// The first timer of a wheel that has some.
    #[inline(never)]
    fn find_soonest(&mut self) -> Ref {
        let mut soonest = self.first_due().unwrap_or(Ref::NONE);
        for (level, shift) in LEVEL_SHIFT.into_iter().enumerate() {
            while let Some(start) =
                self.next_occupied(level).filter(|start| start << self.shift < soonest.deadline)
            {
                if let Some(first) = self.first_of(level, (start >> shift) as usize % SPOKES_PER_LEVEL) {
                    soonest = soonest.min(first);
                    break;
                }
            }
        }
        debug_assert!(self.store.is_live(soonest), "{} timers, and none found", self.len());
        soonest
    }

    /// The tick at which the next spoke of a level begins that may hold timers. That may be the current spoke of an
    /// upper level, which then began before or now.
    #[inline]
    pub(crate) fn next_occupied(&self, level: usize) -> Option<u64> {
        let current = self.tick >> LEVEL_SHIFT[level];
        let distance = self.occupied[level].distance_from(current as usize % SPOKES_PER_LEVEL)?;
        Some((current + distance as u64) << LEVEL_SHIFT[level])
    }

    /// The earliest of the timers that were taken out of their spokes already, and of the late ones.
    fn first_due(&mut self) -> Option<Ref> {
        while self.run.peek().is_some_and(|timer| !self.store.is_live(timer)) {
            self.run.advance();
        }
        while self.late.peek().is_some_and(|Reverse(late)| !self.store.is_live(late.reference())) {
            self.late.pop();
        }
        let late = self.late.peek().map(|Reverse(late)| late.reference());
        self.run.peek().into_iter().chain(late).min()
    }

    /// The earliest timer to be found through a spoke. If there is none the spoke is forgotten.
    fn first_of(&mut self, level: usize, index: usize) -> Option<Ref> {
        let first = self.store.levels[level][index].first;
        if self.store.is_live(first) {
            return Some(first);
        }
        let first = match self.refs[level].get_mut(index) {
            Some(Refs::Ranked(heap)) => refs::first_live(heap, &self.store),
            _ => self.search(level, index),
        };
        if first.is_none() {
            if let Some(refs) = self.refs[level].get_mut(index) {
                *refs = Refs::new();
            }
            self.forget(level, index);
        }
        first
    }

    /// The earliest timer of a spoke that has no ranking. A small spoke is looked through, a large one ranked.
    fn search(&mut self, level: usize, index: usize) -> Option<Ref> {
        let slots = self.store.levels[level][index].slots.end() as usize;
        let listed = match self.refs[level].get(index) {
            Some(Refs::List(list)) => list.as_slice(),
            _ => &[],
        };
        if slots + listed.len() > SCAN_LIMIT {
            return self.rank(level, index);
        }
        let filed = self.store.filed(level, index).map(|(timer, _)| timer);
        let first = filed.chain(listed.iter().copied().filter(|timer| self.store.is_live(*timer))).min()?;
        self.store.levels[level][index].first = first;
        Some(first)
    }

    /// Makes a heap of all that a spoke has, and gives the earliest.
    #[inline(never)]
    fn rank(&mut self, level: usize, index: usize) -> Option<Ref> {
        if self.refs[level].is_empty() {
            self.add_refs(level);
        }
        let (mut all, _) = self.refs[level][index].take();
        all.retain(|timer| self.store.is_live(*timer));
        all.extend(self.store.filed(level, index).map(|(timer, _)| timer));
        let heap: BinaryHeap<_> = all.into_iter().map(Reverse).collect();
        let Reverse(first) = *heap.peek()?;
        self.refs[level][index] = Refs::Ranked(heap);
        self.store.levels[level][index].first = Ref::NONE;
        Some(first)
    }
}
