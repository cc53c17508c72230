//! Operations on sockets: accept, connect, receive, send, shut down.
//!
//! Sockets are made, bound and configured by plain calls (`std`, `socket2`); those that wait are here. Descriptors are made
//! non-blocking where a driver without a ring needs it.

#[cfg(unix)]
mod poll;
#[cfg(not(unix))]
#[path = "stub.rs"]
mod poll;
#[cfg(maniac_uring)]
mod uring;

use super::{Mode, Operation, Returned, unit};
use crate::buf::{BufResult, RawBufRead, RawBufWrite};
use crate::fd::{OwnedDescriptor, SharedFd};
use crate::ready::Interest;
use crate::sys::{self, SockAddr};
use std::io;

/// Takes a connection off a listening socket (accept4(2)). The new socket is CLOEXEC and non-blocking.
///
/// Cancel safety: a connection accepted for a dropped operation is closed.
#[derive(Debug)]
pub struct Accept {
    fd: SharedFd,
    peer: poll::Address,
}

impl Accept {
    /// Waits for a connection on `listener`.
    pub fn new(listener: SharedFd) -> Self {
        Self { fd: listener, peer: poll::Address::new() }
    }
}

// SAFETY: [INV-1] the entry points to `peer`, which the record keeps in place.
unsafe impl Operation for Accept {
    type Output = io::Result<(OwnedDescriptor, SockAddr)>;
    const NAME: &'static str = "accept";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::ACCEPT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::accept(&self.fd, &mut self.peer))
    }

    fn call(&mut self) -> io::Result<usize> {
        self.fd.set_nonblocking()?;
        poll::accept(&self.fd, &mut self.peer)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::READABLE))
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        super::now(self.call())
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        // SAFETY: [INV-7] the system has just made this descriptor for this operation.
        let fd = unsafe { sys::owned(result?.get()) };
        Ok((fd, self.peer.into_addr()))
    }
}

/// Connects a socket (connect(2)).
///
/// Cancel safety: the socket of a dropped one may be connected or not; close it.
#[derive(Debug)]
pub struct Connect {
    fd: SharedFd,
    addr: SockAddr,
    /// Whether a plain call has it under way, so that what remains is to hear how it ended.
    begun: bool,
    /// Whether a ring was asked.
    asked: bool,
}

impl Connect {
    /// Connects `fd` to `addr`.
    pub fn new(fd: SharedFd, addr: SockAddr) -> Self {
        Self { fd, addr, begun: false, asked: false }
    }
}

// SAFETY: [INV-1] the entry points to `addr`, which the record keeps in place.
unsafe impl Operation for Connect {
    type Output = io::Result<()>;
    const NAME: &'static str = "connect";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::CONNECT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        // A second time (its first thread ended) the ring might say EALREADY or EISCONN: the plain way takes over.
        (!std::mem::replace(&mut self.asked, true)).then(|| uring::connect(&self.fd, &self.addr))
    }

    fn call(&mut self) -> io::Result<usize> {
        self.fd.set_nonblocking()?;
        poll::connect(&self.fd, &self.addr, &mut self.begun, self.asked)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::WRITABLE))
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Receives from a connected socket (recv(2)).
///
/// Cancel safety: none; data that a dropped one had taken is lost. Use [`Registration`](crate::Registration) where that
/// matters.
#[derive(Debug)]
pub struct Recv<B> {
    fd: SharedFd,
    buf: B,
    flags: i32,
}

impl<B: RawBufWrite> Recv<B> {
    /// Receives up to `buf`'s capacity; `flags` are `MSG_…`, mostly 0. With `MSG_TRUNC` the buffer is zeroed first, since the
    /// system then counts bytes that it does not write (tcp(7)).
    pub fn new(fd: SharedFd, buf: B, flags: i32) -> Self {
        Self { fd, buf, flags }
    }
}

// SAFETY: [INV-1] the entry points into `buf`, which the record keeps in place.
unsafe impl<B: RawBufWrite> Operation for Recv<B> {
    type Output = BufResult<usize, B>;
    const NAME: &'static str = "recv";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::RECV;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        poll::zero_if_counted(&mut self.buf, self.flags);
        Some(uring::recv(&self.fd, &mut self.buf, self.flags))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::zero_if_counted(&mut self.buf, self.flags);
        poll::recv(&self.fd, &mut self.buf, self.flags)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::READABLE))
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        super::now(self.call())
    }

    fn finish(mut self, result: io::Result<Returned>) -> Self::Output {
        let result = result.map(Returned::get);
        if let Ok(count) = result {
            // With MSG_TRUNC the count is the datagram's length, which may be beyond the buffer.
            let filled = count.min(self.buf.buf_capacity());
            // SAFETY: [INV-6, INV-7] the system has written so many bytes from the front, or they were zeroed.
            unsafe { self.buf.set_filled(filled) };
        }
        (result, self.buf)
    }
}

/// Sends to a connected socket (send(2)). Never raises SIGPIPE.
///
/// Cancel safety: none; a dropped one may have sent all, some or nothing.
#[derive(Debug)]
pub struct Send<B> {
    fd: SharedFd,
    buf: B,
    flags: i32,
}

