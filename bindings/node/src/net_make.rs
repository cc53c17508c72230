//! Sockets made, bound and set by plain calls, none of which waits.

use crate::net_names::{self, Interface, UNIX};
use crate::outcome::errno_of;
use maniac::driver::host::sys::SockAddr;
use maniac::driver::{OwnedDescriptor, SharedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use socket2::{Domain, InterfaceIndexOrAddress, SockRef, Socket, TcpKeepalive, Type};
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// What JavaScript may set of a socket; `ops.ts` has the same numbers.
mod option {
    pub(super) const NO_DELAY: i32 = 1;
    pub(super) const KEEP_ALIVE: i32 = 2;
    pub(super) const BROADCAST: i32 = 3;
    pub(super) const TTL: i32 = 4;
    pub(super) const MULTICAST_TTL: i32 = 5;
    pub(super) const MULTICAST_LOOP: i32 = 6;
    pub(super) const RECEIVE_BUFFER: i32 = 7;
    pub(super) const SEND_BUFFER: i32 = 8;
    pub(super) const MULTICAST_INTERFACE: i32 = 9;
    pub(super) const JOIN: i32 = 10;
    pub(super) const LEAVE: i32 = 11;
    pub(super) const JOIN_SOURCE: i32 = 12;
    pub(super) const LEAVE_SOURCE: i32 = 13;
}

/// Bits of a bind's or listen's flags.
pub(crate) const ONLY_V6: i32 = 1;
pub(crate) const REUSE_ADDRESS: i32 = 2;
pub(crate) const REUSE_PORT: i32 = 4;
pub(crate) const ALL_READ: i32 = 8;
pub(crate) const ALL_WRITE: i32 = 16;

fn io<T>(result: std::io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| errno_of(&error))
}

/// A socket for `address`: CLOEXEC and non-blocking.
pub(crate) fn socket(address: &SockAddr, kind: Type) -> Result<Socket, Errno> {
    let socket = io(Socket::new(Domain::from(i32::from(address.family())), kind, None))?;
    io(socket.set_nonblocking(true))?;
    Ok(socket)
}

/// A socket that listens at `address`.
pub(crate) fn listener(address: &SockAddr, backlog: i32, flags: i32) -> Result<OwnedDescriptor, Errno> {
    let socket = socket(address, Type::STREAM)?;
    if address.is_unix() {
        // As libuv says it, for the sake of Windows.
        io(socket.bind(address))
            .map_err(|errno| if errno == Errno::NOENT { Errno::ACCESS } else { errno })?;
        if let Err(errno) = open_to_all(address, flags) {
            remove_path(address);
            return Err(errno);
        }
    } else {
        io(socket.set_reuse_address(true))?;
        prepare(&socket, address, flags)?;
        io(socket.bind(address))?;
    }
    io(socket.listen(backlog))?;
    Ok(socket.into())
}

fn prepare(socket: &Socket, address: &SockAddr, flags: i32) -> Result<(), Errno> {
    if address.is_ipv6() && flags & ONLY_V6 != 0 {
        io(socket.set_only_v6(true))?;
    }
    if flags & REUSE_PORT != 0 {
        io(socket.set_reuse_port(true))?;
    }
    Ok(())
}

/// Lets everybody read or write a Unix domain socket.
fn open_to_all(address: &SockAddr, flags: i32) -> Result<(), Errno> {
    let Some(path) = address.as_pathname().filter(|_| flags & (ALL_READ | ALL_WRITE) != 0) else {
        return Ok(());
    };
    let mut mode = Mode::from_raw_mode(rustix::fs::stat(path)?.st_mode & 0o7777);
    if flags & ALL_READ != 0 {
        mode |= Mode::RUSR | Mode::RGRP | Mode::ROTH;
    }
    if flags & ALL_WRITE != 0 {
        mode |= Mode::WUSR | Mode::WGRP | Mode::WOTH;
    }
    rustix::fs::chmod(path, mode)
}

/// The path that a listener's end removes.
pub(crate) fn path_of(address: &SockAddr) -> Option<PathBuf> {
    address.as_pathname().map(PathBuf::from)
}

