//! The methods that all streams have, written once. `$example` makes two connected ends `a` and `b`; `$of` reaches the
//! [`Stream`](super::stream::Stream).

/// The first lines, hidden, of a runnable example that uses `$example`. (rustfmt would push an attribute of several lines
/// further to the right each time it runs.)
macro_rules! begin_example {
    ($example:expr) => {
        concat!(
            "# fn main() -> std::io::Result<()> {\n",
            "# maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {\n",
            $example
        )
    };
}

/// Reading, for anything that can be read.
macro_rules! read_methods {
    ($example:expr) => {
        /// Reads into `buf`. 0 means that the other end writes no more, or that `buf` is empty.
        ///
        /// # Errors
        ///
        /// Those of read(2).
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.write_all(b"hello").await?;
        /// let mut buf = [0; 16];
        /// let count = b.read(&mut buf).await?;
        /// assert_eq!(&buf[..count], b"hello");
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            std::future::poll_fn(|cx| self.stream().poll_read(cx, buf)).await
        }

        /// Reads until `buf` is full.
        ///
        /// # Errors
        ///
        /// Those of read(2); `UnexpectedEof` if the other end writes no more before.
        ///
        /// # Cancel safety
        ///
        /// None: what was read before is lost.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.write_all(b"hello").await?;
        /// let mut buf = [0; 5];
        /// b.read_exact(&mut buf).await?;
        /// assert_eq!(&buf, b"hello");
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn read_exact(&mut self, buf: &mut [u8]) -> std::io::Result<()> {
            $crate::io::AsyncReadExt::read_exact(self, buf).await
        }

        /// Reads until the other end writes no more, behind what `buf` holds; says how much that was.
        ///
        /// # Errors
        ///
        /// Those of read(2). What was read before lies in `buf`.
        ///
        /// # Cancel safety
        ///
        /// What was read before lies in `buf`.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.write_all(b"to the end").await?;
        /// drop(a);
        /// let mut all = Vec::new();
        /// assert_eq!(b.read_to_end(&mut all).await?, 10);
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn read_to_end(&mut self, buf: &mut Vec<u8>) -> std::io::Result<usize> {
            $crate::io::read_to_end(self, buf).await
        }

        /// Reads into several buffers, one after the other (readv(2)).
        ///
        /// # Errors
        ///
        /// Those of readv(2).
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.write_all(b"hello").await?;
        /// let (mut one, mut two) = ([0; 2], [0; 8]);
        /// let mut bufs = [std::io::IoSliceMut::new(&mut one), std::io::IoSliceMut::new(&mut two)];
        /// assert_eq!(b.read_vectored(&mut bufs).await?, 5);
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn read_vectored(
            &mut self,
            bufs: &mut [std::io::IoSliceMut<'_>],
        ) -> std::io::Result<usize> {
            std::future::poll_fn(|cx| self.stream().poll_read_vectored(cx, bufs)).await
        }

        /// Reads what is there, without waiting.
        ///
        /// # Errors
        ///
        /// Those of read(2); `WouldBlock` if nothing is there.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// let error = b.try_read(&mut [0; 16]).unwrap_err();
        /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        /// a.write_all(b"hello").await?;
        /// b.readable().await?;
        /// assert_eq!(b.try_read(&mut [0; 2])?, 2);
        /// std::future::poll_fn(|cx| b.poll_read_ready(cx)).await?;
        /// assert_eq!(b.try_read_vectored(&mut [std::io::IoSliceMut::new(&mut [0; 16])])?, 3);
        /// # Ok(()) })
        /// # }
        /// ```
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.stream().try_read(buf)
        }

        /// As [`try_read`](Self::try_read), into several buffers.
        ///
        /// # Errors
        ///
        /// As for `try_read`.
        pub fn try_read_vectored(&self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
            self.stream().try_read_vectored(bufs)
        }

        /// Waits until there may be something to read, the end included. A call may still find nothing.
        ///
        /// # Errors
        ///
        /// If the runtime is shut down.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        pub async fn readable(&self) -> std::io::Result<()> {
            self.stream().ready(maniac_driver::Interest::READABLE).await.map(drop)
        }

        /// As [`readable`](Self::readable), to be polled; of several tasks, the last to poll is woken.
        ///
        /// # Errors
        ///
        /// If the runtime is shut down.
        pub fn poll_read_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.stream().poll_ready(cx, maniac_driver::Interest::READABLE)
        }
    };
}

