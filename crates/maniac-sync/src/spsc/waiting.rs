//! The ends that can wait, asynchronously or by blocking their thread.

use super::{
    ends::{ReadChunk, WriteChunk},
    error::{PopError, PushError, SendError},
    ring::{NoRoom, NoValue, Reader, Writer, ends},
};
use crate::park::{Backoff, block_on};
use crate::wait::{self, Word};
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

static ROOM: Word = Word::new("room in a channel");
static MESSAGE: Word = Word::new("a message of a channel");

/// A [`SegSpsc`](super::SegSpsc) whose ends can wait for each other.
///
/// ```
/// # use maniac_sync::spsc;
/// # pollster::block_on(async {
/// let (mut sender, mut receiver) = spsc::channel::<_, 12>();
/// std::thread::spawn(move || sender.send_blocking("from a thread").unwrap());
/// assert_eq!(receiver.recv().await, Some("from a thread"));
/// assert_eq!(receiver.recv().await, None);
/// # });
/// ```
pub fn channel<T, const P: u32>() -> (Sender<T, P>, Receiver<T, P>) {
    let (writer, reader) = ends();
    (Sender { writer }, Receiver { reader })
}

/// The writing end of a [`channel`]. Dropping it closes the queue; what was sent can still be received.
///
/// ```
/// # use maniac_sync::spsc;
/// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
/// sender.send_blocking(1).unwrap();
/// assert_eq!(receiver.recv_blocking(), Some(1));
/// ```
pub struct Sender<T, const P: u32> {
    writer: Writer<T, P, true>,
}

impl<T, const P: u32> Sender<T, P> {
    /// Polls for room for one value at least.
    ///
    /// # Errors
    ///
    /// The receiver is gone.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// # use std::task::{Context, Waker};
    /// let (mut sender, _receiver) = spsc::channel::<u8, 0>();
    /// let mut context = Context::from_waker(Waker::noop());
    /// while sender.poll_ready(&mut context).is_ready() {
    ///     sender.try_send(1).unwrap();
    /// }
    /// assert_eq!(sender.len(), 64);
    /// ```
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        let mut backoff = Backoff::new();
        loop {
            match self.writer.room() {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(NoRoom::Closed) => return Poll::Ready(Err(SendError(()))),
                Err(NoRoom::Full) if self.writer.wait(context.waker()) => return wait::pending_on(&ROOM),
                // Room was just made, or we are just being woken.
                Err(NoRoom::Full) => backoff.snooze(),
            }
            if backoff.is_yielding() {
                context.waker().wake_by_ref();
                return wait::pending_on(&ROOM);
            }
        }
    }

    /// Sends a value, waiting for room if need be.
    ///
    /// # Errors
    ///
    /// The receiver is gone; the value comes back.
    ///
    /// # Cancel safety
    ///
    /// The value was sent if the future was ready, and was not if it is dropped before.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// # pollster::block_on(async {
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    #[inline]
    pub fn send(&mut self, value: T) -> Send<'_, T, P> {
        Send { sender: self, value: Some(value) }
    }

    /// Sends a value if there is room.
    ///
    /// # Errors
    ///
    /// The queue is full, or the receiver is gone; the value comes back.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, _receiver) = spsc::channel::<_, 4>();
    /// sender.try_send(1).unwrap();
    /// ```
    #[inline]
    pub fn try_send(&mut self, value: T) -> Result<(), PushError<T>> {
        self.writer.try_push(value)
    }

    /// Sends a value, blocking the thread while there is no room.
    ///
    /// # Errors
    ///
    /// The receiver is gone; the value comes back.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, _receiver) = spsc::channel::<_, 4>();
    /// sender.send_blocking(1).unwrap();
    /// ```
    pub fn send_blocking(&mut self, value: T) -> Result<(), SendError<T>> {
        let mut backoff = Backoff::new();
        while self.writer.room().is_err_and(NoRoom::is_full) && !backoff.is_over() {
            backoff.snooze();
        }
        if self.writer.room().is_err_and(NoRoom::is_full) {
            block_on(None, |context| self.poll_ready(context));
        }
        self.writer.try_push(value).map_err(|error| SendError(error.into_inner()))
    }

    /// Sends the slice's first values, as many as there is room for, all at once, and gives their number.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, _receiver) = spsc::channel::<_, 4>();
    /// assert_eq!(sender.send_slice(&[1, 2, 3]), 3);
    /// ```
    pub fn send_slice(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.writer.push_slice(values)
    }

    /// Sends values until there are no more or the queue is full or closed, all at once, and gives their number.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, _receiver) = spsc::channel::<_, 4>();
    /// assert_eq!(sender.send_iter(0..10), 10);
    /// ```
    pub fn send_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        self.writer.push_iter(values)
    }

    /// A chunk to put values into one by one that the receiver sees all at once, when the chunk is dropped.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// sender.write_chunk().push(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn write_chunk(&mut self) -> WriteChunk<'_, T, P, true> {
        WriteChunk::new(&mut self.writer)
    }

    /// How many values the queue holds, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// assert_eq!(spsc::channel::<u8, 4>().0.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.writer.ring.len()
    }

    /// Whether the queue holds no value, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// assert!(spsc::channel::<u8, 4>().0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the receiver is gone.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (sender, receiver) = spsc::channel::<u8, 4>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.writer.ring.is_closed()
    }
}

