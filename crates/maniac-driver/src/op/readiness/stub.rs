//! Waiting where there is no backend.

use crate::fd::SharedFd;
use crate::ready::{Interest, ReadyEvent};
use std::io;

pub(super) fn poll(_: &SharedFd, _: Interest) -> io::Result<usize> {
    Err(crate::sys::unsupported())
}

pub(super) fn event(_: usize) -> ReadyEvent {
    ReadyEvent::of(0)
}