/// Reading, for sockets.
macro_rules! recv_methods {
    ($example:expr) => {
        /// Looks at what comes next, without taking it (MSG_PEEK).
        ///
        /// # Errors
        ///
        /// Those of recv(2).
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.write_all(b"hello").await?;
        /// let mut buf = [0; 2];
        /// assert_eq!(b.peek(&mut buf).await?, 2);
        /// assert_eq!(std::future::poll_fn(|cx| b.poll_peek(cx, &mut buf)).await?, 2);
        /// assert_eq!(b.read(&mut [0; 16]).await?, 5);
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn peek(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            std::future::poll_fn(|cx| self.stream().poll_peek(cx, buf)).await
        }

        /// As [`peek`](Self::peek), to be polled; of several tasks, the last to poll is woken.
        ///
        /// # Errors
        ///
        /// Those of recv(2).
        pub fn poll_peek(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut [u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.stream().poll_peek(cx, buf)
        }

        /// Receives straight into an owned buffer, up to its capacity.
        ///
        /// # Errors
        ///
        /// Those of recv(2).
        ///
        /// # Cancel safety
        ///
        /// Nothing that was sent is lost; the buffer is.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.write_all(b"hello").await?;
        /// let (count, buf) = b.read_owned(Vec::with_capacity(16)).await;
        /// assert_eq!((count?, &buf[..]), (5, &b"hello"[..]));
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn read_owned<B: $crate::buf::RawBufWrite>(
            &mut self,
            buf: B,
        ) -> $crate::buf::BufResult<usize, B> {
            self.stream().read_owned(buf).await
        }
    };
}

/// Writing, for anything that can be written.
macro_rules! write_methods {
    ($example:expr) => {
        /// Writes from the front of `buf` as much as there is room for, at least one byte, and says how much.
        ///
        /// # Errors
        ///
        /// Those of write(2); `BrokenPipe` if the other end is gone.
        ///
        /// # Cancel safety
        ///
        /// Dropped, it has written nothing.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// let count = a.write(b"hello").await?;
        /// let mut buf = vec![0; count];
        /// b.read_exact(&mut buf).await?;
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            std::future::poll_fn(|cx| self.stream().poll_write(cx, buf)).await
        }

        /// Writes all of `buf`.
        ///
        /// # Errors
        ///
        /// Those of write(2); `BrokenPipe` if the other end is gone.
        ///
        /// # Cancel safety
        ///
        /// None: how much was written is lost. Nothing more of it is written once a later write has begun.
        pub fn write_all<'a>(
            &'a mut self,
            buf: &'a [u8],
        ) -> impl Future<Output = std::io::Result<()>> + Send + 'a {
            self.stream().write_all(buf)
        }

        /// Writes several buffers, one after the other, as much as there is room for.
        ///
        /// # Errors
        ///
        /// Those of writev(2); `BrokenPipe` if the other end is gone.
        ///
        /// # Cancel safety
        ///
        /// Dropped, it has written nothing.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// let bufs = [std::io::IoSlice::new(b"hello, "), std::io::IoSlice::new(b"world")];
        /// assert_eq!(a.write_vectored(&bufs).await?, 12);
        /// b.read_exact(&mut [0; 12]).await?;
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            std::future::poll_fn(|cx| self.stream().poll_write_vectored(cx, bufs)).await
        }

        /// Writes as much as there is room for, without waiting.
        ///
        /// # Errors
        ///
        /// Those of write(2); `WouldBlock` if there is no room.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.writable().await?;
        /// assert_eq!(a.try_write(b"hello")?, 5);
        /// std::future::poll_fn(|cx| a.poll_write_ready(cx)).await?;
        /// assert_eq!(a.try_write_vectored(&[std::io::IoSlice::new(b" again")])?, 6);
        /// b.read_exact(&mut [0; 11]).await?;
        /// # Ok(()) })
        /// # }
        /// ```
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.stream().try_write(buf)
        }

        /// As [`try_write`](Self::try_write), from several buffers.
        ///
        /// # Errors
        ///
        /// As for `try_write`.
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            self.stream().try_write_vectored(bufs)
        }

        /// Waits until there may be room to write, or the other end is gone. A call may still find none.
        ///
        /// # Errors
        ///
        /// If the runtime is shut down.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        pub async fn writable(&self) -> std::io::Result<()> {
            self.stream().ready(maniac_driver::Interest::WRITABLE).await.map(drop)
        }

        /// As [`writable`](Self::writable), to be polled; of several tasks, the last to poll is woken.
        ///
        /// # Errors
        ///
        /// If the runtime is shut down.
        pub fn poll_write_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.stream().poll_ready(cx, maniac_driver::Interest::WRITABLE)
        }
    };
}

