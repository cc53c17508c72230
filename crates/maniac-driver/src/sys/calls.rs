//! Plain calls on borrowed buffers: what streams make when their descriptor is ready. They do what their man pages say,
//! at once: non-blocking descriptors give `WouldBlock`.

use super::unix::{MAX_VECTORS, retry, transfer};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

/// read(2).
///
/// # Errors
///
/// Those of the man page; `EINTR` is retried.
///
/// ```
/// let zero = std::fs::File::open("/dev/zero").unwrap();
/// let mut buf = [1; 4];
/// assert_eq!(maniac_driver::sys::read(&zero, &mut buf).unwrap(), 4);
/// assert_eq!(buf, [0; 4]);
/// ```
pub fn read(fd: &impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: [local] the buffer is borrowed for the call, and its length given.
    retry(|| unsafe { libc::read(raw, buf.as_mut_ptr().cast(), transfer(buf.len())) as i64 })
}

/// write(2).
///
/// # Errors
///
/// Those of the man page; `EINTR` is retried.
pub fn write(fd: &impl AsFd, buf: &[u8]) -> io::Result<usize> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: [local] the buffer is borrowed for the call, and its length given.
    retry(|| unsafe { libc::write(raw, buf.as_ptr().cast(), transfer(buf.len())) as i64 })
}

/// readv(2).
///
/// # Errors
///
/// Those of the man page; `EINTR` is retried.
pub fn readv(fd: &impl AsFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let raw = fd.as_fd().as_raw_fd();
    let count = bufs.len().min(MAX_VECTORS) as i32;
    // SAFETY: [local] IoSliceMut has the layout of iovec; the buffers are borrowed for the call.
    retry(|| unsafe { libc::readv(raw, bufs.as_mut_ptr().cast(), count) as i64 })
}

/// writev(2).
///
/// # Errors
///
/// Those of the man page; `EINTR` is retried.
pub fn writev(fd: &impl AsFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let raw = fd.as_fd().as_raw_fd();
    let count = bufs.len().min(MAX_VECTORS) as i32;
    // SAFETY: [local] IoSlice has the layout of iovec; the buffers are borrowed for the call.
    retry(|| unsafe { libc::writev(raw, bufs.as_ptr().cast(), count) as i64 })
}

/// preadv2(2) with RWF_NOWAIT: reads what the page cache holds, and never waits for a device.
///
/// `Ok(None)` if it would have to wait, or the system or file system does not know the flag. A count below the buffer's
/// length may mean the file's end or the cached part's.
///
/// # Errors
///
/// Those of the man page, but for `EAGAIN` and `EOPNOTSUPP`.
pub fn read_at_nowait(fd: &impl AsFd, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    // SAFETY: [local] the buffer is borrowed for the call, and its length given.
    unsafe { raw_read_at_nowait(fd.as_fd().as_raw_fd(), buf.as_mut_ptr(), buf.len(), offset) }
}

/// pwritev2(2) with RWF_NOWAIT: writes into the page cache if that is possible without waiting.
///
/// `Ok(None)` if it would have to wait, or the system or file system does not know the flag.
///
/// # Errors
///
/// Those of the man page, but for `EAGAIN` and `EOPNOTSUPP`.
pub fn write_at_nowait(fd: &impl AsFd, buf: &[u8], offset: u64) -> io::Result<Option<usize>> {
    // SAFETY: [local] the buffer is borrowed for the call, and its length given.
    unsafe { raw_write_at_nowait(fd.as_fd().as_raw_fd(), buf.as_ptr(), buf.len(), offset) }
}

/// Makes "would wait" and "flag unknown" of a NOWAIT call into `None`.
#[cfg(target_os = "linux")]
fn nowait(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EOPNOTSUPP | libc::ENOSYS) => Ok(None),
            // The call knows the flag, so what it rejects is the rest; only the flag's absence reads so on old kernels.
            _ => Err(error),
        },
    }
}

/// An offset as preadv2(2) takes it: in two registers, of which the second is of use on 32-bit systems only.
#[cfg(target_os = "linux")]
fn halves(offset: u64) -> io::Result<(libc::c_long, libc::c_long)> {
    let offset = super::offset(offset)?;
    Ok((offset as libc::c_long, (offset >> 32) as libc::c_long))
}

/// # Safety
///
/// `len` bytes at `buf` may be written for the length of the call.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn raw_read_at_nowait(
    fd: i32,
    buf: *mut u8,
    len: usize,
    offset: u64,
) -> io::Result<Option<usize>> {
    let vector = libc::iovec { iov_base: buf.cast(), iov_len: transfer(len) };
    let (low, high) = halves(offset)?;
    // By number, since not every C library has the function.
    // SAFETY: [caller] one vector of a buffer that the caller vouches for.
    nowait(retry(|| unsafe {
        libc::syscall(libc::SYS_preadv2, fd, &raw const vector, 1usize, low, high, libc::RWF_NOWAIT)
    }))
}

/// # Safety
///
/// `len` bytes at `buf` may be read for the length of the call.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn raw_write_at_nowait(
    fd: i32,
    buf: *const u8,
    len: usize,
    offset: u64,
) -> io::Result<Option<usize>> {
    let vector = libc::iovec { iov_base: buf.cast_mut().cast(), iov_len: transfer(len) };
    let (low, high) = halves(offset)?;
    // By number, since not every C library has the function.
    // SAFETY: [caller] one vector of a buffer that the caller vouches for, and that is only read.
    nowait(retry(|| unsafe {
        libc::syscall(libc::SYS_pwritev2, fd, &raw const vector, 1usize, low, high, libc::RWF_NOWAIT)
    }))
}

/// # Safety
///
/// None: this system has no such call.
#[cfg(not(target_os = "linux"))]
pub(crate) unsafe fn raw_read_at_nowait(_: i32, _: *mut u8, _: usize, _: u64) -> io::Result<Option<usize>> {
    Ok(None)
}

/// # Safety
///
/// None: this system has no such call.
#[cfg(not(target_os = "linux"))]
pub(crate) unsafe fn raw_write_at_nowait(
    _: i32,
    _: *const u8,
    _: usize,
    _: u64,
) -> io::Result<Option<usize>> {
    Ok(None)
}
