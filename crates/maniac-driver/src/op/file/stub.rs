//! File operations where there is no backend.

use crate::buf::{RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::sys::{stat_raw::RawStat, unsupported};
use std::io;
use std::mem::MaybeUninit;

pub(super) const MAX_VECTORS: usize = 1024;
pub(super) type Vector = (*mut u8, usize);

pub(super) fn vector(at: *mut u8, len: usize) -> Vector {
    (at, len)
}

pub(super) fn read_at(_: &SharedFd, _: &mut impl RawBufWrite, _: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn write_at(_: &SharedFd, _: &impl RawBufRead, _: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn read_at_nowait(_: &SharedFd, _: &mut impl RawBufWrite, _: u64) -> io::Result<Option<usize>> {
    Ok(None)
}

pub(super) fn write_at_nowait(_: &SharedFd, _: &impl RawBufRead, _: u64) -> io::Result<Option<usize>> {
    Ok(None)
}

pub(super) fn read(_: &SharedFd, _: &mut impl RawBufWrite) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn write(_: &SharedFd, _: &impl RawBufRead) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn readv_at(_: &SharedFd, _: &[Vector], _: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn writev_at(_: &SharedFd, _: &[Vector], _: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn fsync(_: &SharedFd, _: bool) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn sync_range(_: &SharedFd, _: u64, _: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn allocate(_: &SharedFd, _: i32, _: u64, _: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn truncate(_: &SharedFd, _: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn stat(_: &SharedFd, _: &mut MaybeUninit<RawStat>) -> io::Result<usize> {
    Err(unsupported())
}
