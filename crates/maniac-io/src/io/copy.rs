//! Copying from a source to a sink, and both ways.

use super::{AsyncRead, AsyncWrite};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The size of a copy's buffer in bytes.
const BUFFER: usize = 16 << 10;

/// What one direction of a copy carries.
#[derive(Debug)]
struct Carrier {
    buf: Box<[u8]>,
    /// What was read and not written yet.
    begin: usize,
    end: usize,
    total: u64,
    source_ended: bool,
    /// Written since the last flush.
    unflushed: bool,
}

impl Carrier {
    fn new() -> Self {
        let buf = vec![0; BUFFER].into_boxed_slice();
        Self { buf, begin: 0, end: 0, total: 0, source_ended: false, unflushed: false }
    }

    /// Carries until the source ends and all is flushed. When the source has nothing now, what was written is flushed, since
    /// somebody may wait for that before more comes.
    fn poll_carry<R, W>(&mut self, source: &mut R, sink: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            while self.begin < self.end {
                let part = &self.buf[self.begin..self.end];
                match ready!(Pin::new(&mut *sink).poll_write(cx, part))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => {
                        self.begin += count;
                        self.total += count as u64;
                        self.unflushed = true;
                    }
                }
            }
            if self.source_ended {
                if self.unflushed {
                    ready!(Pin::new(&mut *sink).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *source).poll_read(cx, &mut self.buf) {
                Poll::Ready(count) => {
                    (self.begin, self.end) = (0, count?);
                    self.source_ended = self.end == 0;
                }
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *sink).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Copies from `source` to `sink` until the source ends; says how many bytes that were. The sink is flushed, not closed.
///
/// Between a file and a socket [`splice`](crate::fs::splice) copies nothing through memory of this process.
///
/// Cancel safety: none; bytes that were read and not written are lost.
///
/// # Errors
///
/// What either says; `WriteZero` if the sink takes nothing.
///
/// ```
/// use maniac_io::io::copy;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut sink = Vec::new();
/// assert_eq!(copy(&mut &b"hello"[..], &mut sink).await?, 5);
/// assert_eq!(sink, b"hello");
/// # Ok(()) })
/// # }
/// ```
pub fn copy<'a, R, W>(source: &'a mut R, sink: &'a mut W) -> Copy<'a, R, W>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    Copy { source, sink, carrier: Carrier::new() }
}

/// The future of [`copy`].
///
/// ```
/// use maniac_io::io::{Copy, copy};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// fn archive<'a>(page: &'a mut &'static [u8], into: &'a mut Vec<u8>) -> Copy<'a, &'static [u8], Vec<u8>> {
///     copy(page, into)
/// }
/// let mut all = Vec::new();
/// for mut page in [&b"one "[..], b"two"] {
///     archive(&mut page, &mut all).await?;
/// }
/// assert_eq!(all, b"one two");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Copy<'a, R: ?Sized, W: ?Sized> {
    source: &'a mut R,
    sink: &'a mut W,
    carrier: Carrier,
}

impl<R, W> Future for Copy<'_, R, W>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    type Output = io::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        ready!(this.carrier.poll_carry(&mut *this.source, &mut *this.sink, cx))?;
        Poll::Ready(Ok(this.carrier.total))
    }
}

/// Copies both ways between `a` and `b` until both have ended; the end of one closes the other's writing side. Says how many
/// bytes went from `a` to `b`, and from `b` to `a`.
///
/// Cancel safety: none; bytes that were read and not written are lost.
///
/// # Errors
///
/// What either says; the other direction then stops too.
///
/// ```
/// # #[cfg(unix)]
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// use maniac_io::io::copy_bidirectional;
/// use maniac_io::net::UnixStream;
/// let (mut client, mut proxy_front) = UnixStream::pair()?;
/// let (mut proxy_back, mut server) = UnixStream::pair()?;
/// client.write_all(b"question").await?;
/// client.shutdown(std::net::Shutdown::Write)?;
/// server.write_all(b"yes").await?;
/// server.shutdown(std::net::Shutdown::Write)?;
/// assert_eq!(copy_bidirectional(&mut proxy_front, &mut proxy_back).await?, (8, 3));
/// # Ok(()) })
/// # }
/// # #[cfg(not(unix))]
/// # fn main() {}
/// ```
pub fn copy_bidirectional<'a, A, B>(a: &'a mut A, b: &'a mut B) -> CopyBidirectional<'a, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    CopyBidirectional { a, b, there: Direction::new(), back: Direction::new() }
}

#[derive(Debug)]
struct Direction {
    carrier: Carrier,
    closed: bool,
}

impl Direction {
    fn new() -> Self {
        Self { carrier: Carrier::new(), closed: false }
    }

    fn poll_carry_and_close<R, W>(
        &mut self,
        source: &mut R,
        sink: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        if !self.closed {
            ready!(self.carrier.poll_carry(source, sink, cx))?;
            ready!(Pin::new(sink).poll_close(cx))?;
            self.closed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// The future of [`copy_bidirectional`].
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # #[cfg(unix)] {
/// use maniac_io::{io::{CopyBidirectional, copy_bidirectional}, net::UnixStream};
/// let ((client, mut front), (mut back, server)) = (UnixStream::pair()?, UnixStream::pair()?);
/// let proxy: CopyBidirectional<'_, _, _> = copy_bidirectional(&mut front, &mut back);
/// drop((client, server));
/// assert_eq!(proxy.await?, (0, 0), "they had nothing to say");
/// # }
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct CopyBidirectional<'a, A: ?Sized, B: ?Sized> {
    a: &'a mut A,
    b: &'a mut B,
    there: Direction,
    back: Direction,
}

impl<A, B> Future for CopyBidirectional<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    type Output = io::Result<(u64, u64)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let there = this.there.poll_carry_and_close(&mut *this.a, &mut *this.b, cx)?;
        let back = this.back.poll_carry_and_close(&mut *this.b, &mut *this.a, cx)?;
        ready!(there);
        ready!(back);
        Poll::Ready(Ok((this.there.carrier.total, this.back.carrier.total)))
    }
}
