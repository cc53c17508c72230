//! The receiving end.

use super::{
    chan::Shared,
    consume::{Consumer, Pop},
    error::{RecvTimeoutError, TryRecvError},
};
use crate::{park::block_on, shim::Arc};
use futures_core::Stream;
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// The receiving end of a channel. Dropping it closes the channel and drops the messages in it.
///
/// Every call exists in a form that waits asynchronously and in one that blocks its thread. As a [`Stream`] it ends when
/// the channel is closed and drained.
///
/// ```
/// # use maniac_sync::mpsc;
/// # pollster::block_on(async {
/// let (sender, mut receiver) = mpsc::channel(16);
/// sender.send("message").await.unwrap();
/// drop(sender);
/// assert_eq!(receiver.recv().await, Some("message"));
/// assert_eq!(receiver.recv().await, None);
/// # });
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// There is one for each channel.
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    #[inline(always)]
    fn consumer(&mut self) -> Consumer<'_, T> {
        // SAFETY: [INV-3] this is the channel's only receiver, borrowed exclusively.
        unsafe { Consumer::new(&self.shared) }
    }

    /// Receives the next message; `None` when the channel is closed and drained.
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped before it was ready.
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
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiver: self }
    }

    /// Polls for the next message; ready with `None` when the channel is closed and drained. Only the waker of the last
    /// poll is woken.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # use std::task::{Context, Poll, Waker};
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(receiver.poll_recv(&mut context).is_pending());
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.poll_recv(&mut context), Poll::Ready(Some(1)));
    /// ```
    #[inline]
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut consumer = self.consumer();
        match consumer.pop() {
            Pop::Value(value) => Poll::Ready(Some(value)),
            Pop::Closed => Poll::Ready(None),
            Pop::Empty | Pop::Unpublished => consumer.poll(context, Consumer::pop),
        }
    }

    /// Receives the next message if it is there.
    ///
    /// # Errors
    ///
    /// No message is there; or none will come, since the channel is closed and drained.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, TryRecvError};
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.consumer().pop() {
            Pop::Value(value) => Ok(value),
            Pop::Empty | Pop::Unpublished => Err(TryRecvError::Empty),
            Pop::Closed => Err(TryRecvError::Closed),
        }
    }

    /// Receives the next message, blocking the thread until it comes; `None` when the channel is closed and drained.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// std::thread::spawn(move || sender.send_blocking(1));
    /// assert_eq!(receiver.recv_blocking(), Some(1));
    /// assert_eq!(receiver.recv_blocking(), None);
    /// ```
    #[inline]
    pub fn recv_blocking(&mut self) -> Option<T> {
        match self.consumer().pop() {
            Pop::Value(value) => Some(value),
            _ => self.block_for_one(None).flatten(),
        }
    }

    /// Receives the next message, blocking the thread at most for `timeout`.
    ///
    /// # Errors
    ///
    /// No message came in time, or the channel is closed and drained.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, RecvTimeoutError};
    /// # use std::time::Duration;
    /// let (_sender, mut receiver) = mpsc::channel::<u8>(1);
    /// assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Receives the next message, blocking the thread until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// No message came in time, or the channel is closed and drained.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, RecvTimeoutError};
    /// # use std::time::Instant;
    /// let (_sender, mut receiver) = mpsc::channel::<u8>(1);
    /// assert_eq!(receiver.recv_deadline(Instant::now()), Err(RecvTimeoutError::Timeout));
    /// ```
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(deadline))
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        match self.block_for_one(deadline) {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(RecvTimeoutError::Closed),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    fn block_for_one(&mut self, deadline: Option<Instant>) -> Option<Option<T>> {
        // The method's name in place of the closure would fix the lifetime.
        #[expect(clippy::redundant_closure_for_method_calls)]
        self.block(deadline, |consumer| consumer.pop())
    }

    /// Spins a little, then parks. `None` when the deadline has passed, `Some(None)` when the channel is at its end.
    fn block<R>(
        &mut self,
        deadline: Option<Instant>,
        mut pop: impl FnMut(&mut Consumer<'_, T>) -> Pop<R>,
    ) -> Option<Option<R>> {
        let mut consumer = self.consumer();
        loop {
            match pop(&mut consumer) {
                Pop::Value(value) => return Some(Some(value)),
                Pop::Closed => return Some(None),
                Pop::Empty | Pop::Unpublished if consumer.spin() => {}
                Pop::Empty | Pop::Unpublished => break,
            }
        }
        block_on(deadline, |context| consumer.poll(context, &mut pop))
    }

    /// Receives up to `limit` messages at once: waits for the first, takes what else is there, appends them to `buffer` and
    /// gives their number, which is 0 only when the channel is closed and drained or `limit` is 0.
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped before it was ready.
    ///
    /// ```
    /// # use maniac_sync::{MESSAGE_BATCH_SIZE, mpsc};
    /// # pollster::block_on(async {
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// for number in 0..3 {
    ///     sender.try_send(number).unwrap();
    /// }
    /// let mut batch = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut batch, MESSAGE_BATCH_SIZE).await, 3);
    /// assert_eq!(batch, [0, 1, 2]);
    /// # });
    /// ```
    pub fn recv_many<'a>(&'a mut self, buffer: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T> {
        RecvMany { receiver: self, buffer, limit }
    }

    /// Polls as [`recv_many`](Receiver::recv_many) does.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// # use std::task::{Context, Poll, Waker};
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// sender.try_send(1).unwrap();
    /// let mut batch = Vec::new();
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert_eq!(receiver.poll_recv_many(&mut context, &mut batch, 8), Poll::Ready(1));
    /// ```
    pub fn poll_recv_many(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.consumer()
            .poll(context, |consumer| consumer.pop_many(buffer, limit))
            .map(|count| count.unwrap_or(0))
    }

    /// As [`recv_many`](Receiver::recv_many), blocking the thread until a message comes.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// sender.try_send(1).unwrap();
    /// drop(sender);
    /// let mut batch = Vec::new();
    /// assert_eq!(receiver.recv_many_blocking(&mut batch, 8), 1);
    /// assert_eq!(receiver.recv_many_blocking(&mut batch, 8), 0);
    /// ```
    pub fn recv_many_blocking(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.block(None, |consumer| consumer.pop_many(buffer, limit)).flatten().unwrap_or(0)
    }

    /// As [`recv_many`](Receiver::recv_many), but only what is there; the number may be 0 at any time.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// let mut batch = Vec::new();
    /// assert_eq!(receiver.try_recv_many(&mut batch, 8), 0);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.try_recv_many(&mut batch, 8), 1);
    /// ```
    pub fn try_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        match self.consumer().pop_many(buffer, limit) {
            Pop::Value(count) => count,
            Pop::Empty | Pop::Closed | Pop::Unpublished => 0,
        }
    }

    /// An iterator over the messages that blocks the thread for each, until the channel is closed and drained.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// std::thread::spawn(move || (0..3).for_each(|number| sender.send_blocking(number).unwrap()));
    /// assert_eq!(receiver.iter_blocking().sum::<i32>(), 3);
    /// ```
    pub fn iter_blocking(&mut self) -> IterBlocking<'_, T> {
        IterBlocking { receiver: self }
    }

    /// Closes the channel: nothing more can be sent, those who wait to send get their messages back, and what was sent
    /// before can still be received. Permits reserved before give messages back too.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(2);
    /// sender.try_send(1).unwrap();
    /// receiver.close();
    /// assert!(sender.try_send(2).is_err());
    /// assert_eq!(receiver.recv_blocking(), Some(1));
    /// assert_eq!(receiver.recv_blocking(), None);
    /// ```
    pub fn close(&mut self) {
        self.consumer().close();
    }

    /// Whether the channel is closed, by this end or because the last sender is gone. Messages may still be in it.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many messages the channel holds, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, receiver) = mpsc::channel(8);
    /// sender.try_send('a').unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether the channel holds no message, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (_sender, receiver) = mpsc::channel::<u8>(8);
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages the channel can hold; `None` if it is unbounded.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// assert_eq!(mpsc::channel::<u8>(8).1.capacity(), Some(8));
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// How many senders there are.
    ///
    /// ```
    /// # use maniac_sync::mpsc;
    /// let (sender, receiver) = mpsc::unbounded::<u8>();
    /// drop(sender);
    /// assert_eq!(receiver.sender_count(), 0);
    /// ```
    pub fn sender_count(&self) -> usize {
        self.shared.senders()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.consumer().finish();
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_recv(context)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

// A panic never leaves the shared state half-changed.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

/// The future of [`Receiver::recv`].
///
/// ```
/// use maniac_sync::mpsc::{self, Recv};
/// let (sender, mut receiver) = mpsc::channel(1);
/// drop(sender);
/// let end: Recv<'_, u8> = receiver.recv();
/// assert_eq!(pollster::block_on(end), None);
/// ```
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Recv<'a, T> {
    receiver: &'a mut Receiver<T>,
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().receiver.poll_recv(context)
    }
}

