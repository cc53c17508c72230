//! The names of timers: what the 64 bits of a [`TimerId`] mean. Where the timer is kept is `store`'s matter.

use std::fmt;
use std::num::NonZeroU64;

const SLOT_BITS: u32 = 28;
const SPOKE_BITS: u32 = 12;
const GENERATION_BITS: u32 = 22;

const SPOKE_SHIFT: u32 = SLOT_BITS;
const GENERATION_SHIFT: u32 = SPOKE_SHIFT + SPOKE_BITS;
const LEVEL_SHIFT: u32 = GENERATION_SHIFT + GENERATION_BITS;

/// The highest generation; generations count from 1 to this and begin again.
pub(crate) const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// How many slots the 28 bits of an id can tell apart within one spoke.
pub(crate) const MAX_SLOTS: u32 = 1 << SLOT_BITS;

/// The name of a scheduled timer, valid until the timer fires or is cancelled.
///
/// A timer keeps its id for life, however often the wheel moves it from level to level. Once it has fired or was
/// cancelled its id is stale: every call with it does nothing.
///
/// ```text
/// 64-bit id, most significant bit first
/// ┌────────┬────────────┬─────────┬─────────┐
/// │ level  │ generation │  spoke  │  slot   │
/// │ 2 bits │  22 bits   │ 12 bits │ 28 bits │
/// └────────┴────────────┴─────────┴─────────┘
/// ```
///
/// Level and spoke say where the timer was first filed (level 3 holds those that were due in the wheel's current tick
/// or earlier), slot which entry of that spoke's storage it has. The generation tells it from those that had the slot
/// before: it is drawn from a counter of the spoke, never 0, so that an id comes again only after 4,194,303 further
/// timers were filed in the same spoke, one of them, at exactly that distance, in the same slot. Ids of one wheel mean
/// nothing to another.
///
/// `Option<TimerId>` takes 8 bytes, too.
///
/// ```
/// use maniac_wheel::{TimerId, TimerWheel};
///
/// let mut wheel = TimerWheel::new(0);
/// let id = wheel.schedule_timer(5_000_000, "five milliseconds")?;
/// assert_eq!(TimerId::from_bits(id.to_bits()), Some(id));
/// assert_eq!((id.level(), id.spoke(), id.slot()), (0, 4, 0));
/// # Ok::<(), maniac_wheel::WheelError<&str>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(NonZeroU64);

impl TimerId {
    /// An id that names no timer: its level has no such spoke.
    pub(crate) const NOBODY: Self = Self(NonZeroU64::MAX);

    /// `generation` is never 0, which keeps the whole id from being 0.
    #[inline]
    pub(crate) fn new(level: usize, generation: u32, spoke: usize, slot: u32) -> Self {
        debug_assert!(level < 4 && spoke < 1 << SPOKE_BITS && slot < MAX_SLOTS);
        debug_assert!((1..=MAX_GENERATION).contains(&generation));
        let bits = (level as u64) << LEVEL_SHIFT
            | u64::from(generation) << GENERATION_SHIFT
            | (spoke as u64) << SPOKE_SHIFT
            | u64::from(slot);
        Self(NonZeroU64::new(bits).expect("a generation is never 0"))
    }

    /// The id as a plain number, for a foreign language or a log.
    ///
    /// ```
    /// # let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// # let id = wheel.schedule_timer(1, ()).unwrap();
    /// assert_ne!(id.to_bits(), 0);
    /// ```
    #[inline]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The id with these bits; `None` for bits that no wheel gives out (generation 0).
    ///
    /// Any other number is accepted: one that names no live timer of the wheel it is shown to is merely stale there.
    ///
    /// ```
    /// assert_eq!(maniac_wheel::TimerId::from_bits(0), None);
    /// ```
    #[inline]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(id) if Self(id).generation() != 0 => Some(Self(id)),
            _ => None,
        }
    }

    /// The level where the timer was filed: 0 to 2, or 3 for one that was due in the current tick or earlier.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let thirty_seconds = wheel.schedule_timer(30_000_000_000, ()).unwrap();
    /// assert_eq!(thirty_seconds.level(), 1);
    /// ```
    #[inline]
    pub const fn level(self) -> usize {
        (self.to_bits() >> LEVEL_SHIFT) as usize
    }

    /// Which use of its slot the timer is: 1 to 4,194,303.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// assert_eq!(wheel.schedule_timer(1, ()).unwrap().generation(), 1);
    /// assert_eq!(wheel.schedule_timer(1, ()).unwrap().generation(), 2);
    /// ```
    #[inline]
    pub const fn generation(self) -> u32 {
        (self.to_bits() >> GENERATION_SHIFT) as u32 & MAX_GENERATION
    }

    /// The spoke of that level: 0 to 1,023.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// assert_eq!(wheel.schedule_timer(7 << 20, ()).unwrap().spoke(), 7);
    /// ```
    #[inline]
    pub const fn spoke(self) -> usize {
        (self.to_bits() >> SPOKE_SHIFT) as usize & ((1 << SPOKE_BITS) - 1)
    }

    /// The entry of the spoke's storage: 0 to 268,435,455.
    ///
    /// ```
    /// let mut wheel = maniac_wheel::TimerWheel::new(0);
    /// let first = wheel.schedule_timer(1, ()).unwrap();
    /// assert_eq!(first.slot(), 0);
    /// assert_eq!(wheel.schedule_timer(1, ()).unwrap().slot(), 1);
    /// wheel.cancel_timer(first);
    /// assert_eq!(wheel.schedule_timer(1, ()).unwrap().slot(), 0); // used again
    /// ```
    #[inline]
    pub const fn slot(self) -> u32 {
        self.to_bits() as u32 & (MAX_SLOTS - 1)
    }
}

impl fmt::Debug for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TimerId(level {}, generation {}, spoke {}, slot {})",
            self.level(),
            self.generation(),
            self.spoke(),
            self.slot()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_survives_at_its_limits() {
        for (level, generation, spoke, slot) in
            [(0, 1, 0, 0), (3, MAX_GENERATION, 4095, MAX_SLOTS - 1), (2, 0x15_5555, 0xAAA, 0x555_5555)]
        {
            let id = TimerId::new(level, generation, spoke, slot);
            assert_eq!(
                (id.level(), id.generation(), id.spoke(), id.slot()),
                (level, generation, spoke, slot)
            );
            assert_eq!(TimerId::from_bits(id.to_bits()), Some(id));
        }
    }

    #[test]
    fn no_bits_of_generation_zero_make_an_id() {
        assert_eq!(TimerId::from_bits(0), None);
        assert_eq!(TimerId::from_bits(!(u64::from(MAX_GENERATION) << GENERATION_SHIFT)), None);
    }

    #[test]
    fn an_optional_id_costs_no_more_than_an_id() {
        assert_eq!(size_of::<Option<TimerId>>(), 8);
    }

    #[test]
    fn debug_names_the_fields() {
        let text = format!("{:?}", TimerId::new(1, 2, 3, 4));
        assert_eq!(text, "TimerId(level 1, generation 2, spoke 3, slot 4)");
    }
}
