//! IORING_OP_SPLICE and IORING_OP_TEE. Both run on kernel threads, whose number is limited: hence non-blocking.

use super::End;
use crate::fd::SharedFd;
use crate::op::Entry;
use crate::sys::transfer;
use io_uring::{opcode, types};
use std::os::fd::AsRawFd;

pub(super) const SPLICE: u8 = opcode::Splice::CODE;
pub(super) const TEE: u8 = opcode::Tee::CODE;

pub(super) fn splice(from: &End, to: &End, len: usize) -> Entry {
    let at = |end: &End| end.offset.map_or(-1, |at| at as i64);
    let fd = |end: &End| types::Fd(end.fd.as_raw_fd());
    opcode::Splice::new(fd(from), at(from), fd(to), at(to), transfer(len) as u32)
        .flags(libc::SPLICE_F_NONBLOCK)
        .build()
}

pub(super) fn tee(from: &SharedFd, to: &SharedFd, len: usize) -> Entry {
    opcode::Tee::new(types::Fd(from.as_raw_fd()), types::Fd(to.as_raw_fd()), transfer(len) as u32)
        .flags(libc::SPLICE_F_NONBLOCK)
        .build()
}
