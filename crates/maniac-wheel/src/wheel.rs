//! The wheel as its owner sees it: schedule, cancel, ask for the next deadline. How time passes is `turn`'s matter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use crate::error::{InvalidTick, WheelError};
use crate::id::{MAX_SLOTS, TimerId};
use crate::occupancy::Occupancy;
use crate::refs::{self, Refs};
use crate::run::Run;
use crate::store::{DUE, Ref, Store, no_first};
use crate::{
    DEFAULT_TICK_DURATION_NS, LEVELS, MAX_TICK_DURATION_NS, MAX_TIMERS_PER_SPOKE, SPOKES_PER_LEVEL, counters,
};

/// How many ticks a spoke of each level covers, as a power of two: 1, 1,024 and 65,536.
pub(crate) const LEVEL_SHIFT: [u32; LEVELS] = [0, 10, 16];

/// The heap of late timers keeps memory for this many when it is empty.
const LATE_KEPT: usize = 256;

/// A timer that was due in the wheel's current tick, or before, when it was scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Late {
    pub(crate) deadline: u64,
    pub(crate) order: u64,
    pub(crate) id: TimerId,
}

impl Late {
    pub(crate) fn reference(self) -> Ref {
        Ref { deadline: self.deadline, id: self.id }
    }
}

/// A spoke that was left in the middle of cascading. Until it is done the wheel stays in the tick that it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HalfCascaded {
    pub(crate) level: usize,
    /// The first of its slots that was not looked at yet.
    pub(crate) slot: u32,
}

/// Timers that carry a `T`, in three levels of 1,024 spokes.
///
/// A wheel belongs to one thread at a time, knows no clock and starts no thread: every time is an argument, in
/// nanoseconds since whatever moment its owner counts from, and timers fire in [`poll`](Self::poll).
///
/// The crate's front page has the picture and the invariants.
///
/// ```
/// use maniac_wheel::{TIMER_EXPIRY_BUDGET, TimerWheel};
///
/// let mut wheel = TimerWheel::new(0);
/// let retry = wheel.schedule_timer(250_000_000, "retry")?;
/// let give_up = wheel.schedule_timer(30_000_000_000, "give up")?;
/// assert_eq!(wheel.next_deadline(), Some(250_000_000)); // sleep until then, and then:
///
/// let mut fired = Vec::new();
/// wheel.poll(250_000_000, TIMER_EXPIRY_BUDGET, |id, deadline_ns, what| fired.push((id, deadline_ns, what)));
/// assert_eq!(fired, [(retry, 250_000_000, "retry")]);
///
/// assert_eq!(wheel.cancel_timer(give_up), Some("give up"));
/// assert!(wheel.is_empty());
/// # Ok::<(), maniac_wheel::WheelError<&str>>(())
/// ```
pub struct TimerWheel<T> {
    /// The tick that the wheel is in. All before it is done.
    pub(crate) tick: u64,
    /// The latest time that `poll` was told.
    pub(crate) now: u64,
    /// The latest deadline that level 2 has a spoke for.
    horizon: u64,
    /// A tick is 1 << shift ns.
    pub(crate) shift: u32,
    spoke_limit: u32,
    /// No timer's deadline is earlier than this one's, and if this one is still scheduled it is the first to fire.
    pub(crate) soonest: Ref,
    /// How many timers were ever scheduled.
    pub(crate) scheduled: u64,
    /// The spokes of each level that may hold timers. Of level 0 they lie after the current tick; a level's current
    /// spoke has cascaded, unless the wheel is in the middle of that (`half`).
    pub(crate) occupied: [Occupancy; LEVELS],
    pub(crate) store: Store<T>,
    /// The spokes' references, empty until a level has any.
    pub(crate) refs: [Vec<Refs>; LEVELS],
    pub(crate) run: Run,
    /// The live ones are those filed in level `DUE`.
    pub(crate) late: BinaryHeap<Reverse<Late>>,
    /// What the last poll's budget did not suffice for.
    pub(crate) half: Option<HalfCascaded>,
    /// How many timers were ever fired, cancelled or cleared. (Not beside `scheduled`: a compiler that updates both with
    /// one vector instruction stalls the next one that reads either.)
    pub(crate) gone: u64,
    pub(crate) counters: counters::Counters,
}

