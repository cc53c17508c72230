//! Many producers, one consumer: a lock-free segmented queue, bounded or unbounded, whose ends wait asynchronously or by
//! blocking their thread, mixed as one likes.
//!
//! A channel allocates nothing beyond what its handles share until the first message is sent; then it has segments of at
//! most 16 KiB (or four messages, where those are larger), and gives them back as they are drained. Messages arrive in the
//! order of their claims, from all senders.
//!
//! [`Sender`] and [`Receiver`] can do all; [`AsyncMpscSender`], [`AsyncMpscReceiver`], [`BlockingMpscSender`] and
//! [`BlockingMpscReceiver`] are the same ends with one way of waiting, for interfaces that want to say which.

mod chain;
mod chan;
mod consume;
mod error;
mod receiver;
mod room;
mod segment;
mod sender;
mod typed;
mod waiters;

pub use self::{
    chan::MAX_CAPACITY,
    error::{
        CapacityError, RecvTimeoutError, ReserveError, SendError, SendTimeoutError, TryRecvError,
        TryReserveError, TrySendError,
    },
    receiver::{IterBlocking, Receiver, Recv, RecvMany},
    room::{Closed, OwnedPermit, Permit, Reserve, Send},
    sender::{Sender, WeakSender},
    typed::{AsyncMpscReceiver, AsyncMpscSender, BlockingMpscReceiver, BlockingMpscSender},
};

use crate::shim::Arc;
use chan::Shared;

/// A channel that holds at most `capacity` messages. Senders then wait for room, first come first served.
///
/// # Panics
///
/// If `capacity` is 0 or more than [`MAX_CAPACITY`]; [`try_channel`] gives an error instead.
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, mut receiver) = mpsc::channel(2);
/// sender.try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// assert!(sender.try_send(3).is_err());
/// assert_eq!(receiver.try_recv(), Ok(1));
/// sender.try_send(3).unwrap();
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    match try_channel(capacity) {
        Ok(ends) => ends,
        Err(error) => panic!("{error}"),
    }
}

/// As [`channel`], with an error instead of a panic.
///
/// # Errors
///
/// `capacity` is 0 or more than [`MAX_CAPACITY`].
///
/// ```
/// # use maniac_sync::mpsc;
/// assert!(mpsc::try_channel::<u8>(1).is_ok());
/// assert!(mpsc::try_channel::<u8>(0).is_err());
/// ```
pub fn try_channel<T>(capacity: usize) -> Result<(Sender<T>, Receiver<T>), CapacityError> {
    if capacity == 0 || capacity > MAX_CAPACITY { Err(CapacityError(capacity)) } else { Ok(ends(capacity)) }
}

/// A channel that holds as many messages as there is memory for; sending never waits.
///
/// Use it where something else bounds the number of messages.
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, mut receiver) = mpsc::unbounded();
/// for number in 0..1_000 {
///     sender.try_send(number).unwrap();
/// }
/// drop(sender);
/// assert_eq!(receiver.iter_blocking().count(), 1_000);
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    ends(0)
}

fn ends<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(capacity));
    (Sender::new(Arc::clone(&shared)), Receiver::new(shared))
}
