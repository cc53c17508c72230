//! Socket operations as plain system calls.

use crate::buf::{RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::sys::{SockAddr, retry, transfer};
use socket2::{SockAddrStorage, SockRef};
use std::io;
use std::os::fd::AsRawFd;

/// No SIGPIPE, where the system has the flag (elsewhere the socket has SO_NOSIGPIPE).
#[cfg(not(target_vendor = "apple"))]
pub(super) const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const NO_SIGNAL: i32 = 0;

/// `flags` without the one that lets a send end before the kernel has let go of the buffer.
pub(super) fn copying(flags: i32) -> i32 {
    #[cfg(target_os = "linux")]
    return flags & !libc::MSG_ZEROCOPY;
    // The same flag; the libc crate does not name it there.
    #[cfg(target_os = "android")]
    return flags & !0x400_0000;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    flags
}

/// Initialises all of `buf` if the system may count bytes that it does not write: with MSG_TRUNC a stream socket counts what
/// it throws away (tcp(7)).
pub(super) fn zero_if_counted(buf: &mut impl RawBufWrite, flags: i32) {
    if flags & libc::MSG_TRUNC != 0 {
        let (len, at) = (buf.buf_capacity(), buf.as_buf_mut_ptr());
        // SAFETY: [INV-6] the buffer vouches for its capacity.
        unsafe { at.write_bytes(0, len) };
    }
}

/// Room for an address that the system fills.
#[derive(Debug)]
pub(super) struct Address {
    storage: SockAddrStorage,
    len: libc::socklen_t,
}

impl Address {
    pub(super) fn new() -> Self {
        let storage = SockAddrStorage::zeroed();
        let len = storage.size_of();
        Self { storage, len }
    }

    /// Where the system writes address and length; the length is reset to the room there is.
    pub(super) fn as_parts(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        self.len = self.storage.size_of();
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }

    pub(super) fn into_addr(self) -> SockAddr {
        let len = self.len.min(self.storage.size_of());
        // SAFETY: [local] the system wrote an address of this length, or none into what was zeroed.
        unsafe { SockAddr::new(self.storage, len) }
    }
}

/// What recvmsg(2) and sendmsg(2) take, pointing to its own parts: set up where it lies, before each use.
#[derive(Debug)]
pub(super) struct Message {
    header: libc::msghdr,
    vector: libc::iovec,
    address: Address,
}

// SAFETY: [INV-1] its pointers are to its own parts, to the buffer and to the address beside it.
unsafe impl Send for Message {}
// SAFETY: [INV-1] shared references to it do nothing.
unsafe impl Sync for Message {}

impl Message {
    pub(super) fn new() -> Self {
        // SAFETY: [local] null pointers and zero lengths are a valid message.
        let header = unsafe { std::mem::zeroed() };
        let vector = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Self { header, vector, address: Address::new() }
    }

    pub(super) fn for_receiving(&mut self, buf: &mut impl RawBufWrite) {
        self.vector.iov_len = transfer(buf.buf_capacity());
        self.vector.iov_base = buf.as_buf_mut_ptr().cast();
        let (address, _) = self.address.as_parts();
        self.header.msg_name = address.cast();
        self.header.msg_namelen = self.address.len;
        self.header.msg_iov = &raw mut self.vector;
        self.header.msg_iovlen = 1;
        self.header.msg_flags = 0;
    }

    pub(super) fn for_sending(&mut self, buf: &impl RawBufRead, to: Option<&SockAddr>) {
        self.vector.iov_len = transfer(buf.buf_len());
        self.vector.iov_base = buf.as_buf_ptr().cast_mut().cast();
        // The system only reads the address.
        self.header.msg_name = to.map_or(std::ptr::null_mut(), |addr| addr.as_ptr().cast_mut().cast());
        self.header.msg_namelen = to.map_or(0, SockAddr::len);
        self.header.msg_iov = &raw mut self.vector;
        self.header.msg_iovlen = 1;
    }

    pub(super) fn header(&mut self) -> *mut libc::msghdr {
        &raw mut self.header
    }

    pub(super) fn header_ref(&self) -> *const libc::msghdr {
        &raw const self.header
    }

    /// The address that was received.
    pub(super) fn sender(self) -> SockAddr {
        let Address { storage, .. } = self.address;
        Address { storage, len: self.header.msg_namelen }.into_addr()
    }
}

#[cfg(not(any(target_vendor = "apple")))]
pub(super) fn accept(fd: &SharedFd, peer: &mut Address) -> io::Result<usize> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let (raw, (addr, len)) = (fd.as_raw_fd(), peer.as_parts());
    // SAFETY: [local] room for any address, alive for the call.
    retry(|| unsafe { libc::accept4(raw, addr, len, flags) })
}