fn remove_path(address: &SockAddr) {
    if let Some(path) = address.as_pathname() {
        let _ = rustix::fs::unlink(path);
    }
}

/// A descriptor of the program's own that listens from now on.
pub(crate) fn listen_on(fd: &SharedFd, backlog: i32) -> Result<(), Errno> {
    io(SockRef::from(fd).listen(backlog))
}

/// A datagram socket bound to `address`.
pub(crate) fn datagrams(address: &SockAddr, flags: i32) -> Result<OwnedDescriptor, Errno> {
    let socket = socket(address, Type::DGRAM)?;
    if flags & REUSE_ADDRESS != 0 {
        io(socket.set_reuse_address(true))?;
    }
    prepare(&socket, address, flags)?;
    io(socket.bind(address))?;
    Ok(socket.into())
}

/// Connects a datagram socket, or undoes that.
pub(crate) fn connect_datagrams(fd: &SharedFd, address: Option<&SockAddr>) -> Result<(), Errno> {
    match address {
        Some(address) => io(SockRef::from(fd).connect(address)),
        None => match rustix::net::connect_unspec(fd) {
            // macOS says so although it did.
            Err(Errno::AFNOSUPPORT) => Ok(()),
            result => result,
        },
    }
}

/// Begins to connect; true if that was all.
pub(crate) fn begin_connect(socket: &Socket, address: &SockAddr) -> Result<bool, Errno> {
    match io(socket.connect(address)) {
        Ok(()) => Ok(true),
        // Interrupted or not, it goes on by itself (connect(2)).
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// How a connection that was begun has ended; `WouldBlock` if it has not.
pub(crate) fn end_connect(fd: &SharedFd) -> std::io::Result<()> {
    let socket = SockRef::from(fd);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if matches!(errno_of(&error), Errno::NOTCONN | Errno::INVAL) => {
            Err(std::io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// Peer and own address, as text; empty for what the system does not say.
pub(crate) fn names(fd: &SharedFd) -> Vec<u8> {
    let socket = SockRef::from(fd);
    let mut text = Vec::new();
    net_names::write(socket.peer_addr().ok().as_ref(), &mut text);
    net_names::write(socket.local_addr().ok().as_ref(), &mut text);
    text
}

/// Makes the close of a connection a reset.
pub(crate) fn reset_on_close(fd: &SharedFd) -> Result<(), Errno> {
    io(SockRef::from(fd).set_linger(Some(Duration::ZERO)))
}

/// Sets an option. Those of IPv4 and IPv6 differ, so the socket's own address decides.
pub(crate) fn set(
    fd: &SharedFd,
    which: i32,
    value: i32,
    extra: i64,
    texts: [&[u8]; 2],
) -> Result<i32, Errno> {
    let socket = SockRef::from(fd);
    let (on, number) = (value != 0, u32::try_from(value).unwrap_or(0));
    let v6 = || socket.local_addr().is_ok_and(|address| address.is_ipv6());
    match which {
        option::NO_DELAY => io(socket.set_tcp_nodelay(on))?,
        option::KEEP_ALIVE => keep_alive(&socket, on, extra)?,
        option::BROADCAST => io(socket.set_broadcast(on))?,
        option::TTL if v6() => io(socket.set_unicast_hops_v6(number))?,
        option::TTL => io(socket.set_ttl_v4(number))?,
        option::MULTICAST_TTL if v6() => io(socket.set_multicast_hops_v6(number))?,
        option::MULTICAST_TTL => io(socket.set_multicast_ttl_v4(number))?,
        option::MULTICAST_LOOP if v6() => io(socket.set_multicast_loop_v6(on))?,
        option::MULTICAST_LOOP => io(socket.set_multicast_loop_v4(on))?,
        option::RECEIVE_BUFFER => {
            if value > 0 {
                io(socket.set_recv_buffer_size(number as usize))?;
            }
            return io(socket.recv_buffer_size()).map(|size| size as i32);
        }
        option::SEND_BUFFER => {
            if value > 0 {
                io(socket.set_send_buffer_size(number as usize))?;
            }
            return io(socket.send_buffer_size()).map(|size| size as i32);
        }
        option::MULTICAST_INTERFACE => multicast_interface(&socket, texts[0], v6())?,
        option::JOIN | option::LEAVE => membership(&socket, which == option::JOIN, texts)?,
        option::JOIN_SOURCE | option::LEAVE_SOURCE => {
            source_membership(&socket, which == option::JOIN_SOURCE, texts)?;
        }
        _ => return Err(Errno::INVAL),
    }
    Ok(0)
}

fn keep_alive(socket: &SockRef<'_>, on: bool, seconds: i64) -> Result<(), Errno> {
    if !on {
        return io(socket.set_keepalive(false));
    }
    let mut settings = TcpKeepalive::new();
    // As libuv: the delay of the first probe, one second between the others, ten of them.
    if let Some(seconds) = u64::try_from(seconds).ok().filter(|&seconds| seconds > 0) {
        settings = settings.with_time(Duration::from_secs(seconds));
        settings = settings.with_interval(Duration::from_secs(1));
        settings = settings.with_retries(10);
    }
    io(socket.set_keepalive(true))?;
    if seconds > 0 { io(socket.set_tcp_keepalive(&settings)) } else { Ok(()) }
}

fn multicast_interface(socket: &SockRef<'_>, text: &[u8], v6: bool) -> Result<(), Errno> {
    match (net_names::interface(text)?, v6) {
        (Interface::Default, true) => io(socket.set_multicast_if_v6(0)),
        (Interface::Index(index), true) => io(socket.set_multicast_if_v6(index)),
        (Interface::Default, false) => io(socket.set_multicast_if_v4(&std::net::Ipv4Addr::UNSPECIFIED)),
        (Interface::Address(address), false) => io(socket.set_multicast_if_v4(&address)),
        _ => Err(Errno::INVAL),
    }
}

fn membership(socket: &SockRef<'_>, join: bool, [group, interface]: [&[u8]; 2]) -> Result<(), Errno> {
    let interface = net_names::interface(interface)?;
    match net_names::ip(group)? {
        IpAddr::V4(group) => {
            let interface = match interface {
                Interface::Default => InterfaceIndexOrAddress::Index(0),
                Interface::Index(index) => InterfaceIndexOrAddress::Index(index),
                Interface::Address(address) => InterfaceIndexOrAddress::Address(address),
            };
            io(if join {
                socket.join_multicast_v4_n(&group, &interface)
            } else {
                socket.leave_multicast_v4_n(&group, &interface)
            })
        }
        IpAddr::V6(group) => {
            let index = match interface {
                Interface::Default => 0,
                Interface::Index(index) => index,
                Interface::Address(_) => return Err(Errno::INVAL),
            };
            io(if join {
                socket.join_multicast_v6(&group, index)
            } else {
                socket.leave_multicast_v6(&group, index)
            })
        }
    }
}

/// `texts[0]` holds source and group, a null byte between them.
fn source_membership(socket: &SockRef<'_>, join: bool, texts: [&[u8]; 2]) -> Result<(), Errno> {
    let (source, group) =
        texts[0].split_at(texts[0].iter().position(|&byte| byte == b' ').ok_or(Errno::INVAL)?);
    let (IpAddr::V4(source), IpAddr::V4(group)) = (net_names::ip(source)?, net_names::ip(&group[1..])?)
    else {
        return Err(Errno::AFNOSUPPORT);
    };
    let interface = match net_names::interface(texts[1])? {
        Interface::Default => std::net::Ipv4Addr::UNSPECIFIED,
        Interface::Address(address) => address,
        Interface::Index(_) => return Err(Errno::INVAL),
    };
    io(if join {
        socket.join_ssm_v4(&source, &group, &interface)
    } else {
        socket.leave_ssm_v4(&source, &group, &interface)
    })
}

/// The address that an entry's words speak of.
pub(crate) fn address(kind: i32, text: &[u8], port: i32) -> Result<SockAddr, Errno> {
    // A path may be abstract: its first byte is null then.
    if kind == UNIX && text.first() == Some(&0) {
        return io(SockAddr::unix(OsStr::from_bytes(text)));
    }
    net_names::parse(kind, text, port as u16)
}
