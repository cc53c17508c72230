//! [`UnixListener`].

use super::{UnixSocketAddr, UnixStream};
use crate::net::accepting::Listening;
use crate::net::stream::{Kind, Stream};
use crate::sys::{self, StdUnixListener, to_sock_addr, unix_addr};
use maniac_driver::OwnedDescriptor;
use maniac_driver::sys::SockAddr;
use socket2::{Domain, SockRef, Type};
use std::io;
use std::path::Path;
use std::task::{Context, Poll};

/// How many connections wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// A Unix domain socket that connections come to.
///
/// The file that it is bound to stays when it is dropped; bind where nothing is, or remove it first.
///
/// ```
/// use maniac_io::net::{UnixListener, UnixStream};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("socket");
/// let listener = UnixListener::bind(&path)?;
/// let mut client = UnixStream::connect(&path).await?;
/// let (mut server, _) = listener.accept().await?;
/// client.write_all(b"hello").await?;
/// server.read_exact(&mut [0; 5]).await?;
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct UnixListener {
    socket: Listening,
}

impl UnixListener {
    /// Listens on a path.
    ///
    /// # Errors
    ///
    /// Those of bind(2): `AddrInUse` if there is something; outside a runtime.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        Self::bind_to(&SockAddr::unix(path)?)
    }

    /// Listens on an address, such as one of Linux's abstract names.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixListener::bind).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// use maniac_io::net::{UnixListener, UnixSocketAddr, UnixStream};
    /// use std::os::linux::net::SocketAddrExt;
    /// let name = format!("maniac example {}", std::process::id());
    /// let addr = UnixSocketAddr::from_abstract_name(&name)?;
    /// let listener = UnixListener::bind_addr(&addr)?;
    /// let client = UnixStream::connect_addr(&addr).await?;
    /// assert_eq!(client.peer_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # drop(listener);
    /// # Ok(()) })
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn bind_addr(addr: &UnixSocketAddr) -> io::Result<UnixListener> {
        Self::bind_to(&to_sock_addr(addr)?)
    }

    fn bind_to(addr: &SockAddr) -> io::Result<UnixListener> {
        let socket = sys::socket(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)?;
        Self::of(socket.into())
    }

    fn of(fd: OwnedDescriptor) -> io::Result<Self> {
        Ok(Self { socket: Listening::new(fd)? })
    }

    /// Takes over a listening socket.
    ///
    /// # Errors
    ///
    /// Outside a runtime; those of fcntl(2).
    ///
    /// ```
    /// use maniac_io::net::{UnixListener, UnixStream};
    /// use std::future::poll_fn;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// let listener = UnixListener::from_std(std::os::unix::net::UnixListener::bind(&path)?)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(path.as_path()));
    /// let client = UnixStream::connect(&path).await?;
    /// let (server, _) = poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// let again: std::os::unix::net::UnixListener = listener.into_std().await?;
    /// # drop((client, server, again));
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_std(listener: StdUnixListener) -> io::Result<UnixListener> {
        Self::of(listener.into())
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
    pub async fn into_std(self) -> io::Result<StdUnixListener> {
        self.socket.into_descriptor().await.map(StdUnixListener::from)
    }

    /// Takes the next connection; says whose it is. Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// Those of accept(2), such as no more descriptors (`EMFILE`): the connection then waits on.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<(UnixStream, UnixSocketAddr)> {
        let (fd, peer) = self.socket.accept().await?;
        accepted(fd, &peer)
    }

    /// As [`accept`](UnixListener::accept), to be polled; of several tasks, the last to poll is woken.
    ///
    /// # Errors
    ///
    /// As for `accept`.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, UnixSocketAddr)>> {
        self.socket.poll_accept(cx).map(|result| result.and_then(|(fd, peer)| accepted(fd, &peer)))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<UnixSocketAddr> {
        unix_addr(&SockRef::from(self.socket.fd()).local_addr()?)
    }
}

impl_as_fd!(UnixListener, this => this.socket.fd());

fn accepted(fd: OwnedDescriptor, peer: &SockAddr) -> io::Result<(UnixStream, UnixSocketAddr)> {
    Ok((UnixStream::of_stream(Stream::of_nonblocking(fd, Kind::Unix)?), unix_addr(peer)?))
}
