//! poll(2) without waiting.

use crate::fd::SharedFd;
use crate::ready::{Interest, ReadyEvent};
use crate::sys;
use std::io;

pub(super) fn poll(fd: &SharedFd, interest: Interest) -> io::Result<usize> {
    match sys::poll_now(fd, sys::poll_events(interest))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        events => Ok(events as u16 as usize),
    }
}

pub(super) fn event(events: usize) -> ReadyEvent {
    ReadyEvent::of(sys::ready_bits(events as i16))
}
