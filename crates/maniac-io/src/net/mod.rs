//! TCP, UDP, Unix domain sockets, pipes and names.
//!
//! Every call is tried at once, with the caller's own buffer, and waits for readiness only when it would block. So a future
//! that is dropped while it waits has taken nothing and sent nothing: reads, accepts and datagrams are lost by nobody. The
//! operations on owned buffers work the same way, since a ring's receive that is cancelled too late has taken bytes that
//! nobody gets (README.md says more).
//!
//! Sockets belong to the runtime that they were made in: when it is shut down, waiting for them is an error.

mod accepting;
mod addr;
mod batch;
#[macro_use]
mod methods;
#[macro_use]
mod datagram;
mod gate;
mod gathered;
pub(crate) mod half;
mod leftover;
pub mod pipe;
mod stream;
mod tcp;
mod udp;
mod unix;

pub use addr::{RESOLVER_THREADS, ToSocketAddrs, lookup_host};
pub use batch::{DatagramBatch, MAX_DATAGRAMS, ReceivedDatagram};
pub use half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use maniac_driver::{Interest, ReadyEvent};
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use unix::PeerCredentials;
pub use unix::{UnixDatagram, UnixListener, UnixSocketAddr, UnixStream};

pub(crate) use leftover::Leftover;
pub(crate) use stream::Stream;

use maniac_driver::{OwnedDescriptor, Registration, SharedFd};
use maniac_runtime::driver;
use std::io;

/// Has this worker's driver watch a descriptor. Outside a runtime, an error.
fn register(fd: SharedFd) -> io::Result<Registration> {
    Registration::new(fd, &driver::remote()?)
}

/// Waits until the descriptor of `io` is no other operation's, and gives it.
async fn unregister(io: Registration) -> io::Result<OwnedDescriptor> {
    let fd = io.fd().clone();
    drop(io);
    fd.unwrap_last().await.ok_or_else(|| io::Error::other("the descriptor is being closed"))
}
