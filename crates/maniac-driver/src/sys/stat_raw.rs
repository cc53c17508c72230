//! The system's own structure behind [`Stat`], and the call that fills it.

use super::stat::Stat;
#[cfg(unix)]
use super::stat::Timestamp;
#[cfg(unix)]
use std::{ffi::CStr, io, mem::MaybeUninit};

/// What the system fills.
#[cfg(target_os = "linux")]
pub(crate) type RawStat = libc::statx;
/// What the system fills.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) type RawStat = libc::stat;
/// What the system would fill.
#[cfg(not(unix))]
pub(crate) type RawStat = Stat;

#[cfg(target_os = "linux")]
impl From<&RawStat> for Stat {
    fn from(raw: &RawStat) -> Self {
        let time = |at: libc::statx_timestamp| Timestamp { secs: at.tv_sec, nanos: at.tv_nsec };
        Self {
            dev: libc::makedev(raw.stx_dev_major, raw.stx_dev_minor),
            ino: raw.stx_ino,
            mode: u32::from(raw.stx_mode),
            nlink: u64::from(raw.stx_nlink),
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            rdev: libc::makedev(raw.stx_rdev_major, raw.stx_rdev_minor),
            size: raw.stx_size,
            blksize: u64::from(raw.stx_blksize),
            blocks: raw.stx_blocks,
            atime: time(raw.stx_atime),
            mtime: time(raw.stx_mtime),
            ctime: time(raw.stx_ctime),
            btime: (raw.stx_mask & libc::STATX_BTIME != 0).then(|| time(raw.stx_btime)),
        }
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
impl From<&RawStat> for Stat {
    #[allow(clippy::unnecessary_cast, reason = "the widths differ between systems")]
    fn from(raw: &RawStat) -> Self {
        let time = |secs: libc::time_t, nanos: i64| Timestamp { secs: secs as i64, nanos: nanos as u32 };
        #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
        let btime = Some(time(raw.st_birthtime, raw.st_birthtime_nsec as i64));
        #[cfg(not(any(target_vendor = "apple", target_os = "freebsd")))]
        let btime = None;
        Self {
            dev: raw.st_dev as u64,
            ino: raw.st_ino as u64,
            mode: raw.st_mode as u32,
            nlink: raw.st_nlink as u64,
            uid: raw.st_uid,
            gid: raw.st_gid,
            rdev: raw.st_rdev as u64,
            size: raw.st_size as u64,
            blksize: raw.st_blksize as u64,
            blocks: raw.st_blocks as u64,
            atime: time(raw.st_atime, raw.st_atime_nsec as i64),
            mtime: time(raw.st_mtime, raw.st_mtime_nsec as i64),
            ctime: time(raw.st_ctime, raw.st_ctime_nsec as i64),
            btime,
        }
    }
}

/// What is asked for: everything that [`Stat`] tells.
#[cfg(target_os = "linux")]
pub(crate) const MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME;

/// The state of `path` below `dir`, or without a path of `dir` itself. `follow` says whether a link at the path's end is
/// followed.
#[cfg(target_os = "linux")]
pub(crate) fn stat(
    dir: i32,
    path: Option<&CStr>,
    follow: bool,
    stat: &mut MaybeUninit<RawStat>,
) -> io::Result<usize> {
    let flags = at_flags(path, follow);
    let path = path.unwrap_or(c"").as_ptr();
    // By number, since not every C library has the function.
    // SAFETY: [local] the path and the structure are alive for the call.
    super::retry(|| unsafe { libc::syscall(libc::SYS_statx, dir, path, flags, MASK, stat.as_mut_ptr()) })
}

/// The flags of statx(2).
#[cfg(target_os = "linux")]
pub(crate) fn at_flags(path: Option<&CStr>, follow: bool) -> i32 {
    let empty = if path.is_none() { libc::AT_EMPTY_PATH } else { 0 };
    empty | if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW }
}

/// As on Linux.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn stat(
    dir: i32,
    path: Option<&CStr>,
    follow: bool,
    stat: &mut MaybeUninit<RawStat>,
) -> io::Result<usize> {
    let Some(path) = path else {
        // SAFETY: [local] the structure is alive for the call.
        return super::retry(|| unsafe { libc::fstat(dir, stat.as_mut_ptr()) });
    };
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    // SAFETY: [local] the path and the structure are alive for the call.
    super::retry(|| unsafe { libc::fstatat(dir, path.as_ptr(), stat.as_mut_ptr(), flags) })
}

#[cfg(not(unix))]
impl From<&RawStat> for Stat {
    fn from(raw: &RawStat) -> Self {
        *raw
    }
}
