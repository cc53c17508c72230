//! [`UnixStream`].

use super::UnixSocketAddr;
use crate::net::half::shut_writing;
use crate::net::stream::{Kind, Stream};
use crate::net::tcp::connect;
use crate::sys::{self, StdUnixStream, to_sock_addr, unix_addr};
use maniac_driver::OwnedDescriptor;
use maniac_driver::sys::SockAddr;
use socket2::{Domain, SockRef, Type};
use std::io;
use std::path::Path;

/// A connection between Unix domain sockets. Dropping it closes it.
///
/// ```
/// use maniac_io::net::UnixStream;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (mut one, mut other) = UnixStream::pair()?;
/// one.write_all(b"hello").await?;
/// other.read_exact(&mut [0; 5]).await?;
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct UnixStream {
    stream: Stream,
}

/// An example's two ends.
macro_rules! connected {
    () => {
        "# let (mut a, mut b) = maniac_io::net::UnixStream::pair()?;"
    };
}

impl UnixStream {
    /// Connects to a path.
    ///
    /// # Errors
    ///
    /// Those of connect(2): `ConnectionRefused` if nobody listens; `WouldBlock` if as many wait to be accepted as may.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the socket is closed; the peer may have seen a connection.
    ///
    /// ```
    /// use maniac_io::net::{UnixListener, UnixStream};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// let listener = UnixListener::bind(&path)?;
    /// let stream = UnixStream::connect(&path).await?;
    /// assert_eq!(stream.peer_addr()?.as_pathname(), Some(path.as_path()));
    /// assert!(stream.local_addr()?.is_unnamed());
    /// let other = UnixStream::connect_addr(&listener.local_addr()?).await?;
    /// # drop(other);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        Self::connect_to(&SockAddr::unix(path)?).await
    }

    /// Connects to an address, such as one of Linux's abstract names.
    ///
    /// # Errors
    ///
    /// As for [`connect`](UnixStream::connect).
    ///
    /// # Cancel safety
    ///
    /// As for `connect`.
    pub async fn connect_addr(addr: &UnixSocketAddr) -> io::Result<UnixStream> {
        Self::connect_to(&to_sock_addr(addr)?).await
    }

    async fn connect_to(addr: &SockAddr) -> io::Result<UnixStream> {
        let socket = sys::socket(Domain::UNIX, Type::STREAM, None)?;
        Ok(Self { stream: connect(socket, addr, Kind::Unix).await? })
    }

    /// Two sockets connected to each other.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2); outside a runtime.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = StdUnixStream::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    pub(super) fn of(fd: OwnedDescriptor) -> io::Result<UnixStream> {
        Ok(Self { stream: Stream::new(fd, Kind::Unix)? })
    }

    pub(super) fn of_stream(stream: Stream) -> UnixStream {
        Self { stream }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Takes over a connected socket.
    ///
    /// # Errors
    ///
    /// Outside a runtime; those of fcntl(2).
    ///
    /// ```
    /// use maniac_io::net::UnixStream;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (one, other) = std::os::unix::net::UnixStream::pair()?;
    /// let mut stream = UnixStream::from_std(one)?;
    /// stream.write_all(b"hello").await?;
    /// let again: std::os::unix::net::UnixStream = stream.into_std().await?;
    /// # drop((again, other));
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_std(stream: StdUnixStream) -> io::Result<UnixStream> {
        Self::of(stream.into())
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
    pub async fn into_std(self) -> io::Result<StdUnixStream> {
        self.stream.into_descriptor().await.map(StdUnixStream::from)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<UnixSocketAddr> {
        unix_addr(&SockRef::from(self.stream.fd()).local_addr()?)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2).
    pub fn peer_addr(&self) -> io::Result<UnixSocketAddr> {
        unix_addr(&SockRef::from(self.stream.fd()).peer_addr()?)
    }

    /// Who is at the other end: what the system noted when it connected (SO_PEERCRED).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (one, _other) = maniac_io::net::UnixStream::pair()?;
    /// assert_eq!(one.peer_credentials()?.pid, Some(std::process::id()));
    /// # Ok(()) })
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        let (pid, uid, gid) = sys::peer_credentials(self.stream.fd())?;
        Ok(PeerCredentials { pid, uid, gid })
    }

    read_methods!(connected!());
    recv_methods!(connected!());
    write_methods!(connected!());
    send_methods!(connected!());
    socket_methods!(connected!());
}

/// Who is at the other end of a [`UnixStream`].
///
/// ```
/// use maniac_io::net::{PeerCredentials, UnixStream};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// /// Whether it is one's own process that asks.
/// fn is_own(peer: PeerCredentials) -> bool {
///     peer.pid == Some(std::process::id())
/// }
/// let (one, _other) = UnixStream::pair()?;
/// assert!(is_own(one.peer_credentials()?));
/// # Ok(()) })
/// # }
/// ```
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The process; `None` where it cannot be named in this process's namespace.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl From<&UnixStream> for crate::fs::Fd {
    fn from(stream: &UnixStream) -> Self {
        stream.fd()
    }
}

impl_async_read!(UnixStream);
impl_async_write!(UnixStream, this => shut_writing(this.stream()));
impl_as_fd!(UnixStream, this => this.stream.fd());
