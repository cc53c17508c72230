//! The timers of the tick that the wheel is in, in the order in which they fire.

use crate::id::TimerId;
use crate::store::Ref;

/// Up to this many timers are sorted in one go.
const CHUNK: usize = 8192;
/// A run that is emptied keeps memory for this many.
const KEPT: usize = 1024;

/// References to the timers of one tick, sorted by deadline and, for equal deadlines, by when they were scheduled.
///
/// A large run is sorted bit by bit, as it is consumed: the caller who asks for the first timer of a million does not
/// pay for ordering them all.
pub(crate) struct Run {
    /// The tick's start, in ns.
    base: u64,
    /// (ns after `base` << 32 | order, id). A tick is at most 2^32 ns, so that both fit.
    items: Vec<(u64, TimerId)>,
    /// items[next] is the first that was not taken yet.
    next: usize,
    /// items[..sorted] is in order, and all before the rest.
    sorted: usize,
}

impl Run {
    pub(crate) const fn new() -> Self {
        Self { base: 0, items: Vec::new(), next: 0, sorted: 0 }
    }

    /// Begins the run of the tick that starts at `base` ns.
    pub(crate) fn begin(&mut self, base: u64) {
        debug_assert!(self.next == self.items.len(), "the tick before must be done");
        self.clear();
        self.base = base;
    }

    /// Forgets all timers, and gives back memory that few ticks need.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.items.shrink_to(KEPT);
        (self.next, self.sorted) = (0, 0);
    }

    /// Gives back memory that few ticks need if all timers were left behind.
    #[inline]
    pub(crate) fn trim(&mut self) {
        if self.next == self.items.len() && self.items.capacity() > KEPT {
            self.clear();
        }
    }

    pub(crate) fn reserve(&mut self, more: usize) {
        self.items.reserve(more);
    }

    /// Adds a timer of this tick. `order` orders those of equal deadline.
    #[inline]
    pub(crate) fn add(&mut self, timer: Ref, order: u32) {
        debug_assert!(timer.deadline - self.base < 1 << 32);
        self.items.push(((timer.deadline - self.base) << 32 | u64::from(order), timer.id));
    }

    /// The next timer in order, which may have been cancelled meanwhile.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<Ref> {
        let &(key, id) = self.items.get(self.next)?;
        let (key, id) = if self.next < self.sorted { (key, id) } else { self.sort_more() };
        Some(Ref { deadline: self.base + (key >> 32), id })
    }

    /// Leaves the timer behind that `peek` showed.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }

    /// Sorts the next part of those that are left, of which there are some. Gives the first.
    #[cold]
    #[inline(never)]
    fn sort_more(&mut self) -> (u64, TimerId) {
        // A sixteenth at a time: finding it takes a look at all that are left, which is done 16 times at most.
        let mut chunk = CHUNK.max(self.items.len() / 16);
        let rest = &mut self.items[self.sorted..];
        if chunk >= rest.len() || rest.is_sorted_by_key(|item| item.0) {
            chunk = rest.len();
        } else {
            rest.select_nth_unstable_by_key(chunk, |item| item.0);
        }
        rest[..chunk].sort_unstable_by_key(|item| item.0);
        self.sorted += chunk;
        self.items[self.next]
    }

    #[cfg(any(test, feature = "timers-introspection"))]
    pub(crate) fn waiting(&self) -> usize {
        self.items.len() - self.next
    }

    #[cfg(any(test, feature = "timers-introspection"))]
    pub(crate) fn capacity(&self) -> usize {
        self.items.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_all_in_order_whatever_the_size() {
        let mut random = crate::testing::Random::new(2);
        let sizes: &[usize] = if cfg!(miri) { &[0, 1, 50] } else { &[0, 1, 50, CHUNK, CHUNK + 1, 400_000] };
        for &size in sizes {
            let mut run = Run::new();
            run.begin(1 << 40);
            let mut expected: Vec<_> = (0..size as u32)
                .map(|order| {
                    let deadline = (1 << 40) + random.below(if order % 2 == 0 { 1 << 20 } else { 7 });
                    run.add(Ref { deadline, id: TimerId::new(0, 1, 0, order) }, order);
                    (deadline, order)
                })
                .collect();
            expected.sort_unstable();
            for (deadline, order) in expected {
                let first = run.peek().unwrap();
                assert_eq!((first.deadline, first.id.slot()), (deadline, order));
                run.advance();
            }
            assert_eq!((run.peek(), run.waiting()), (None, 0));
            run.begin(0);
            assert!(run.capacity() <= KEPT);
        }
    }

    #[test]
    fn the_widest_tick_fits() {
        let mut run = Run::new();
        run.begin(1 << 32);
        let (early, late) =
            (Ref { deadline: 1 << 32, ..Ref::NONE }, Ref { deadline: (1 << 33) - 1, ..Ref::NONE });
        run.add(late, 0);
        run.add(early, u32::MAX);
        assert_eq!(run.peek(), Some(early));
        run.advance();
        assert_eq!(run.peek(), Some(late));
    }
}
