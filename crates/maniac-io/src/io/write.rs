//! Writing.

use super::InKernel;
use std::io::{self, IoSlice};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What bytes can be written to.
///
/// ```
/// use maniac_io::io::{AsyncWrite, AsyncWriteExt};
/// use std::future::poll_fn;
/// use std::io::{self, IoSlice};
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut sink = Vec::new();
/// sink.write_all(b"hello").await?;
/// sink.flush().await?;
/// assert_eq!(sink, b"hello");
///
/// /// Counts what is written, and keeps none of it.
/// struct Meter(usize);
/// impl AsyncWrite for Meter {
///     fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
///         self.0 += buf.len();
///         Poll::Ready(Ok(buf.len()))
///     }
///     fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
///     fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
/// }
/// let mut meter = Meter(0);
/// meter.write_all(b"12345").await?;
/// let bufs = [IoSlice::new(b"678"), IoSlice::new(b"9")];
/// assert!(!meter.is_write_vectored(), "so that it takes one buffer at a time");
/// assert_eq!(poll_fn(|cx| Pin::new(&mut meter).poll_write_vectored(cx, &bufs)).await?, 3);
/// assert_eq!(meter.0, 8);
/// assert!(meter.sink_in_kernel().is_none(), "bytes are counted here");
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncWrite {
    /// Writes from the front of `buf`, and says how much.
    ///
    /// # Errors
    ///
    /// What the sink says; never `WouldBlock`.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes several buffers, one after the other. By default, the first that is not empty.
    ///
    /// # Errors
    ///
    /// As for [`poll_write`](AsyncWrite::poll_write).
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| buf))
    }

    /// Whether [`poll_write_vectored`](AsyncWrite::poll_write_vectored) writes more than one buffer at a time.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// Waits until all that was taken has reached its destination (of a file: the system, not the device).
    ///
    /// # Errors
    ///
    /// What the sink says.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes, and tells the other side that no more comes.
    ///
    /// # Errors
    ///
    /// What the sink says.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// What [`copy`](super::copy) needs to move bytes inside the kernel; `None`, the default, if they are to be written. It tells where
    /// the next bytes go: nothing may be waiting to go there before them.
    fn sink_in_kernel(&self) -> Option<InKernel<'_>> {
        None
    }
}

/// All methods by way of what `$inner` makes of `self`.
macro_rules! forward {
    ($this:ident => $inner:expr) => {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let $this = self;
            $inner.poll_write(cx, buf)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let $this = self;
            $inner.poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            (**self).is_write_vectored()
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let $this = self;
            $inner.poll_flush(cx)
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let $this = self;
            $inner.poll_close(cx)
        }

        fn sink_in_kernel(&self) -> Option<InKernel<'_>> {
            (**self).sink_in_kernel()
        }
    };
}

impl<T: AsyncWrite + Unpin + ?Sized> AsyncWrite for &mut T {
    forward!(this => Pin::new(&mut **this.get_mut()));
}

impl<T: AsyncWrite + Unpin + ?Sized> AsyncWrite for Box<T> {
    forward!(this => Pin::new(&mut **this.get_mut()));
}

impl<P: DerefMut<Target: AsyncWrite>> AsyncWrite for Pin<P> {
    forward!(this => this.as_deref_mut());
}

/// Appends.
impl AsyncWrite for Vec<u8> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What every [`AsyncWrite`] can do.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # #[cfg(unix)] {
/// use maniac_io::{io::AsyncWriteExt, net::UnixStream};
/// let (mut a, mut b) = UnixStream::pair()?;
/// assert_eq!(AsyncWriteExt::write(&mut a, b"last words").await?, 10);
/// a.close().await?;
/// let mut heard = Vec::new();
/// b.read_to_end(&mut heard).await?;
/// assert_eq!(heard, b"last words");
/// # }
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes from the front of `buf`, and says how much.
    ///
    /// Cancel safety: as the sink's `poll_write`; of this crate's, nothing was written if it was dropped.
    ///
    /// # Errors
    ///
    /// What the sink says.
    fn write<'a>(&'a mut self, buf: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write { sink: self, buf }
    }

    /// Writes all of `buf`.
    ///
    /// Cancel safety: none; how much was written is lost.
    ///
    /// # Errors
    ///
    /// What the sink says; `WriteZero` if it takes nothing.
    fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll { sink: self, buf }
    }

    /// Waits until all that was taken has reached its destination.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    ///
    /// What the sink says.
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush { sink: self }
    }

    /// Flushes, and tells the other side that no more comes.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    ///
    /// What the sink says.
    fn close(&mut self) -> Close<'_, Self>
    where
        Self: Unpin,
    {
        Close { sink: self }
    }
}

impl<T: AsyncWrite + ?Sized> AsyncWriteExt for T {}

/// The future of [`AsyncWriteExt::write`].
///
/// ```
/// use maniac_io::io::{AsyncWriteExt, Write};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut sink = Vec::new();
/// let write: Write<'_, Vec<u8>> = sink.write(b"abc");
/// assert_eq!(write.await?, 3);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Write<'a, W: ?Sized> {
    sink: &'a mut W,
    buf: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Write<'_, W> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Pin::new(&mut *this.sink).poll_write(cx, this.buf)
    }
}

/// The future of [`AsyncWriteExt::write_all`].
///
/// ```
/// use maniac_io::io::{AsyncWriteExt, WriteAll};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut sink = Vec::new();
/// let write: WriteAll<'_, Vec<u8>> = sink.write_all(b"abc");
/// write.await?;
/// assert_eq!(sink, b"abc");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct WriteAll<'a, W: ?Sized> {
    sink: &'a mut W,
    buf: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteAll<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while !this.buf.is_empty() {
            match ready!(Pin::new(&mut *this.sink).poll_write(cx, this.buf))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => this.buf = &this.buf[count..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The future of [`AsyncWriteExt::flush`].
///
/// ```
/// use maniac_io::io::{AsyncWriteExt, BufWriter, Flush};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut sink = BufWriter::new(Vec::new());
/// sink.write_all(b"abc").await?;
/// let flush: Flush<'_, BufWriter<Vec<u8>>> = sink.flush();
/// flush.await?;
/// assert_eq!(sink.get_ref(), b"abc");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Flush<'a, W: ?Sized> {
    sink: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Flush<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.sink).poll_flush(cx)
    }
}

/// The future of [`AsyncWriteExt::close`].
///
/// ```
/// use maniac_io::io::{AsyncWriteExt, BufWriter, Close};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut sink = BufWriter::new(Vec::new());
/// sink.write_all(b"abc").await?;
/// let close: Close<'_, BufWriter<Vec<u8>>> = sink.close();
/// close.await?;
/// assert_eq!(sink.get_ref(), b"abc", "closing flushes");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Close<'a, W: ?Sized> {
    sink: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Close<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.sink).poll_close(cx)
    }
}
