//! One value from one sender to one receiver, in one allocation. Both ends may wait: the receiver for the value,
//! asynchronously or by blocking its thread, the sender for the receiver to go.
//!
//! ```
//! # use maniac_sync::oneshot;
//! # pollster::block_on(async {
//! let (sender, receiver) = oneshot::channel();
//! std::thread::spawn(move || sender.send("value").unwrap());
//! assert_eq!(receiver.await, Ok("value"));
//! # });
//! ```

use crate::{
    park::{Backoff, block_on},
    seat::Seat,
    shim::{Arc, AtomicUsize, Ordering, UnsafeCell, ordering},
    wait::{self, Word},
};
use std::{
    error, fmt,
    mem::MaybeUninit,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// The value is in its cell, for the receiver. Never set once `CLOSED` is.
const VALUE: usize = 1;
/// The sender is gone.
const GONE: usize = 2;
/// The receiver is gone or has closed: no value can be sent.
const CLOSED: usize = 4;
/// The receiver's waker is in its seat; who clears the flag wakes it.
const RX_WAITING: usize = 8;
/// The sender's waker is in its seat; who clears the flag wakes it.
const TX_WAITING: usize = 16;

struct Shared<T> {
    state: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
    rx_seat: Seat,
    tx_seat: Seat,
}

// SAFETY: the value is moved from the sender's thread to the receiver's, never shared; the seats are seats [INV-5].
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: [INV-5, INV-8] as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn load(&self) -> usize {
        self.state.load(ordering("oneshot.load", Ordering::Acquire))
    }

    /// Sets `flags` and clears `waiting`, unless a flag of `unless` is set; wakes who waited. Gives the state before.
    fn set(&self, flags: usize, unless: usize, waiting: usize, seat: &Seat) -> Result<usize, usize> {
        let mut seen = self.state.load(Ordering::Relaxed);
        loop {
            if seen & unless != 0 {
                return Err(seen);
            }
            let next = (seen | flags) & !waiting;
            let order = ordering("oneshot.set", Ordering::AcqRel);
            match self.state.compare_exchange_weak(seen, next, order, Ordering::Relaxed) {
                Ok(_) => break,
                Err(other) => seen = other,
            }
        }
        if seen & waiting != 0 {
            // SAFETY: [INV-5] the flag was set and we cleared it.
            if let Some(waker) = unsafe { seat.take() } {
                waker.wake();
            }
        }
        Ok(seen)
    }

    /// Leaves a waker for whoever sets a flag of `until`. False if one is set, or if the seat is just being given back.
    fn wait(&self, waiting: usize, until: usize, seat: &Seat, waker: &Waker) -> bool {
        if !self.unwait(waiting, seat) {
            return false;
        }
        // SAFETY: [INV-5] the flag is clear and the seat not lent.
        unsafe { seat.put(waker) };
        let mut seen = self.state.load(Ordering::Relaxed);
        while seen & until == 0 {
            let order = ordering("oneshot.wait", Ordering::Release);
            match self.state.compare_exchange_weak(seen, seen | waiting, order, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => seen = other,
            }
        }
        // SAFETY: [INV-5] the flag is not set.
        unsafe { seat.take_back() };
        false
    }

    /// Clears the flag that a former wait may have left set. Whether the seat is the caller's then.
    fn unwait(&self, waiting: usize, seat: &Seat) -> bool {
        if self.state.load(Ordering::Relaxed) & waiting != 0 {
            let seen = self.state.fetch_and(!waiting, Ordering::Relaxed);
            if seen & waiting != 0 {
                // SAFETY: [INV-5] we cleared the flag ourselves.
                unsafe { seat.take_back() };
            }
        }
        !seat.is_lent()
    }

    /// Drops the waker that an end may have left.
    fn forget_waker(&self, waiting: usize, seat: &Seat) {
        if self.unwait(waiting, seat) {
            // SAFETY: [INV-5] the flag is clear and the seat not lent.
            drop(unsafe { seat.take() });
        }
    }

    /// Takes the value out.
    ///
    /// # Safety
    ///
    /// The value is there, and the caller's: it was put there by the caller and never announced, or the caller is the
    /// receiver, has seen VALUE (acquire), and takes it once.
    unsafe fn take(&self) -> T {
        self.value.with(|value| {
            // SAFETY: [INV-8] the caller's promise.
            unsafe { value.cast::<T>().read() }
        })
    }
}

/// A channel for one value.
///
/// ```
/// # use maniac_sync::oneshot;
/// let (sender, receiver) = oneshot::channel();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.recv_blocking(), Ok(1));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: AtomicUsize::new(0),
        value: UnsafeCell::new(MaybeUninit::uninit()),
        rx_seat: Seat::new(),
        tx_seat: Seat::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, taken: false })
}

