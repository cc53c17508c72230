//! Waiting for room: the futures [`Send`] and [`Reserve`], the permits, and the future of the close.

use super::{
    chan::{Queued, Refused, Shared},
    error::{ReserveError, SendError},
    sender::Sender,
    waiters::{Key, Polled},
};
use crate::{
    park::{Backoff, block_on},
    wait::{self, Word},
};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

static ROOM: Word = Word::new("room in a channel");
static CLOSE: Word = Word::new("the end of a channel");

/// A place, perhaps, in the queue for room. Dropping it leaves the queue.
pub(super) struct Place<'a, T> {
    shared: &'a Shared<T>,
    key: Option<Key>,
}

impl<'a, T> Place<'a, T> {
    #[inline(always)]
    pub(super) fn new(shared: &'a Shared<T>) -> Self {
        Self { shared, key: None }
    }

    #[inline(always)]
    fn is_queued(&self) -> bool {
        self.key.is_some()
    }

    /// Ready when room for one message is the caller's.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Result<(), ReserveError>> {
        let Some(key) = self.key else {
            return match self.shared.queue(waker.clone()) {
                Queued::Granted => Poll::Ready(Ok(())),
                Queued::Closed => Poll::Ready(Err(ReserveError)),
                Queued::Waiting(key) => {
                    self.key = Some(key);
                    wait::pending_on(&ROOM)
                }
            };
        };
        match self.shared.poll_queued(key, waker) {
            Polled::Waiting | Polled::OtherWaker => wait::pending_on(&ROOM),
            Polled::Granted => {
                self.key = None;
                Poll::Ready(Ok(()))
            }
            Polled::Closed => {
                self.key = None;
                Poll::Ready(Err(ReserveError))
            }
        }
    }

    /// Blocks until `attempt` succeeds or room is the caller's. `None` if neither has happened by the deadline.
    pub(super) fn block<R>(
        self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> Result<R, Refused>,
    ) -> Option<Result<Blocked<R>, ReserveError>> {
        let mut backoff = Backoff::new();
        loop {
            match attempt() {
                Ok(done) => return Some(Ok(Blocked::Done(done))),
                Err(Refused::Closed) => return Some(Err(ReserveError)),
                Err(Refused::Full) => {}
            }
            // The first look comes late, and asks for more than one place: each look costs the receiver a trip of its
            // cache line, and a sender that fills every place at once meets it at every message.
            loop {
                if backoff.is_over() {
                    return self.park(deadline);
                }
                backoff.snooze_at_least(16);
                if self.shared.may_have_room() {
                    break;
                }
            }
        }
    }

    /// Parks the thread until room is the caller's. `None` if it was not by the deadline.
    fn park<R>(mut self, deadline: Option<Instant>) -> Option<Result<Blocked<R>, ReserveError>> {
        block_on(deadline, |context| self.poll(context.waker()))
            .map(|outcome| outcome.map(|()| Blocked::Room))
    }
}

/// How [`Place::block`] ended well.
pub(super) enum Blocked<R> {
    Done(R),
    Room,
}

impl<T> Drop for Place<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.cancel_queued(key);
        }
    }
}

/// The future of [`Sender::send`].
///
/// # Cancel safety
///
/// Dropping it before it was ready sends nothing, drops the message, and leaves the queue for room; room that it had been
/// given already goes to the next in the queue.
///
/// ```
/// use maniac_sync::mpsc::{self, Send};
/// use std::{pin::pin, task::{Context, Waker}};
/// let (sender, mut receiver) = mpsc::channel(1);
/// sender.try_send(1).unwrap();
/// let mut waits: std::pin::Pin<&mut Send<'_, i32>> = pin!(sender.send(2));
/// let mut context = Context::from_waker(Waker::noop());
/// assert!(waits.as_mut().poll(&mut context).is_pending(), "there is no room");
/// assert_eq!(receiver.try_recv(), Ok(1));
/// assert!(waits.as_mut().poll(&mut context).is_ready());
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Send<'a, T> {
    sender: &'a Sender<T>,
    place: Place<'a, T>,
    value: Option<T>,
}

impl<'a, T> Send<'a, T> {
    #[inline(always)]
    pub(super) fn new(sender: &'a Sender<T>, value: T) -> Self {
        Self { sender, place: Place::new(sender.shared()), value: Some(value) }
    }

    /// Takes the message back out, and leaves the queue for room. `None` if it has been sent.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel(1);
    /// assert_eq!(sender.send(1).into_inner(), Some(1));
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// The first polls find room most of the time; all else is kept out of their way.
    #[cold]
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let outcome = match self.place.poll(context.waker()) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(outcome) => outcome,
        };
        let Some(value) = self.value.take() else { polled_again() };
        let shared = self.place.shared;
        let claim = outcome.and_then(|()| shared.claim_with_room().map_err(|_| ReserveError));
        Poll::Ready(match claim {
            Ok(claim) => {
                shared.publish(claim, value);
                Ok(())
            }
            Err(ReserveError) => Err(SendError(value)),
        })
    }
}

