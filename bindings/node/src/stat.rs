//! Attributes of files and file systems, as fields of eight bytes.

use crate::layout::F_BIGINT;
use crate::outcome::{Data, Outcome, errno_of};
use maniac::driver::SharedFd;
use maniac::driver::host::sys::Stat;
use maniac::driver::op::{Inline, StatAt, StatFile, try_inline};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

/// Fields of a file's attributes.
pub(crate) const FIELDS: usize = 18;

/// The attributes of an open file, by a plain call.
pub(crate) fn stat_file(fd: SharedFd) -> Result<Stat, Errno> {
    match try_inline(StatFile::new(fd)) {
        Inline::Done(result) => result.map_err(|error| errno_of(&error)),
        Inline::Pending(_) => Err(Errno::NOSYS),
    }
}

/// The attributes of what `path` names.
pub(crate) fn stat_path(path: &CStr, follow: bool) -> Result<Stat, Errno> {
    let op = StatAt::new(None, OsStr::from_bytes(path.to_bytes()), follow);
    match try_inline(op.map_err(|error| errno_of(&error))?) {
        Inline::Done(result) => result.map_err(|error| errno_of(&error)),
        Inline::Pending(_) => Err(Errno::NOSYS),
    }
}

pub(crate) fn of_file(fd: SharedFd, flags: i32) -> Result<Outcome, Errno> {
    Ok(fixed(&fields(&stat_file(fd)?), flags))
}

pub(crate) fn of_path(path: &CStr, follow: bool, flags: i32) -> Result<Outcome, Errno> {
    Ok(fixed(&fields(&stat_path(path, follow)?), flags))
}

pub(crate) fn of_file_system(path: &CStr, flags: i32) -> Result<Outcome, Errno> {
    let stat = rustix::io::retry_on_intr(|| rustix::fs::statfs(path))?;
    let fields = [
        stat.f_type,
        stat.f_bsize,
        stat.f_blocks as i64,
        stat.f_bfree as i64,
        stat.f_bavail as i64,
        stat.f_files as i64,
        stat.f_ffree as i64,
        stat.f_frsize,
    ];
    Ok(fixed(&fields, flags))
}

/// The outcome that holds `fields`.
pub(crate) fn fixed(fields: &[i64], flags: i32) -> Outcome {
    let mut bytes = vec![0; fields.len() * 8];
    write(fields, flags, &mut bytes);
    Outcome { data: Data::Fixed(bytes), ..Outcome::default() }
}

/// Writes fields as doubles, or as integers with `F_BIGINT`.
pub(crate) fn write(fields: &[i64], flags: i32, into: &mut [u8]) {
    for (field, place) in fields.iter().zip(into.as_chunks_mut::<8>().0) {
        *place = if flags & F_BIGINT != 0 { field.to_ne_bytes() } else { (*field as f64).to_ne_bytes() };
    }
}

/// In the crossing's order.
pub(crate) fn fields(stat: &Stat) -> [i64; FIELDS] {
    let birth = stat.btime.unwrap_or_default();
    [
        stat.dev as i64,
        stat.mode.into(),
        stat.nlink as i64,
        stat.uid.into(),
        stat.gid.into(),
        stat.rdev as i64,
        stat.blksize as i64,
        stat.ino as i64,
        stat.size as i64,
        stat.blocks as i64,
        stat.atime.secs,
        stat.atime.nanos.into(),
        stat.mtime.secs,
        stat.mtime.nanos.into(),
        stat.ctime.secs,
        stat.ctime.nanos.into(),
        birth.secs,
        birth.nanos.into(),
    ]
}

/// A regular file.
pub(crate) const FILE: u32 = 0o100_000;
/// A directory.
pub(crate) const DIRECTORY: u32 = 0o040_000;
/// A pipe, with a name or without.
pub(crate) const PIPE: u32 = 0o010_000;

/// What is open: [`FILE`], [`DIRECTORY`], [`PIPE`] or something else.
pub(crate) fn kind(stat: &rustix::fs::Stat) -> u32 {
    stat.st_mode & 0o170_000
}