/// The sending end. Dropping it without sending tells the receiver so.
///
/// ```
/// # use maniac_sync::oneshot::{self, RecvError};
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert_eq!(receiver.recv_blocking(), Err(RecvError));
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    ///
    /// The receiver is gone or has closed; the value comes back.
    ///
    /// ```
    /// # use maniac_sync::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send("back").unwrap_err().0, "back");
    /// ```
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let shared = &*self.shared;
        shared.value.with_mut(|place| {
            // SAFETY: [INV-8] before VALUE is set the cell is the sender's.
            unsafe { (*place).write(value) };
        });
        match shared.set(VALUE | GONE, CLOSED, RX_WAITING, &shared.rx_seat) {
            Ok(_) => Ok(()),
            // SAFETY: [INV-8] VALUE was not set.
            Err(_) => Err(SendError(unsafe { shared.take() })),
        }
    }

    /// Whether the receiver is gone or has closed.
    ///
    /// ```
    /// # use maniac_sync::oneshot;
    /// let (sender, receiver) = oneshot::channel::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.load() & CLOSED != 0
    }

    /// Waits until the receiver is gone or has closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    ///
    /// ```
    /// # use maniac_sync::oneshot;
    /// # pollster::block_on(async {
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// std::thread::spawn(move || drop(receiver));
    /// sender.closed().await;
    /// # });
    /// ```
    pub fn closed(&mut self) -> Closed<'_, T> {
        Closed { sender: self }
    }

    /// Polls for the receiver to be gone or closed. Only the waker of the last poll is woken.
    ///
    /// ```
    /// # use maniac_sync::oneshot;
    /// # use std::task::{Context, Waker};
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(sender.poll_closed(&mut context).is_pending());
    /// drop(receiver);
    /// assert!(sender.poll_closed(&mut context).is_ready());
    /// ```
    pub fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let shared = &*self.shared;
        poll(context, &CLOSE, || match shared.load() & CLOSED {
            0 => shared.wait(TX_WAITING, CLOSED, &shared.tx_seat, context.waker()).then_some(Poll::Pending),
            _ => Some(Poll::Ready(())),
        })
    }
}

static CLOSE: Word = Word::new("the end of a oneshot channel");
static VALUE_TO_COME: Word = Word::new("the value of a oneshot channel");

/// Asks `look` until it knows: it gives `None` when something has just changed, or is just being changed.
fn poll<R>(context: &Context<'_>, word: &'static Word, mut look: impl FnMut() -> Option<Poll<R>>) -> Poll<R> {
    let mut backoff = Backoff::new();
    loop {
        if let Some(outcome) = look() {
            if outcome.is_pending() {
                wait::note_word(word);
            }
            return outcome;
        }
        if backoff.is_yielding() {
            context.waker().wake_by_ref();
            return wait::pending_on(word);
        }
        backoff.snooze();
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let shared = &*self.shared;
        // Set already if the value was sent: then there is nobody to wake.
        let _ = shared.set(GONE, GONE, RX_WAITING, &shared.rx_seat);
        shared.forget_waker(TX_WAITING, &shared.tx_seat);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The future of [`Sender::closed`].
///
/// ```
/// use maniac_sync::oneshot::{self, Closed};
/// let (mut sender, receiver) = oneshot::channel::<u8>();
/// let closed: Closed<'_, u8> = sender.closed();
/// drop(receiver);
/// pollster::block_on(closed);
/// assert!(sender.is_closed());
/// ```
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Closed<'a, T> {
    sender: &'a mut Sender<T>,
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().sender.poll_closed(context)
    }
}

/// The receiving end, and the future of the value. Dropping it tells the sender so.
///
/// # Cancel safety
///
/// By reference (`(&mut receiver).await`) the value stays with the receiver when the future is dropped before it was ready.
///
/// ```
/// # use maniac_sync::oneshot;
/// # pollster::block_on(async {
/// let (sender, receiver) = oneshot::channel();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.await, Ok(1));
/// # });
/// ```
#[must_use = "dropping the receiver makes sending fail"]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The value was taken out.
    taken: bool,
}

impl<T> Receiver<T> {
    /// What there is to say in this state; `None` if the value may still come.
    fn outcome(&mut self, state: usize) -> Option<Result<T, RecvError>> {
        if state & VALUE != 0 && !self.taken {
            self.taken = true;
            // SAFETY: [INV-8] VALUE was seen, and from now on `taken` says that the value is gone.
            return Some(Ok(unsafe { self.shared.take() }));
        }
        (state & (VALUE | GONE | CLOSED) != 0).then_some(Err(RecvError))
    }

