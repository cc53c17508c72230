//! Addresses as text, in and out, and names looked up.

use crate::outcome::Outcome;
use maniac::driver::host::sys::SockAddr;
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

/// Which kind of address an entry's first argument but one speaks of; `ops.ts` has the same numbers.
pub(crate) const UNIX: i32 = 1;
pub(crate) const IPV4: i32 = 4;
pub(crate) const IPV6: i32 = 6;

/// The address that text of that kind names.
///
/// # Errors
///
/// `EINVAL` for text of another kind; for a path what is wrong with it.
pub(crate) fn parse(kind: i32, text: &[u8], port: u16) -> Result<SockAddr, Errno> {
    if kind == UNIX {
        return SockAddr::unix(OsStr::from_bytes(text)).map_err(|_| Errno::INVAL);
    }
    let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
    match kind {
        IPV4 => text.parse().map(|ip: Ipv4Addr| SocketAddrV4::new(ip, port).into()),
        IPV6 => {
            let (text, zone) = text.split_once('%').unwrap_or((text, ""));
            let ip = text.parse::<Ipv6Addr>();
            return ip
                .map(|ip| SocketAddrV6::new(ip, port, 0, zone_index(zone)).into())
                .map_err(|_| Errno::INVAL);
        }
        _ => return Err(Errno::AFNOSUPPORT),
    }
    .map_err(|_| Errno::INVAL)
}

/// The number of a zone given by name or by number; 0, the default, for one that there is not.
fn zone_index(zone: &str) -> u32 {
    if zone.is_empty() {
        return 0;
    }
    zone.parse().ok().or_else(|| CString::new(zone).ok().map(|name| index_of(&name))).unwrap_or(0)
}

fn index_of(name: &CStr) -> u32 {
    // SAFETY: [local] a text that ends with a null byte.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

/// Adds `%` and the interface's name to an address that means something on one interface only (RFC 4007).
fn write_zone(address: &SocketAddrV6, text: &mut Vec<u8>) {
    if !address.ip().is_unicast_link_local() || address.scope_id() == 0 {
        return;
    }
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: [local] the array has the room that the call may need, and outlives it.
    let found = unsafe { libc::if_indextoname(address.scope_id(), name.as_mut_ptr()) };
    if !found.is_null() {
        text.push(b'%');
        text.extend(name.iter().take_while(|&&byte| byte != 0).map(|&byte| byte as u8));
    }
}

/// Adds `address` to `text`: for IP the address, a null byte, the port, a null byte; for Unix domain sockets the path, two null bytes.
pub(crate) fn write(address: Option<&SockAddr>, text: &mut Vec<u8>) {
    use std::io::Write;
    let ip = address.and_then(SockAddr::as_socket);
    if let Some(ip) = ip {
        // Writing into memory does not fail.
        let _ = write!(text, "{}", ip.ip());
        if let SocketAddr::V6(v6) = ip {
            write_zone(&v6, text);
        }
        let _ = write!(text, "\0{}\0", ip.port());
        return;
    }
    if let Some(path) = address.and_then(SockAddr::as_pathname) {
        text.extend_from_slice(path.as_os_str().as_bytes());
    }
    text.extend_from_slice(b"\0\0");
}

/// getaddrinfo(3): a family's digit, the address and a null byte for each that was found.
pub(crate) fn resolve(name: &CStr, family: i32, hints: i32) -> Outcome {
    // SAFETY: [local] all zeros is a valid request.
    let mut wanted: libc::addrinfo = unsafe { std::mem::zeroed() };
    wanted.ai_socktype = libc::SOCK_STREAM;
    wanted.ai_flags = hints;
    wanted.ai_family = match family {
        IPV4 => libc::AF_INET,
        IPV6 => libc::AF_INET6,
        _ => libc::AF_UNSPEC,
    };
    let mut list = ptr::null_mut();
    // SAFETY: [local] texts and structures that are alive for the call.
    let code = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &wanted, &mut list) };
    if code != 0 {
        return Outcome { result: uv_code(code), ..Outcome::default() };
    }
    let mut text = Vec::new();
    let mut next = list;
    while !next.is_null() {
        // SAFETY: [local] a member of the list that the system made, which is freed below.
        let info = unsafe { &*next };
        if let Some(ip) = ip_of(info) {
            text.push(if ip.is_ipv4() { b'4' } else { b'6' });
            text.extend_from_slice(ip.to_string().as_bytes());
            text.push(0);
        }
        next = info.ai_next;
    }
    // SAFETY: [local] the list is the system's, and is freed once.
    unsafe { libc::freeaddrinfo(list) };
    Outcome::text(text)
}

fn ip_of(info: &libc::addrinfo) -> Option<IpAddr> {
    match info.ai_family {
        libc::AF_INET => {
            // SAFETY: [local] the family says what the address is.
            let address = unsafe { &*info.ai_addr.cast::<libc::sockaddr_in>() };
            Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: [local] the family says what the address is.
            let address = unsafe { &*info.ai_addr.cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// A failure of getaddrinfo(3) as libuv numbers it.
fn uv_code(code: i32) -> i32 {
    match code {
        #[cfg(target_os = "linux")]
        -9 => -3000,
        libc::EAI_AGAIN => -3001,
        libc::EAI_BADFLAGS => -3002,
        libc::EAI_FAIL => -3004,
        libc::EAI_FAMILY => -3005,
        libc::EAI_MEMORY => -3006,
        libc::EAI_NODATA => -3007,
        libc::EAI_NONAME => -3008,
        libc::EAI_OVERFLOW => -3009,
        libc::EAI_SERVICE => -3010,
        libc::EAI_SOCKTYPE => -3011,
        libc::EAI_SYSTEM => std::io::Error::last_os_error().raw_os_error().map_or(-3004, |number| -number),
        _ => -3004,
    }
}

/// The IP address of text that was checked by JavaScript.
pub(crate) fn ip(text: &[u8]) -> Result<IpAddr, Errno> {
    let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
    let text = text.split_once('%').map_or(text, |(ip, _)| ip);
    text.parse().map_err(|_| Errno::INVAL)
}

/// The number of the interface that text names: by zone (`::%eth0`, `eth0`) or by number; for IPv4 by an address of its own, which is
/// given back as it is.
pub(crate) enum Interface {
    Default,
    Index(u32),
    Address(Ipv4Addr),
}

/// See [`Interface`].
pub(crate) fn interface(text: &[u8]) -> Result<Interface, Errno> {
    let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
    if text.is_empty() {
        return Ok(Interface::Default);
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(if address.is_unspecified() { Interface::Default } else { Interface::Address(address) });
    }
    match text.split_once('%') {
        // A zone that there is not counts as none, as in libuv.
        Some((ip, zone)) if ip.parse::<Ipv6Addr>().is_ok() => Ok(Interface::Index(zone_index(zone))),
        None if text.parse::<Ipv6Addr>().is_ok() => Ok(Interface::Default),
        _ => Err(Errno::INVAL),
    }
}
