//! Calls on sockets with borrowed buffers: at once, or `WouldBlock`. None raises SIGPIPE (sendfile(2) and
//! splice(2), in `files`, do: they have no flag against it).

use super::UnixAddr;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketAddrUnix};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// No SIGPIPE, where the system has the flag (elsewhere the socket has SO_NOSIGPIPE).
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// send(2)
pub(crate) fn send(fd: &impl AsFd, buf: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::send(fd, buf, NO_SIGNAL))?)
}

/// sendmsg(2)
pub(crate) fn send_vectored(fd: &impl AsFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    /// IOV_MAX
    const MOST: usize = 1024;
    let bufs = &bufs[..bufs.len().min(MOST)];
    let mut nothing = SendAncillaryBuffer::default();
    Ok(retry_on_intr(|| rustix::net::sendmsg(fd, bufs, &mut nothing, NO_SIGNAL))?)
}

/// recv(2) without taking the data.
pub(crate) fn peek(fd: &impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::recv(fd, &mut *buf, RecvFlags::PEEK))?.0)
}

/// recv(2)
pub(crate) fn recv(fd: &impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::recv(fd, &mut *buf, RecvFlags::empty()))?.0)
}

/// recvfrom(2), with or without taking the datagram.
fn recv_any(fd: &impl AsFd, buf: &mut [u8], peek: bool) -> io::Result<(usize, Option<SocketAddrAny>)> {
    let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
    let (count, _, from) = retry_on_intr(|| rustix::net::recvfrom(fd, &mut *buf, flags))?;
    Ok((count, from))
}

/// recvfrom(2) on a socket of IP.
pub(crate) fn recv_from(fd: &impl AsFd, buf: &mut [u8], peek: bool) -> io::Result<(usize, SocketAddr)> {
    let (count, from) = recv_any(fd, buf, peek)?;
    let from = from.and_then(|from| SocketAddr::try_from(from).ok()).ok_or_else(no_address)?;
    Ok((count, from))
}

/// recvfrom(2) on a Unix domain socket.
pub(crate) fn recv_from_unix(fd: &impl AsFd, buf: &mut [u8], peek: bool) -> io::Result<(usize, UnixAddr)> {
    let (count, from) = recv_any(fd, buf, peek)?;
    let from = match from.map(SocketAddrUnix::try_from) {
        Some(Ok(from)) => unix_addr_of(&from)?,
        _ => unnamed(),
    };
    Ok((count, from))
}

/// sendto(2) on a socket of IP.
pub(crate) fn send_to(fd: &impl AsFd, buf: &[u8], to: &SocketAddr) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::sendto(fd, buf, NO_SIGNAL, to))?)
}

/// sendto(2) on a Unix domain socket.
pub(crate) fn send_to_unix(fd: &impl AsFd, buf: &[u8], to: &UnixAddr) -> io::Result<usize> {
    let to = raw_unix_addr(to)?;
    Ok(retry_on_intr(|| rustix::net::sendto(fd, buf, NO_SIGNAL, &to))?)
}

/// The most datagrams that one call moves.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub const MAX_DATAGRAMS: usize = 32;

/// What came with a datagram.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug)]
pub(crate) struct DatagramInfo {
    pub(crate) len: usize,
    pub(crate) from: Option<SocketAddr>,
    pub(crate) is_cut: bool,
}

