//! Who waits for one descriptor's readiness. Of ten thousand idle connections each has one task that waits, so there is a place for the first
//! here; room for more is made when they come.

use super::Interest;
use crate::completions::Completions;
use crate::record::RecordRef;
use slab::Slab;
use std::task::Waker;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Waiters {
    /// Whoever came while nobody had this place.
    first: Option<Waiting>,
    more: Option<Box<More>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The last to ask the poll functions for reading.
    Reader,
    /// The last to ask the poll functions for writing.
    Writer,
    /// One of the futures, which gives its place up itself.
    Future,
}

pub(super) struct Waiting {
    who: Who,
    interest: Interest,
    /// Taken when it is woken.
    waker: Option<Waker>,
}

#[derive(Default)]
struct More {
    reader: Option<Waiting>,
    writer: Option<Waiting>,
    futures: Slab<Waiting>,
    /// Operations.
    records: Vec<(Interest, RecordRef)>,
}

impl More {
    /// The place of the poll functions for one direction.
    fn direct(&mut self, who: Who) -> &mut Option<Waiting> {
        if who == Who::Reader { &mut self.reader } else { &mut self.writer }
    }
}

/// The first place, as futures know it; those in [`More::futures`] are one more than their key.
const FIRST: u32 = 0;

impl Waiters {
    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Has the one place of the poll functions for a direction wake `waker`; gives what was there.
    pub(super) fn set(&mut self, who: Who, waker: Waker) -> Option<Waiting> {
        let interest = match who {
            Who::Reader => Interest::READABLE | Interest::PRIORITY,
            _ => Interest::WRITABLE,
        };
        let waiting = Waiting { who, interest, waker: Some(waker) };
        // In one of the two, or in neither.
        let second = self.more.as_mut().is_some_and(|more| more.direct(who).is_some());
        if !second && self.first.as_ref().is_none_or(|first| first.who == who) {
            return self.first.replace(waiting);
        }
        self.more().direct(who).replace(waiting)
    }

    /// Has a future's place wake `waker`, and gives it one if it has none; gives what was there.
    pub(super) fn put(&mut self, place: &mut Option<u32>, interest: Interest, waker: Waker) -> Option<Waker> {
        if let Some(place) = *place {
            let waiting = match place.checked_sub(FIRST + 1) {
                None => self.first.as_mut().expect("the place is this future's"),
                Some(key) => &mut self.more().futures[key as usize],
            };
            return waiting.waker.replace(waker);
        }
        let waiting = Waiting { who: Who::Future, interest, waker: Some(waker) };
        *place = Some(match &mut self.first {
            first @ None => {
                *first = Some(waiting);
                FIRST
            }
            Some(_) => self.more().futures.insert(waiting) as u32 + FIRST + 1,
        });
        None
    }

    /// Takes a future's place from it.
    pub(super) fn forget(&mut self, place: u32) -> Option<Waiting> {
        match place.checked_sub(FIRST + 1) {
            None => self.first.take(),
            Some(key) => self.more().futures.try_remove(key as usize),
        }
    }

    /// Adds an operation.
    pub(super) fn add(&mut self, interest: Interest, record: RecordRef) {
        self.more().records.push((interest, record));
    }

    /// Takes an operation out, if it is there.
    pub(super) fn remove(&mut self, record: &RecordRef) -> Option<RecordRef> {
        let records = &mut self.more.as_mut()?.records;
        let at = records.iter().position(|(_, other)| other.ptr_eq(record))?;
        Some(records.swap_remove(at).1)
    }

    /// Takes out whom `bits` concern: wakers into `done`, operations into `records`.
    pub(super) fn take(&mut self, bits: u32, done: &mut Completions, records: &mut Vec<RecordRef>) {
        let concerned = |interest: Interest| interest.mask() & bits != 0;
        let mut wake = |place: &mut Option<Waiting>| {
            let Some(waiting) = place.as_mut().filter(|waiting| concerned(waiting.interest)) else { return };
            done.wakers.extend(waiting.waker.take());
            if waiting.who != Who::Future {
                *place = None;
            }
        };
        wake(&mut self.first);
        let Some(more) = &mut self.more else { return };
        wake(&mut more.reader);
        wake(&mut more.writer);
        for (_, waiting) in &mut more.futures {
            if concerned(waiting.interest) {
                done.wakers.extend(waiting.waker.take());
            }
        }
        records.extend(more.records.extract_if(.., |entry| concerned(entry.0)).map(|(_, record)| record));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Completions, Interest, Waiters, Who};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each of some wakers was woken since it was last asked.
    struct Counts<const N: usize>([Arc<Count>; N]);

