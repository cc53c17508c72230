//! IORING_OP_POLL_ADD, once.

use crate::fd::SharedFd;
use crate::op::Entry;
use crate::ready::Interest;
use crate::sys::ring_events;
use io_uring::{opcode, types};
use std::os::fd::AsRawFd;

pub(super) const POLL_ADD: u8 = opcode::PollAdd::CODE;

pub(super) fn poll(fd: &SharedFd, interest: Interest) -> Entry {
    opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), ring_events(interest)).build()
}
