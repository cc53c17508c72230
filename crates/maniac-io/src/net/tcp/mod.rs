//! TCP.

mod listener;
mod socket;
mod stream;

pub use listener::TcpListener;
pub use socket::TcpSocket;
pub(super) use socket::connect;
pub use stream::TcpStream;
