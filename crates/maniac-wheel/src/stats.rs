//! The state of a wheel in numbers (feature `timers-introspection`).

use crate::refs::Refs;
use crate::slots::{Entry, Slots};
use crate::store::{DUE, Ref, Spoke};
use crate::wheel::{Late, TimerWheel};
use crate::{LEVELS, SPOKES_PER_LEVEL};

/// What a [`TimerWheel`] holds and what it has done, from [`TimerWheel::stats`].
///
/// ```
/// let mut wheel = maniac_wheel::TimerWheel::new(0);
/// for second in 1..=10 {
///     wheel.schedule_timer(second * 1_000_000_000, ()).unwrap();
/// }
/// let stats = wheel.stats();
/// assert_eq!((stats.timers, stats.levels[0].timers, stats.levels[1].timers), (10, 1, 9));
/// assert_eq!(stats.levels[1].occupied_spokes, 9);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WheelStats {
    /// Timers scheduled now, in all levels.
    pub timers: usize,
    /// The three levels, the finest first.
    pub levels: [LevelStats; LEVELS],
    /// Timers scheduled now that were due in the current tick, or before it, when they were scheduled.
    pub late: usize,
    /// References in the current tick's sorted run, those to cancelled timers included.
    pub run: usize,
    /// Bytes of memory held, the wheel itself included.
    pub bytes: usize,
    /// Timers scheduled since the wheel was made.
    pub scheduled: u64,
    /// Timers fired since then.
    pub fired: u64,
    /// Timers cancelled since then.
    pub cancelled: u64,
    /// References moved down a level since then. A timer accounts for two at most, as a rule.
    pub cascaded: u64,
}

/// One level of a wheel.
///
/// ```
/// let mut wheel = maniac_wheel::TimerWheel::new(0);
/// let ids: Vec<_> = (0..1_000).map(|_| wheel.schedule_timer(60_000_000_000, ()).unwrap()).collect();
/// for id in &ids[..900] {
///     wheel.cancel_timer(*id);
/// }
/// let level = &wheel.stats().levels[1];
/// assert_eq!((level.timers, level.fullest_spoke, level.occupied_spokes), (100, 100, 1));
/// assert!(level.slots >= 100);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LevelStats {
    /// Timers filed in this level, whether or not references to them have moved down since.
    pub timers: usize,
    /// Spokes that may hold timers still to come, filed or moved there. One whose timers were all cancelled may count
    /// until the wheel looks at it.
    pub occupied_spokes: usize,
    /// Timers filed in the fullest spoke.
    pub fullest_spoke: usize,
    /// Entries there is memory for.
    pub slots: usize,
    /// References to timers of the levels above, and rankings of spokes; those to cancelled timers included.
    pub references: usize,
    /// Spokes that are ranked: large ones whose earliest timer was cancelled.
    pub ranked_spokes: usize,
    /// Bytes of memory held by the level.
    pub bytes: usize,
}

impl<T> TimerWheel<T> {
    /// Counts what the wheel holds. O(spokes).
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let id = wheel.schedule_timer(1_000, ()).unwrap();
    /// wheel.cancel_timer(id);
    /// let stats = wheel.stats();
    /// assert_eq!((stats.timers, stats.scheduled, stats.cancelled, stats.fired), (0, 1, 1, 0));
    /// ```
    pub fn stats(&self) -> WheelStats {
        let levels = std::array::from_fn(|level| self.level_stats(level));
        let due = self.store.levels[DUE].first().map(|spoke| &spoke.slots);
        let due_bytes = self.store.levels[DUE].capacity() * size_of::<Spoke<T>>()
            + due.map_or(0, Slots::capacity) * size_of::<Entry<T>>();
        WheelStats {
            timers: self.len(),
            late: due.map_or(0, |slots| slots.live() as usize),
            run: self.run.waiting(),
            bytes: size_of::<Self>()
                + levels.iter().map(|level: &LevelStats| level.bytes).sum::<usize>()
                + due_bytes
                + self.run.capacity() * size_of::<(u64, u64)>()
                + self.late.capacity() * size_of::<Late>(),
            levels,
            scheduled: self.scheduled,
            fired: self.counters.fired,
            cancelled: self.counters.cancelled,
            cascaded: self.counters.cascaded,
        }
    }

    fn level_stats(&self, level: usize) -> LevelStats {
        let spokes = &self.store.levels[level];
        let refs = &self.refs[level];
        let slots = spokes.iter().map(|spoke| spoke.slots.capacity()).sum();
        debug_assert!(spokes.len() <= SPOKES_PER_LEVEL);
        LevelStats {
            timers: spokes.iter().map(|spoke| spoke.slots.live() as usize).sum(),
            occupied_spokes: self.occupied[level].count(),
            fullest_spoke: spokes.iter().map(|spoke| spoke.slots.live() as usize).max().unwrap_or(0),
            slots,
            references: refs.iter().map(Refs::len).sum(),
            ranked_spokes: refs.iter().filter(|refs| matches!(refs, Refs::Ranked(_))).count(),
            bytes: spokes.capacity() * size_of::<Spoke<T>>()
                + slots * size_of::<Entry<T>>()
                + refs.capacity() * size_of::<Refs>()
                + refs.iter().map(Refs::capacity).sum::<usize>() * size_of::<Ref>(),
        }
    }
}