impl<T> TimerWheel<T> {
    /// A wheel with the default tick of 2^20 ns (1.05 ms) and a range of 19.5 hours, standing at `start_ns`.
    ///
    /// An empty wheel takes less than 1 KiB.
    ///
    /// ```
    /// let wheel = maniac_wheel::TimerWheel::<u64>::new(0);
    /// assert_eq!(wheel.tick_ns(), 1 << 20);
    /// ```
    pub fn new(start_ns: u64) -> Self {
        Self::with_shift(start_ns, DEFAULT_TICK_DURATION_NS.trailing_zeros())
    }

    /// A wheel whose level 0 has spokes of `tick_ns` ns, level 1 of 1,024 and level 2 of 65,536 times that. The range
    /// is 2^26 ticks.
    ///
    /// The tick has no influence on when timers fire, which is exact at any tick. It is best about as long as the owner
    /// commonly sleeps, so that few spokes are visited for nothing and few timers share one.
    ///
    /// # Errors
    /// [`InvalidTick`] if `tick_ns` is no power of two or more than [`MAX_TICK_DURATION_NS`].
    ///
    /// ```
    /// let wheel = maniac_wheel::TimerWheel::<()>::with_tick(0, 1 << 19)?;
    /// assert_eq!(wheel.max_deadline(), (1 << (19 + 26)) - 1);
    /// # Ok::<(), maniac_wheel::InvalidTick>(())
    /// ```
    pub fn with_tick(start_ns: u64, tick_ns: u64) -> Result<Self, InvalidTick> {
        if !tick_ns.is_power_of_two() || tick_ns > MAX_TICK_DURATION_NS {
            return Err(InvalidTick { tick_ns });
        }
        Ok(Self::with_shift(start_ns, tick_ns.trailing_zeros()))
    }

    fn with_shift(start_ns: u64, shift: u32) -> Self {
        let mut wheel = Self {
            tick: 0,
            now: start_ns,
            horizon: 0,
            shift,
            spoke_limit: MAX_TIMERS_PER_SPOKE,
            soonest: Ref::NONE,
            scheduled: 0,
            occupied: Default::default(),
            store: Store::new(),
            refs: Default::default(),
            run: Run::new(),
            late: BinaryHeap::new(),
            half: None,
            gone: 0,
            counters: counters::Counters::NONE,
        };
        wheel.set_tick(start_ns >> shift);
        wheel
    }

    /// The same wheel with another limit on the timers filed in one spoke, at most [`MAX_TIMERS_PER_SPOKE`].
    ///
    /// It does not bind those that are due in the current tick or earlier, so that a deadline can always be brought
    /// forward to one that is accepted.
    ///
    /// ```
    /// use maniac_wheel::{TimerWheel, WheelError};
    ///
    /// let mut wheel = TimerWheel::new(0).with_spoke_limit(1);
    /// wheel.schedule_timer(5 << 20, 'a')?;
    /// assert!(matches!(wheel.schedule_timer(5 << 20, 'b'), Err(WheelError::SpokeFull { limit: 1, .. })));
    /// wheel.schedule_timer(6 << 20, 'b')?;
    /// # Ok::<(), WheelError<char>>(())
    /// ```
    #[must_use]
    pub fn with_spoke_limit(mut self, limit: u32) -> Self {
        self.spoke_limit = limit.min(MAX_TIMERS_PER_SPOKE);
        self
    }