#[cfg(target_vendor = "apple")]
pub(super) fn accept(fd: &SharedFd, peer: &mut Address) -> io::Result<usize> {
    use std::os::fd::IntoRawFd;
    let (raw, (addr, len)) = (fd.as_raw_fd(), peer.as_parts());
    // SAFETY: [local] room for any address, alive for the call.
    let new = retry(|| unsafe { libc::accept(raw, addr, len) })?;
    // SAFETY: [local] just made, owned by nothing else.
    let new = socket2::Socket::from(unsafe { crate::sys::owned(new) });
    new.set_cloexec(true)?;
    new.set_nonblocking(true)?;
    new.set_nosigpipe(true)?;
    Ok(new.into_raw_fd() as usize)
}

pub(super) fn connect(fd: &SharedFd, addr: &SockAddr, begun: &mut bool, asked: bool) -> io::Result<usize> {
    let socket = SockRef::from(fd);
    if *begun {
        return connected(fd, &socket);
    }
    match socket.connect(addr) {
        Err(error) => match error.raw_os_error() {
            // The ring had brought it so far.
            Some(libc::EISCONN) if asked => Ok(0),
            // Interrupted or not, it goes on by itself (connect(2)).
            Some(libc::EINPROGRESS | libc::EINTR | libc::EALREADY) => {
                *begun = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
            _ => Err(error),
        },
        Ok(()) => Ok(0),
    }
}

/// How a connection that was under way has ended, if it has.
fn connected(fd: &SharedFd, socket: &SockRef<'_>) -> io::Result<usize> {
    if crate::sys::poll_now(fd, libc::POLLOUT)? == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    match socket.take_error()? {
        Some(error) => Err(error),
        None => socket.peer_addr().map(|_| 0),
    }
}

pub(super) fn recv(fd: &SharedFd, buf: &mut impl RawBufWrite, flags: i32) -> io::Result<usize> {
    let (raw, len, at) = (fd.as_raw_fd(), transfer(buf.buf_capacity()), buf.as_buf_mut_ptr());
    // SAFETY: [INV-6] the buffer vouches for its capacity.
    retry(|| unsafe { libc::recv(raw, at.cast(), len, flags | libc::MSG_DONTWAIT) as i64 })
}

pub(super) fn send(fd: &SharedFd, buf: &impl RawBufRead, flags: i32) -> io::Result<usize> {
    let (raw, len, at) = (fd.as_raw_fd(), transfer(buf.buf_len()), buf.as_buf_ptr());
    let flags = flags | libc::MSG_DONTWAIT | NO_SIGNAL;
    // SAFETY: [INV-6] the buffer vouches for its length.
    retry(|| unsafe { libc::send(raw, at.cast(), len, flags) as i64 })
}

pub(super) fn recv_message(fd: &SharedFd, message: &mut Message, flags: i32) -> io::Result<usize> {
    let (raw, header) = (fd.as_raw_fd(), message.header());
    // SAFETY: [INV-6] the message was set up from a buffer that vouches for its capacity.
    retry(|| unsafe { libc::recvmsg(raw, header, flags | libc::MSG_DONTWAIT) as i64 })
}

pub(super) fn send_message(fd: &SharedFd, message: &Message, flags: i32) -> io::Result<usize> {
    let (raw, header, flags) = (fd.as_raw_fd(), message.header_ref(), flags | libc::MSG_DONTWAIT | NO_SIGNAL);
    // SAFETY: [INV-6] the message was set up from a buffer that vouches for its length.
    retry(|| unsafe { libc::sendmsg(raw, header, flags) as i64 })
}

pub(super) fn shutdown(fd: &SharedFd, how: std::net::Shutdown) -> io::Result<usize> {
    SockRef::from(fd).shutdown(how).map(|()| 0)
}
