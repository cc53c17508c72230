//! [`TcpStream`].

use super::TcpSocket;
use super::socket::{keepalive, set_keepalive};
use crate::net::half::shut_writing;
use crate::net::stream::{Kind, Stream};
use crate::net::{ToSocketAddrs, addr};
use crate::sys::{StdTcpStream, ip_addr};
use maniac_driver::OwnedDescriptor;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A TCP connection. Dropping it closes it.
///
/// ```
/// use maniac_io::net::{TcpListener, TcpStream};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let listener = TcpListener::bind("localhost:0").await?;
/// let mut stream = TcpStream::connect(listener.local_addr()?).await?;
/// stream.set_nodelay(true)?;
/// stream.set_ttl(7)?;
/// stream.set_linger(None)?;
/// assert!(stream.nodelay()? && stream.ttl()? == 7 && stream.linger()?.is_none());
/// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
/// stream.write_all(b"hello").await?;
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct TcpStream {
    stream: Stream,
}

/// An example's two ends.
macro_rules! connected {
    () => {
        "# let listener = maniac_io::net::TcpListener::bind(\"127.0.0.1:0\").await?;\n\
         # let mut a = maniac_io::net::TcpStream::connect(listener.local_addr()?).await?;\n\
         # let (mut b, _) = listener.accept().await?;"
    };
}

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    ///
    /// That of the last address.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the socket is closed; the peer may have seen a connection.
    ///
    /// ```
    /// use maniac_io::net::TcpStream;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    /// let error = TcpStream::connect(("127.0.0.1", port)).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<TcpStream> {
        let mut candidates = addr::candidates(addr).await?;
        while let Some(addr) = candidates.next() {
            match Self::connect_to(addr).await {
                Ok(stream) => return Ok(stream),
                Err(error) => candidates.failed(error),
            }
        }
        candidates.into_failure()
    }

    async fn connect_to(addr: SocketAddr) -> io::Result<TcpStream> {
        TcpSocket::for_addr(&addr)?.connect(addr).await
    }

    pub(super) fn of(fd: OwnedDescriptor) -> io::Result<TcpStream> {
        Ok(Self { stream: Stream::new(fd, Kind::Tcp)? })
    }

    pub(super) fn of_stream(stream: Stream) -> TcpStream {
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
    /// use maniac_io::net::TcpStream;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = TcpStream::from_std(stream)?;
    /// let again: std::net::TcpStream = stream.into_std().await?;
    /// # drop(again);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_std(stream: StdTcpStream) -> io::Result<TcpStream> {
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
    pub async fn into_std(self) -> io::Result<StdTcpStream> {
        self.stream.into_descriptor().await.map(StdTcpStream::from)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_addr(&self.options().local_addr()?)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip_addr(&self.options().peer_addr()?)
    }

    fn options(&self) -> SockRef<'_> {
        SockRef::from(self.stream.fd())
    }

    /// Whether small writes are sent at once (TCP_NODELAY).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.options().tcp_nodelay()
    }

    /// Sends small writes at once (TCP_NODELAY).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.options().set_tcp_nodelay(nodelay)
    }

    /// How many hops packets live (IP_TTL).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        self.options().ttl_v4()
    }

    /// Sets how many hops packets live (IP_TTL).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.options().set_ttl_v4(ttl)
    }

    /// How long closing lets unsent data be sent (SO_LINGER).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.options().linger()
    }

    /// Sets how long closing lets unsent data be sent (SO_LINGER): zero resets the connection. Closing a socket with a time
    /// above zero may block the thread that does.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        self.options().set_linger(time)
    }

    /// After how long without anything from the peer the system looks whether it is still there; `None` if it does not.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        keepalive(&self.options())
    }

    /// Has the system look whether the peer is still there, once nothing came for so long (SO_KEEPALIVE, TCP_KEEPIDLE);
    /// `None` does not.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use std::time::Duration;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let listener = maniac_io::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let stream = maniac_io::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_keepalive(Some(Duration::from_secs(60)))?;
    /// assert_eq!(stream.keepalive()?, Some(Duration::from_secs(60)));
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        set_keepalive(&self.options(), idle)
    }

    read_methods!(connected!());
    recv_methods!(connected!());
    write_methods!(connected!());
    send_methods!(connected!());
    socket_methods!(connected!());
}

impl From<&TcpStream> for crate::fs::Fd {
    fn from(stream: &TcpStream) -> Self {
        stream.fd()
    }
}

impl_async_read!(TcpStream);
impl_async_write!(TcpStream, this => shut_writing(this.stream()));
impl_as_fd!(TcpStream, this => this.stream.fd());