    /// Moves to a tick before which nothing is left.
    pub(crate) fn set_tick(&mut self, tick: u64) {
        self.tick = tick;
        let last_spoke = (tick >> LEVEL_SHIFT[2]) + SPOKES_PER_LEVEL as u64 - 1;
        let shift = LEVEL_SHIFT[2] + self.shift;
        // At the end of time part of the ring lies beyond it. u64::MAX itself stands for no deadline.
        self.horizon =
            if last_spoke < u64::MAX >> shift { ((last_spoke + 1) << shift) - 1 } else { u64::MAX - 1 };
    }

    /// Schedules `value` to fire at `deadline_ns`. O(1): it touches the spoke's cache line and the entry's.
    ///
    /// A deadline in the past fires in the next [`poll`](Self::poll).
    ///
    /// # Errors
    /// [`WheelError::BeyondRange`] past [`max_deadline`](Self::max_deadline), [`WheelError::SpokeFull`] at
    /// [`MAX_TIMERS_PER_SPOKE`]. Both give `value` back.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(1_000);
    /// wheel.schedule_timer(3_000, "later")?;
    /// wheel.schedule_timer(2_000, "sooner")?;
    /// wheel.schedule_timer(0, "overdue")?;
    /// let mut order = Vec::new();
    /// wheel.poll(3_000, usize::MAX, |_, _, value| order.push(value));
    /// assert_eq!(order, ["overdue", "sooner", "later"]);
    /// # Ok::<(), maniac_wheel::WheelError<&str>>(())
    /// ```
    #[inline]
    pub fn schedule_timer(&mut self, deadline_ns: u64, value: T) -> Result<TimerId, WheelError<T>> {
        let tick = deadline_ns >> self.shift;
        if deadline_ns > self.horizon || tick <= self.tick {
            return self.schedule_outside(deadline_ns, value);
        }
        let (level, spoke) = self.place(tick);
        if self.store.levels[level].is_empty() {
            self.store.add_spokes(level);
        }
        self.file(level, spoke, deadline_ns, self.spoke_limit, value)
    }

    /// The level and spoke of a tick that is ahead, but within the range.
    #[inline]
    pub(crate) fn place(&self, tick: u64) -> (usize, usize) {
        if tick - self.tick < SPOKES_PER_LEVEL as u64 {
            (0, tick as usize % SPOKES_PER_LEVEL)
        } else if (tick >> LEVEL_SHIFT[1]) - (self.tick >> LEVEL_SHIFT[1]) < SPOKES_PER_LEVEL as u64 {
            (1, (tick >> LEVEL_SHIFT[1]) as usize % SPOKES_PER_LEVEL)
        } else {
            (2, (tick >> LEVEL_SHIFT[2]) as usize % SPOKES_PER_LEVEL)
        }
    }

    /// Gives a timer its slot for life.
    #[inline]
    fn file(
        &mut self,
        level: usize,
        spoke: usize,
        deadline: u64,
        limit: u32,
        value: T,
    ) -> Result<TimerId, WheelError<T>> {
        let filed_in = &mut self.store.levels[level][spoke];
        let place = filed_in.slots.insert(deadline, self.scheduled as u32, value, limit);
        let (slot, generation) = match place {
            Ok(place) => place,
            Err(value) => return Err(WheelError::SpokeFull { value, limit }),
        };
        self.scheduled += 1;
        let timer = Ref { deadline, id: TimerId::new(level, generation, spoke, slot) };
        if deadline < filed_in.first.deadline {
            self.set_first(level, spoke, timer);
        }
        if deadline < self.soonest.deadline {
            self.soonest = timer;
        }
        Ok(timer.id)
    }

