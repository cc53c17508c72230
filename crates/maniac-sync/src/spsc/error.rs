//! Errors of the queue. They give the value back.

use super::ring::NoRoom;
use std::{error, fmt};

/// Why nothing was pushed. Holds the value.
///
/// ```
/// # use maniac_sync::spsc::{PushError, SegSpsc};
/// let (mut producer, consumer) = SegSpsc::<u8, 0>::new().split();
/// while producer.try_push(1).is_ok() {}
/// assert_eq!(producer.try_push(2), Err(PushError::Full(2)));
/// drop(consumer);
/// assert_eq!(producer.try_push(3), Err(PushError::Closed(3)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError<T> {
    /// All 64 segments are in use, and the oldest is not drained. Try later, or wait with the ends of
    /// [`channel`](super::channel).
    Full(T),
    /// The consumer is gone.
    Closed(T),
}

impl<T> PushError<T> {
    pub(super) fn new(why: NoRoom, value: T) -> Self {
        match why {
            NoRoom::Full => Self::Full(value),
            NoRoom::Closed => Self::Closed(value),
        }
    }

    /// The value.
    ///
    /// ```
    /// # use maniac_sync::spsc::PushError;
    /// assert_eq!(PushError::Full(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

/// Why nothing was popped.
///
/// ```
/// # use maniac_sync::spsc::{PopError, SegSpsc};
/// let (producer, mut consumer) = SegSpsc::<u8, 4>::new().split();
/// assert_eq!(consumer.try_pop(), Err(PopError::Empty));
/// drop(producer);
/// assert_eq!(consumer.try_pop(), Err(PopError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PopError {
    /// No value is there yet.
    Empty,
    /// No value is there, and none will come: the producer is gone.
    Closed,
}

/// The consumer is gone. Holds the value.
///
/// ```
/// # use maniac_sync::spsc;
/// let (mut sender, receiver) = spsc::channel::<u8, 4>();
/// drop(receiver);
/// assert_eq!(sender.send_blocking(1).unwrap_err().0, 1);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

const GONE: &str = "the consumer is gone: nobody will receive the value";

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "all 64 segments are in use: try later, or wait for room",
            Self::Closed(_) => GONE,
        })
    }
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the queue is empty: try later, or wait for a value",
            Self::Closed => "the producer is gone and the queue drained: no value will come",
        })
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(GONE)
    }
}

// Written out, since values need not be `Debug`.
impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> error::Error for PushError<T> {}
impl error::Error for PopError {}
impl<T> error::Error for SendError<T> {}
