#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod counters;
mod earliest;
mod error;
mod id;
mod occupancy;
mod refs;
mod run;
mod slots;
#[cfg(any(test, feature = "timers-introspection"))]
mod stats;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod turn;
mod wheel;

pub use error::{InvalidTick, WheelError};
pub use id::TimerId;
#[cfg(any(test, feature = "timers-introspection"))]
pub use stats::{LevelStats, WheelStats};
pub use wheel::TimerWheel;

/// The levels of a wheel.
///
/// ```
/// assert_eq!(maniac_wheel::LEVELS, 3);
/// ```
pub const LEVELS: usize = 3;

/// The spokes of each level.
///
/// ```
/// assert_eq!(maniac_wheel::SPOKES_PER_LEVEL, 1024);
/// ```
pub const SPOKES_PER_LEVEL: usize = 1024;

/// The default width of a spoke of level 0: 2^20 ns, about 1.05 ms.
///
/// ```
/// assert_eq!(maniac_wheel::DEFAULT_TICK_DURATION_NS, 1_048_576);
/// ```
pub const DEFAULT_TICK_DURATION_NS: u64 = 1 << 20;

/// The widest tick: 2^32 ns, about 4.3 s. The wheel's range is 9 years then.
///
/// ```
/// use maniac_wheel::{MAX_TICK_DURATION_NS, TimerWheel};
/// assert!(TimerWheel::<()>::with_tick(0, MAX_TICK_DURATION_NS).is_ok());
/// assert!(TimerWheel::<()>::with_tick(0, 2 * MAX_TICK_DURATION_NS).is_err());
/// ```
pub const MAX_TICK_DURATION_NS: u64 = 1 << 32;

/// How many timers a runtime fires in one [`poll`](TimerWheel::poll) before other work has its turn.
///
/// ```
/// assert_eq!(maniac_wheel::TIMER_EXPIRY_BUDGET, 4096);
/// ```
pub const TIMER_EXPIRY_BUDGET: usize = 4096;

/// How many timers may be filed in one spoke: as many as the 28 bits of an id tell apart. A wheel as a whole has no
/// other limit than memory.
///
/// ```
/// assert_eq!(maniac_wheel::MAX_TIMERS_PER_SPOKE, 268_435_456);
/// ```
pub const MAX_TIMERS_PER_SPOKE: u32 = id::MAX_SLOTS;