impl<T, const P: u32> fmt::Debug for Sender<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The reading end of a [`channel`]. Dropping it drops the values in the queue.
///
/// ```
/// # use maniac_sync::spsc;
/// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
/// sender.send_blocking(1).unwrap();
/// drop(sender);
/// assert_eq!(receiver.recv_blocking(), Some(1));
/// assert_eq!(receiver.recv_blocking(), None);
/// ```
pub struct Receiver<T, const P: u32> {
    reader: Reader<T, P, true>,
}

impl<T, const P: u32> Receiver<T, P> {
    /// Polls until there is something to read. False at the end.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let mut backoff = Backoff::new();
        loop {
            match self.reader.ready() {
                Ok(_) => return Poll::Ready(true),
                Err(NoValue::Closed) => return Poll::Ready(false),
                Err(NoValue::Empty) if self.reader.wait(context.waker()) => {
                    return wait::pending_on(&MESSAGE);
                }
                // A value just came, or we are just being woken.
                Err(NoValue::Empty) => backoff.snooze(),
            }
            if backoff.is_yielding() {
                context.waker().wake_by_ref();
                return wait::pending_on(&MESSAGE);
            }
        }
    }

    /// Blocks until there is something to read. False at the end; `None` if the deadline passed before.
    fn block(&mut self, deadline: Option<Instant>) -> Option<bool> {
        let mut backoff = Backoff::new();
        while self.reader.ready() == Err(NoValue::Empty) {
            if backoff.is_over() {
                return block_on(deadline, |context| self.poll_ready(context));
            }
            backoff.snooze();
        }
        Some(self.reader.ready().is_ok())
    }

    /// Receives the next value; `None` when the sender is gone and the queue drained.
    ///
    /// # Cancel safety
    ///
    /// No value is lost when the future is dropped before it was ready.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// # pollster::block_on(async {
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    #[inline]
    pub fn recv(&mut self) -> Recv<'_, T, P> {
        Recv { receiver: self }
    }

    /// Polls for the next value. Only the waker of the last poll is woken.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// # use std::task::{Context, Poll, Waker};
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(receiver.poll_recv(&mut context).is_pending());
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.poll_recv(&mut context), Poll::Ready(Some(1)));
    /// ```
    #[inline]
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        match self.reader.try_pop() {
            Ok(value) => Poll::Ready(Some(value)),
            Err(PopError::Closed) => Poll::Ready(None),
            Err(PopError::Empty) => self.poll_ready(context).map(|_| self.reader.try_pop().ok()),
        }
    }

    /// Receives the next value if it is there.
    ///
    /// # Errors
    ///
    /// The queue is empty; or empty for ever, since the sender is gone.
    ///
    /// ```
    /// # use maniac_sync::spsc::{self, PopError};
    /// let (_sender, mut receiver) = spsc::channel::<u8, 4>();
    /// assert_eq!(receiver.try_recv(), Err(PopError::Empty));
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, PopError> {
        self.reader.try_pop()
    }

    /// Receives the next value, blocking the thread until it comes; `None` when the sender is gone and the queue drained.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// std::thread::spawn(move || sender.send_blocking(1));
    /// assert_eq!(receiver.recv_blocking(), Some(1));
    /// ```
    #[inline]
    pub fn recv_blocking(&mut self) -> Option<T> {
        if self.reader.ready().is_err() {
            self.block(None);
        }
        self.reader.try_pop().ok()
    }

    /// Receives the next value, blocking the thread until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if none came in time, [`PopError::Closed`] when the sender is gone and the queue drained.
    ///
    /// ```
    /// # use maniac_sync::spsc::{self, PopError};
    /// # use std::time::Instant;
    /// let (_sender, mut receiver) = spsc::channel::<u8, 4>();
    /// assert_eq!(receiver.recv_deadline(Instant::now()), Err(PopError::Empty));
    /// ```
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, PopError> {
        self.block(Some(deadline));
        self.reader.try_pop()
    }

    /// Receives as many values as there are, at most the slice's length, and gives their number.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// sender.send_slice(&[1, 2]);
    /// let mut values = [0; 8];
    /// assert_eq!(receiver.try_recv_slice(&mut values), 2);
    /// ```
    pub fn try_recv_slice(&mut self, values: &mut [T]) -> usize
    where
        T: Copy,
    {
        self.reader.pop_slice(values)
    }

    /// Receives as many values as there are, at most `limit`, appends them to `buffer` and gives their number.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// sender.send_slice(&[1, 2]);
    /// assert_eq!(receiver.try_recv_many(&mut Vec::new(), 8), 2);
    /// ```
    pub fn try_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.reader.pop_many(buffer, limit)
    }

    /// An iterator over what is there, at most `limit` values.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (mut sender, mut receiver) = spsc::channel::<_, 4>();
    /// sender.send_slice(&[1, 2]);
    /// assert_eq!(receiver.read_chunk(8).sum::<i32>(), 3);
    /// ```
    pub fn read_chunk(&mut self, limit: usize) -> ReadChunk<'_, T, P, true> {
        ReadChunk::new(&mut self.reader, limit)
    }

    /// How many values the queue holds, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// assert_eq!(spsc::channel::<u8, 4>().1.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.reader.ring.len()
    }

    /// Whether the queue holds no value, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// assert!(spsc::channel::<u8, 4>().1.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the sender is gone. Values may still be in the queue.
    ///
    /// ```
    /// # use maniac_sync::spsc;
    /// let (sender, receiver) = spsc::channel::<u8, 4>();
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.reader.ring.is_closed()
    }
}