    /// Schedules a timer that is due in the current tick or earlier, or too late for the wheel.
    #[inline(never)]
    fn schedule_outside(&mut self, deadline: u64, value: T) -> Result<TimerId, WheelError<T>> {
        if deadline > self.horizon {
            return Err(WheelError::BeyondRange {
                value,
                deadline_ns: deadline,
                max_deadline_ns: self.horizon,
            });
        }
        if self.store.levels[DUE].is_empty() {
            self.store.add_spokes(DUE);
        }
        let order = self.scheduled;
        let id = self.file(DUE, 0, deadline, MAX_SLOTS, value)?;
        let store = &self.store;
        refs::push_swept(&mut self.late, Reverse(Late { deadline, order, id }), |Reverse(late)| {
            store.is_live(late.reference())
        });
        Ok(id)
    }

    /// Schedules `value` for `deadline_ns`, or for the latest time before it that the wheel can take, and says which.
    ///
    /// A timer of any length is scheduled step by step: when it fires early (its actual deadline is before the one it
    /// is for), schedule it again for the same `deadline_ns`. The last step is exact.
    ///
    /// # Panics
    /// If all spokes up to now are at their limit, and 268,435,456 timers are overdue.
    ///
    /// ```
    /// const DAY_NS: u64 = 86_400_000_000_000;
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let (_, mut actual) = wheel.schedule_timer_best_fit(3 * DAY_NS, ());
    /// let mut steps = 1;
    /// while actual < 3 * DAY_NS {
    ///     assert_eq!(wheel.poll(actual, 1, |_, deadline_ns, ()| assert_eq!(deadline_ns, actual)), 1);
    ///     actual = wheel.schedule_timer_best_fit(3 * DAY_NS, ()).1;
    ///     steps += 1;
    /// }
    /// assert_eq!((actual, steps), (3 * DAY_NS, 4));
    /// ```
    pub fn schedule_timer_best_fit(&mut self, deadline_ns: u64, mut value: T) -> (TimerId, u64) {
        let mut actual = deadline_ns.min(self.horizon);
        loop {
            match self.schedule_timer(actual, value) {
                Ok(id) => return (id, actual),
                Err(error) => value = error.into_value(),
            }
            let tick = actual >> self.shift;
            assert!(tick > self.tick, "{MAX_SLOTS} timers are overdue: poll the wheel");
            // The spoke is full: the end of the one before it is next best.
            let shift = LEVEL_SHIFT[self.place(tick).0] + self.shift;
            actual = (actual >> shift << shift) - 1;
        }
    }

    /// Takes a timer back before it fires. O(1): it touches the spoke's cache line and the entry's.
    ///
    /// `None` if it has fired or was cancelled already.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let id = wheel.schedule_timer(1_000_000_000, "value").unwrap();
    /// assert_eq!(wheel.cancel_timer(id), Some("value"));
    /// assert_eq!(wheel.cancel_timer(id), None);
    /// ```
    #[inline]
    pub fn cancel_timer(&mut self, id: TimerId) -> Option<T> {
        let (_, value) = self.remove_if(id, |_| true)?;
        self.counters.cancelled();
        Some(value)
    }

    /// Takes a timer out of the store. What refers to it is left to find that out.
    #[inline]
    pub(crate) fn remove_if(&mut self, id: TimerId, wanted: impl FnOnce(u64) -> bool) -> Option<(u64, T)> {
        let (level, index) = (id.level(), id.spoke());
        let spoke = self.store.levels[level].get_mut(index)?;
        let taken = spoke.slots.remove_if(id.slot(), id.generation(), wanted)?;
        self.gone += 1;
        if level == DUE && spoke.slots.live() == 0 {
            self.clear_late();
        }
        Some(taken)
    }

    /// No late timer is left.
    fn clear_late(&mut self) {
        self.late.clear();
        if self.late.capacity() > LATE_KEPT {
            self.late = BinaryHeap::new();
        }
    }

    /// Nothing is to be found through this spoke any more.
    pub(crate) fn forget(&mut self, level: usize, index: usize) {
        self.occupied[level].clear(index);
        self.store.levels[level][index].first = Ref::NONE;
    }

