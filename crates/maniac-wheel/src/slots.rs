//! One spoke's storage: entries in numbered slots, a free list through the empty ones, and the memory given back.
//!
//! A live entry never leaves its slot, so that ids and references stay valid. Slots 0 to 4,095 lie in one vector, which
//! is all that a spoke has as a rule; further ones lie in segments of 4,096, so that growing never copies more than one
//! segment and each segment can be given back by itself.

use crate::id::MAX_GENERATION;

/// Slots in a segment.
pub(crate) const SEGMENT: usize = 4096;
/// Storage of up to this many slots is kept when it is not used: what it costs is less than what freeing it would.
const KEPT: usize = 8;
/// The end of the free list.
const NONE: u32 = u32::MAX;

/// A slot: a timer, or a link of the free list.
pub(crate) struct Entry<T> {
    pub(crate) deadline: u64,
    /// Live: the low half of the number of the `schedule` call, which orders timers of the same deadline.
    /// Free: the next free slot.
    pub(crate) order: u32,
    /// 0 if the slot is free.
    pub(crate) generation: u32,
    value: Option<T>,
}

impl<T> Entry<T> {
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        self.generation != 0
    }
}

/// The storage of one spoke.
pub(crate) struct Slots<T> {
    /// Slots 0 to 4,095.
    head: Vec<Entry<T>>,
    /// Slots from 4,096 on. Boxed, since few spokes have any: it keeps a spoke within one cache line.
    tail: Option<Box<Tail<T>>>,
    /// The first free slot below the end of a segment's vector.
    free: u32,
    live: u32,
    /// Compact when fewer than this are live.
    compact_below: u32,
    /// The generation that was given out last.
    generation: u32,
}

