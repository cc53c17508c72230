//! Several datagrams by one call: recvmmsg(2) and sendmmsg(2).

use super::SockAddr;
use super::unix::retry;
use socket2::SockAddrStorage;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// The most datagrams that one call moves.
pub const MAX_DATAGRAMS: usize = 32;

/// What came with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatagramInfo {
    /// How many bytes of it are in its buffer.
    pub len: usize,
    /// Who sent it; `None` if that is no address of IP.
    pub from: Option<SocketAddr>,
    /// It was longer than its buffer, and the rest is lost.
    pub is_cut: bool,
}

/// recvmmsg(2): receives as many datagrams as there are, one into each of `bufs`, at most [`MAX_DATAGRAMS`]; never waits for more
/// than the first, and not for that on a non-blocking socket. Appends what came with each to `infos`; says how many there were.
///
/// # Errors
///
/// Those of the man page; `EINTR` is retried.
///
/// ```
/// use maniac_driver::sys::receive_datagrams;
/// let (a, b) = (std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
/// for text in ["one", "three"] {
///     a.send_to(text.as_bytes(), b.local_addr().unwrap()).unwrap();
/// }
/// let (mut room, mut infos) = ([[0; 4]; 3], Vec::new());
/// let count = receive_datagrams(&b, room.iter_mut().map(|buf| &mut buf[..]), &mut infos).unwrap();
/// assert_eq!((count, &room[0][..3], &room[1]), (2, &b"one"[..], b"thre"));
/// assert_eq!((infos[0].len, infos[0].is_cut, infos[1].len, infos[1].is_cut), (3, false, 4, true));
/// assert_eq!(infos[0].from, Some(a.local_addr().unwrap()));
/// ```
pub fn receive_datagrams<'a>(
    fd: &impl AsFd,
    bufs: impl Iterator<Item = &'a mut [u8]>,
    infos: &mut Vec<DatagramInfo>,
) -> io::Result<usize> {
    let mut senders: [SockAddrStorage; MAX_DATAGRAMS] = std::array::from_fn(|_| SockAddrStorage::zeroed());
    let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MAX_DATAGRAMS];
    let mut headers = [empty(); MAX_DATAGRAMS];
    let mut count = 0;
    for (at, buf) in bufs.take(MAX_DATAGRAMS).enumerate() {
        vectors[at] = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
        let header = &mut headers[at].msg_hdr;
        header.msg_iov = &raw mut vectors[at];
        header.msg_iovlen = 1;
        header.msg_name = (&raw mut senders[at]).cast();
        header.msg_namelen = senders[at].size_of();
        count = at + 1;
    }
    let (raw, flags) = (fd.as_fd().as_raw_fd(), libc::MSG_WAITFORONE as _);
    let headers_at = headers.as_mut_ptr();
    // SAFETY: [local] as many headers as are said; each refers to one buffer, borrowed for the call, and to room for any address.
    let done = retry(|| unsafe { libc::recvmmsg(raw, headers_at, count as u32, flags, ptr::null_mut()) })?;
    for (header, sender) in headers.iter().zip(senders).take(done) {
        let len = header.msg_hdr.msg_namelen.min(sender.size_of());
        // SAFETY: [local] the system wrote an address of this length, or none into what was zeroed.
        let from = unsafe { SockAddr::new(sender, len) }.as_socket();
        let is_cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        infos.push(DatagramInfo { len: header.msg_len as usize, from, is_cut });
    }
    Ok(done)
}

/// sendmmsg(2): sends datagrams, each to its address, at most [`MAX_DATAGRAMS`]; says how many were sent. Fewer mean that there was no
/// room, or that the next one failed: that is told when it is the first of a call. Raises no SIGPIPE.
///
/// # Errors
///
/// Those of the man page; `EINTR` is retried.
pub fn send_datagrams<'a>(
    fd: &impl AsFd,
    datagrams: impl Iterator<Item = (&'a [u8], SocketAddr)>,
) -> io::Result<usize> {
    let mut receivers: [Option<SockAddr>; MAX_DATAGRAMS] = [const { None }; MAX_DATAGRAMS];
    let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MAX_DATAGRAMS];
    let mut headers = [empty(); MAX_DATAGRAMS];
    let mut count = 0;
    for (at, (buf, to)) in datagrams.take(MAX_DATAGRAMS).enumerate() {
        // The system only reads it.
        vectors[at] = libc::iovec { iov_base: buf.as_ptr().cast_mut().cast(), iov_len: buf.len() };
        let to = receivers[at].insert(SockAddr::from(to));
        let header = &mut headers[at].msg_hdr;
        header.msg_iov = &raw mut vectors[at];
        header.msg_iovlen = 1;
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
        count = at + 1;
    }
    let (raw, flags) = (fd.as_fd().as_raw_fd(), libc::MSG_NOSIGNAL as _);
    let headers_at = headers.as_mut_ptr();
    // SAFETY: [local] as many headers as are said; each refers to one buffer, borrowed for the call, and to an address in `receivers`.
    retry(|| unsafe { libc::sendmmsg(raw, headers_at, count as u32, flags) })
}

fn empty() -> libc::mmsghdr {
    // SAFETY: [local] a structure of numbers and addresses, for which zero says that there is nothing.
    unsafe { std::mem::zeroed() }
}
