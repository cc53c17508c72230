//! IORING_OP_CLOSE.

use crate::fd::OwnedDescriptor;
use crate::op::Entry;
use io_uring::{opcode, types};
use std::os::fd::AsRawFd;

pub(super) const CLOSE: u8 = opcode::Close::CODE;

pub(super) fn close(fd: &OwnedDescriptor) -> Entry {
    opcode::Close::new(types::Fd(fd.as_raw_fd())).build()
}