#[cold]
fn polled_again() -> ! {
    panic!("a future of this channel was polled again after it was ready")
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.value.is_none() {
            polled_again();
        }
        if !this.place.is_queued() {
            match this.sender.claim() {
                Ok(claim) => {
                    if let Some(value) = this.value.take() {
                        this.place.shared.publish(claim, value);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(Refused::Closed) => {
                    return Poll::Ready(this.value.take().map_or(Ok(()), |value| Err(SendError(value))));
                }
                Err(Refused::Full) => {}
            }
        }
        this.poll_wait(context)
    }
}

// The message is never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("waits", &self.place.is_queued()).finish_non_exhaustive()
    }
}

/// The future of [`Sender::reserve`].
///
/// # Cancel safety
///
/// Dropping it leaves the queue for room; room that it had been given already goes to the next in the queue.
///
/// ```
/// use maniac_sync::mpsc::{self, Reserve};
/// let (sender, mut receiver) = mpsc::channel(1);
/// let room: Reserve<'_, i32> = sender.reserve();
/// pollster::block_on(room).unwrap().send(7);
/// assert_eq!(receiver.try_recv(), Ok(7));
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Reserve<'a, T> {
    place: Place<'a, T>,
    sender: &'a Sender<T>,
}

impl<'a, T> Reserve<'a, T> {
    pub(super) fn new(sender: &'a Sender<T>) -> Self {
        Self { place: Place::new(sender.shared()), sender }
    }
}

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permit<'a, T>, ReserveError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if !this.place.is_queued() {
            match this.place.shared.take_room() {
                Ok(()) => return Poll::Ready(Ok(Permit { sender: this.sender })),
                Err(Refused::Closed) => return Poll::Ready(Err(ReserveError)),
                Err(Refused::Full) => {}
            }
        }
        this.place.poll(context.waker()).map_ok(|()| Permit { sender: this.sender })
    }
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").field("waits", &self.place.is_queued()).finish_non_exhaustive()
    }
}

/// Room for one message, from [`Sender::reserve`]. Dropping it gives the room back; forgetting it loses the room.
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, mut receiver) = mpsc::channel(1);
/// let permit = sender.try_reserve().unwrap();
/// assert!(sender.try_send(1).is_err());
/// permit.send(2).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(2));
/// ```
#[must_use = "dropping a permit gives its room back"]
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
}

impl<'a, T> Permit<'a, T> {
    /// `sender` has taken room.
    pub(super) fn new(sender: &'a Sender<T>) -> Self {
        Self { sender }
    }

    /// Leaves the room taken, for another permit.
    pub(super) fn keep(self) {
        let _kept = std::mem::ManuallyDrop::new(self);
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    ///
    /// The channel was closed meanwhile; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve().unwrap();
    /// receiver.close();
    /// assert_eq!(permit.send("back").unwrap_err().0, "back");
    /// ```
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let shared = self.sender.shared();
        // The room goes with the message; of a closed channel nobody needs any.
        self.keep();
        match shared.claim_with_room() {
            Ok(claim) => {
                shared.publish(claim, value);
                Ok(())
            }
            Err(_) => Err(SendError(value)),
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.sender.shared().give_room();
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// As [`Permit`], but owning its [`Sender`]: from [`Sender::reserve_owned`].
///
/// ```
/// # use maniac_sync::mpsc;
/// let (sender, mut receiver) = mpsc::channel(1);
/// let permit = sender.try_reserve_owned().unwrap();
/// let sender = permit.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// # drop(sender);
/// ```
#[must_use = "dropping a permit gives its room back"]
pub struct OwnedPermit<T> {
    /// `None` once the room is spent.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    /// `sender` has taken room.
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self { sender: Some(sender) }
    }

    /// Sends a message without waiting, and gives the sender back.
    ///
    /// # Errors
    ///
    /// The channel was closed meanwhile; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// drop(receiver);
    /// assert_eq!(permit.send(7).unwrap_err().0, 7);
    /// ```
    pub fn send(mut self, value: T) -> Result<Sender<T>, SendError<T>> {
        match self.sender.take() {
            Some(sender) => Permit::new(&sender).send(value).map(|()| sender),
            None => Err(SendError(value)),
        }
    }

    /// Gives the room back, and the sender.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// let sender = sender.try_reserve_owned().unwrap().release();
    /// assert!(sender.try_reserve().is_ok());
    /// ```
    pub fn release(mut self) -> Sender<T> {
        let Some(sender) = self.sender.take() else {
            unreachable!("only sending and releasing take the sender")
        };
        sender.shared().give_room();
        sender
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            sender.shared().give_room();
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedPermit")
    }
}

/// The future of [`Sender::closed`].
///
/// # Cancel safety
///
/// Dropping it has no effect.
///
/// ```
/// use maniac_sync::mpsc::{self, Closed};
/// let (sender, receiver) = mpsc::channel::<u8>(1);
/// let closed: Closed<'_, u8> = sender.closed();
/// drop(receiver);
/// pollster::block_on(closed);
/// assert!(sender.is_closed());
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    shared: &'a Shared<T>,
    key: Option<Key>,
}

impl<'a, T> Closed<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>) -> Self {
        Self { shared, key: None }
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.shared.watch_close(&mut this.key, context.waker()) {
            wait::pending_on(&CLOSE)
        } else {
            Poll::Ready(())
        }
    }
}

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.forget_close(key);
        }
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}