    impl<const N: usize> Counts<N> {
        fn new() -> Self {
            Self(std::array::from_fn(|_| Arc::default()))
        }

        fn waker(&self, number: usize) -> Waker {
            self.0[number].clone().into()
        }

        fn after(&self, waiters: &mut Waiters, bits: u32) -> [usize; N] {
            let mut done = Completions::new();
            waiters.take(bits, &mut done, &mut Vec::new());
            done.wake_all();
            std::array::from_fn(|number| self.0[number].0.swap(0, Ordering::Relaxed))
        }
    }

    const READ: u32 = super::super::READABLE;
    const WRITE: u32 = super::super::WRITABLE;

    #[test]
    fn an_idle_connection_needs_one_place() {
        let counts = Counts::<1>::new();
        let mut waiters = Waiters::default();
        for _ in 0..2 {
            assert!(waiters.set(Who::Reader, counts.waker(0)).is_none());
            assert_eq!(counts.after(&mut waiters, WRITE), [0]);
            assert_eq!(counts.after(&mut waiters, READ), [1]);
            let mut place = None;
            assert!(waiters.put(&mut place, Interest::READABLE, counts.waker(0)).is_none());
            assert_eq!(counts.after(&mut waiters, READ), [1]);
            assert_eq!(counts.after(&mut waiters, READ), [0], "once");
            assert!(waiters.forget(place.unwrap()).is_some());
        }
        assert!(waiters.more.is_none());
    }

    #[test]
    fn each_direction_has_one_place_whichever_is_free() {
        let counts = Counts::<4>::new();
        let mut waiters = Waiters::default();
        assert!(waiters.set(Who::Writer, counts.waker(0)).is_none());
        assert!(waiters.set(Who::Reader, counts.waker(1)).is_none());
        assert_eq!(counts.after(&mut waiters, WRITE), [1, 0, 0, 0]);
        // The first place is free, but the reader has its own.
        assert!(waiters.set(Who::Reader, counts.waker(2)).is_some(), "the last to ask");
        assert!(waiters.set(Who::Writer, counts.waker(3)).is_none());
        assert_eq!(counts.after(&mut waiters, READ | WRITE), [0, 0, 1, 1]);
        assert_eq!(counts.after(&mut waiters, READ | WRITE), [0; 4]);
    }

    #[test]
    fn futures_keep_their_places() {
        let counts = Counts::<4>::new();
        let mut waiters = Waiters::default();
        let mut places = [None; 3];
        for (number, place) in places.iter_mut().enumerate() {
            let interest = if number == 1 { Interest::WRITABLE } else { Interest::READABLE };
            assert!(waiters.put(place, interest, counts.waker(number)).is_none());
        }
        assert!(waiters.set(Who::Reader, counts.waker(3)).is_none());
        assert_eq!(counts.after(&mut waiters, READ), [1, 0, 1, 1]);
        // Woken or not, a place is its future's until that gives it up.
        assert!(waiters.put(&mut places[0], Interest::READABLE, counts.waker(0)).is_none());
        assert!(waiters.put(&mut places[1], Interest::WRITABLE, counts.waker(1)).is_some(), "another waker");
        assert!(waiters.forget(places[2].unwrap()).is_some());
        assert_eq!(counts.after(&mut waiters, READ | WRITE), [1, 1, 0, 0]);
        assert!(waiters.forget(places[0].unwrap()).is_some());
        let mut late = None;
        assert!(waiters.put(&mut late, Interest::READABLE, counts.waker(2)).is_none());
        assert_eq!(late, places[0], "the first place again");
        assert_eq!(counts.after(&mut waiters, READ), [0, 0, 1, 0]);
        assert!(waiters.forget(places[1].unwrap()).is_some());
        assert!(waiters.forget(late.unwrap()).is_some());
    }
}
