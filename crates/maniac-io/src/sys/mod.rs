//! What this crate takes from the system beside maniac-driver: the standard library's types that it converts from and to,
//! and the calls that the driver has no operation for. Nothing outside this folder names them.

#[cfg(unix)]
mod entries;
#[cfg(unix)]
mod files;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod sockets;

#[cfg(unix)]
pub(crate) use entries::{Entries, RawEntry};
#[cfg(unix)]
pub(crate) use files::*;
#[cfg(unix)]
pub(crate) use processes::*;
#[cfg(unix)]
pub(crate) use sockets::*;

#[cfg(unix)]
pub(crate) use maniac_driver::sys::{read, read_at_nowait, readv, write, write_at_nowait, writev};

// tidy-allow: architecture: types to convert from and to; the calls that the driver has no operation for run on the pool
pub(crate) use std::fs as std_fs;
#[cfg(unix)]
pub(crate) use std::net::{
    TcpListener as StdTcpListener, TcpStream as StdTcpStream, UdpSocket as StdUdpSocket,
};
#[cfg(unix)]
// tidy-allow: architecture: the address of a Unix domain socket, a value that does nothing
pub use std::os::unix::net::SocketAddr as UnixAddr;
#[cfg(unix)]
// tidy-allow: architecture: types to convert from and to
pub(crate) use std::os::unix::net::{
    UnixDatagram as StdUnixDatagram, UnixListener as StdUnixListener, UnixStream as StdUnixStream,
};

#[cfg(target_os = "linux")]
pub(crate) use maniac_driver::sys::ignores_sigpipe;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use maniac_driver::sys::MAX_DATAGRAMS;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use maniac_driver::sys::{DatagramInfo, receive_datagrams, send_datagrams};
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub use sockets::MAX_DATAGRAMS;

/// Whether `error` is this one of the system's.
#[cfg(unix)]
pub(crate) fn is(error: &std::io::Error, errno: rustix::io::Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(unix)]
pub(crate) use rustix::io::Errno;
