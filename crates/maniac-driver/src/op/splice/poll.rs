//! splice(2), tee(2), copy_file_range(2).

use super::End;
use crate::fd::SharedFd;
use crate::ready::Interest;
use crate::sys::{poll_now, retry, transfer};
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

/// An end that is not ready must not hold up a thread, so neither may block.
pub(super) fn prepare(from: &SharedFd, to: &SharedFd) -> io::Result<()> {
    from.set_nonblocking()?;
    to.set_nonblocking()
}

pub(super) fn splice(from: &End, to: &End, len: usize) -> io::Result<usize> {
    let (mut from_at, mut to_at) = (from.offset.map(|at| at as i64), to.offset.map(|at| at as i64));
    let from_at = from_at.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    let to_at = to_at.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    let (from, to, len) = (from.fd.as_raw_fd(), to.fd.as_raw_fd(), transfer(len));
    // SAFETY: [local] the offsets are alive for the call.
    retry(|| unsafe { libc::splice(from, from_at, to, to_at, len, libc::SPLICE_F_NONBLOCK) as i64 })
}

pub(super) fn tee(from: &SharedFd, to: &SharedFd, len: usize) -> io::Result<usize> {
    let (from, to, len) = (from.as_raw_fd(), to.as_raw_fd(), transfer(len));
    // SAFETY: [local] takes no pointer.
    retry(|| unsafe { libc::tee(from, to, len, libc::SPLICE_F_NONBLOCK) as i64 })
}

/// By number: not every C library has the function.
pub(super) fn copy_range(from: (&SharedFd, u64), to: (&SharedFd, u64), len: usize) -> io::Result<usize> {
    let (mut from_at, mut to_at) = (crate::sys::offset(from.1)?, crate::sys::offset(to.1)?);
    let (from, to, len) = (from.0.as_raw_fd(), to.0.as_raw_fd(), transfer(len));
    let (from_at, to_at) = (&raw mut from_at, &raw mut to_at);
    // SAFETY: [local] the offsets are alive for the call.
    retry(|| unsafe { libc::syscall(libc::SYS_copy_file_range, from, from_at, to, to_at, len, 0) as i64 })
}

/// The end that is not ready; the source is asked first.
pub(super) fn which_blocks<'a>(from: &'a SharedFd, to: &'a SharedFd) -> (&'a SharedFd, Interest) {
    match poll_now(from, libc::POLLIN) {
        Ok(0) => (from, Interest::READABLE),
        _ => (to, Interest::WRITABLE),
    }
}
