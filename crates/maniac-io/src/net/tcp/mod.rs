//! TCP.

mod listener;
mod socket;
mod stream;

pub use listener::TcpListener;
pub(super) use listener::accept;
pub use socket::TcpSocket;
pub(super) use socket::connect;
pub use stream::TcpStream;