/// Writing, for sockets.
macro_rules! send_methods {
    ($example:expr) => {
        /// Sends straight from an owned buffer, as much as there is room for.
        ///
        /// # Errors
        ///
        /// Those of send(2); `BrokenPipe` if the other end is gone.
        ///
        /// # Cancel safety
        ///
        /// Dropped, it has sent nothing; the buffer is lost.
        pub async fn write_owned<B: $crate::buf::RawBufRead>(
            &mut self,
            buf: B,
        ) -> $crate::buf::BufResult<usize, B> {
            self.stream().write_owned(buf).await
        }

        /// Sends all of an owned buffer.
        ///
        /// # Errors
        ///
        /// Those of send(2); `BrokenPipe` if the other end is gone.
        ///
        /// # Cancel safety
        ///
        /// None: how much was sent is lost, and the buffer.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// let (done, buf) = a.write_all_owned(b"hello".to_vec()).await;
        /// done?;
        /// assert_eq!(a.write_owned(buf).await.0?, 5);
        /// b.read_exact(&mut [0; 10]).await?;
        /// # let _ = buf;
        /// # Ok(()) })
        /// # }
        /// ```
        pub async fn write_all_owned<B: $crate::buf::RawBufRead>(
            &mut self,
            buf: B,
        ) -> $crate::buf::BufResult<(), B> {
            self.stream().write_all_owned(buf).await
        }
    };
}

/// What a socket that is a stream tells of itself besides.
macro_rules! socket_methods {
    ($example:expr) => {
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
            self.stream().ready(interest).await
        }

        /// Shuts reading, writing or both (shutdown(2)): the peer's reads then find the end.
        ///
        /// # Errors
        ///
        /// Those of shutdown(2); `NotConnected` if the peer has reset the connection.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// use maniac_driver::Interest;
        /// a.shutdown(std::net::Shutdown::Write)?;
        /// assert!(b.ready(Interest::READABLE).await?.is_readable());
        /// assert_eq!(b.read(&mut [0; 16]).await?, 0, "the end");
        /// assert!(a.take_error()?.is_none());
        /// # Ok(()) })
        /// # }
        /// ```
        pub fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
            socket2::SockRef::from(self.stream().fd()).shutdown(how)
        }

        /// Takes the error that is pending on the socket (SO_ERROR).
        ///
        /// # Errors
        ///
        /// Those of getsockopt(2).
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
            socket2::SockRef::from(self.stream().fd()).take_error()
        }

        /// A handle for calls that take any descriptor, as [`splice`](crate::fs::splice).
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// use std::os::fd::AsRawFd;
        /// assert_eq!(a.fd().as_raw_fd(), a.as_raw_fd());
        /// # drop(b.fd());
        /// # Ok(()) })
        /// # }
        /// ```
        pub fn fd(&self) -> $crate::fs::Fd {
            self.stream().handle()
        }

        /// Splits the socket into halves that borrow it, to read and write at the same time.
        pub fn split(&mut self) -> ($crate::net::ReadHalf<'_, Self>, $crate::net::WriteHalf<'_, Self>) {
            $crate::net::half::split(self)
        }

        /// Splits the socket into halves for two tasks. Dropping the writing half shuts writing.
        ///
        /// ```
        #[doc = begin_example!($example)]
        /// a.split().1.write_all(b"ping").await?;
        /// let (mut reader, mut writer) = b.into_split();
        /// let echo = maniac_runtime::spawn(async move {
        ///     let mut buf = [0; 4];
        ///     reader.read_exact(&mut buf).await?;
        ///     writer.write_all(&buf).await
        /// });
        /// a.split().0.read_exact(&mut [0; 4]).await?;
        /// echo.await??;
        /// # Ok(()) })
        /// # }
        /// ```
        pub fn into_split(self) -> ($crate::net::OwnedReadHalf<Self>, $crate::net::OwnedWriteHalf<Self>) {
            $crate::net::half::into_split(self)
        }
    };
}

/// [`AsyncRead`](crate::io::AsyncRead) by way of `stream()`.
macro_rules! impl_async_read {
    ($({$($generics:tt)*})? $type:ty) => {
        impl $($($generics)*)? $crate::io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_read(cx, buf)
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_read_vectored(cx, bufs)
            }

            #[cfg(target_os = "linux")]
            fn source_in_kernel(&self) -> Option<$crate::io::InKernel<'_>> {
                $crate::io::InKernel::stream(self.stream())
            }
        }
    };
}

/// [`AsyncWrite`](crate::io::AsyncWrite) by way of `stream()`; nothing is ever left to flush. `$close` is what closing does.
macro_rules! impl_async_write {
    ($({$($generics:tt)*})? $type:ty, $this:ident => $close:expr) => {
        impl $($($generics)*)? $crate::io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::ready!(self.stream().poll_settled(cx))?;
                let $this = self;
                std::task::Poll::Ready($close)
            }

            #[cfg(target_os = "linux")]
            fn sink_in_kernel(&self) -> Option<$crate::io::InKernel<'_>> {
                $crate::io::InKernel::stream(self.stream())
            }
        }
    };
}

/// The descriptor, for `std`'s traits.
macro_rules! impl_as_fd {
    ($({$($generics:tt)*})? $type:ty, $this:ident => $fd:expr) => {
        impl $($($generics)*)? std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                let $this = self;
                std::os::fd::AsFd::as_fd($fd)
            }
        }

        impl $($($generics)*)? std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                let $this = self;
                std::os::fd::AsRawFd::as_raw_fd($fd)
            }
        }
    };
}
