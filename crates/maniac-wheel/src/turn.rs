//! The passing of time: spokes cascade, the current one is sorted, timers fire.

use std::cmp::Reverse;

use crate::id::TimerId;
use crate::refs::Refs;
use crate::store::Ref;
use crate::wheel::{HalfCascaded, LEVEL_SHIFT, TimerWheel};
use crate::{LEVELS, SPOKES_PER_LEVEL};

/// How many references a poll may cascade for each timer that its budget lets it fire. Moving one costs about a
/// tenth of firing one.
const MOVES_PER_EXPIRY: usize = 8;

impl<T> TimerWheel<T> {
    /// Fires the timers whose deadline is `now_ns` or earlier, at most `budget` of them, and says how many it fired.
    ///
    /// They fire in the order of their deadlines, and those of equal deadline in the order in which they were scheduled
    /// (as long as fewer than 2^32 others were scheduled between them). Each fires exactly once, never before its
    /// deadline, and in the first poll at or after it whose budget suffices. `fire` gets the timer's id, which is stale
    /// by then, its deadline and its value. If `fire` panics, that timer has fired; all others stay scheduled.
    ///
    /// A time before [`now`](Self::now) counts as `now`: time never goes backwards here. Poll after each sleep, before
    /// timers are scheduled: they are filed by their distance from the last poll, and the nearer that is to the true time
    /// the less they cascade.
    ///
    /// The budget bounds the other work of a poll, too: where a great many long timers reach their last minute or
    /// second at once, moving them down a level is spread over several polls, which may then fire fewer than `budget`.
    /// [`has_backlog`](Self::has_backlog) tells.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// for deadline_ns in [300, 100, 200] {
    ///     wheel.schedule_timer(deadline_ns, ()).unwrap();
    /// }
    /// let mut fired = Vec::new();
    /// assert_eq!(wheel.poll(1_000, 2, |_, deadline_ns, ()| fired.push(deadline_ns)), 2);
    /// assert!(wheel.has_backlog());
    /// assert_eq!(wheel.poll(1_000, 2, |_, deadline_ns, ()| fired.push(deadline_ns)), 1);
    /// assert_eq!(fired, [100, 200, 300]);
    /// ```
    pub fn poll(&mut self, now_ns: u64, budget: usize, mut fire: impl FnMut(TimerId, u64, T)) -> usize {
        self.now = self.now.max(now_ns);
        let tick = self.now >> self.shift;
        if self.now < self.soonest.deadline && tick == self.tick && self.half.is_none() {
            return 0;
        }
        let mut moves = budget.saturating_mul(MOVES_PER_EXPIRY);
        let mut fired = 0;
        loop {
            fired += self.expire(budget - fired, &mut fire);
            if fired == budget || !self.turn(&mut moves) {
                return fired;
            }
        }
    }

