//! [`TcpListener`].

use super::{TcpSocket, TcpStream};
use crate::net::accepting::Listening;
use crate::net::stream::{Kind, Stream};
use crate::net::{ToSocketAddrs, addr};
use crate::sys::{StdTcpListener, ip_addr};
use maniac_driver::OwnedDescriptor;
use maniac_driver::sys::SockAddr;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

/// How many connections wait to be accepted, unless [`TcpSocket::listen`] says something else; the system may allow fewer.
const BACKLOG: u32 = 1024;

/// A TCP socket that connections come to.
///
/// ```
/// use maniac_io::net::{TcpListener, TcpStream};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// let (mut server, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// client.write_all(b"hello").await?;
/// let mut buf = [0; 5];
/// server.read_exact(&mut buf).await?;
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    socket: Listening,
}

impl TcpListener {
    /// Listens on the first of the addresses that can be bound; port 0 lets the system choose one. An address that was used
    /// a moment ago can be bound again (SO_REUSEADDR).
    ///
    /// # Errors
    ///
    /// That of the last address.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is bound.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let mut candidates = addr::candidates(addr).await?;
        while let Some(addr) = candidates.next() {
            match Self::bind_to(addr) {
                Ok(listener) => return Ok(listener),
                Err(error) => candidates.failed(error),
            }
        }
        candidates.into_failure()
    }

    fn bind_to(addr: SocketAddr) -> io::Result<TcpListener> {
        let socket = TcpSocket::for_addr(&addr)?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    }

    pub(super) fn of(fd: OwnedDescriptor) -> io::Result<Self> {
        Ok(Self { socket: Listening::new(fd)? })
    }

    /// Takes over a listening socket.
    ///
    /// # Errors
    ///
    /// Outside a runtime; those of fcntl(2).
    ///
    /// ```
    /// use maniac_io::net::TcpListener;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let listener = TcpListener::from_std(std::net::TcpListener::bind("127.0.0.1:0")?)?;
    /// let again: std::net::TcpListener = listener.into_std().await?;
    /// # drop(again);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_std(listener: StdTcpListener) -> io::Result<TcpListener> {
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
    pub async fn into_std(self) -> io::Result<StdTcpListener> {
        self.socket.into_descriptor().await.map(StdTcpListener::from)
    }

    /// Takes the next connection; says whose it is. Any number of tasks may wait. Connections that broke while they waited
    /// are passed over.
    ///
    /// # Errors
    ///
    /// Those of accept(2), such as no more descriptors (`EMFILE`): the connection then waits on.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (fd, peer) = self.socket.accept().await?;
        accepted(fd, &peer)
    }

    /// As [`accept`](TcpListener::accept), to be polled; of several tasks, the last to poll is woken.
    ///
    /// # Errors
    ///
    /// As for `accept`.
    ///
    /// ```
    /// use maniac_io::net::{TcpListener, TcpStream};
    /// use std::future::poll_fn;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (_stream, from) = poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// assert_eq!(from, client.local_addr()?);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.socket.poll_accept(cx).map(|result| result.and_then(|(fd, peer)| accepted(fd, &peer)))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_addr(&SockRef::from(self.socket.fd()).local_addr()?)
    }

    /// How many hops packets of accepted connections live (IP_TTL).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        SockRef::from(self.socket.fd()).ttl_v4()
    }

    /// Sets how many hops packets of accepted connections live (IP_TTL).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use maniac_io::net::TcpListener;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// listener.set_ttl(7)?;
    /// assert_eq!(listener.ttl()?, 7);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        SockRef::from(self.socket.fd()).set_ttl_v4(ttl)
    }
}

impl_as_fd!(TcpListener, this => this.socket.fd());

fn accepted(fd: OwnedDescriptor, peer: &SockAddr) -> io::Result<(TcpStream, SocketAddr)> {
    Ok((TcpStream::of_stream(Stream::of_nonblocking(fd, Kind::Tcp)?), ip_addr(peer)?))
}
