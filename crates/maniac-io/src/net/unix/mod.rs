//! Unix domain sockets.

mod datagram;
mod listener;
mod stream;

pub use crate::sys::UnixAddr as UnixSocketAddr;
pub use datagram::UnixDatagram;
pub use listener::UnixListener;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use stream::PeerCredentials;
pub use stream::UnixStream;
