//! Socket operations as ring entries.

use super::poll::{Address, Message, NO_SIGNAL};
use crate::buf::{RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::op::Entry;
use crate::sys::{SockAddr, transfer};
use io_uring::{opcode, types};
use std::os::fd::AsRawFd;

pub(super) const ACCEPT: u8 = opcode::Accept::CODE;
pub(super) const CONNECT: u8 = opcode::Connect::CODE;
pub(super) const RECV: u8 = opcode::Recv::CODE;
pub(super) const SEND: u8 = opcode::Send::CODE;
pub(super) const RECVMSG: u8 = opcode::RecvMsg::CODE;
pub(super) const SENDMSG: u8 = opcode::SendMsg::CODE;
pub(super) const SHUTDOWN: u8 = opcode::Shutdown::CODE;

fn fd_of(fd: &SharedFd) -> types::Fd {
    types::Fd(fd.as_raw_fd())
}

pub(super) fn accept(fd: &SharedFd, peer: &mut Address) -> Entry {
    let (addr, len) = peer.as_parts();
    opcode::Accept::new(fd_of(fd), addr, len).flags(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).build()
}

pub(super) fn connect(fd: &SharedFd, addr: &SockAddr) -> Entry {
    opcode::Connect::new(fd_of(fd), addr.as_ptr().cast(), addr.len()).build()
}

pub(super) fn recv(fd: &SharedFd, buf: &mut impl RawBufWrite, flags: i32) -> Entry {
    let len = transfer(buf.buf_capacity()) as u32;
    opcode::Recv::new(fd_of(fd), buf.as_buf_mut_ptr(), len).flags(flags).build()
}

pub(super) fn send(fd: &SharedFd, buf: &impl RawBufRead, flags: i32) -> Entry {
    let len = transfer(buf.buf_len()) as u32;
    opcode::Send::new(fd_of(fd), buf.as_buf_ptr(), len).flags(flags | NO_SIGNAL).build()
}

pub(super) fn recv_message(fd: &SharedFd, message: &mut Message, flags: i32) -> Entry {
    opcode::RecvMsg::new(fd_of(fd), message.header()).flags(flags as u32).build()
}

pub(super) fn send_message(fd: &SharedFd, message: &Message, flags: i32) -> Entry {
    opcode::SendMsg::new(fd_of(fd), message.header_ref()).flags((flags | NO_SIGNAL) as u32).build()
}

pub(super) fn shutdown(fd: &SharedFd, how: std::net::Shutdown) -> Entry {
    let how = match how {
        std::net::Shutdown::Read => libc::SHUT_RD,
        std::net::Shutdown::Write => libc::SHUT_WR,
        std::net::Shutdown::Both => libc::SHUT_RDWR,
    };
    opcode::Shutdown::new(fd_of(fd), how).build()
}