struct Tail<T> {
    /// Segment i holds the slots from (i + 1) * 4,096 on.
    segments: Vec<Vec<Entry<T>>>,
    /// All segments before this one are at their full length.
    growing: usize,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { head: Vec::new(), tail: None, free: NONE, live: 0, compact_below: 0, generation: 0 }
    }

    /// Makes the next timer get this generation.
    #[cfg(test)]
    pub(crate) fn set_next_generation(&mut self, generation: u32) {
        self.generation = generation - 1;
    }

    /// How many entries are live.
    #[inline]
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// One more than the highest slot that may be live.
    pub(crate) fn end(&self) -> u32 {
        match &self.tail {
            None => self.head.len() as u32,
            Some(tail) => (tail.segments.len() * SEGMENT + tail.segments.last().map_or(0, Vec::len)) as u32,
        }
    }

    /// How many entries there is memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.head.capacity()
            + self.tail.as_ref().map_or(0, |tail| tail.segments.iter().map(Vec::capacity).sum())
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Entry<T>> {
        match self.head.get(slot as usize) {
            Some(entry) => Some(entry),
            None => self.get_in_tail(slot),
        }
    }

    fn get_in_tail(&self, slot: u32) -> Option<&Entry<T>> {
        let segment = (slot as usize / SEGMENT).checked_sub(1)?;
        self.tail.as_ref()?.segments.get(segment)?.get(slot as usize % SEGMENT)
    }

    #[inline]
    fn get_mut(&mut self, slot: u32) -> Option<&mut Entry<T>> {
        match self.head.get_mut(slot as usize) {
            Some(entry) => Some(entry),
            None => {
                let segment = (slot as usize / SEGMENT).checked_sub(1)?;
                self.tail.as_mut()?.segments.get_mut(segment)?.get_mut(slot as usize % SEGMENT)
            }
        }
    }

    /// All live entries and their slots, the lowest slot first.
    pub(crate) fn live_entries(&self) -> impl Iterator<Item = (u32, &Entry<T>)> {
        let tail = self.tail.iter().flat_map(|tail| &tail.segments);
        std::iter::once(&self.head).chain(tail).enumerate().flat_map(|(index, segment)| {
            let entries = segment.iter().enumerate().filter(|(_, entry)| entry.is_live());
            entries.map(move |(slot, entry)| ((index * SEGMENT + slot) as u32, entry))
        })
    }

    /// The value of a live timer.
    pub(crate) fn value_mut(&mut self, slot: u32, generation: u32) -> Option<&mut T> {
        let entry = self.get_mut(slot)?;
        if entry.generation == generation { entry.value.as_mut() } else { None }
    }

    /// Files a timer and says where and as which generation. At the limit it gives the value back.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        deadline: u64,
        order: u32,
        value: T,
        limit: u32,
    ) -> Result<(u32, u32), T> {
        if self.live >= limit {
            return Err(value);
        }
        let generation = if self.generation == MAX_GENERATION { 1 } else { self.generation + 1 };
        self.generation = generation;
        self.live += 1;
        let slot = self.free;
        if slot != NONE {
            let entry = self.get_mut(slot).expect("the free list names slots that exist");
            let next = entry.order;
            *entry = Entry { deadline, order, generation, value: Some(value) };
            self.free = next;
            return Ok((slot, generation));
        }
        let entry = Entry { deadline, order, generation, value: Some(value) };
        if self.head.len() == self.head.capacity() {
            return Ok((self.grow(entry), generation));
        }
        let slot = self.head.len() as u32;
        self.head.push(entry);
        Ok((slot, generation))
    }

    /// Takes the timer out if it is the one with this generation and its deadline is `wanted`.
    #[inline]
    pub(crate) fn remove_if(
        &mut self,
        slot: u32,
        generation: u32,
        wanted: impl FnOnce(u64) -> bool,
    ) -> Option<(u64, T)> {
        let free = self.free;
        let entry = self.get_mut(slot)?;
        if entry.generation != generation || !wanted(entry.deadline) {
            return None;
        }
        let value = entry.value.take()?;
        let deadline = entry.deadline;
        entry.generation = 0;
        entry.order = free;
        self.free = slot;
        self.live -= 1;
        if self.live < self.compact_below {
            self.compact();
        }
        Some((deadline, value))
    }

    /// Adds an entry at the end of a segment whose vector must grow first.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, entry: Entry<T>) -> u32 {
        if self.head.len() < SEGMENT {
            let more = self.head.len().max(4).min(SEGMENT - self.head.len());
            self.head.reserve_exact(more);
            self.head.push(entry);
            self.compact_at_a_quarter();
            return self.head.len() as u32 - 1;
        }
        let tail = self.tail.get_or_insert_with(|| Box::new(Tail { segments: Vec::new(), growing: 0 }));
        while tail.segments.get(tail.growing).is_some_and(|segment| segment.len() == SEGMENT) {
            tail.growing += 1;
        }
        if tail.growing == tail.segments.len() {
            tail.segments.push(Vec::new());
        }
        let segment = &mut tail.segments[tail.growing];
        let slot = ((tail.growing + 1) * SEGMENT + segment.len()) as u32;
        let grows = segment.len() == segment.capacity();
        if grows {
            segment.reserve_exact(SEGMENT - segment.len());
        }
        segment.push(entry);
        if grows {
            self.compact_at_a_quarter();
        }
        slot
    }

    fn compact_at_a_quarter(&mut self) {
        let capacity = self.capacity();
        let keep = capacity <= KEPT && self.tail.is_none();
        self.compact_below = if keep { 0 } else { (capacity / 4).max(1) as u32 };
    }

    /// All entries are on their way out, so give memory back only when the last one is gone.
    pub(crate) fn drain(&mut self) {
        self.compact_below = self.compact_below.min(1);
        if self.live < self.compact_below {
            self.compact();
        }
    }

    /// Gives back all memory that lies behind the last live entry of its segment, and sorts the free list so that the
    /// lowest slots are used first and the highest ones become empty.
    ///
    /// What remains may still be less than a quarter full, when a live entry lies at the end of a segment. So the next
    /// time is when half of these have gone: all the walks together cost O(log n) for each entry removed.
    #[cold]
    #[inline(never)]
    fn compact(&mut self) {
        if self.live == 0 {
            self.release();
            return;
        }
        self.free = NONE;
        let mut free = NONE;
        if let Some(tail) = &mut self.tail {
            for (index, segment) in tail.segments.iter_mut().enumerate().rev() {
                free = compact_segment(segment, (index + 1) * SEGMENT, free);
            }
            let used =
                tail.segments.iter().rposition(|segment| !segment.is_empty()).map_or(0, |last| last + 1);
            tail.segments.truncate(used);
            tail.segments.shrink_to(2 * used);
            tail.growing = 0;
            if used == 0 {
                self.tail = None;
            }
        }
        self.free = compact_segment(&mut self.head, 0, free);
        self.compact_at_a_quarter();
        self.compact_below = self.compact_below.min((self.live / 2).max(1));
    }

    /// Gives back all memory. Values still there are handed to the caller, to be dropped when the wheel is whole again.
    pub(crate) fn release(&mut self) -> impl Sized + use<T> {
        self.free = NONE;
        self.live = 0;
        self.compact_below = 0;
        (std::mem::take(&mut self.head), self.tail.take())
    }
}

