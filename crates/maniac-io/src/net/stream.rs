//! What all streams of bytes share: TCP and Unix sockets, pipes.

use super::gathered::WriteAll;
use super::{Leftover, register, unregister};
use crate::buf::{BufResult, RawBufRead, RawBufWrite, Slice};
use crate::fs::Fd;
#[cfg(target_os = "linux")]
use crate::fs::OpenFile;
use crate::rt;
use crate::sys;
use maniac_driver::op::{Inline, Operation, Recv, Send, try_inline};
use maniac_driver::{Interest, OwnedDescriptor, ReadyEvent, Registration, SharedFd};
use maniac_runtime::coop;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

/// What kind of stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Unix,
    Pipe,
}

/// How much a call on several buffers asks for, as far as the system goes: it takes 1,024 of them and 2 GiB at most.
fn asked(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.take(1024).fold(0, usize::saturating_add)
}

/// A descriptor of a stream and its readiness.
#[derive(Debug)]
pub(crate) struct Stream {
    io: Registration,
    kind: Kind,
    /// Made when somebody gets a handle to splice with, or drops a write that is under way.
    leftover: OnceLock<Arc<Leftover>>,
}

impl Stream {
    pub(crate) fn new(fd: OwnedDescriptor, kind: Kind) -> io::Result<Self> {
        Ok(Self { io: register(SharedFd::new(fd))?, kind, leftover: OnceLock::new() })
    }

    /// Of a socket that was made non-blocking, which need not be asked for.
    pub(crate) fn of_nonblocking(fd: OwnedDescriptor, kind: Kind) -> io::Result<Self> {
        Ok(Self { io: register(SharedFd::new_nonblocking(fd))?, kind, leftover: OnceLock::new() })
    }

    pub(crate) fn io(&self) -> &Registration {
        &self.io
    }

    #[inline]
    pub(crate) fn fd(&self) -> &SharedFd {
        self.io.fd()
    }

    /// A handle for calls that take any descriptor.
    pub(crate) fn handle(&self) -> Fd {
        Fd::of_stream(self.fd().clone(), self.left_over().clone())
    }

    pub(crate) async fn into_descriptor(self) -> io::Result<OwnedDescriptor> {
        poll_fn(|cx| self.poll_settled(cx)).await?;
        unregister(self.io).await
    }

    /// What dropped futures have left, or a place for it.
    pub(super) fn left_over(&self) -> &Arc<Leftover> {
        self.leftover.get_or_init(Arc::default)
    }

