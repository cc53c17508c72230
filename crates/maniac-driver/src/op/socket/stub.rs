//! Socket operations where there is no backend.

use crate::buf::{RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::sys::{SockAddr, unsupported};
use std::io;

#[derive(Debug)]
pub(super) struct Address;

impl Address {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn into_addr(self) -> SockAddr {
        SockAddr::from(std::net::SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}

pub(super) fn copying(flags: i32) -> i32 {
    flags
}

pub(super) fn zero_if_counted(_: &mut impl RawBufWrite, _: i32) {}

#[derive(Debug)]
pub(super) struct Message;

impl Message {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn for_receiving(&mut self, _: &mut impl RawBufWrite) {}

    pub(super) fn for_sending(&mut self, _: &impl RawBufRead, _: Option<&SockAddr>) {}

    pub(super) fn sender(self) -> SockAddr {
        Address.into_addr()
    }
}

pub(super) fn accept(_: &SharedFd, _: &mut Address) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn connect(_: &SharedFd, _: &SockAddr, _: &mut bool, _: bool) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn recv(_: &SharedFd, _: &mut impl RawBufWrite, _: i32) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn send(_: &SharedFd, _: &impl RawBufRead, _: i32) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn recv_message(_: &SharedFd, _: &mut Message, _: i32) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn send_message(_: &SharedFd, _: &Message, _: i32) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn shutdown(_: &SharedFd, _: std::net::Shutdown) -> io::Result<usize> {
    Err(unsupported())
}
