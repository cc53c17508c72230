//! Path operations as plain system calls.

use super::{OpenHow, Place};
use crate::sys::{cvt, retry, stat_raw::RawStat};
use std::ffi::{CStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What openat2(2) takes.
#[cfg(maniac_uring)]
pub(super) type RawHow = io_uring::types::OpenHow;
#[cfg(not(maniac_uring))]
#[derive(Debug)]
pub(super) struct RawHow;

#[cfg(maniac_uring)]
pub(super) fn raw_how(how: OpenHow) -> RawHow {
    let mode = if creates(how) { u64::from(how.mode) } else { 0 };
    RawHow::new().flags((how.flags | libc::O_CLOEXEC) as u64).mode(mode).resolve(how.resolve)
}

#[cfg(not(maniac_uring))]
pub(super) fn raw_how(_: OpenHow) -> RawHow {
    RawHow
}

/// Whether the mode means anything (openat2(2) refuses it otherwise).
#[cfg(target_os = "linux")]
fn creates(how: OpenHow) -> bool {
    how.flags & libc::O_CREAT != 0 || how.flags & libc::O_TMPFILE == libc::O_TMPFILE
}

/// The directory's number, or that of "the current one".
pub(super) fn dir_of(place: &Place) -> i32 {
    place.dir.as_ref().map_or(libc::AT_FDCWD, AsRawFd::as_raw_fd)
}

pub(super) fn open(place: &Place, how: OpenHow, _: &RawHow) -> io::Result<usize> {
    if how.resolve != 0 {
        return open2(place, how, how.resolve);
    }
    let (dir, flags) = (dir_of(place), how.flags | libc::O_CLOEXEC);
    // SAFETY: [local] the path is alive for the call.
    retry(|| unsafe { libc::openat(dir, place.path.as_ptr(), flags, how.mode as libc::c_uint) })
}

/// openat2(2), by number: not every C library has it.
#[cfg(target_os = "linux")]
fn open2(place: &Place, how: OpenHow, resolve: u64) -> io::Result<usize> {
    #[repr(C)]
    struct Raw {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let mode = if creates(how) { u64::from(how.mode) } else { 0 };
    let raw = Raw { flags: (how.flags | libc::O_CLOEXEC) as u64, mode, resolve };
    let (dir, path) = (dir_of(place), place.path.as_ptr());
    // SAFETY: [local] path and structure are alive for the call, and the structure's size is given.
    retry(|| unsafe { libc::syscall(libc::SYS_openat2, dir, path, &raw const raw, size_of::<Raw>()) })
}

#[cfg(not(target_os = "linux"))]
fn open2(_: &Place, _: OpenHow, _: u64) -> io::Result<usize> {
    Err(crate::sys::unsupported())
}

/// Opens what the kernel's path cache answers alone (`RESOLVE_CACHED`, Linux 5.12); `None` if that is not enough.
#[cfg(target_os = "linux")]
pub(super) fn open_cached(place: &Place, how: OpenHow) -> Option<io::Result<usize>> {
    /// openat2(2)
    const RESOLVE_CACHED: u64 = 0x20;
    if creates(how) || how.flags & libc::O_TRUNC != 0 {
        return None;
    }
    match open2(place, how, how.resolve | RESOLVE_CACHED) {
        Err(error) => match error.raw_os_error() {
            // EAGAIN: not cached. EINVAL, ENOSYS, EPERM: a kernel or filter without the call or the flag.
            Some(libc::EAGAIN | libc::EINVAL | libc::ENOSYS | libc::EPERM) => None,
            _ => Some(Err(error)),
        },
        opened => Some(opened),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_cached(_: &Place, _: OpenHow) -> Option<io::Result<usize>> {
    None
}

pub(super) fn unlink(place: &Place, directory: bool) -> io::Result<usize> {
    let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: [local] the path is alive for the call.
    retry(|| unsafe { libc::unlinkat(dir_of(place), place.path.as_ptr(), flags) })
}

pub(super) fn mkdir(place: &Place, mode: u32) -> io::Result<usize> {
    // SAFETY: [local] the path is alive for the call.
    retry(|| unsafe { libc::mkdirat(dir_of(place), place.path.as_ptr(), mode as libc::mode_t) })
}

#[cfg(target_os = "linux")]
pub(super) fn rename(from: &Place, to: &Place, flags: u32) -> io::Result<usize> {
    let (a, b) = (from.path.as_ptr(), to.path.as_ptr());
    if flags == 0 {
        // SAFETY: [local] the paths are alive for the call.
        return retry(|| unsafe { libc::renameat(dir_of(from), a, dir_of(to), b) });
    }
    // By number: not every C library has it.
    // SAFETY: [local] the paths are alive for the call.
    retry(|| unsafe { libc::syscall(libc::SYS_renameat2, dir_of(from), a, dir_of(to), b, flags) })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn rename(from: &Place, to: &Place, flags: u32) -> io::Result<usize> {
    if flags != 0 {
        return Err(crate::sys::unsupported());
    }
    // SAFETY: [local] the paths are alive for the call.
    retry(|| unsafe { libc::renameat(dir_of(from), from.path.as_ptr(), dir_of(to), to.path.as_ptr()) })
}

pub(super) fn link(from: &Place, to: &Place) -> io::Result<usize> {
    // SAFETY: [local] the paths are alive for the call.
    retry(|| unsafe { libc::linkat(dir_of(from), from.path.as_ptr(), dir_of(to), to.path.as_ptr(), 0) })
}

pub(super) fn symlink(target: &CStr, place: &Place) -> io::Result<usize> {
    // SAFETY: [local] the paths are alive for the call.
    retry(|| unsafe { libc::symlinkat(target.as_ptr(), dir_of(place), place.path.as_ptr()) })
}

pub(super) fn stat(place: &Place, follow: bool, stat: &mut MaybeUninit<RawStat>) -> io::Result<usize> {
    crate::sys::stat_raw::stat(dir_of(place), Some(&place.path), follow, stat)
}

pub(super) fn read_link(place: &Place, target: &mut Vec<u8>) -> io::Result<usize> {
    let mut room = 256;
    loop {
        target.clear();
        target.reserve_exact(room);
        let len = target.capacity();
        // SAFETY: [local] the path is alive for the call, and so many bytes may be written.
        let done = cvt(unsafe {
            libc::readlinkat(dir_of(place), place.path.as_ptr(), target.as_mut_ptr().cast(), len) as i64
        })?;
        if done < len {
            // SAFETY: [local] so many bytes were written.
            unsafe { target.set_len(done) };
            return Ok(done);
        }
        // It may have been cut.
        room = len * 2;
    }
}

pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}