/// Cuts the free end off a segment and puts its free slots, the lowest first, before `free`. Gives the new first one.
fn compact_segment<T>(segment: &mut Vec<Entry<T>>, first_slot: usize, mut free: u32) -> u32 {
    let used = segment.iter().rposition(Entry::is_live).map_or(0, |last| last + 1);
    segment.truncate(used);
    segment.shrink_to(used);
    for (index, entry) in segment.iter_mut().enumerate().rev() {
        if !entry.is_live() {
            entry.order = free;
            free = (first_slot + index) as u32;
        }
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MAX_SLOTS;
    use std::num::NonZeroU64;

    fn insert(slots: &mut Slots<u64>, deadline: u64) -> (u32, u32) {
        slots.insert(deadline, deadline as u32, deadline, MAX_SLOTS).unwrap()
    }

    fn remove(slots: &mut Slots<u64>, (slot, generation): (u32, u32)) -> Option<u64> {
        slots.remove_if(slot, generation, |_| true).map(|(deadline, value)| {
            assert_eq!(deadline, value);
            value
        })
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_entry_takes_16_bytes_and_its_value() {
        assert_eq!(size_of::<Entry<NonZeroU64>>(), 24);
        assert_eq!(size_of::<Entry<std::task::Waker>>(), 32);
        assert_eq!(size_of::<Slots<u64>>(), 48);
    }

    #[test]
    fn a_generation_names_one_use_of_a_slot() {
        let mut slots = Slots::new();
        let first = insert(&mut slots, 1);
        assert_eq!(remove(&mut slots, (first.0, first.1 + 1)), None);
        assert_eq!(remove(&mut slots, (first.0 + 1, first.1)), None);
        assert_eq!(remove(&mut slots, (first.0, 0)), None);
        assert_eq!(slots.remove_if(first.0, first.1, |deadline| deadline == 2), None);
        assert_eq!(remove(&mut slots, first), Some(1));
        assert_eq!(remove(&mut slots, first), None);
        assert_eq!(remove(&mut slots, (first.0, 0)), None);
        let second = insert(&mut slots, 2);
        assert_eq!(second.0, first.0);
        assert_ne!(second.1, first.1);
        assert_eq!(remove(&mut slots, first), None);
        assert_eq!(slots.value_mut(first.0, first.1), None);
        assert_eq!(slots.value_mut(second.0, second.1), Some(&mut 2));
    }

    #[test]
    fn generations_wrap_past_zero() {
        let mut slots = Slots::new();
        slots.generation = MAX_GENERATION - 1;
        let last = insert(&mut slots, 1);
        assert_eq!(last.1, MAX_GENERATION);
        remove(&mut slots, last);
        let first = insert(&mut slots, 2);
        assert_eq!(first, (last.0, 1));
        assert_eq!(remove(&mut slots, last), None);
    }

    #[test]
    fn the_limit_gives_the_value_back() {
        let mut slots = Slots::new();
        for deadline in 0..3 {
            slots.insert(deadline, 0, deadline, 3).unwrap();
        }
        assert_eq!(slots.insert(9, 0, 9, 3), Err(9));
        assert_eq!(remove(&mut slots, (1, 2)), Some(1));
        assert_eq!(slots.insert(9, 0, 9, 3), Ok((1, 4)));
    }

    #[test]
    #[cfg_attr(miri, ignore = "needs more timers than miri has patience for")]
    fn growth_crosses_segments_and_an_empty_spoke_keeps_nothing() {
        let count = 3 * SEGMENT as u64 + 5;
        let mut slots = Slots::new();
        let all: Vec<_> = (0..count).map(|deadline| insert(&mut slots, deadline)).collect();
        assert!(all.iter().enumerate().all(|(index, (slot, _))| *slot == index as u32));
        assert_eq!(u64::from(slots.end()), count);
        assert_eq!(slots.capacity(), 4 * SEGMENT);
        for (deadline, place) in all.into_iter().enumerate() {
            assert_eq!(remove(&mut slots, place), Some(deadline as u64));
        }
        assert_eq!((slots.live(), slots.capacity(), slots.end()), (0, 0, 0));
        assert!(slots.tail.is_none());
    }

    #[test]
    #[cfg_attr(miri, ignore = "needs more timers than miri has patience for")]
    fn survivors_stay_in_their_slots_and_the_rest_goes_back() {
        let segments = 8;
        let count = (segments * SEGMENT) as u64;
        let mut slots = Slots::new();
        let all: Vec<_> = (0..count).map(|deadline| insert(&mut slots, deadline)).collect();
        // One survivor in the middle of a segment and one near the start of another.
        let survivors = [2 * SEGMENT + 2000, 5 * SEGMENT + 7];
        for (index, place) in all.iter().enumerate() {
            if !survivors.contains(&index) {
                assert_eq!(remove(&mut slots, *place), Some(index as u64));
            }
        }
        assert!(slots.capacity() <= 2001 + 8 + KEPT, "{} slots for two timers", slots.capacity());
        // The gaps are used again, the lowest slots first, before the spoke grows.
        let again: Vec<_> = (count..2 * count).map(|deadline| insert(&mut slots, deadline)).collect();
        let mut seen: Vec<u32> =
            again.iter().map(|place| place.0).chain(survivors.map(|s| s as u32)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count as usize + 2);
        assert!(slots.capacity() <= (segments + 1) * SEGMENT);
        for index in survivors {
            assert_eq!(remove(&mut slots, all[index]), Some(index as u64));
        }
        for (index, place) in again.into_iter().enumerate() {
            assert_eq!(remove(&mut slots, place), Some(count + index as u64));
        }
        assert!(slots.capacity() <= KEPT && slots.tail.is_none());
    }

    #[test]
    fn small_storage_is_kept_and_a_drained_spoke_is_not_walked() {
        let mut slots = Slots::new();
        for round in 0..100 {
            let places = [insert(&mut slots, round), insert(&mut slots, round)];
            for place in places {
                remove(&mut slots, place);
            }
            assert_eq!(slots.capacity(), 4);
        }
        let all: Vec<_> = (0..1000).map(|deadline| insert(&mut slots, deadline)).collect();
        slots.drain();
        for place in &all[1..] {
            remove(&mut slots, *place);
            assert!(slots.capacity() >= 1000);
        }
        remove(&mut slots, all[0]);
        assert_eq!(slots.capacity(), 0);
    }
}