impl<T, const P: u32> Stream for Receiver<T, P> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_recv(context)
    }
}

impl<T, const P: u32> fmt::Debug for Receiver<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`Sender::send`].
///
/// ```
/// use maniac_sync::spsc::{self, Send};
/// let (mut sender, receiver) = spsc::channel::<_, 4>();
/// let send: Send<'_, i32, 4> = sender.send(7);
/// drop(receiver);
/// assert_eq!(pollster::block_on(send).unwrap_err().0, 7, "comes back");
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Send<'a, T, const P: u32> {
    sender: &'a mut Sender<T, P>,
    value: Option<T>,
}

impl<T, const P: u32> Future for Send<'_, T, P> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.sender.poll_ready(context).is_pending() {
            return Poll::Pending;
        }
        let Some(value) = this.value.take() else { panic!("polled again after it was ready") };
        Poll::Ready(this.sender.writer.try_push(value).map_err(|error| SendError(error.into_inner())))
    }
}

// The value is never pinned.
impl<T, const P: u32> Unpin for Send<'_, T, P> {}

impl<T, const P: u32> fmt::Debug for Send<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Send")
    }
}

/// The future of [`Receiver::recv`].
///
/// ```
/// use maniac_sync::spsc::{self, Recv};
/// let (sender, mut receiver) = spsc::channel::<u8, 4>();
/// drop(sender);
/// let end: Recv<'_, u8, 4> = receiver.recv();
/// assert_eq!(pollster::block_on(end), None);
/// ```
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Recv<'a, T, const P: u32> {
    receiver: &'a mut Receiver<T, P>,
}

impl<T, const P: u32> Future for Recv<'_, T, P> {
    type Output = Option<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().receiver.poll_recv(context)
    }
}