    /// The value of a timer that has not fired or been cancelled, to change it in place.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let id = wheel.schedule_timer(1_000, "wake task 1").unwrap();
    /// *wheel.get_mut(id).unwrap() = "wake task 2";
    /// assert_eq!(wheel.cancel_timer(id), Some("wake task 2"));
    /// assert_eq!(wheel.get_mut(id), None);
    /// ```
    #[inline]
    pub fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.store.levels[id.level()].get_mut(id.spoke())?.slots.value_mut(id.slot(), id.generation())
    }

    /// The deadline of a timer that has not fired or been cancelled.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let id = wheel.schedule_timer(1_000, ()).unwrap();
    /// assert_eq!(wheel.deadline(id), Some(1_000));
    /// ```
    pub fn deadline(&self, id: TimerId) -> Option<u64> {
        let entry = self.store.levels[id.level()].get(id.spoke())?.slots.get(id.slot())?;
        (entry.generation == id.generation()).then_some(entry.deadline)
    }

    /// How many timers are scheduled.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// wheel.schedule_timer(1_000, ()).unwrap();
    /// assert_eq!(wheel.len(), 1);
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        (self.scheduled - self.gone) as usize
    }

    /// Whether no timer is scheduled.
    ///
    /// ```
    /// assert!(maniac_wheel::TimerWheel::<()>::new(0).is_empty());
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.scheduled == self.gone
    }

    /// Cancels all timers, drops their values and gives all their memory back. Time stays where it is, and the ids of
    /// the cancelled timers stay stale.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let id = wheel.schedule_timer(1_000, String::from("gone")).unwrap();
    /// wheel.clear();
    /// assert!(wheel.is_empty());
    /// assert_eq!(wheel.cancel_timer(id), None);
    /// ```
    pub fn clear(&mut self) {
        let mut values = Vec::new();
        for (level, spokes) in self.store.levels.iter_mut().enumerate() {
            for spoke in spokes {
                spoke.first = no_first(level);
                if spoke.slots.capacity() > 0 {
                    values.push(spoke.slots.release());
                }
            }
        }
        self.gone = self.scheduled;
        self.soonest = Ref::NONE;
        self.occupied = Default::default();
        self.refs = Default::default();
        self.run.clear();
        self.late = BinaryHeap::new();
        self.half = None;
        // Only now may a value's destructor panic.
        drop(values);
    }

    /// The latest time that the wheel knows of: the greatest ever given to [`new`](Self::new) or [`poll`](Self::poll).
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::<()>::new(5);
    /// wheel.poll(9, 1, |_, _, ()| ());
    /// wheel.poll(7, 1, |_, _, ()| ());
    /// assert_eq!(wheel.now(), 9);
    /// ```
    #[inline]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The width of a spoke of level 0, in ns.
    ///
    /// ```
    /// assert_eq!(maniac_wheel::TimerWheel::<()>::new(0).tick_ns(), maniac_wheel::DEFAULT_TICK_DURATION_NS);
    /// ```
    #[inline]
    pub fn tick_ns(&self) -> u64 {
        1 << self.shift
    }

    /// The latest deadline that [`schedule_timer`](Self::schedule_timer) takes now, in ns. It lies between 1,023 and
    /// 1,024 spokes of level 2 ahead of the last poll (with the default tick 19.5 hours) and grows with each.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// assert_eq!(wheel.max_deadline(), (1 << 46) - 1);
    /// wheel.schedule_timer(wheel.max_deadline(), ()).unwrap();
    /// wheel.schedule_timer(wheel.max_deadline() + 1, ()).unwrap_err();
    /// ```
    #[inline]
    pub fn max_deadline(&self) -> u64 {
        self.horizon
    }
}

impl<T> fmt::Debug for TimerWheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerWheel")
            .field("len", &self.len())
            .field("now_ns", &self.now)
            .field("tick_ns", &self.tick_ns())
            .finish_non_exhaustive()
    }
}
