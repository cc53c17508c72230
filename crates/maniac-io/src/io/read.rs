//! Reading.

use super::InKernel;
use std::io::{self, IoSliceMut};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What bytes can be read from.
///
/// ```
/// use maniac_io::io::{AsyncRead, AsyncReadExt};
/// use std::future::poll_fn;
/// use std::io::{self, IoSliceMut};
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut source: &[u8] = b"hello";
/// let mut buf = [0; 3];
/// source.read_exact(&mut buf).await?;
/// assert_eq!((&buf, source), (b"hel", &b"lo"[..]));
///
/// /// Zeros without end.
/// struct Zeros;
/// impl AsyncRead for Zeros {
///     fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
///         buf.fill(0);
///         Poll::Ready(Ok(buf.len()))
///     }
/// }
/// Zeros.read_exact(&mut buf).await?;
/// assert_eq!(buf, [0; 3]);
/// let mut bufs = [IoSliceMut::new(&mut []), IoSliceMut::new(&mut buf)];
/// let count = poll_fn(|cx| Pin::new(&mut Zeros).poll_read_vectored(cx, &mut bufs)).await?;
/// assert_eq!(count, 3);
/// assert!(Zeros.source_in_kernel().is_none(), "zeros are made here");
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncRead {
    /// Reads into `buf`. 0 means the end, or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// What the source says; never `WouldBlock`.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Reads into several buffers, one after the other. By default, into the first that is not empty.
    ///
    /// # Errors
    ///
    /// As for [`poll_read`](AsyncRead::poll_read).
    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter_mut().find(|buf| !buf.is_empty());
        self.poll_read(cx, first.map_or(&mut [], |buf| buf))
    }

    /// What [`copy`](super::copy) needs to move bytes inside the kernel; `None`, the default, if they are to be read. It tells where the
    /// next bytes come from: nothing may have been read ahead of them.
    fn source_in_kernel(&self) -> Option<InKernel<'_>> {
        None
    }
}

impl<T: AsyncRead + Unpin + ?Sized> AsyncRead for &mut T {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.get_mut()).poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.get_mut()).poll_read_vectored(cx, bufs)
    }

    fn source_in_kernel(&self) -> Option<InKernel<'_>> {
        (**self).source_in_kernel()
    }
}

impl<T: AsyncRead + Unpin + ?Sized> AsyncRead for Box<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.get_mut()).poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.get_mut()).poll_read_vectored(cx, bufs)
    }

    fn source_in_kernel(&self) -> Option<InKernel<'_>> {
        (**self).source_in_kernel()
    }
}

impl<P: DerefMut<Target: AsyncRead>> AsyncRead for Pin<P> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_read_vectored(cx, bufs)
    }

    fn source_in_kernel(&self) -> Option<InKernel<'_>> {
        (**self).source_in_kernel()
    }
}

/// Reads from the front, and cuts off what was read.
impl AsyncRead for &[u8] {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(io::Read::read(self.get_mut(), buf))
    }
}

/// What every [`AsyncRead`] can do.
///
/// ```
/// use maniac_io::io::AsyncReadExt;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut source: &[u8] = b"one two";
/// let mut buf = [0; 4];
/// let count = source.read(&mut buf).await?;
/// assert_eq!(&buf[..count], b"one ");
/// let mut rest = String::from("then ");
/// assert_eq!(source.read_to_string(&mut rest).await?, 3);
/// assert_eq!(rest, "then two");
/// # Ok(()) })
/// # }
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// Reads into `buf`. 0 means the end, or that `buf` is empty.
    ///
    /// Cancel safety: nothing is lost if the source's `poll_read` loses nothing, as all of this crate.
    ///
    /// # Errors
    ///
    /// What the source says.
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read { source: self, buf }
    }

    /// Reads until `buf` is full.
    ///
    /// Cancel safety: none; what was read before is lost.
    ///
    /// # Errors
    ///
    /// What the source says; `UnexpectedEof` if it ends before.
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact { source: self, buf, done: 0 }
    }

    /// Reads to the end, behind what `buf` holds; says how much that was.
    ///
    /// Cancel safety: what was read before lies in `buf`.
    ///
    /// # Errors
    ///
    /// What the source says. What was read before lies in `buf`.
    ///
    /// ```
    /// use maniac_io::io::AsyncReadExt;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut all = b"so far, ".to_vec();
    /// assert_eq!((&b"so good"[..]).read_to_end(&mut all).await?, 7);
    /// assert_eq!(all, b"so far, so good");
    /// # Ok(()) })
    /// # }
    /// ```
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        ReadToEnd { source: self, begin: buf.len(), filled: buf.len(), buf }
    }

    /// As [`read_to_end`](AsyncReadExt::read_to_end), for text.
    ///
    /// Cancel safety: none; what was read before is lost.
    ///
    /// # Errors
    ///
    /// What the source says; `InvalidData` if it is no UTF-8, and `buf` is then as it was.
    fn read_to_string<'a>(&'a mut self, buf: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString { source: self, bytes: Vec::new(), filled: 0, buf }
    }
}

