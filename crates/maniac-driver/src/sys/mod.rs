//! System calls as safe functions, and what they give as typed values. The only place besides `op` that makes them.

#[cfg(unix)]
mod calls;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod datagrams;
#[cfg(maniac_uring)]
mod epoll;
#[cfg(maniac_uring)]
pub(crate) mod served;
mod stat;
pub(crate) mod stat_raw;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use calls::{raw_read_at_nowait, raw_write_at_nowait};
#[cfg(unix)]
pub use calls::{read, read_at_nowait, readv, write, write_at_nowait, writev};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use datagrams::{DatagramInfo, MAX_DATAGRAMS, receive_datagrams, send_datagrams};
#[cfg(maniac_uring)]
pub(crate) use epoll::{Epoll, Reports};
pub use stat::{FileKind, Stat, Timestamp};
#[cfg(target_os = "linux")]
pub use unix::ignores_sigpipe;
#[cfg(unix)]
pub(crate) use unix::*;

use crate::fd::OwnedDescriptor;

/// A socket's address: of IP, Unix domain or another family.
#[cfg(any(unix, windows))]
pub use socket2::SockAddr;

/// A socket's address, on a system without sockets.
#[cfg(not(any(unix, windows)))]
#[derive(Debug, Clone)]
pub struct SockAddr(std::net::SocketAddr);

#[cfg(not(any(unix, windows)))]
impl SockAddr {
    /// The IP address.
    pub fn as_socket(&self) -> Option<std::net::SocketAddr> {
        Some(self.0)
    }
}

#[cfg(not(any(unix, windows)))]
impl From<std::net::SocketAddr> for SockAddr {
    fn from(addr: std::net::SocketAddr) -> Self {
        Self(addr)
    }
}

/// An offset as the system counts: none beyond 2^63 - 1. The calls take those for negative, and -1 for something else.
#[cfg(unix)]
pub(crate) fn offset(at: u64) -> std::io::Result<i64> {
    i64::try_from(at).map_err(|_| std::io::Error::from_raw_os_error(libc::EINVAL))
}

/// The error of what this system has not.
#[cfg(not(target_os = "linux"))]
pub(crate) fn unsupported() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, "this operation is not available on this system")
}

#[cfg(not(unix))]
pub(crate) fn is_closed(_fd: &crate::fd::SharedFd, _interest: crate::ready::Interest) -> bool {
    true
}

#[cfg(not(unix))]
pub(crate) fn set_nonblocking(_fd: &crate::fd::SharedFd) -> std::io::Result<()> {
    Err(unsupported())
}

/// Takes over a descriptor that the system just gave.
///
/// # Safety
///
/// Nothing else owns it.
#[cfg(unix)]
pub(crate) unsafe fn owned(raw: usize) -> OwnedDescriptor {
    use std::os::fd::FromRawFd;
    // SAFETY: [caller] passed on to the caller.
    unsafe { OwnedDescriptor::from_raw_fd(raw as i32) }
}

/// A stub never succeeds.
///
/// # Safety
///
/// None.
#[cfg(not(unix))]
pub(crate) unsafe fn owned(_raw: usize) -> OwnedDescriptor {
    unreachable!("no descriptor is ever made by the stub")
}
