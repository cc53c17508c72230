//! Ends that wait in one way only. They are thin: all of it is [`Sender`] and [`Receiver`].

use super::{
    error::{RecvTimeoutError, ReserveError, SendError, SendTimeoutError, TryRecvError, TrySendError},
    receiver::{Receiver, Recv, RecvMany},
    room::{Closed, Permit, Reserve, Send},
    sender::Sender,
};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// A [`Sender`] that waits asynchronously.
///
/// ```
/// # use maniac_sync::mpsc::{self, AsyncMpscSender, BlockingMpscReceiver};
/// let (sender, receiver) = mpsc::channel(1);
/// let (sender, mut receiver) = (AsyncMpscSender::from(sender), BlockingMpscReceiver::from(receiver));
/// std::thread::spawn(move || pollster::block_on(sender.send(1)).unwrap());
/// assert_eq!(receiver.recv(), Some(1));
/// ```
#[derive(Clone, Debug)]
pub struct AsyncMpscSender<T>(Sender<T>);

/// A [`Sender`] that blocks its thread.
///
/// ```
/// # use maniac_sync::mpsc::{self, BlockingMpscSender};
/// let (sender, mut receiver) = mpsc::channel(1);
/// let sender = BlockingMpscSender::from(sender);
/// std::thread::spawn(move || sender.send(1).unwrap());
/// # pollster::block_on(async {
/// assert_eq!(receiver.recv().await, Some(1));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct BlockingMpscSender<T>(Sender<T>);

/// A [`Receiver`] that waits asynchronously.
///
/// ```
/// # use maniac_sync::mpsc::{self, AsyncMpscReceiver};
/// let (sender, receiver) = mpsc::channel(1);
/// let mut receiver = AsyncMpscReceiver::from(receiver);
/// sender.send_blocking(1).unwrap();
/// # pollster::block_on(async {
/// assert_eq!(receiver.recv().await, Some(1));
/// # });
/// ```
#[derive(Debug)]
pub struct AsyncMpscReceiver<T>(Receiver<T>);

/// A [`Receiver`] that blocks its thread. As an iterator it ends when the channel is closed and drained.
///
/// ```
/// # use maniac_sync::mpsc::{self, BlockingMpscReceiver};
/// let (sender, receiver) = mpsc::channel(4);
/// let receiver = BlockingMpscReceiver::from(receiver);
/// sender.try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// drop(sender);
/// assert_eq!(receiver.collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Debug)]
pub struct BlockingMpscReceiver<T>(Receiver<T>);

/// Conversions between an end and its typed form, both ways, and between the two typed forms.
macro_rules! converts {
    ($end:ident: $one:ident <=> $other:ident) => {
        converts!($end => $one);
        converts!($end => $other);

        impl<T> From<$one<T>> for $other<T> {
            fn from(end: $one<T>) -> Self {
                Self(end.0)
            }
        }

        impl<T> From<$other<T>> for $one<T> {
            fn from(end: $other<T>) -> Self {
                Self(end.0)
            }
        }
    };
    ($end:ident => $typed:ident) => {
        impl<T> From<$end<T>> for $typed<T> {
            fn from(end: $end<T>) -> Self {
                Self(end)
            }
        }

        impl<T> From<$typed<T>> for $end<T> {
            fn from(end: $typed<T>) -> Self {
                end.0
            }
        }

        impl<T> AsRef<$end<T>> for $typed<T> {
            fn as_ref(&self) -> &$end<T> {
                &self.0
            }
        }
    };
}

converts!(Sender: AsyncMpscSender <=> BlockingMpscSender);
converts!(Receiver: AsyncMpscReceiver <=> BlockingMpscReceiver);

impl<T> AsyncMpscSender<T> {
    /// [`Sender::send`].
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
    /// # use maniac_sync::mpsc::{self, AsyncMpscSender};
    /// # pollster::block_on(async {
    /// let (sender, _receiver) = mpsc::channel(1);
    /// AsyncMpscSender::from(sender).send(1).await.unwrap();
    /// # });
    /// ```
    #[inline]
    pub fn send(&self, value: T) -> Send<'_, T> {
        self.0.send(value)
    }

    /// [`Sender::try_send`].
    ///
    /// # Errors
    ///
    /// The channel is full or closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, AsyncMpscSender};
    /// let (sender, _receiver) = mpsc::channel(1);
    /// AsyncMpscSender::from(sender).try_send(1).unwrap();
    /// ```
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(value)
    }

    /// [`Sender::reserve`].
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
    /// # use maniac_sync::mpsc::{self, AsyncMpscSender};
    /// # pollster::block_on(async {
    /// let (sender, _receiver) = mpsc::channel(1);
    /// AsyncMpscSender::from(sender).reserve().await.unwrap().send(1).unwrap();
    /// # });
    /// ```
    pub fn reserve(&self) -> Reserve<'_, T> {
        self.0.reserve()
    }

    /// [`Sender::closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, AsyncMpscSender};
    /// # pollster::block_on(async {
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// drop(receiver);
    /// AsyncMpscSender::from(sender).closed().await;
    /// # });
    /// ```
    pub fn closed(&self) -> Closed<'_, T> {
        self.0.closed()
    }
}

