//! The sending ends.

use super::{
    chan::{Claim, Guess, Refused, Shared},
    error::{ReserveError, SendError, SendTimeoutError, TryReserveError, TrySendError},
    room::{Blocked, Closed, OwnedPermit, Permit, Place, Reserve, Send},
};
use crate::shim::Arc;
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::{Duration, Instant},
};

/// The sending end of a channel. Clone it for more; they may be used from many threads, also by reference.
///
/// Every call exists in a form that waits asynchronously and in one that blocks its thread. When the last sender is gone,
/// the channel closes.
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, mut receiver) = mpsc::channel(16);
/// let another = sender.clone();
/// std::thread::spawn(move || another.send_blocking("from a thread").unwrap());
/// assert_eq!(receiver.recv_blocking(), Some("from a thread"));
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
    guess: Guess,
}

impl<T> Sender<T> {
    /// Counts already.
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, guess: Guess::new() }
    }

    /// Claims the next position, unless the channel is full or closed.
    #[inline(always)]
    pub(super) fn claim(&self) -> Result<Claim, Refused> {
        self.shared.claim(&self.guess)
    }

    #[inline(always)]
    pub(super) fn shared(&self) -> &Shared<T> {
        &self.shared
    }

    /// Sends a message, waiting for room if need be. Those who wait are served in the order in which they came.
    ///
    /// # Errors
    ///
    /// The channel is closed; the message comes back.
    ///
    /// # Cancel safety
    ///
    /// The message was sent if the future was ready, and was not if it is dropped before.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # pollster::block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    #[inline]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send::new(self, value)
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// The channel is full or closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, TrySendError};
    /// let (sender, receiver) = mpsc::channel(1);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    /// ```
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.claim() {
            Ok(claim) => {
                self.shared.publish(claim, value);
                Ok(())
            }
            Err(Refused::Full) => Err(TrySendError::Full(value)),
            Err(Refused::Closed) => Err(TrySendError::Closed(value)),
        }
    }

    /// Sends a message, blocking the thread while there is no room.
    ///
    /// # Errors
    ///
    /// The channel is closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// sender.send_blocking(1).unwrap();
    /// assert_eq!(receiver.recv_blocking(), Some(1));
    /// ```
    #[inline]
    pub fn send_blocking(&self, value: T) -> Result<(), SendError<T>> {
        match self.claim() {
            Ok(claim) => {
                self.shared.publish(claim, value);
                Ok(())
            }
            Err(_) => self.send_until(value, None).map_err(|error| SendError(error.into_inner())),
        }
    }

    /// Sends a message, blocking the thread at most for `timeout` while there is no room.
    ///
    /// # Errors
    ///
    /// There was no room in time, or the channel is closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # use std::time::Duration;
    /// let (sender, _receiver) = mpsc::channel(1);
    /// sender.send_timeout_blocking(1, Duration::from_millis(1)).unwrap();
    /// assert!(sender.send_timeout_blocking(2, Duration::from_millis(1)).is_err());
    /// ```
    pub fn send_timeout_blocking(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, Instant::now().checked_add(timeout))
    }

    /// Sends a message, blocking the thread until `deadline` at the latest while there is no room.
    ///
    /// # Errors
    ///
    /// There was no room in time, or the channel is closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # use std::time::Instant;
    /// let (sender, _receiver) = mpsc::channel(1);
    /// sender.send_deadline_blocking(1, Instant::now()).unwrap();
    /// assert!(sender.send_deadline_blocking(2, Instant::now()).is_err());
    /// ```
    pub fn send_deadline_blocking(&self, value: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, Some(deadline))
    }

    /// Without a deadline it waits for ever.
    fn send_until(&self, value: T, deadline: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        let claim = match Place::new(&*self.shared).block(deadline, || self.claim()) {
            None => return Err(SendTimeoutError::Timeout(value)),
            Some(Err(ReserveError)) => return Err(SendTimeoutError::Closed(value)),
            Some(Ok(Blocked::Done(claim))) => claim,
            Some(Ok(Blocked::Room)) => match self.shared.claim_with_room() {
                Ok(claim) => claim,
                Err(_) => return Err(SendTimeoutError::Closed(value)),
            },
        };
        self.shared.publish(claim, value);
        Ok(())
    }

    /// Waits for room for one message and keeps it, so that sending later needs no waiting.
    ///
    /// # Errors
    ///
    /// The channel is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept if the future is dropped before it was ready.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # pollster::block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// permit.send(1).unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub fn reserve(&self) -> Reserve<'_, T> {
        Reserve::new(self)
    }

    /// As [`reserve`](Sender::reserve), for a permit that owns its sender.
    ///
    /// # Errors
    ///
    /// The channel is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept if the future is dropped before it was ready; the sender is dropped with it.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # pollster::block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let sender = sender.reserve_owned().await.unwrap().send(1).unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # drop(sender);
    /// # });
    /// ```
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, ReserveError> {
        self.reserve().await?.keep();
        Ok(OwnedPermit::new(self))
    }

    /// Reserves room for one message if there is some.
    ///
    /// # Errors
    ///
    /// The channel is full or closed.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel(1);
    /// sender.try_reserve().unwrap().send(1).unwrap();
    /// assert!(sender.try_reserve().is_err());
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TryReserveError> {
        match self.shared.take_room() {
            Ok(()) => Ok(Permit::new(self)),
            Err(Refused::Full) => Err(TryReserveError::Full),
            Err(Refused::Closed) => Err(TryReserveError::Closed),
        }
    }

    /// As [`try_reserve`](Sender::try_reserve), for a permit that owns its sender.
    ///
    /// # Errors
    ///
    /// The channel is full or closed; the sender comes back with the reason.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel(1);
    /// let sender = sender.try_reserve_owned().unwrap().send(1).unwrap();
    /// assert!(sender.try_reserve_owned().is_err());
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, (Self, TryReserveError)> {
        match self.shared.take_room() {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(Refused::Full) => Err((self, TryReserveError::Full)),
            Err(Refused::Closed) => Err((self, TryReserveError::Closed)),
        }
    }

    /// Reserves room for one message, blocking the thread while there is none.
    ///
    /// # Errors
    ///
    /// The channel is closed.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// sender.reserve_blocking().unwrap().send(1).unwrap();
    /// assert_eq!(receiver.recv_blocking(), Some(1));
    /// ```
    pub fn reserve_blocking(&self) -> Result<Permit<'_, T>, ReserveError> {
        match Place::new(&*self.shared).block(None, || self.shared.take_room()) {
            Some(Ok(_)) => Ok(Permit::new(self)),
            Some(Err(ReserveError)) | None => Err(ReserveError),
        }
    }

    /// Waits until the channel is closed: the receiver was dropped or has called [`close`](super::Receiver::close).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # pollster::block_on(async {
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// std::thread::spawn(move || drop(receiver));
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub fn closed(&self) -> Closed<'_, T> {
        Closed::new(&self.shared)
    }

    /// Whether the channel is closed. Messages sent before may still be received.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel::<u8>(1);
    /// assert!(!sender.is_closed());
    /// receiver.close();
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many messages the channel holds, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel(8);
    /// sender.try_send('a').unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether the channel holds no message, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel::<u8>(8);
    /// assert!(sender.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages the channel can hold; `None` if it is unbounded.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// assert_eq!(mpsc::channel::<u8>(8).0.capacity(), Some(8));
    /// assert_eq!(mpsc::unbounded::<u8>().0.capacity(), None);
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// How many senders there are.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, receiver) = mpsc::unbounded::<u8>();
    /// let _another = sender.clone();
    /// assert_eq!(receiver.sender_count(), 2);
    /// ```
    pub fn sender_count(&self) -> usize {
        self.shared.senders()
    }

    /// Whether both send into the same channel.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::unbounded::<u8>();
    /// assert!(sender.same_channel(&sender.clone()));
    /// assert!(!sender.same_channel(&mpsc::unbounded().0));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A handle that does not keep the channel open.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::unbounded::<u8>();
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self::new(Arc::clone(&self.shared))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.drop_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep the channel open: [`upgrade`](WeakSender::upgrade) it to send.
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, mut receiver) = mpsc::unbounded();
/// let weak = sender.downgrade();
/// weak.upgrade().unwrap().try_send(1).unwrap();
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// assert_eq!(receiver.recv_blocking(), Some(1));
/// assert_eq!(receiver.recv_blocking(), None);
/// ```
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> WeakSender<T> {
    /// A sender, unless the last one is gone.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::unbounded();
    /// sender.downgrade().upgrade().unwrap().try_send(1).unwrap();
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.shared.try_add_sender().then(|| Sender::new(Arc::clone(&self.shared)))
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakSender")
    }
}

// A panic never leaves the shared state half-changed.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for WeakSender<T> {}
impl<T> RefUnwindSafe for WeakSender<T> {}