impl<T: AsyncRead + ?Sized> AsyncReadExt for T {}

/// Reads to the end of `source`, behind what `buf` holds; says how much that was.
///
/// # Errors
///
/// What the source says. What was read before lies in `buf`.
///
/// # Cancel safety
///
/// What was read before lies in `buf`.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut all = Vec::new();
/// assert_eq!(maniac_io::io::read_to_end(&mut &b"all of it"[..], &mut all).await?, 9);
/// assert_eq!(all, b"all of it");
/// # Ok(()) })
/// # }
/// ```
pub async fn read_to_end<R: AsyncRead + Unpin + ?Sized>(
    source: &mut R,
    buf: &mut Vec<u8>,
) -> io::Result<usize> {
    source.read_to_end(buf).await
}

/// The future of [`AsyncReadExt::read`].
///
/// ```
/// use maniac_io::io::{AsyncReadExt, Read};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (mut source, mut buf) = (&b"abc"[..], [0; 2]);
/// let read: Read<'_, &[u8]> = source.read(&mut buf);
/// assert_eq!(read.await?, 2);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Read<'a, R: ?Sized> {
    source: &'a mut R,
    buf: &'a mut [u8],
}

impl<R: AsyncRead + Unpin + ?Sized> Future for Read<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Pin::new(&mut *this.source).poll_read(cx, this.buf)
    }
}

/// The future of [`AsyncReadExt::read_exact`].
///
/// ```
/// use maniac_io::io::{AsyncReadExt, ReadExact};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (mut source, mut buf) = (&b"abc"[..], [0; 4]);
/// let read: ReadExact<'_, &[u8]> = source.read_exact(&mut buf);
/// assert_eq!(read.await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct ReadExact<'a, R: ?Sized> {
    source: &'a mut R,
    buf: &'a mut [u8],
    done: usize,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadExact<'_, R> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while this.done < this.buf.len() {
            match ready!(Pin::new(&mut *this.source).poll_read(cx, &mut this.buf[this.done..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                count => this.done += count,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Room that a vector gets at least, to read into.
const ROOM: usize = 32;
/// Room that it gets at most at a time: what is not filled was zeroed for nothing.
const MOST_ROOM: usize = 1 << 20;

/// Reads to the end. `filled` bytes of `buf` hold data; what is behind is room.
fn poll_to_end<R: AsyncRead + Unpin + ?Sized>(
    source: &mut R,
    buf: &mut Vec<u8>,
    filled: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        if buf.len() - *filled < ROOM {
            let room = (*filled).clamp(ROOM, MOST_ROOM).max(buf.capacity() - *filled);
            buf.resize(*filled + room, 0);
        }
        match ready!(Pin::new(&mut *source).poll_read(cx, &mut buf[*filled..])) {
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(count) => *filled += count,
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// The future of [`AsyncReadExt::read_to_end`].
///
/// ```
/// use maniac_io::io::{AsyncReadExt, ReadToEnd};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (mut source, mut all) = (&b"abc"[..], Vec::new());
/// let read: ReadToEnd<'_, &[u8]> = source.read_to_end(&mut all);
/// assert_eq!(read.await?, 3);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct ReadToEnd<'a, R: ?Sized> {
    source: &'a mut R,
    buf: &'a mut Vec<u8>,
    begin: usize,
    filled: usize,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = ready!(poll_to_end(&mut *this.source, this.buf, &mut this.filled, cx));
        Poll::Ready(result.map(|()| this.filled - this.begin))
    }
}

impl<R: ?Sized> Drop for ReadToEnd<'_, R> {
    fn drop(&mut self) {
        // Takes the room back, whether done or not.
        self.buf.truncate(self.filled);
    }
}

/// The future of [`AsyncReadExt::read_to_string`].
///
/// ```
/// use maniac_io::io::{AsyncReadExt, ReadToString};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (mut source, mut text) = (&b"no text: \xff"[..], String::new());
/// let read: ReadToString<'_, &[u8]> = source.read_to_string(&mut text);
/// assert_eq!(read.await.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct ReadToString<'a, R: ?Sized> {
    source: &'a mut R,
    bytes: Vec<u8>,
    filled: usize,
    buf: &'a mut String,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        ready!(poll_to_end(&mut *this.source, &mut this.bytes, &mut this.filled, cx))?;
        let text = std::str::from_utf8(&this.bytes[..this.filled])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        this.buf.push_str(text);
        Poll::Ready(Ok(this.filled))
    }
}
