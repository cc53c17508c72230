//! Splicing where the system does not know it.

use super::End;
use crate::fd::SharedFd;
use crate::ready::Interest;
use crate::sys::unsupported;
use std::io;

pub(super) fn prepare(_: &SharedFd, _: &SharedFd) -> io::Result<()> {
    Err(unsupported())
}

pub(super) fn splice(_: &End, _: &End, _: usize) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn tee(_: &SharedFd, _: &SharedFd, _: usize) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn copy_range(_: (&SharedFd, u64), _: (&SharedFd, u64), _: usize) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn which_blocks<'a>(from: &'a SharedFd, _: &'a SharedFd) -> (&'a SharedFd, Interest) {
    (from, Interest::READABLE)
}
