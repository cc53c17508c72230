//! [`UnixDatagram`].

use super::UnixSocketAddr;
use crate::net::datagram::Datagram;
use crate::sys::{self, StdUnixDatagram, to_sock_addr, unix_addr};
use socket2::{Domain, SockRef, Type};
use std::io;
use std::net::Shutdown;
use std::path::Path;

/// A Unix domain socket of datagrams. All calls take `&self`, and any number of tasks may send and receive at the same time.
///
/// ```
/// use maniac_io::net::UnixDatagram;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("socket");
/// let server = UnixDatagram::bind(&path)?;
/// let client = UnixDatagram::unbound()?;
/// client.send_to(b"ping", &path).await?;
/// let mut buf = [0; 16];
/// let (count, from) = server.recv_from(&mut buf).await?;
/// assert!(&buf[..count] == b"ping" && from.is_unnamed());
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    io: Datagram,
}

/// An example's two ends.
macro_rules! connected {
    () => {
        "# let (a, b) = maniac_io::net::UnixDatagram::pair()?;"
    };
}

impl UnixDatagram {
    /// A socket bound to a path. The file stays when it is dropped.
    ///
    /// # Errors
    ///
    /// Those of bind(2): `AddrInUse` if there is something; outside a runtime.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        Self::bind_addr(&UnixSocketAddr::from_pathname(path)?)
    }

    /// A socket bound to an address, such as one of Linux's abstract names.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixDatagram::bind).
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # #[cfg(target_os = "linux")] {
    /// use maniac_io::net::{UnixDatagram, UnixSocketAddr};
    /// use std::os::linux::net::SocketAddrExt;
    /// let name = format!("maniac datagrams {}", std::process::id());
    /// let addr = UnixSocketAddr::from_abstract_name(&name)?;
    /// let server = UnixDatagram::bind_addr(&addr)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.send_to_addr(b"one", &addr).await?;
    /// client.connect_addr(&addr)?;
    /// client.send(b"two").await?;
    /// assert_eq!(client.peer_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// assert_eq!(server.peek_from(&mut [0; 16]).await?.0, 3);
    /// # }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn bind_addr(addr: &UnixSocketAddr) -> io::Result<UnixDatagram> {
        let socket = sys::socket(Domain::UNIX, Type::DGRAM, None)?;
        socket.bind(&to_sock_addr(addr)?)?;
        Ok(Self { io: Datagram::new(socket.into())? })
    }

    /// A socket without a name: it can send, and be answered if it is connected.
    ///
    /// # Errors
    ///
    /// Those of socket(2); outside a runtime.
    pub fn unbound() -> io::Result<UnixDatagram> {
        let socket = sys::socket(Domain::UNIX, Type::DGRAM, None)?;
        Ok(Self { io: Datagram::new(socket.into())? })
    }

    /// Two sockets connected to each other.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2); outside a runtime.
    ///
    /// ```
    /// use maniac_io::net::UnixDatagram;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (a, b) = UnixDatagram::pair()?;
    /// a.send(b"hello").await?;
    /// assert_eq!(b.recv(&mut [0; 16]).await?, 5);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = StdUnixDatagram::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// Takes over a socket.
    ///
    /// # Errors
    ///
    /// Outside a runtime; those of fcntl(2).
    ///
    /// ```
    /// use maniac_io::net::UnixDatagram;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (a, b) = std::os::unix::net::UnixDatagram::pair()?;
    /// let socket = UnixDatagram::from_std(a)?;
    /// socket.send(b"hello").await?;
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// let again: std::os::unix::net::UnixDatagram = socket.into_std().await?;
    /// # drop(again);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_std(socket: StdUnixDatagram) -> io::Result<UnixDatagram> {
        Ok(Self { io: Datagram::new(socket.into())? })
    }

    /// Gives the socket to the standard library; it is non-blocking.
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has closed the socket.
    pub async fn into_std(self) -> io::Result<StdUnixDatagram> {
        self.io.into_descriptor().await.map(StdUnixDatagram::from)
    }

    /// Fixes the peer.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    ///
    /// ```
    /// use maniac_io::net::UnixDatagram;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// let server = UnixDatagram::bind(&path)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect(&path)?;
    /// assert_eq!(server.local_addr()?.as_pathname(), Some(path.as_path()));
    /// client.shutdown(std::net::Shutdown::Write)?;
    /// assert!(client.send(b"hello").await.is_err());
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&UnixSocketAddr::from_pathname(path)?)
    }

    /// Fixes the peer by its address.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    pub fn connect_addr(&self, addr: &UnixSocketAddr) -> io::Result<()> {
        SockRef::from(self.io.fd()).connect(&to_sock_addr(addr)?)
    }

    /// Sends a datagram to a path.
    ///
    /// # Errors
    ///
    /// Those of sendto(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has sent nothing.
    pub async fn send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(buf, &UnixSocketAddr::from_pathname(path)?).await
    }

    /// Sends a datagram to an address.
    ///
    /// # Errors
    ///
    /// Those of sendto(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has sent nothing.
    pub async fn send_to_addr(&self, buf: &[u8], addr: &UnixSocketAddr) -> io::Result<usize> {
        self.io.send(|| sys::send_to_unix(self.io.fd(), buf, addr)).await
    }

    /// Receives a datagram; says how long it is and whose. What does not fit into `buf` is lost.
    ///
    /// # Errors
    ///
    /// Those of recvfrom(2).
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, UnixSocketAddr)> {
        self.io.receive(|| sys::recv_from_unix(self.io.fd(), buf, false)).await
    }

    /// Looks at the next datagram without taking it.
    ///
    /// # Errors
    ///
    /// Those of recvfrom(2).
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, UnixSocketAddr)> {
        self.io.receive(|| sys::recv_from_unix(self.io.fd(), buf, true)).await
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<UnixSocketAddr> {
        unix_addr(&SockRef::from(self.io.fd()).local_addr()?)
    }

    /// The peer that it is connected to.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2).
    pub fn peer_addr(&self) -> io::Result<UnixSocketAddr> {
        unix_addr(&SockRef::from(self.io.fd()).peer_addr()?)
    }

    /// Shuts receiving, sending or both (shutdown(2)).
    ///
    /// # Errors
    ///
    /// Those of shutdown(2).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(self.io.fd()).shutdown(how)
    }

    datagram_methods!(connected!());
}

impl_as_fd!(UnixDatagram, this => this.io.fd());