/// The future of [`Receiver::recv_many`].
///
/// ```
/// use maniac_sync::mpsc::{self, RecvMany};
/// let (sender, mut receiver) = mpsc::channel(4);
/// sender.try_send(1).unwrap();
/// let mut batch = Vec::new();
/// let some: RecvMany<'_, i32> = receiver.recv_many(&mut batch, 4);
/// assert_eq!(pollster::block_on(some), 1);
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct RecvMany<'a, T> {
    receiver: &'a mut Receiver<T>,
    buffer: &'a mut Vec<T>,
    limit: usize,
}

impl<T> Future for RecvMany<'_, T> {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let Self { receiver, buffer, limit } = self.get_mut();
        receiver.poll_recv_many(context, buffer, *limit)
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The iterator of [`Receiver::iter_blocking`].
///
/// ```
/// use maniac_sync::mpsc::{self, IterBlocking};
/// let (sender, mut receiver) = mpsc::channel(4);
/// sender.try_send(1).unwrap();
/// let mut messages: IterBlocking<'_, i32> = receiver.iter_blocking();
/// assert_eq!(messages.next(), Some(1));
/// drop(sender);
/// assert_eq!(messages.next(), None);
/// ```
#[derive(Debug)]
pub struct IterBlocking<'a, T> {
    receiver: &'a mut Receiver<T>,
}

impl<T> Iterator for IterBlocking<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv_blocking()
    }
}
