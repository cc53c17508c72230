//! Time: sleeping, time-outs, intervals, and a virtual clock for tests.

pub(crate) mod clock;
mod instant;
mod interval;
mod pause;
mod sleep;
pub(crate) mod thread;
mod timeout;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use pause::{advance, pause, resume};
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::Duration;
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

/// The wheel that times a worker's timers, for use by itself.
pub mod wheel {
    pub use maniac_wheel::{TimerId, TimerWheel, WheelError};
}
