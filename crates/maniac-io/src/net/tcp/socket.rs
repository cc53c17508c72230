//! [`TcpSocket`].

use super::{TcpListener, TcpStream};
use crate::net::stream::{Kind, Stream};
use crate::rt;
use crate::sys::{self, StdTcpStream, ip_addr};
use maniac_driver::sys::SockAddr;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A TCP socket before it connects or listens, to be configured.
///
/// ```
/// use maniac_io::net::TcpSocket;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.set_recv_buffer_size(1 << 16)?;
/// socket.set_send_buffer_size(1 << 16)?;
/// assert!(socket.reuseaddr()? && !socket.reuseport()?);
/// assert!(socket.recv_buffer_size()? >= 1 << 16 && socket.send_buffer_size()? >= 1 << 16);
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// let listener = socket.listen(128)?;
///
/// let socket = TcpSocket::new_v4()?;
/// socket.set_linger(Some(std::time::Duration::ZERO))?;
/// socket.set_keepalive(Some(std::time::Duration::from_secs(60)))?;
/// assert_eq!(socket.linger()?, Some(std::time::Duration::ZERO));
/// socket.set_nodelay(true)?;
/// let stream = socket.connect(listener.local_addr()?).await?;
/// assert!(stream.nodelay()?);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// Those of socket(2).
    pub fn new_v4() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV4)
    }

    /// A socket for IPv6.
    ///
    /// # Errors
    ///
    /// Those of socket(2).
    ///
    /// ```
    /// use maniac_io::net::TcpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let socket = TcpSocket::new_v6()?;
    /// if socket.bind("[::1]:0".parse().unwrap()).is_ok() {
    ///     assert!(socket.local_addr()?.is_ipv6());
    /// } // else a machine without IPv6
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn new_v6() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV6)
    }

    pub(super) fn for_addr(addr: &SocketAddr) -> io::Result<TcpSocket> {
        Self::new(Domain::for_address(*addr))
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        Ok(Self { socket: sys::socket(domain, Type::STREAM, Some(Protocol::TCP))? })
    }

    /// Takes over a socket that is not connected, whatever its type says.
    ///
    /// # Errors
    ///
    /// Those of fcntl(2).
    ///
    /// ```
    /// use maniac_io::net::TcpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// // From a library that sets options which this one does not know.
    /// let configured = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    /// let socket = TcpSocket::from_std_stream(configured.into())?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_std_stream(stream: StdTcpStream) -> io::Result<TcpSocket> {
        let socket = Socket::from(stream);
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Binds it to an address of this machine; port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// Those of bind(2).
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&addr.into())
    }

    /// Connects it.
    ///
    /// # Errors
    ///
    /// Those of connect(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, the socket is closed; the peer may have seen a connection.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        connect(self.socket, &addr.into(), Kind::Tcp).await.map(TcpStream::of_stream)
    }

    /// Listens on it; up to `backlog` connections wait to be accepted, or as many as the system allows.
    ///
    /// # Errors
    ///
    /// Those of listen(2); outside a runtime.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::of(self.socket.into())
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_addr(&self.socket.local_addr()?)
    }

    /// Whether an address that was used a moment ago can be bound (SO_REUSEADDR).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Allows to bind an address that was used a moment ago (SO_REUSEADDR).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_reuseaddr(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuse)
    }

    /// Whether several sockets may be bound to one address (SO_REUSEPORT).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn reuseport(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Allows several sockets to be bound to one address; connections are spread over them (SO_REUSEPORT).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use maniac_io::net::TcpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// let (one, two) = (TcpSocket::new_v4()?, TcpSocket::new_v4()?);
    /// one.set_reuseport(true)?;
    /// two.set_reuseport(true)?;
    /// one.bind("127.0.0.1:0".parse().unwrap())?;
    /// two.bind(one.local_addr()?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_reuseport(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuse)
    }

    /// The size of the buffer for sending, in bytes (SO_SNDBUF).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.socket.send_buffer_size()
    }

    /// Sets the size of the buffer for sending, in bytes; the system may give another (SO_SNDBUF).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(size)
    }

    /// The size of the buffer for receiving, in bytes (SO_RCVBUF).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Sets the size of the buffer for receiving, in bytes; the system may give another (SO_RCVBUF).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(size)
    }

    /// Whether small writes are sent at once (TCP_NODELAY).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.tcp_nodelay()
    }

    /// Sends small writes at once (TCP_NODELAY).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// How long closing lets unsent data be sent in the background (SO_LINGER).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Sets how long closing lets unsent data be sent (SO_LINGER): zero resets the connection. Closing a socket with a time
    /// above zero may block the thread that does.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(time)
    }

    /// Has the system look whether the peer is still there, once nothing came for so long (SO_KEEPALIVE, TCP_KEEPIDLE);
    /// `None` does not.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        set_keepalive(&self.socket, idle)
    }

    /// Binds it to a network interface, by name (SO_BINDTODEVICE); `None` unbinds it.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use maniac_io::net::TcpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// let socket = TcpSocket::new_v4()?;
    /// assert!(socket.bind_device(Some(b"no such device")).is_err());
    /// socket.bind_device(None)?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket.bind_device(interface)
    }
}

impl_as_fd!(TcpSocket, this => &this.socket);

/// Connects a socket of any family.
pub(crate) async fn connect(socket: Socket, addr: &SockAddr, kind: Kind) -> io::Result<Stream> {
    rt::charge().await;
    let stream = Stream::of_nonblocking(socket.into(), kind)?;
    if !sys::begin_connect(stream.fd(), addr)? {
        stream.io().io(maniac_driver::Interest::WRITABLE, || sys::finish_connect(stream.fd())).await?;
    }
    Ok(stream)
}

pub(super) fn set_keepalive(socket: &Socket, idle: Option<Duration>) -> io::Result<()> {
    match idle {
        Some(time) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time)),
        None => socket.set_keepalive(false),
    }
}

pub(super) fn keepalive(socket: &Socket) -> io::Result<Option<Duration>> {
    if socket.keepalive()? { socket.tcp_keepalive_time().map(Some) } else { Ok(None) }
}