impl<T> BlockingMpscSender<T> {
    /// [`Sender::send_blocking`].
    ///
    /// # Errors
    ///
    /// The channel is closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscSender};
    /// let (sender, _receiver) = mpsc::channel(1);
    /// BlockingMpscSender::from(sender).send(1).unwrap();
    /// ```
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.0.send_blocking(value)
    }

    /// [`Sender::try_send`].
    ///
    /// # Errors
    ///
    /// The channel is full or closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscSender};
    /// let (sender, _receiver) = mpsc::channel(1);
    /// BlockingMpscSender::from(sender).try_send(1).unwrap();
    /// ```
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(value)
    }

    /// [`Sender::send_timeout_blocking`].
    ///
    /// # Errors
    ///
    /// There was no room in time, or the channel is closed; the message comes back.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscSender};
    /// # use std::time::Duration;
    /// let (sender, _receiver) = mpsc::channel(1);
    /// BlockingMpscSender::from(sender).send_timeout(1, Duration::ZERO).unwrap();
    /// ```
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.0.send_timeout_blocking(value, timeout)
    }

    /// [`Sender::reserve_blocking`].
    ///
    /// # Errors
    ///
    /// The channel is closed.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscSender};
    /// let (sender, _receiver) = mpsc::channel(1);
    /// BlockingMpscSender::from(sender).reserve().unwrap().send(1).unwrap();
    /// ```
    pub fn reserve(&self) -> Result<Permit<'_, T>, ReserveError> {
        self.0.reserve_blocking()
    }
}

impl<T> AsyncMpscReceiver<T> {
    /// [`Receiver::recv`].
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped before it was ready.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, AsyncMpscReceiver};
    /// # pollster::block_on(async {
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// drop(sender);
    /// assert_eq!(AsyncMpscReceiver::from(receiver).recv().await, None);
    /// # });
    /// ```
    #[inline]
    pub fn recv(&mut self) -> Recv<'_, T> {
        self.0.recv()
    }

    /// [`Receiver::recv_many`].
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped before it was ready.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, AsyncMpscReceiver};
    /// # pollster::block_on(async {
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// drop(sender);
    /// assert_eq!(AsyncMpscReceiver::from(receiver).recv_many(&mut Vec::new(), 8).await, 0);
    /// # });
    /// ```
    pub fn recv_many<'a>(&'a mut self, buffer: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T> {
        self.0.recv_many(buffer, limit)
    }

    /// [`Receiver::try_recv`].
    ///
    /// # Errors
    ///
    /// No message is there; or none will come.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, AsyncMpscReceiver};
    /// let (_sender, receiver) = mpsc::channel::<u8>(1);
    /// assert!(AsyncMpscReceiver::from(receiver).try_recv().is_err());
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// [`Receiver::close`].
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, AsyncMpscReceiver};
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// AsyncMpscReceiver::from(receiver).close();
    /// assert!(sender.is_closed());
    /// ```
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl<T> Stream for AsyncMpscReceiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().0.poll_recv(context)
    }
}

impl<T> BlockingMpscReceiver<T> {
    /// [`Receiver::recv_blocking`].
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscReceiver};
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// drop(sender);
    /// assert_eq!(BlockingMpscReceiver::from(receiver).recv(), None);
    /// ```
    #[inline]
    pub fn recv(&mut self) -> Option<T> {
        self.0.recv_blocking()
    }

    /// [`Receiver::recv_many_blocking`].
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscReceiver};
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// drop(sender);
    /// assert_eq!(BlockingMpscReceiver::from(receiver).recv_many(&mut Vec::new(), 8), 0);
    /// ```
    pub fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.0.recv_many_blocking(buffer, limit)
    }

    /// [`Receiver::recv_deadline`].
    ///
    /// # Errors
    ///
    /// No message came in time, or the channel is closed and drained.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscReceiver};
    /// # use std::time::Instant;
    /// let (_sender, receiver) = mpsc::channel::<u8>(1);
    /// assert!(BlockingMpscReceiver::from(receiver).recv_deadline(Instant::now()).is_err());
    /// ```
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.0.recv_deadline(deadline)
    }

    /// [`Receiver::try_recv`].
    ///
    /// # Errors
    ///
    /// No message is there; or none will come.
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscReceiver};
    /// let (_sender, receiver) = mpsc::channel::<u8>(1);
    /// assert!(BlockingMpscReceiver::from(receiver).try_recv().is_err());
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// [`Receiver::close`].
    ///
    /// ```
    /// # use maniac_sync::mpsc::{self, BlockingMpscReceiver};
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// BlockingMpscReceiver::from(receiver).close();
    /// assert!(sender.is_closed());
    /// ```
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl<T> Iterator for BlockingMpscReceiver<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.recv()
    }
}