/// Receives into each of `bufs` until there is nothing more.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn receive_datagrams<'a>(
    fd: &impl AsFd,
    bufs: impl Iterator<Item = &'a mut [u8]>,
    infos: &mut Vec<DatagramInfo>,
) -> io::Result<usize> {
    for buf in bufs {
        match recv_from(fd, buf, false) {
            Ok((len, from)) => infos.push(DatagramInfo { len, from: Some(from), is_cut: false }),
            Err(error) if infos.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(infos.len())
}

/// Sends until there is no room or one fails.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn send_datagrams<'a>(
    fd: &impl AsFd,
    datagrams: impl Iterator<Item = (&'a [u8], SocketAddr)>,
) -> io::Result<usize> {
    let mut sent = 0;
    for (bytes, to) in datagrams.take(MAX_DATAGRAMS) {
        match send_to(fd, bytes, &to) {
            Ok(_) => sent += 1,
            Err(error) if sent == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(sent)
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the address is of another family than the socket")
}

/// The address of a socket without a name.
fn unnamed() -> UnixAddr {
    // The empty path is how the system writes it.
    UnixAddr::from_pathname("").expect("the empty path has no zero byte")
}

fn unix_addr_of(addr: &SocketAddrUnix) -> io::Result<UnixAddr> {
    use std::os::unix::ffi::OsStrExt;
    if let Some(path) = addr.path_bytes() {
        return UnixAddr::from_pathname(std::ffi::OsStr::from_bytes(path));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = addr.abstract_name() {
        return abstract_addr(name);
    }
    Ok(unnamed())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_addr(name: &[u8]) -> io::Result<UnixAddr> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    UnixAddr::from_abstract_name(name)
}

fn raw_unix_addr(addr: &UnixAddr) -> io::Result<SocketAddrUnix> {
    if let Some(path) = addr.as_pathname() {
        return Ok(SocketAddrUnix::new(path)?);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;
        if let Some(name) = addr.as_abstract_name() {
            return Ok(SocketAddrUnix::new_abstract_name(name)?);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "an unnamed socket address cannot be sent or connected to",
    ))
}

/// What bind(2) and connect(2) take for a Unix domain address.
pub(crate) fn to_sock_addr(addr: &UnixAddr) -> io::Result<SockAddr> {
    if let Some(path) = addr.as_pathname() {
        return SockAddr::unix(path);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;
        if let Some(name) = addr.as_abstract_name() {
            let mut path = vec![0];
            path.extend_from_slice(name);
            return SockAddr::unix(std::ffi::OsStr::from_bytes(&path));
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "an unnamed socket address cannot be sent or connected to",
    ))
}

/// The IP address in what the system gave.
pub(crate) fn ip_addr(addr: &SockAddr) -> io::Result<SocketAddr> {
    addr.as_socket().ok_or_else(no_address)
}

/// The Unix domain address in what the system gave.
pub(crate) fn unix_addr(addr: &SockAddr) -> io::Result<UnixAddr> {
    if let Some(path) = addr.as_pathname() {
        return UnixAddr::from_pathname(path);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = addr.as_abstract_namespace() {
        return abstract_addr(name);
    }
    Ok(unnamed())
}

/// A new socket: CLOEXEC, non-blocking, without SIGPIPE.
pub(crate) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let kind = kind.nonblocking();
    let socket = Socket::new(domain, kind, protocol)?;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Begins to connect; true if that was all.
pub(crate) fn begin_connect(fd: &impl AsFd, addr: &SockAddr) -> io::Result<bool> {
    match SockRef::from(fd).connect(addr) {
        Ok(()) => Ok(true),
        // Interrupted or not, it goes on by itself (connect(2)).
        Err(error)
            if super::is(&error, super::Errno::INPROGRESS) || super::is(&error, super::Errno::INTR) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// How a connection that was begun has ended; `WouldBlock` if it has not.
pub(crate) fn finish_connect(fd: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(fd);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if super::is(&error, super::Errno::NOTCONN) || super::is(&error, super::Errno::INVAL) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// The process, user and group at the other end of a Unix domain socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer_credentials(fd: &impl AsFd) -> io::Result<(Option<u32>, u32, u32)> {
    let who = rustix::net::sockopt::socket_peercred(fd)?;
    let pid = u32::try_from(who.pid.as_raw_nonzero().get()).ok();
    Ok((pid, who.uid.as_raw(), who.gid.as_raw()))
}
