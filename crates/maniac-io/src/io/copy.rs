//! Copying from a source to a sink, and both ways.

use super::kernel::Mover;
use super::{AsyncRead, AsyncWrite};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The size of a copy's buffer in bytes.
const BUFFER: usize = 16 << 10;

/// What one direction of a copy carries.
#[derive(Debug, Default)]
struct Carrier {
    /// Empty until something is carried.
    buf: Box<[u8]>,
    /// What was read and not written yet.
    begin: usize,
    end: usize,
    total: u64,
    source_ended: bool,
    /// Written since the last flush.
    unflushed: bool,
    /// What need not be carried.
    mover: Mover,
}

impl Carrier {
    fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Counts what went to the sink.
    fn count(&mut self, count: usize) {
        self.total += count as u64;
        self.unflushed = true;
    }

    /// Copies until the source has ended and all is flushed.
    fn poll_copy<R, W>(&mut self, source: &mut R, sink: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            if self.is_empty() && !self.source_ended {
                // Asked once for each full buffer: whatever is moved then is all that there was.
                let much = self.end == BUFFER;
                let (from, to) = (source.source_in_kernel(), sink.sink_in_kernel());
                let moved = ready!(self.mover.poll_move(from, to, much, cx))?;
                (self.begin, self.end) = (0, 0);
                if moved > 0 {
                    self.count(moved);
                    continue;
                }
            }
            if !ready!(self.poll_carry(source, sink, cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Carries what the source has next; false if it has ended and all is flushed. When the source has nothing now, what was
    /// written is flushed, since somebody may wait for that before more comes.
    fn poll_carry<R, W>(
        &mut self,
        source: &mut R,
        sink: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        if self.is_empty() && !self.source_ended {
            if self.buf.is_empty() {
                self.buf = vec![0; BUFFER].into_boxed_slice();
            }
            let Poll::Ready(count) = Pin::new(source).poll_read(cx, &mut self.buf) else {
                ready!(self.poll_flush(sink, cx))?;
                return Poll::Pending;
            };
            (self.begin, self.end) = (0, count?);
            self.source_ended = self.end == 0;
        }
        while !self.is_empty() {
            match ready!(Pin::new(&mut *sink).poll_write(cx, &self.buf[self.begin..self.end]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.begin += count;
                    self.count(count);
                }
            }
        }
        if self.source_ended {
            ready!(self.poll_flush(sink, cx))?;
        }
        Poll::Ready(Ok(!self.source_ended))
    }

    fn poll_flush<W>(&mut self, sink: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        if self.unflushed {
            ready!(Pin::new(sink).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// Copies from `source` to `sink` until the source ends; says how many bytes that were. The sink is flushed, not closed.
///
/// On Linux the bytes of a [`File`](crate::fs::File) go to a socket or a pipe by sendfile(2), as far as the page cache has them, and
/// to another file by copy_file_range(2); what comes in quantity from a socket or a pipe goes to another by splice(2). It is then not
/// copied through memory of this process. Where the kernel does not do it, and for everything else, it is. What a file's writer changes while they lie in a socket or a pipe, the other end may see.
/// [`splice`](crate::fs::splice) moves between any two descriptors.
///
/// Cancel safety: none; bytes that were read and not written are lost. From a file nothing is: it can be read again.
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
    Copy { source, sink, carrier: Carrier::default() }
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
        ready!(this.carrier.poll_copy(&mut *this.source, &mut *this.sink, cx))?;
        Poll::Ready(Ok(this.carrier.total))
    }
}

/// Copies both ways between `a` and `b` until both have ended; the end of one closes the other's writing side. Says how many
/// bytes went from `a` to `b`, and from `b` to `a`.
///
/// Cancel safety: none; bytes that were read and not written are lost.
///
/// Between sockets the kernel moves them, as for [`copy`].
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
    CopyBidirectional { a, b, there: Direction::default(), back: Direction::default() }
}

#[derive(Debug, Default)]
struct Direction {
    carrier: Carrier,
    closed: bool,
}

impl Direction {
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
            ready!(self.carrier.poll_copy(source, sink, cx))?;
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
