//! Whether a program serves a file (FUSE), and how that is learnt without a worker that waits for the program.
//!
//! fstatfs(2) tells, but a program that serves the file is asked, and waited for. So only a thread of the pool asks. What it learns of a mount
//! that no program serves holds for its other files, which costs each descriptor one statx(2) of what the kernel knows by itself. A mount
//! is known by the number that is never given again (Linux 6.8); devices' numbers are, at the next mount already. On kernels without it each descriptor has
//! its first operation done by the pool.

use super::retry;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Mounts that no program serves. Zero is none; when all are taken, the oldest goes, and is asked about again.
static UNSERVED: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];
static OLDEST: AtomicUsize = AtomicUsize::new(0);

/// What the kernel knows of a file by itself.
struct Known {
    /// Only of these does a ring ask for the rest of what came back short, besides block devices.
    regular: bool,
    /// The mount's number, or zero.
    mount: u64,
}

/// Nothing where statx(2) is not to be had.
fn known(fd: &impl AsRawFd) -> Option<Known> {
    let mask = libc::STATX_TYPE | libc::STATX_MNT_ID_UNIQUE;
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let (raw, mut about) = (fd.as_raw_fd(), MaybeUninit::<libc::statx>::zeroed());
    // By number, since not every C library has the function.
    // SAFETY: [local] the path is a constant, and the call only writes to `about`.
    retry(|| unsafe { libc::syscall(libc::SYS_statx, raw, c"".as_ptr(), flags, mask, about.as_mut_ptr()) })
        .ok()?;
    // SAFETY: [local] all zero before, which is a valid value, and written by the call.
    let about = unsafe { about.assume_init() };
    let regular = u32::from(about.stx_mode) & libc::S_IFMT == libc::S_IFREG;
    let mount = if about.stx_mask & libc::STATX_MNT_ID_UNIQUE != 0 { about.stx_mnt_id } else { 0 };
    Some(Known { regular, mount })
}

/// Whether it is known, without asking a program, that a ring may read and write this file. One system call.
pub(crate) fn is_known_unserved(fd: &impl AsRawFd) -> bool {
    let is_noted = |mount| mount != 0 && UNSERVED.iter().any(|noted| noted.load(Ordering::Relaxed) == mount);
    known(fd).is_some_and(|file| !file.regular || is_noted(file.mount))
}

/// Whether no program serves this file. Asks the program if one does: not for a worker's thread. What does not answer may be one.
pub(crate) fn find_unserved(fd: &impl AsRawFd) -> io::Result<bool> {
    let (raw, mut about) = (fd.as_raw_fd(), MaybeUninit::<libc::statfs>::zeroed());
    // SAFETY: [local] the call only writes to `about`.
    retry(|| unsafe { libc::fstatfs(raw, about.as_mut_ptr()) })?;
    // SAFETY: [local] all zero before, which is a valid value, and written by the call.
    let about = unsafe { about.assume_init() };
    // The type's width and sign differ between architectures.
    let unserved = about.f_type as u32 != libc::FUSE_SUPER_MAGIC as u32;
    if unserved && let Some(Known { mount: mount @ 1.., .. }) = known(fd) {
        note(mount);
    }
    Ok(unserved)
}

/// Two that note one mount at the same time may both take an entry: that is as well.
fn note(mount: u64) {
    if UNSERVED.iter().all(|noted| noted.load(Ordering::Relaxed) != mount) {
        let at = OLDEST.fetch_add(1, Ordering::Relaxed) % UNSERVED.len();
        UNSERVED[at].store(mount, Ordering::Relaxed);
    }
}