impl<B: RawBufRead> Send<B> {
    /// Sends `buf`, or as much as there is room for; `flags` are `MSG_…`, mostly 0. `MSG_ZEROCOPY` is left out: the buffer
    /// would come back before the kernel is through with it.
    pub fn new(fd: SharedFd, buf: B, flags: i32) -> Self {
        Self { fd, buf, flags: poll::copying(flags) }
    }
}

// SAFETY: [INV-1] the entry points into `buf`, which the record keeps in place.
unsafe impl<B: RawBufRead> Operation for Send<B> {
    type Output = BufResult<usize, B>;
    const NAME: &'static str = "send";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::SEND;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::send(&self.fd, &self.buf, self.flags))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::send(&self.fd, &self.buf, self.flags)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::WRITABLE))
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        super::now(self.call())
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        (result.map(Returned::get), self.buf)
    }
}

/// Receives a datagram and its sender's address (recvmsg(2)). The address of a sender without one (an unnamed Unix
/// socket) has length zero.
///
/// Cancel safety: none; a datagram that a dropped one had taken is lost.
#[derive(Debug)]
pub struct RecvFrom<B> {
    fd: SharedFd,
    buf: B,
    message: poll::Message,
    flags: i32,
}

impl<B: RawBufWrite> RecvFrom<B> {
    /// Receives up to `buf`'s capacity; `flags` are `MSG_…`, mostly 0. With `MSG_TRUNC` the buffer is zeroed first, since the
    /// system then counts bytes that it does not write (tcp(7)).
    pub fn new(fd: SharedFd, buf: B, flags: i32) -> Self {
        Self { fd, buf, message: poll::Message::new(), flags }
    }
}

// SAFETY: [INV-1] the entry points to `message` and through it into `buf`, which the record keeps in place.
unsafe impl<B: RawBufWrite> Operation for RecvFrom<B> {
    type Output = BufResult<(usize, SockAddr), B>;
    const NAME: &'static str = "recv_from";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::RECVMSG;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        poll::zero_if_counted(&mut self.buf, self.flags);
        self.message.for_receiving(&mut self.buf);
        Some(uring::recv_message(&self.fd, &mut self.message, self.flags))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::zero_if_counted(&mut self.buf, self.flags);
        self.message.for_receiving(&mut self.buf);
        poll::recv_message(&self.fd, &mut self.message, self.flags)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::READABLE))
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        super::now(self.call())
    }

    fn finish(mut self, result: io::Result<Returned>) -> Self::Output {
        let result = result.map(Returned::get);
        let result = result.map(|count| {
            let filled = count.min(self.buf.buf_capacity());
            // SAFETY: [INV-6, INV-7] the system has written so many bytes from the front, or they were zeroed.
            unsafe { self.buf.set_filled(filled) };
            (count, self.message.sender())
        });
        (result, self.buf)
    }
}

/// Sends a datagram to an address (sendmsg(2)). Never raises SIGPIPE.
///
/// Cancel safety: none; a dropped one may have been sent.
#[derive(Debug)]
pub struct SendTo<B> {
    fd: SharedFd,
    buf: B,
    to: Option<SockAddr>,
    message: poll::Message,
    flags: i32,
}

impl<B: RawBufRead> SendTo<B> {
    /// Sends `buf` to `to`, or to the connected peer; `flags` are `MSG_…`, mostly 0. `MSG_ZEROCOPY` is left out: the buffer
    /// would come back before the kernel is through with it.
    pub fn new(fd: SharedFd, buf: B, to: Option<SockAddr>, flags: i32) -> Self {
        Self { fd, buf, to, message: poll::Message::new(), flags: poll::copying(flags) }
    }
}

// SAFETY: [INV-1] the entry points to `message` and through it to `to` and into `buf`, all kept in place by the record.
unsafe impl<B: RawBufRead> Operation for SendTo<B> {
    type Output = BufResult<usize, B>;
    const NAME: &'static str = "send_to";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::SENDMSG;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        self.message.for_sending(&self.buf, self.to.as_ref());
        Some(uring::send_message(&self.fd, &self.message, self.flags))
    }

    fn call(&mut self) -> io::Result<usize> {
        self.message.for_sending(&self.buf, self.to.as_ref());
        poll::send_message(&self.fd, &self.message, self.flags)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::WRITABLE))
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        super::now(self.call())
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        (result.map(Returned::get), self.buf)
    }
}

/// Shuts a connection's directions (shutdown(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct Shutdown {
    fd: SharedFd,
    how: std::net::Shutdown,
}

impl Shutdown {
    /// Shuts reading, writing or both.
    pub fn new(fd: SharedFd, how: std::net::Shutdown) -> Self {
        Self { fd, how }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for Shutdown {
    type Output = io::Result<()>;
    const NAME: &'static str = "shutdown";
    // The plain call does not wait.
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::SHUTDOWN;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::shutdown(&self.fd, self.how))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::shutdown(&self.fd, self.how)
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        Some(self.call())
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}
