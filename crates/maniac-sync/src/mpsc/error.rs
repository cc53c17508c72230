//! Errors. Those of sending give the message back.

use std::{error, fmt};

/// The channel is closed: the receiver is gone or called [`close`](super::Receiver::close). Holds the message.
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, receiver) = mpsc::unbounded();
/// drop(receiver);
/// assert_eq!(sender.send_blocking("back").unwrap_err().0, "back");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why [`try_send`](super::Sender::try_send) sent nothing. Holds the message.
///
/// ```
/// # use maniac_sync::mpsc::{self, TrySendError};
/// let (sender, _receiver) = mpsc::channel(1);
/// sender.try_send(1).unwrap();
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// The channel holds as many messages as it may, or others wait for room already. Try later, or wait.
    Full(T),
    /// The channel is closed.
    Closed(T),
}

/// Why [`send_timeout_blocking`](super::Sender::send_timeout_blocking) sent nothing. Holds the message.
///
/// ```
/// # use maniac_sync::mpsc::{self, SendTimeoutError};
/// # use std::time::Duration;
/// let (sender, _receiver) = mpsc::channel(1);
/// sender.try_send(1).unwrap();
/// assert_eq!(sender.send_timeout_blocking(2, Duration::ZERO), Err(SendTimeoutError::Timeout(2)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendTimeoutError<T> {
    /// There was no room in time.
    Timeout(T),
    /// The channel is closed.
    Closed(T),
}

/// Why no room was reserved: the channel is closed.
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, mut receiver) = mpsc::channel::<u8>(1);
/// receiver.close();
/// assert!(sender.reserve_blocking().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveError;

/// Why [`try_reserve`](super::Sender::try_reserve) reserved nothing.
///
/// ```
/// # use maniac_sync::mpsc::{self, TryReserveError};
/// let (sender, _receiver) = mpsc::channel::<u8>(1);
/// let permit = sender.try_reserve().unwrap();
/// assert_eq!(sender.try_reserve().unwrap_err(), TryReserveError::Full);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryReserveError {
    /// There is no room, or others wait for it already.
    Full,
    /// The channel is closed.
    Closed,
}

/// Why [`try_recv`](super::Receiver::try_recv) gave nothing.
///
/// ```
/// # use maniac_sync::mpsc::{self, TryRecvError};
/// let (sender, mut receiver) = mpsc::unbounded::<u8>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// No message is there yet.
    Empty,
    /// No message is there, and none will come: the channel is closed and drained.
    Closed,
}

/// Why [`recv_timeout`](super::Receiver::recv_timeout) gave nothing.
///
/// ```
/// # use maniac_sync::mpsc::{self, RecvTimeoutError};
/// # use std::time::Duration;
/// let (_sender, mut receiver) = mpsc::unbounded::<u8>();
/// assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// No message came in time.
    Timeout,
    /// The channel is closed and drained.
    Closed,
}

/// A bounded channel was asked for with no room at all, or with more than [`MAX_CAPACITY`](super::MAX_CAPACITY).
///
/// ```
/// # use maniac_sync::mpsc;
/// assert_eq!(mpsc::try_channel::<u8>(0).unwrap_err().capacity(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityError(pub(super) usize);

impl CapacityError {
    /// The capacity that was asked for.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// assert_eq!(mpsc::try_channel::<u8>(usize::MAX).unwrap_err().capacity(), usize::MAX);
    /// ```
    pub fn capacity(&self) -> usize {
        self.0
    }
}

impl<T> SendError<T> {
    /// The message.
    ///
    /// ```
    /// # use maniac_sync::mpsc::SendError;
    /// assert_eq!(SendError(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// The message.
    ///
    /// ```
    /// # use maniac_sync::mpsc::TrySendError;
    /// assert_eq!(TrySendError::Full(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> SendTimeoutError<T> {
    /// The message.
    ///
    /// ```
    /// # use maniac_sync::mpsc::SendTimeoutError;
    /// assert_eq!(SendTimeoutError::Timeout(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(value) | Self::Closed(value) => value,
        }
    }
}

const CLOSED: &str = "the channel is closed: nobody will receive the message";
const FULL: &str = "the channel is full: try later, or wait for room";

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => FULL,
            Self::Closed(_) => CLOSED,
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "the channel had no room in time",
            Self::Closed(_) => CLOSED,
        })
    }
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed: nobody would receive a message")
    }
}

impl fmt::Display for TryReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(FULL),
            Self::Closed => ReserveError.fmt(f),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty: try later, or wait for a message",
            Self::Closed => "the channel is closed and drained: no message will come",
        })
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no message came in time"),
            Self::Closed => TryRecvError::Closed.fmt(f),
        }
    }
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = super::MAX_CAPACITY;
        write!(f, "a channel cannot hold {} messages: choose 1 to {most}, or an unbounded one", self.0)
    }
}

// Written out, since messages need not be `Debug`.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "Timeout(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> error::Error for SendError<T> {}
impl<T> error::Error for TrySendError<T> {}
impl<T> error::Error for SendTimeoutError<T> {}
impl error::Error for ReserveError {}
impl error::Error for TryReserveError {}
impl error::Error for TryRecvError {}
impl error::Error for RecvTimeoutError {}
impl error::Error for CapacityError {}

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(error: SendError<T>) -> Self {
        Self::Closed(error.0)
    }
}
