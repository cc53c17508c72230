//! File operations as plain system calls.

use crate::buf::{RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::sys::stat_raw::RawStat;
use crate::sys::{offset as at_offset, raw_read_at_nowait, raw_write_at_nowait, retry, transfer};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use libc::{ftruncate, pread, preadv, pwrite, pwritev};
// Under these names offsets have 64 bits on 32-bit systems too.
#[cfg(any(target_os = "linux", target_os = "android"))]
use libc::{
    ftruncate64 as ftruncate, pread64 as pread, preadv64 as preadv, pwrite64 as pwrite, pwritev64 as pwritev,
};

pub(super) use crate::sys::MAX_VECTORS;
pub(super) type Vector = libc::iovec;

/// A vector of `len` bytes.
pub(super) fn vector(at: *mut u8, len: usize) -> Vector {
    libc::iovec { iov_base: at.cast(), iov_len: len }
}

pub(super) fn read_at(fd: &SharedFd, buf: &mut impl RawBufWrite, offset: u64) -> io::Result<usize> {
    let (raw, len, at) = (fd.as_raw_fd(), transfer(buf.buf_capacity()), buf.as_buf_mut_ptr());
    let offset = at_offset(offset)?;
    // SAFETY: [INV-6] the buffer vouches for its capacity.
    retry(|| unsafe { pread(raw, at.cast(), len, offset) as i64 })
}

pub(super) fn write_at(fd: &SharedFd, buf: &impl RawBufRead, offset: u64) -> io::Result<usize> {
    let (raw, len, at) = (fd.as_raw_fd(), transfer(buf.buf_len()), buf.as_buf_ptr());
    let offset = at_offset(offset)?;
    // SAFETY: [INV-6] the buffer vouches for its length.
    retry(|| unsafe { pwrite(raw, at.cast(), len, offset) as i64 })
}

pub(super) fn read_at_nowait(
    fd: &SharedFd,
    buf: &mut impl RawBufWrite,
    offset: u64,
) -> io::Result<Option<usize>> {
    let (len, at) = (buf.buf_capacity(), buf.as_buf_mut_ptr());
    // SAFETY: [INV-6] the buffer vouches for its capacity.
    unsafe { raw_read_at_nowait(fd.as_raw_fd(), at, len, offset) }
}

pub(super) fn write_at_nowait(
    fd: &SharedFd,
    buf: &impl RawBufRead,
    offset: u64,
) -> io::Result<Option<usize>> {
    // SAFETY: [INV-6] the buffer vouches for its length.
    unsafe { raw_write_at_nowait(fd.as_raw_fd(), buf.as_buf_ptr(), buf.buf_len(), offset) }
}

pub(super) fn read(fd: &SharedFd, buf: &mut impl RawBufWrite) -> io::Result<usize> {
    let (raw, len, at) = (fd.as_raw_fd(), transfer(buf.buf_capacity()), buf.as_buf_mut_ptr());
    // SAFETY: [INV-6] the buffer vouches for its capacity.
    retry(|| unsafe { libc::read(raw, at.cast(), len) as i64 })
}

pub(super) fn write(fd: &SharedFd, buf: &impl RawBufRead) -> io::Result<usize> {
    let (raw, len, at) = (fd.as_raw_fd(), transfer(buf.buf_len()), buf.as_buf_ptr());
    // SAFETY: [INV-6] the buffer vouches for its length.
    retry(|| unsafe { libc::write(raw, at.cast(), len) as i64 })
}

pub(super) fn readv_at(fd: &SharedFd, vectors: &[Vector], offset: u64) -> io::Result<usize> {
    let (raw, count, offset) = (fd.as_raw_fd(), vectors.len() as i32, at_offset(offset)?);
    // SAFETY: [INV-6] the vectors are of buffers that vouch for their capacities.
    retry(|| unsafe { preadv(raw, vectors.as_ptr(), count, offset) as i64 })
}

pub(super) fn writev_at(fd: &SharedFd, vectors: &[Vector], offset: u64) -> io::Result<usize> {
    let (raw, count, offset) = (fd.as_raw_fd(), vectors.len() as i32, at_offset(offset)?);
    // SAFETY: [INV-6] the vectors are of buffers that vouch for their lengths.
    retry(|| unsafe { pwritev(raw, vectors.as_ptr(), count, offset) as i64 })
}

pub(super) fn fsync(fd: &SharedFd, data_only: bool) -> io::Result<usize> {
    let raw = fd.as_raw_fd();
    #[cfg(not(target_vendor = "apple"))]
    if data_only {
        // SAFETY: [local] takes no pointer.
        return retry(|| unsafe { libc::fdatasync(raw) });
    }
    // fsync on Apple's systems leaves data in the device's cache (fcntl(2), F_FULLFSYNC).
    #[cfg(target_vendor = "apple")]
    // SAFETY: [local] takes no pointer.
    if let Ok(done) = retry(|| unsafe { libc::fcntl(raw, libc::F_FULLFSYNC) }) {
        return Ok(done);
    }
    let _ = data_only;
    // SAFETY: [local] takes no pointer.
    retry(|| unsafe { libc::fsync(raw) })
}

/// Write out what is not on its way yet, and wait for all of it.
#[cfg(target_os = "linux")]
pub(super) const SYNC_RANGE: u32 =
    libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;

#[cfg(target_os = "linux")]
pub(super) fn sync_range(fd: &SharedFd, offset: u64, len: u64) -> io::Result<usize> {
    let (raw, offset, len) = (fd.as_raw_fd(), crate::sys::offset(offset)?, crate::sys::offset(len)?);
    // SAFETY: [local] takes no pointer.
    match retry(|| unsafe { libc::sync_file_range(raw, offset, len, SYNC_RANGE) }) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => fsync(fd, true),
        result => result,
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_range(fd: &SharedFd, _: u64, _: u64) -> io::Result<usize> {
    fsync(fd, true)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn allocate(fd: &SharedFd, mode: i32, offset: u64, len: u64) -> io::Result<usize> {
    let raw = fd.as_raw_fd();
    // SAFETY: [local] takes no pointer.
    retry(|| unsafe { libc::fallocate64(raw, mode, offset as i64, len as i64) })
}

#[cfg(target_os = "freebsd")]
pub(super) fn allocate(fd: &SharedFd, mode: i32, offset: u64, len: u64) -> io::Result<usize> {
    if mode != 0 {
        return Err(crate::sys::unsupported());
    }
    // SAFETY: [local] takes no pointer.
    match unsafe { libc::posix_fallocate(fd.as_raw_fd(), offset as libc::off_t, len as libc::off_t) } {
        0 => Ok(0),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) fn allocate(_: &SharedFd, _: i32, _: u64, _: u64) -> io::Result<usize> {
    Err(crate::sys::unsupported())
}

pub(super) fn truncate(fd: &SharedFd, len: u64) -> io::Result<usize> {
    let raw = fd.as_raw_fd();
    let len = at_offset(len)?;
    // SAFETY: [local] takes no pointer.
    retry(|| unsafe { ftruncate(raw, len) })
}

pub(super) fn stat(fd: &SharedFd, stat: &mut MaybeUninit<RawStat>) -> io::Result<usize> {
    crate::sys::stat_raw::stat(fd.as_raw_fd(), None, true, stat)
}