    /// Whether timers are due at [`now`](Self::now), or were left on their way down by the last poll's budget: poll
    /// again soon, rather than sleep until [`next_deadline`](Self::next_deadline).
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(500);
    /// assert!(!wheel.has_backlog());
    /// wheel.schedule_timer(500, ()).unwrap();
    /// assert!(wheel.has_backlog());
    /// ```
    pub fn has_backlog(&mut self) -> bool {
        self.half.is_some() || self.next_deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// Fires what is due of the current tick's run and of the late timers.
    fn expire(&mut self, budget: usize, fire: &mut impl FnMut(TimerId, u64, T)) -> usize {
        // While a spoke of the current tick still cascades, timers of that tick may be missing: only earlier ones fire.
        let last = if self.half.is_some() {
            self.now.min((self.tick << self.shift).saturating_sub(1))
        } else {
            self.now
        };
        let mut fired = 0;
        while fired < budget {
            let Some(timer) = self.take_due(last) else { break };
            if let Some((deadline, value)) = self.remove_if(timer.id, |deadline| deadline == timer.deadline) {
                self.counters.fired();
                fired += 1;
                fire(timer.id, deadline, value);
            }
        }
        self.run.trim();
        fired
    }

    /// The next timer of the run or of the late ones, if its deadline is at most `last`. It may have been cancelled.
    #[inline]
    fn take_due(&mut self, last: u64) -> Option<Ref> {
        let run = self.run.peek();
        if let Some(&Reverse(late)) = self.late.peek() {
            // With equal deadlines the run is first: its timers were scheduled when their tick was still ahead.
            if run.is_none_or(|run| late.deadline < run.deadline) {
                return (late.deadline <= last).then(|| {
                    self.late.pop();
                    late.reference()
                });
            }
        }
        let timer = run.filter(|run| run.deadline <= last)?;
        self.run.advance();
        Some(timer)
    }

    /// Goes on to the next tick up to now that has timers, and makes them ready to fire. False: there is none, or the
    /// moves are used up.
    ///
    /// Only to be called when all due timers of the current tick have fired.
    fn turn(&mut self, moves: &mut usize) -> bool {
        let target = self.now >> self.shift;
        if target == self.tick && self.half.is_none() {
            return false;
        }
        let half = self.half.take();
        let half_tick = self.tick;
        loop {
            let starts: [Option<u64>; LEVELS] = std::array::from_fn(|level| self.next_occupied(level));
            let Some(next) = starts.into_iter().flatten().min().filter(|next| *next <= target) else {
                self.set_tick(target);
                // Late timers of the tick that was half-way may be due.
                return half.is_some();
            };
            debug_assert!(next >= self.tick, "tick {next} was passed over at {}", self.tick);
            self.set_tick(next);
            let level = match starts {
                [.., Some(start)] if start == next => 2,
                [_, Some(start), _] if start == next => 1,
                _ => {
                    self.load();
                    return true;
                }
            };
            let slot = match half {
                Some(half) if half.level == level && half_tick == next => half.slot,
                _ => 0,
            };
            self.half = self.cascade(level, slot, moves);
            if self.half.is_some() {
                return false;
            }
        }
    }

    /// Moves references to the timers of an upper level's current spoke to the level below, beginning with what others
    /// moved here and then with those filed here from `slot` on. If the moves are used up it says where it stopped.
    ///
    /// References to timers that were cancelled meanwhile are moved too: looking costs more. Some may be moved twice, if
    /// the spoke is ranked between two parts of this: the first reference that fires makes the second one stale.
    fn cascade(&mut self, level: usize, mut slot: u32, moves: &mut usize) -> Option<HalfCascaded> {
        let index = (self.tick >> LEVEL_SHIFT[level]) as usize % SPOKES_PER_LEVEL;
        if let Some(refs) = self.refs[level].get_mut(index) {
            let (mut list, ranked_first) = refs.take();
            if let Some(first) = ranked_first {
                self.store.levels[level][index].first = first;
                slot = u32::MAX;
            }
            let part = list.len().min(*moves);
            *moves -= part;
            for timer in list.drain(list.len() - part..) {
                self.move_down(timer);
            }
            if !list.is_empty() {
                self.refs[level][index] = Refs::List(list);
                return Some(HalfCascaded { level, slot });
            }
            self.refs[level][index].recycle(list);
        }
        while slot < self.store.levels[level][index].slots.end() {
            if *moves == 0 {
                return Some(HalfCascaded { level, slot });
            }
            *moves -= 1;
            if let Some(timer) = self.store.filed_in(level, index, slot) {
                self.move_down(timer);
            }
            slot += 1;
        }
        self.forget(level, index);
        self.store.levels[level][index].slots.drain();
        None
    }

    /// Files a reference at the level that now fits its deadline, which is 1 or 0.
    fn move_down(&mut self, timer: Ref) {
        self.counters.cascaded();
        let tick = timer.deadline >> self.shift;
        debug_assert!(tick >= self.tick, "a timer was passed over");
        let (level, index) = self.place(tick);
        self.add_ref(level, index, timer);
    }

    /// Makes the current spoke of level 0 the run.
    fn load(&mut self) {
        let index = self.tick as usize % SPOKES_PER_LEVEL;
        let newest = self.scheduled as u32;
        self.run.begin(self.tick << self.shift);
        let mut ranked_first = None;
        if let Some(refs) = self.refs[0].get_mut(index) {
            let list;
            (list, ranked_first) = refs.take();
            self.run.reserve(list.len());
            for timer in &list {
                if let Some(entry) = self.store.find(*timer) {
                    self.run.add(*timer, entry.order.wrapping_sub(newest));
                }
            }
            refs.recycle(list);
        }
        if ranked_first.is_none() {
            self.run.reserve(self.store.levels[0][index].slots.live() as usize);
            for (timer, order) in self.store.filed(0, index) {
                self.run.add(timer, order.wrapping_sub(newest));
            }
        }
        self.forget(0, index);
        self.store.levels[0][index].slots.drain();
    }
}
