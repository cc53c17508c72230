//! UDP.

use super::datagram::Datagram;
use super::{ToSocketAddrs, addr};
use crate::sys::{self, StdUdpSocket, ip_addr};
use maniac_driver::{Interest, SharedFd};
use socket2::{Domain, Protocol, SockRef, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

/// A UDP socket. All calls take `&self`, and any number of tasks may send and receive at the same time.
///
/// ```
/// use maniac_io::net::UdpSocket;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.send_to(b"ping", server.local_addr()?).await?;
/// let mut buf = [0; 16];
/// let (count, from) = server.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..count], from), (&b"ping"[..], client.local_addr()?));
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    io: Datagram,
}

/// An example's two ends.
macro_rules! connected {
    () => {
        "# let a = maniac_io::net::UdpSocket::bind(\"127.0.0.1:0\").await?;\n\
         # let b = maniac_io::net::UdpSocket::bind(\"127.0.0.1:0\").await?;\n\
         # a.connect(b.local_addr()?).await?;\n\
         # b.connect(a.local_addr()?).await?;"
    };
}

impl UdpSocket {
    /// A socket bound to the first of the addresses that can be bound; port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// That of the last address.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is bound.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let mut candidates = addr::candidates(addr).await?;
        while let Some(addr) = candidates.next() {
            match Self::bind_to(addr) {
                Ok(socket) => return Ok(socket),
                Err(error) => candidates.failed(error),
            }
        }
        candidates.into_failure()
    }

    fn bind_to(addr: SocketAddr) -> io::Result<UdpSocket> {
        let socket = sys::socket(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind(&addr.into())?;
        Ok(Self { io: Datagram::new(socket.into())? })
    }

    /// Takes over a bound socket, configured as it may be.
    ///
    /// # Errors
    ///
    /// Outside a runtime; those of fcntl(2).
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let socket = UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// let again: std::net::UdpSocket = socket.into_std().await?;
    /// # drop(again);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_std(socket: StdUdpSocket) -> io::Result<UdpSocket> {
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
    pub async fn into_std(self) -> io::Result<StdUdpSocket> {
        self.io.into_descriptor().await.map(StdUdpSocket::from)
    }

    /// Fixes the peer: the first of the addresses that can be reached. Datagrams of others are not received any more.
    ///
    /// # Errors
    ///
    /// That of the last address.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the socket is as it was.
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// a.connect(b.local_addr()?).await?;
    /// assert_eq!(a.peer_addr()?, b.local_addr()?);
    /// a.send(b"no address any more").await?;
    /// let (count, from) = b.peek_from(&mut [0; 32]).await?;
    /// assert_eq!((count, from), (19, a.local_addr()?));
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let mut candidates = addr::candidates(addr).await?;
        while let Some(addr) = candidates.next() {
            match self.options().connect(&addr.into()) {
                Ok(()) => return Ok(()),
                Err(error) => candidates.failed(error),
            }
        }
        candidates.into_failure()
    }

    /// Sends a datagram to the first of the addresses.
    ///
    /// # Errors
    ///
    /// Those of sendto(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has sent nothing.
    pub async fn send_to(&self, buf: &[u8], addr: impl ToSocketAddrs) -> io::Result<usize> {
        let mut candidates = addr::candidates(addr).await?;
        match candidates.next() {
            Some(addr) => self.io.send(|| sys::send_to(self.io.fd(), buf, &addr)).await,
            None => candidates.into_failure(),
        }
    }

    /// As [`send_to`](UdpSocket::send_to), to be polled; of several tasks, the last to poll is woken.
    ///
    /// # Errors
    ///
    /// Those of sendto(2).
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// use std::future::poll_fn;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// let (to, mut buf) = (b.local_addr()?, [0; 16]);
    /// assert_eq!(poll_fn(|cx| a.poll_send_to(cx, b"hello", to)).await?, 5);
    /// assert_eq!(poll_fn(|cx| b.poll_recv_from(cx, &mut buf)).await?, (5, a.local_addr()?));
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        addr: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io.poll(cx, Interest::WRITABLE, || sys::send_to(self.io.fd(), buf, &addr))
    }

    /// As [`send_to`](UdpSocket::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// Those of sendto(2); `WouldBlock` if there is no room.
    pub fn try_send_to(&self, buf: &[u8], addr: SocketAddr) -> io::Result<usize> {
        self.io.try_now(Interest::WRITABLE, || sys::send_to(self.io.fd(), buf, &addr))
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
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.receive(|| sys::recv_from(self.io.fd(), buf, false)).await
    }

    /// As [`recv_from`](UdpSocket::recv_from), to be polled; of several tasks, the last to poll is woken.
    ///
    /// # Errors
    ///
    /// Those of recvfrom(2).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll(cx, Interest::READABLE, || sys::recv_from(self.io.fd(), buf, false))
    }

    /// As [`recv_from`](UdpSocket::recv_from), without waiting.
    ///
    /// # Errors
    ///
    /// Those of recvfrom(2); `WouldBlock` if there is none.
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// let error = b.try_recv_from(&mut [0; 16]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    /// a.try_send_to(b"hello", b.local_addr()?)?;
    /// b.readable().await?;
    /// assert_eq!(b.try_recv_from(&mut [0; 16])?, (5, a.local_addr()?));
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_now(Interest::READABLE, || sys::recv_from(self.io.fd(), buf, false))
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
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.receive(|| sys::recv_from(self.io.fd(), buf, true)).await
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_addr(&self.options().local_addr()?)
    }

    /// The peer that it is connected to.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip_addr(&self.options().peer_addr()?)
    }

    fn options(&self) -> SockRef<'_> {
        SockRef::from(self.io.fd())
    }

    /// Whether datagrams may go to broadcast addresses (SO_BROADCAST).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.options().broadcast()
    }

    /// Allows datagrams to broadcast addresses (SO_BROADCAST).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let socket = UdpSocket::bind("0.0.0.0:0").await?;
    /// socket.set_broadcast(true)?;
    /// socket.set_ttl(1)?;
    /// assert!(socket.broadcast()? && socket.ttl()? == 1);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.options().set_broadcast(on)
    }

    /// How many hops datagrams live (IP_TTL).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        self.options().ttl_v4()
    }

    /// Sets how many hops datagrams live (IP_TTL).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.options().set_ttl_v4(ttl)
    }

    /// Whether multicast datagrams come back to this machine (IP_MULTICAST_LOOP).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.options().multicast_loop_v4()
    }

    /// Has multicast datagrams come back to this machine (IP_MULTICAST_LOOP).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.options().set_multicast_loop_v4(on)
    }

    /// How many hops multicast datagrams live (IP_MULTICAST_TTL).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.options().multicast_ttl_v4()
    }

    /// Sets how many hops multicast datagrams live (IP_MULTICAST_TTL).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let socket = UdpSocket::bind("0.0.0.0:0").await?;
    /// socket.set_multicast_ttl_v4(2)?;
    /// socket.set_multicast_loop_v4(false)?;
    /// assert!(socket.multicast_ttl_v4()? == 2 && !socket.multicast_loop_v4()?);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.options().set_multicast_ttl_v4(ttl)
    }

    /// Whether multicast datagrams come back to this machine (IPV6_MULTICAST_LOOP).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.options().multicast_loop_v6()
    }

    /// Has multicast datagrams come back to this machine (IPV6_MULTICAST_LOOP).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.options().set_multicast_loop_v6(on)
    }

    /// Joins a multicast group on the interface with the address `interface` (IP_ADD_MEMBERSHIP).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let socket = UdpSocket::bind("0.0.0.0:0").await?;
    /// let group = Ipv4Addr::new(224, 0, 0, 123);
    /// socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    /// socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options().join_multicast_v4(&group, &interface)
    }

    /// Leaves a multicast group (IP_DROP_MEMBERSHIP).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.options().leave_multicast_v4(&group, &interface)
    }

    /// Joins a multicast group on an interface, by number; 0 lets the system choose (IPV6_ADD_MEMBERSHIP).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    ///
    /// ```
    /// use maniac_io::net::UdpSocket;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let Ok(socket) = UdpSocket::bind("[::]:0").await else {
    ///     return Ok(()); // A machine without IPv6.
    /// };
    /// socket.set_multicast_loop_v6(false)?;
    /// assert!(!socket.multicast_loop_v6()?);
    /// let group = "ff02::123".parse().unwrap();
    /// if socket.join_multicast_v6(&group, 0).is_ok() {
    ///     socket.leave_multicast_v6(&group, 0)?;
    /// } // else no interface for it
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options().join_multicast_v6(group, interface)
    }

    /// Leaves a multicast group (IPV6_DROP_MEMBERSHIP).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.options().leave_multicast_v6(group, interface)
    }

    pub(super) fn datagram(&self) -> &Datagram {
        &self.io
    }

    pub(super) fn shared_fd(&self) -> &SharedFd {
        self.io.fd()
    }

    datagram_methods!(connected!());
}

impl_as_fd!(UdpSocket, this => this.io.fd());