    /// Receives the value if it is there.
    ///
    /// # Errors
    ///
    /// It is not there yet; or it will not come, since the sender is gone, the receiver closed, or the value received.
    ///
    /// ```
    /// # use maniac_sync::oneshot::{self, TryRecvError};
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.outcome(self.shared.load()) {
            Some(Ok(value)) => Ok(value),
            Some(Err(RecvError)) => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Receives the value, blocking the thread until it comes.
    ///
    /// # Errors
    ///
    /// The sender is gone without having sent it.
    ///
    /// ```
    /// # use maniac_sync::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// std::thread::spawn(move || sender.send(1));
    /// assert_eq!(receiver.recv_blocking(), Ok(1));
    /// ```
    pub fn recv_blocking(mut self) -> Result<T, RecvError> {
        self.block(None).unwrap_or(Err(RecvError))
    }

    /// Receives the value, blocking the thread at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if it did not come in time, [`TryRecvError::Closed`] if it will not come.
    ///
    /// ```
    /// # use maniac_sync::oneshot::{self, TryRecvError};
    /// # use std::time::Duration;
    /// let (_sender, mut receiver) = oneshot::channel::<u8>();
    /// assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(TryRecvError::Empty));
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, TryRecvError> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Receives the value, blocking the thread until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if it did not come in time, [`TryRecvError::Closed`] if it will not come.
    ///
    /// ```
    /// # use maniac_sync::oneshot::{self, TryRecvError};
    /// # use std::time::Instant;
    /// let (_sender, mut receiver) = oneshot::channel::<u8>();
    /// assert_eq!(receiver.recv_deadline(Instant::now()), Err(TryRecvError::Empty));
    /// ```
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, TryRecvError> {
        self.recv_until(Some(deadline))
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<T, TryRecvError> {
        match self.block(deadline) {
            Some(Ok(value)) => Ok(value),
            Some(Err(RecvError)) => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    fn block(&mut self, deadline: Option<Instant>) -> Option<Result<T, RecvError>> {
        let mut backoff = Backoff::new();
        while !backoff.is_over() {
            if let Some(outcome) = self.outcome(self.shared.load()) {
                return Some(outcome);
            }
            backoff.snooze();
        }
        block_on(deadline, |context| self.poll_recv(context))
    }

    fn poll_recv(&mut self, context: &Context<'_>) -> Poll<Result<T, RecvError>> {
        poll(context, &VALUE_TO_COME, || {
            let state = self.shared.load();
            if let Some(outcome) = self.outcome(state) {
                return Some(Poll::Ready(outcome));
            }
            let shared = &*self.shared;
            shared.wait(RX_WAITING, VALUE | GONE, &shared.rx_seat, context.waker()).then_some(Poll::Pending)
        })
    }

    /// Refuses the value if it was not sent yet. One that was sent can still be received.
    ///
    /// ```
    /// # use maniac_sync::oneshot;
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert!(sender.send(1).is_err());
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn close(&mut self) {
        let shared = &*self.shared;
        // Set already if it was closed: then there is nobody to wake.
        let _ = shared.set(CLOSED, CLOSED, TX_WAITING, &shared.tx_seat);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_recv(context)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        /// Takes the value out and drops it, also when a waker that the close woke panics.
        struct Last<'a, T>(&'a mut Receiver<T>);

        impl<T> Drop for Last<'_, T> {
            fn drop(&mut self) {
                // Once closed, no value can come that is not there now.
                drop(self.0.outcome(self.0.shared.load()));
            }
        }

        let last = Last(self);
        last.0.close();
        last.0.shared.forget_waker(RX_WAITING, &last.0.shared.rx_seat);
    }
}

// The value is never pinned.
impl<T> Unpin for Receiver<T> {}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("taken", &self.taken).finish_non_exhaustive()
    }
}

// A panic never leaves the shared state half-changed.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

/// The receiver is gone or has closed. Holds the value.
///
/// ```
/// # use maniac_sync::oneshot;
/// let (sender, receiver) = oneshot::channel();
/// drop(receiver);
/// assert_eq!(sender.send(1).unwrap_err().0, 1);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// The value will not come: the sender is gone without having sent it, or the receiver was closed, or it was received.
///
/// ```
/// # use maniac_sync::oneshot::{self, RecvError};
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert_eq!(receiver.recv_blocking(), Err(RecvError));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why no value was received.
///
/// ```
/// # use maniac_sync::oneshot::{self, TryRecvError};
/// let (_sender, mut receiver) = oneshot::channel::<u8>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// It is not there yet.
    Empty,
    /// It will not come.
    Closed,
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the receiver is gone or has closed: nobody will receive the value")
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value will not come: the sender is gone, or it was closed or received already")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the value is not there yet: try later, or wait for it"),
            Self::Closed => RecvError.fmt(f),
        }
    }
}

impl<T> error::Error for SendError<T> {}
impl error::Error for RecvError {}
impl error::Error for TryRecvError {}