    /// Waits until no dropped write is under way any more.
    #[inline]
    pub(crate) fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.leftover.get() {
            None => Poll::Ready(Ok(())),
            Some(leftover) => leftover.unfinished.poll_settled(cx),
        }
    }

    /// As [`poll_settled`](Self::poll_settled), for calls that do not wait.
    fn settled(&self) -> io::Result<()> {
        match self.leftover.get().is_none_or(|leftover| leftover.unfinished.is_settled()) {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// What a dropped splice has left to be read, if anything.
    #[inline]
    fn leftover(&self) -> Option<&Leftover> {
        self.leftover.get().map(Arc::as_ref).filter(|leftover| !leftover.is_empty())
    }

    /// Whether a call that moved less than was asked for has found the end of what there was, so that the next would block.
    /// Not so on a Unix socket, whose reads end where a descriptor was sent along, nor on a pipe of packets.
    fn is_drained(&self, moved: usize, asked: usize, event: ReadyEvent) -> bool {
        /// Less than what the system moves at a time at most.
        const CALL: usize = 1 << 30;
        self.kind == Kind::Tcp && moved > 0 && moved < asked.min(CALL) && !event.is_priority()
    }

    /// Makes `call` once it does not block; it says how much it moved.
    #[inline]
    fn poll_call(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        asked: usize,
        mut call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            let event = ready!(self.io.poll_ready(cx, interest))?;
            match call() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.io.clear_ready(event, interest);
                }
                result => {
                    if let Ok(moved) = result
                        && self.is_drained(moved, asked, event)
                    {
                        self.io.clear_ready(event, interest);
                    }
                    unit.made_progress();
                    return Poll::Ready(result);
                }
            }
        }
    }

    #[inline]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(leftover) = self.leftover() {
            return Poll::Ready(leftover.read(buf, true));
        }
        self.poll_call(cx, Interest::READABLE, buf.len(), || self.read_now(buf))
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(leftover) = self.leftover() {
            let first = bufs.iter_mut().find(|buf| !buf.is_empty());
            return Poll::Ready(first.map_or(Ok(0), |buf| leftover.read(buf, true)));
        }
        let asked = asked(bufs.iter().map(|buf| buf.len()));
        self.poll_call(cx, Interest::READABLE, asked, || sys::readv(self.fd(), bufs))
    }

    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(leftover) = self.leftover() {
            return Poll::Ready(leftover.read(buf, false));
        }
        // Nothing is taken, so nothing is drained.
        self.poll_call(cx, Interest::READABLE, 0, || sys::peek(self.fd(), buf))
    }

    #[inline]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_settled(cx))?;
        self.poll_call(cx, Interest::WRITABLE, buf.len(), || self.write_now(buf))
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn is_pipe(&self) -> bool {
        self.kind == Kind::Pipe
    }

    /// Sends what the page cache holds of `file` from its cursor on, up to `most` bytes, and moves that; 0 if it holds nothing there.
    #[cfg(target_os = "linux")]
    pub(crate) fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: &OpenFile,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_settled(cx))?;
        ready!(file.unfinished.poll_settled(cx))?;
        let at = file.position()?;
        let len = file.cached_from(at, most)?;
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        // A short count may be the file's doing: it says nothing about the room in the socket.
        let sent = ready!(
            self.poll_call(cx, Interest::WRITABLE, 0, || { sys::send_file(self.fd(), &file.fd, at, len) })
        )?;
        file.set_position(at + sent as u64);
        Poll::Ready(Ok(sent))
    }

    /// Writes all of `buf`: on a ring, few bytes go along with those of other tasks.
    #[inline]
    pub(crate) fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a> {
        WriteAll::new(self, buf)
    }

    /// Whether an operation may send at once: there is room, as far as is known, and no dropped write before it.
    #[inline]
    pub(super) fn may_send(&self) -> bool {
        self.kind != Kind::Pipe && self.io.snapshot().is_writable() && self.settled().is_ok()
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_settled(cx))?;
        let asked = asked(bufs.iter().map(|buf| buf.len()));
        self.poll_call(cx, Interest::WRITABLE, asked, || self.write_vectored_now(bufs))
    }

    /// A socket has calls of its own, which take a shorter way through the kernel than those for any descriptor.
    #[inline]
    fn read_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Pipe => sys::read(self.fd(), buf),
            Kind::Tcp | Kind::Unix => sys::recv(self.fd(), buf),
        }
    }

    #[inline]
    fn write_now(&self, buf: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Pipe => sys::write(self.fd(), buf),
            Kind::Tcp | Kind::Unix => sys::send(self.fd(), buf),
        }
    }

    fn write_vectored_now(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.kind {
            Kind::Pipe => sys::writev(self.fd(), bufs),
            Kind::Tcp | Kind::Unix => sys::send_vectored(self.fd(), bufs),
        }
    }

    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self.leftover() {
            Some(leftover) => leftover.read(buf, true),
            None => self.io.try_io(Interest::READABLE, || self.read_now(buf)),
        }
    }

    pub(crate) fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self.leftover() {
            Some(leftover) => {
                let first = bufs.iter_mut().find(|buf| !buf.is_empty());
                first.map_or(Ok(0), |buf| leftover.read(buf, true))
            }
            None => self.io.try_io(Interest::READABLE, || sys::readv(self.fd(), bufs)),
        }
    }

    pub(crate) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.settled()?;
        self.io.try_io(Interest::WRITABLE, || self.write_now(buf))
    }

    pub(crate) fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.settled()?;
        self.io.try_io(Interest::WRITABLE, || self.write_vectored_now(bufs))
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<ReadyEvent> {
        rt::charge().await;
        if interest.is_readable() && self.leftover().is_some() {
            return Ok(self.io.snapshot());
        }
        if interest.is_writable() {
            poll_fn(|cx| self.poll_settled(cx)).await?;
        }
        self.io.ready(interest).await
    }

    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        if interest.is_readable() && self.leftover().is_some() {
            return Poll::Ready(Ok(()));
        }
        if interest.is_writable() {
            ready!(self.poll_settled(cx))?;
        }
        self.io.poll_ready(cx, interest).map_ok(drop)
    }

    /// Receives straight into an owned buffer.
    pub(crate) async fn read_owned<B: RawBufWrite>(&self, buf: B) -> BufResult<usize, B> {
        let asked = buf.buf_capacity();
        if self.leftover().is_none() {
            return self.owned(Recv::new(self.fd().clone(), buf, 0), Interest::READABLE, asked).await;
        }
        match self.leftover_as_socket(asked) {
            Ok(socket) => match try_inline(Recv::new(socket, buf, 0)) {
                Inline::Done(result) => result,
                Inline::Pending(op) => op.finish(Err(io::ErrorKind::WouldBlock.into())),
            },
            Err(error) => (Err(error), buf),
        }
    }

    /// What a dropped splice left, in a socket: only the system can copy it into a buffer of which no more is known than its
    /// address. This is as rare as such splices.
    fn leftover_as_socket(&self, most: usize) -> io::Result<SharedFd> {
        let (ours, theirs) = sys::StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        if let Some(leftover) = self.leftover() {
            leftover.give(|bytes| sys::send(&ours, &bytes[..bytes.len().min(most)]))?;
        }
        Ok(SharedFd::new(theirs.into()))
    }

    /// Sends straight from an owned buffer.
    pub(crate) async fn write_owned<B: RawBufRead>(&self, buf: B) -> BufResult<usize, B> {
        if let Err(error) = poll_fn(|cx| self.poll_settled(cx)).await {
            return (Err(error), buf);
        }
        let asked = buf.buf_len();
        self.owned(Send::new(self.fd().clone(), buf, 0), Interest::WRITABLE, asked).await
    }

    pub(crate) async fn write_all_owned<B: RawBufRead>(&self, mut buf: B) -> BufResult<(), B> {
        let mut done = 0;
        while done < buf.buf_len() {
            let (result, part) = self.write_owned(Slice::new(buf, done..)).await;
            buf = part.into_inner();
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buf),
                Ok(count) => done += count,
                Err(error) => return (Err(error), buf),
            }
        }
        (Ok(()), buf)
    }

    /// Does an operation on an owned buffer once it does not block. It never is in flight: dropped, it has not begun.
    async fn owned<T, B>(&self, mut op: T, interest: Interest, asked: usize) -> BufResult<usize, B>
    where
        T: Operation<Output = BufResult<usize, B>>,
    {
        rt::charge().await;
        loop {
            let event = match self.io.ready(interest).await {
                Ok(event) => event,
                Err(error) => return op.finish(Err(error)),
            };
            match try_inline(op) {
                Inline::Done((result, buf)) => {
                    if let Ok(moved) = result
                        && self.is_drained(moved, asked, event)
                    {
                        self.io.clear_ready(event, interest);
                    }
                    return (result, buf);
                }
                Inline::Pending(again) => {
                    self.io.clear_ready(event, interest);
                    op = again;
                }
            }
        }
    }
}
