//! Copying bytes between files within the kernel.

use crate::calls;
use crate::outcome::Outcome;
use crate::request::Request;
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// `COPYFILE_EXCL`, `COPYFILE_FICLONE`, `COPYFILE_FICLONE_FORCE`.
const EXCLUSIVE: i32 = 1;
const CLONE: i32 = 2;
const CLONE_OR_FAIL: i32 = 4;

/// Bytes asked of the kernel at a time.
const STEP: usize = 1 << 30;
/// Bytes copied at a time where the kernel cannot.
const CHUNK: usize = 128 * 1024;

/// Copies a file by path, as libuv's `uv_fs_copyfile` does: with its permissions, in place of what was there.
pub(crate) fn file(request: &Request) -> Result<(), Errno> {
    let from = calls::open(request.path(), OFlags::RDONLY.bits() as i32, 0)?;
    let source = rustix::fs::fstat(&from)?;
    let exclusive = if request.arg0 & EXCLUSIVE != 0 { OFlags::EXCL } else { OFlags::empty() };
    let flags = OFlags::WRONLY | OFlags::CREATE | exclusive;
    let to = calls::open(request.path2(), flags.bits() as i32, source.st_mode as i32)?;
    let result = fill(request.arg0, &from, &source, &to);
    if result.is_err() {
        // Nothing half-copied stays behind; that it could not be removed either is not what went wrong.
        let _ = rustix::fs::unlink(request.path2());
    }
    result
}

fn fill(flags: i32, from: &OwnedFd, source: &Stat, to: &OwnedFd) -> Result<(), Errno> {
    let target = rustix::fs::fstat(to)?;
    if (source.st_dev, source.st_ino) == (target.st_dev, target.st_ino) {
        return Ok(());
    }
    rustix::fs::ftruncate(to, 0)?;
    match rustix::fs::fchmod(to, Mode::from_raw_mode(source.st_mode)) {
        // File systems without permissions say so.
        Err(Errno::PERM) | Ok(()) => (),
        Err(errno) => return Err(errno),
    }
    if flags & (CLONE | CLONE_OR_FAIL) != 0 {
        match rustix::fs::ioctl_ficlone(to, from) {
            Ok(()) => return Ok(()),
            Err(errno) if flags & CLONE_OR_FAIL != 0 => return Err(errno),
            Err(_) => (),
        }
    }
    bytes(from.as_fd(), None, to.as_fd(), None, None).map(|_| ())
}

/// `OP_COPY`.
pub(crate) fn between(request: &Request, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Outcome {
    let offset = |word: i64| u64::try_from(word).ok();
    let result = bytes(from, offset(request.position), to, offset(request.extra2), offset(request.extra));
    match result {
        Ok(copied) => Outcome { extra: copied as i64, ..Outcome::default() },
        Err(errno) => Outcome::failed(errno),
    }
}

/// Copies `length` bytes, or all up to the end; an offset that is none is the file's cursor.
fn bytes(
    from: BorrowedFd<'_>,
    mut from_offset: Option<u64>,
    to: BorrowedFd<'_>,
    mut to_offset: Option<u64>,
    length: Option<u64>,
) -> Result<u64, Errno> {
    let mut copied = 0;
    loop {
        let step = length.map_or(STEP, |length| usize::try_from(length - copied).unwrap_or(STEP).min(STEP));
        if step == 0 {
            return Ok(copied);
        }
        let result = retry_on_intr(|| {
            rustix::fs::copy_file_range(from, from_offset.as_mut(), to, to_offset.as_mut(), step)
        });
        match result {
            // Files of /proc say nothing here, though there is something to read.
            Ok(0) if copied > 0 => return Ok(copied),
            Ok(count) if count > 0 => copied += count as u64,
            Err(Errno::NOSPC | Errno::IO | Errno::FBIG | Errno::DQUOT) => return Err(result.unwrap_err()),
            // Other kinds of files, other file systems: as a user would. What is really wrong shows there too.
            _ => return by_hand(from, from_offset, to, to_offset, length, copied),
        }
    }
}

/// Reads and writes.
fn by_hand(
    from: BorrowedFd<'_>,
    mut from_offset: Option<u64>,
    to: BorrowedFd<'_>,
    mut to_offset: Option<u64>,
    length: Option<u64>,
    mut copied: u64,
) -> Result<u64, Errno> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let step =
            length.map_or(CHUNK, |length| usize::try_from(length - copied).unwrap_or(CHUNK).min(CHUNK));
        let count = match from_offset {
            Some(offset) => retry_on_intr(|| rustix::io::pread(from, &mut buffer[..step], offset))?,
            None => retry_on_intr(|| rustix::io::read(from, &mut buffer[..step]))?,
        };
        if count == 0 {
            return Ok(copied);
        }
        from_offset = from_offset.map(|offset| offset + count as u64);
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let written = match to_offset {
                Some(offset) => retry_on_intr(|| rustix::io::pwrite(to, rest, offset))?,
                None => retry_on_intr(|| rustix::io::write(to, rest))?,
            };
            if written == 0 {
                return Err(Errno::IO);
            }
            to_offset = to_offset.map(|offset| offset + written as u64);
            rest = &rest[written..];
        }
        copied += count as u64;
    }
}
