//! What sockets of datagrams share.

use super::{register, unregister};
use crate::rt;
use maniac_driver::{Interest, OwnedDescriptor, ReadyEvent, Registration, SharedFd};
use maniac_runtime::coop;
use std::io;
use std::task::{Context, Poll, ready};

/// A descriptor and its readiness. Any number of tasks may send and receive at the same time.
#[derive(Debug)]
pub(super) struct Datagram {
    io: Registration,
}

impl Datagram {
    pub(super) fn new(fd: OwnedDescriptor) -> io::Result<Self> {
        Ok(Self { io: register(SharedFd::new(fd))? })
    }

    pub(super) fn fd(&self) -> &SharedFd {
        self.io.fd()
    }

    pub(super) async fn into_descriptor(self) -> io::Result<OwnedDescriptor> {
        unregister(self.io).await
    }

    /// Receives by `call`, once that does not block.
    pub(super) async fn receive<R>(&self, call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        rt::charge().await;
        self.io.io(Interest::READABLE, call).await
    }

    /// Sends by `call`, once that does not block.
    pub(super) async fn send<R>(&self, call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        rt::charge().await;
        self.io.io(Interest::WRITABLE, call).await
    }

    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        call: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let unit = ready!(coop::poll_proceed(cx));
        let result = ready!(self.io.poll_io(cx, interest, call));
        unit.made_progress();
        Poll::Ready(result)
    }

    pub(super) fn try_now<R>(
        &self,
        interest: Interest,
        call: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.try_io(interest, call)
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<ReadyEvent> {
        rt::charge().await;
        self.io.ready(interest).await
    }
}

/// The methods that UDP and Unix datagram sockets have in common. `$addr` is the type of an address, `$given` what `send_to`
/// takes; `$example` makes two sockets `a` and `b`, connected to each other.
macro_rules! datagram_methods {
    ($example:expr) => {
        /// Sends a datagram to the connected peer.
        ///
        /// # Errors
        ///
        /// Those of send(2); `ConnectionRefused` may be the answer to an earlier one.
        ///
        /// # Cancel safety
        ///
        /// Dropped, it has sent nothing.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.send(b"hello").await?;
        /// let mut buf = [0; 16];
        /// let count = b.recv(&mut buf).await?;
        /// assert_eq!(&buf[..count], b"hello");
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn send(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.io.send(|| crate::sys::send(self.io.fd(), buf)).await
        }

        /// As [`send`](Self::send), to be polled; of several tasks, the last to poll is woken.
        ///
        /// # Errors
        ///
        /// As for `send`.
        pub fn poll_send(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.io.poll(cx, maniac_driver::Interest::WRITABLE, || crate::sys::send(self.io.fd(), buf))
        }

        /// As [`send`](Self::send), without waiting.
        ///
        /// # Errors
        ///
        /// As for `send`; `WouldBlock` if there is no room.
        pub fn try_send(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.io.try_now(maniac_driver::Interest::WRITABLE, || crate::sys::send(self.io.fd(), buf))
        }

        /// Receives a datagram, of the connected peer if there is one. What does not fit into `buf` is lost.
        ///
        /// # Errors
        ///
        /// Those of recv(2); `ConnectionRefused` may be the answer to what was sent.
        ///
        /// # Cancel safety
        ///
        /// No datagram is lost.
        pub async fn recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.io.receive(|| crate::sys::recv(self.io.fd(), buf)).await
        }

        /// As [`recv`](Self::recv), to be polled; of several tasks, the last to poll is woken.
        ///
        /// # Errors
        ///
        /// As for `recv`.
        pub fn poll_recv(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut [u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.io.poll(cx, maniac_driver::Interest::READABLE, || crate::sys::recv(self.io.fd(), buf))
        }

        /// As [`recv`](Self::recv), without waiting.
        ///
        /// # Errors
        ///
        /// As for `recv`; `WouldBlock` if there is none.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// let error = b.try_recv(&mut [0; 16]).unwrap_err();
        /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        /// a.try_send(b"hello")?;
        /// b.readable().await?;
        /// assert_eq!(b.try_recv(&mut [0; 16])?, 5);
        /// # Ok(()) })
        /// # }
        /// ```
        pub fn try_recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.io.try_now(maniac_driver::Interest::READABLE, || crate::sys::recv(self.io.fd(), buf))
        }

        /// Looks at the next datagram without taking it (MSG_PEEK).
        ///
        /// # Errors
        ///
        /// Those of recv(2).
        ///
        /// # Cancel safety
        ///
        /// No datagram is lost.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.send(b"hello").await?;
        /// assert_eq!(b.peek(&mut [0; 16]).await?, 5);
        /// assert_eq!(b.recv(&mut [0; 16]).await?, 5);
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn peek(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.io.receive(|| crate::sys::peek(self.io.fd(), buf)).await
        }

        /// Waits until there may be a datagram. A call may still find none.
        ///
        /// # Errors
        ///
        /// If the runtime is shut down.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.io.ready(maniac_driver::Interest::READABLE).await.map(drop)
        }

        /// Waits until there may be room to send. A call may still find none.
        ///
        /// # Errors
        ///
        /// If the runtime is shut down.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.io.ready(maniac_driver::Interest::WRITABLE).await.map(drop)
        }

        /// Waits until it is ready for any of `interest`, and says for what.
        ///
        /// # Errors
        ///
        /// If the runtime is shut down.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        pub async fn ready(
            &self,
            interest: maniac_driver::Interest,
        ) -> std::io::Result<maniac_driver::ReadyEvent> {
            self.io.ready(interest).await
        }

        /// Takes the error that is pending on the socket (SO_ERROR).
        ///
        /// # Errors
        ///
        /// Those of getsockopt(2).
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// use maniac_driver::Interest;
        /// use std::future::poll_fn;
        /// a.writable().await?;
        /// assert_eq!(poll_fn(|cx| a.poll_send(cx, b"hello")).await?, 5);
        /// assert!(b.ready(Interest::READABLE).await?.is_readable());
        /// assert_eq!(poll_fn(|cx| b.poll_recv(cx, &mut [0; 16])).await?, 5);
        /// assert!(a.take_error()?.is_none());
        /// # Ok(()) })
        /// # }
        /// ```
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
            socket2::SockRef::from(self.io.fd()).take_error()
        }
    };
}
