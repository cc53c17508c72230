//! Operations as blocking system calls: what a thread of the pool does, and the environment's own thread where the caller
//! wants to wait.

use crate::layout::{F_RECURSIVE, F_SYNC, F_TYPES, op};
use crate::outcome::{Data, Made, Outcome};
use crate::region::{Region, ask_for_huge_pages};
use crate::request::{Payload, Request};
use crate::{copy, directory, net_names, stat};
use maniac::driver::SharedFd;
use maniac::driver::host::{AlignedBuf, DEFAULT_ALIGN};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Access, AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, Uid};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};

/// Bytes that a read of unknown length asks for at a time.
const CHUNK: usize = 64 * 1024;
/// Longest file that a Buffer can hold.
const MAX_FILE: u64 = i32::MAX as u64;

/// Does `request` to its end. `fds` are the descriptors that it names (`fd`, and `arg0` of a copy).
pub(crate) fn perform(mut request: Request, fds: [Option<SharedFd>; 2]) -> Outcome {
    let [fd, other] = &fds;
    if let (Some(fd), Some(other)) = (fd, other) {
        return copy::between(&request, fd.as_fd(), other.as_fd());
    }
    match (request.code, fd) {
        (op::NOP, _) => Outcome::default(),
        (op::READ, Some(fd)) => read(&mut request, fd.as_fd()),
        (op::WRITE, Some(fd)) => write(&request, fd.as_fd()),
        (op::READ_FILE, Some(fd)) => read_whole(fd.as_fd()),
        (_, Some(fd)) => of_result(on_descriptor(&request, fd)),
        (op::READ_FILE, None) => read_file(&request),
        (op::WRITE_FILE, None) => write_file(&request),
        (op::TRUNCATE, None) => truncate(&request),
        (op::RESOLVE, None) => net_names::resolve(request.path(), request.arg0, request.arg1),
        (op::COPY_FILE, None) => of_result(copy::file(&request).map(|()| Outcome::default())),
        (_, None) if request.by_path() => of_result(on_path(&request)),
        _ => Outcome::failed(Errno::BADF),
    }
}

fn of_result(result: Result<Outcome, Errno>) -> Outcome {
    result.unwrap_or_else(Outcome::failed)
}

/// What has a descriptor and one system call.
fn on_descriptor(request: &Request, fd: &SharedFd) -> Result<Outcome, Errno> {
    match request.code {
        op::FSTAT => return stat::of_file(fd.clone(), request.flags),
        op::FTRUNCATE => {
            let length = u64::try_from(request.extra).map_err(|_| Errno::INVAL)?;
            retry_on_intr(|| rustix::fs::ftruncate(fd, length))?;
        }
        op::FSYNC => retry_on_intr(|| rustix::fs::fsync(fd))?,
        op::FDATASYNC => retry_on_intr(|| rustix::fs::fdatasync(fd))?,
        op::FCHMOD => retry_on_intr(|| rustix::fs::fchmod(fd, mode(request.arg1)))?,
        op::FCHOWN => retry_on_intr(|| rustix::fs::fchown(fd, uid(request.arg0), gid(request.arg1)))?,
        op::FUTIMES => retry_on_intr(|| rustix::fs::futimens(fd, &times(request)))?,
        _ => return Err(Errno::INVAL),
    }
    Ok(Outcome::default())
}

/// What has a path, or two, and one system call, or reads like that.
fn on_path(request: &Request) -> Result<Outcome, Errno> {
    let (path, path2) = (request.path(), request.path2());
    match request.code {
        op::OPEN => {
            let fd = open(path, request.arg0, request.arg1)?;
            return Ok(Outcome { made: Made::Descriptor(fd), ..Outcome::default() });
        }
        op::STAT | op::LSTAT => return stat::of_path(path, request.code == op::STAT, request.flags),
        op::STATFS => return stat::of_file_system(path, request.flags),
        op::ACCESS => rustix::fs::access(path, Access::from_bits_retain(request.arg0 as u32))?,
        op::RENAME => rustix::fs::rename(path, path2)?,
        op::LINK => rustix::fs::link(path, path2)?,
        op::SYMLINK => rustix::fs::symlink(path, path2)?,
        op::UNLINK => rustix::fs::unlink(path)?,
        op::RMDIR => rustix::fs::rmdir(path)?,
        op::MKDIR if request.has(F_RECURSIVE) => return directory::make_all(path, mode(request.arg1)),
        op::MKDIR => rustix::fs::mkdir(path, mode(request.arg1))?,
        op::MKDTEMP => return directory::make_temporary(path),
        op::READLINK => {
            let target = rustix::fs::readlink(path, Vec::new())?;
            return Ok(Outcome::text(target.into_bytes()));
        }
        op::REALPATH => return directory::real_path(path),
        op::READDIR => return directory::list(path, request.has(F_TYPES)),
        op::OPEN_DIR => {
            let dir = directory::open(path)?;
            return Ok(Outcome { made: Made::Directory(dir), ..Outcome::default() });
        }
        op::CHMOD => retry_on_intr(|| rustix::fs::chmod(path, mode(request.arg1)))?,
        op::CHOWN => chown(request, AtFlags::empty())?,
        op::LCHOWN => chown(request, AtFlags::SYMLINK_NOFOLLOW)?,
        op::UTIMES => rustix::fs::utimensat(CWD, path, &times(request), AtFlags::empty())?,
        op::LUTIMES => rustix::fs::utimensat(CWD, path, &times(request), AtFlags::SYMLINK_NOFOLLOW)?,
        _ => return Err(Errno::INVAL),
    }
    Ok(Outcome::default())
}

/// Opens as open(2) does; `O_CLOEXEC` is added.
pub(crate) fn open(path: &CStr, flags: i32, mode_bits: i32) -> Result<rustix::fd::OwnedFd, Errno> {
    let flags = OFlags::from_bits_retain(flags as u32) | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::open(path, flags, mode(mode_bits)))
}

/// The reading end of a pipe, once somebody writes: it was opened with `O_NONBLOCK`, so that nothing had to wait.
///
/// A second open would wait for a second writer. The kernel tells of bytes, and of a writer that has come and gone; one that has
/// only come, and writes nothing yet, is waited for.
pub(crate) fn open_pipe(fd: rustix::fd::OwnedFd) -> Outcome {
    match wait_for_writer(&fd) {
        Ok(()) => Outcome { made: Made::Descriptor(fd), ..Outcome::default() },
        Err(errno) => Outcome::failed(errno),
    }
}

/// As [`open_pipe`], and reads all that comes.
pub(crate) fn read_pipe(fd: rustix::fd::OwnedFd) -> Outcome {
    match wait_for_writer(&fd) {
        Ok(()) => read_whole(fd.as_fd()),
        Err(errno) => Outcome::failed_at(0, errno),
    }
}

fn wait_for_writer(fd: &rustix::fd::OwnedFd) -> Result<(), Errno> {
    let mut watched = [PollFd::new(fd, PollFlags::IN)];
    retry_on_intr(|| rustix::event::poll(&mut watched, None))?;
    let_wait(fd)
}

/// Takes `O_NONBLOCK` off.
pub(crate) fn let_wait(fd: &impl AsFd) -> Result<(), Errno> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    rustix::fs::fcntl_setfl(fd, flags - OFlags::NONBLOCK)
}

fn mode(bits: i32) -> Mode {
    Mode::from_raw_mode(bits as u32)
}

fn uid(word: i32) -> Option<Uid> {
    (word != -1).then(|| Uid::from_raw(word as u32))
}

fn gid(word: i32) -> Option<Gid> {
    (word != -1).then(|| Gid::from_raw(word as u32))
}

fn chown(request: &Request, flags: AtFlags) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::chownat(CWD, request.path(), uid(request.arg0), gid(request.arg1), flags))
}

fn times(request: &Request) -> Timestamps {
    let time = |seconds: i64, nanoseconds: i32| Timespec {
        tv_sec: seconds,
        tv_nsec: if nanoseconds == -1 { UTIME_NOW } else { nanoseconds.into() },
    };
    Timestamps {
        last_access: time(request.position, request.arg0),
        last_modification: time(request.extra, request.arg1),
    }
}

/// read(2) or pread(2) into `buffer`'s spare room.
fn read_into(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>, position: i64) -> Result<usize, Errno> {
    retry_on_intr(|| match u64::try_from(position) {
        Ok(offset) => rustix::io::pread(fd, rustix::buffer::spare_capacity(&mut *buffer), offset),
        Err(_) => rustix::io::read(fd, rustix::buffer::spare_capacity(&mut *buffer)),
    })
}

fn read(request: &mut Request, fd: BorrowedFd<'_>) -> Outcome {
    if let Payload::Region(region) = std::mem::take(&mut request.payload) {
        return read_for_region(request, fd, region);
    }
    let mut buffer = Vec::new();
    if request.length > MAX_FILE as usize || buffer.try_reserve_exact(request.length).is_err() {
        return Outcome::failed(Errno::NOMEM);
    }
    if request.length == 0 {
        return Outcome::default();
    }
    read_into(fd, &mut buffer, request.position).map_or_else(Outcome::failed, |_| Outcome::bytes(buffer))
}

/// Reads into aligned memory, as direct I/O wants it, that is copied into the region on the environment's thread.
fn read_for_region(request: &Request, fd: BorrowedFd<'_>, region: Region) -> Outcome {
    let Some(mut buffer) = AlignedBuf::new(request.length, DEFAULT_ALIGN) else {
        return Outcome::failed(Errno::NOMEM);
    };
    buffer.set_len(request.length);
    let result = retry_on_intr(|| match u64::try_from(request.position) {
        Ok(offset) => rustix::io::pread(fd, &mut *buffer, offset),
        Err(_) => rustix::io::read(fd, &mut *buffer),
    });
    match result {
        Err(errno) => Outcome::failed(errno),
        Ok(count) => {
            buffer.set_len(count);
            Outcome { data: Data::ForRegion(buffer, region), ..Outcome::number(count) }
        }
    }
}

fn write(request: &Request, fd: BorrowedFd<'_>) -> Outcome {
    let Payload::Bytes(bytes) = &request.payload else { return Outcome::failed(Errno::INVAL) };
    write_from(fd, bytes, 0, u64::try_from(request.position).ok())
}

/// Writes what follows the first `done` bytes, at `position` with those, or at the cursor; tells how much is written in all. As libuv: a call
/// that wrote less than it was asked for is followed by another, and an error after some bytes is left for the caller's next call to find.
pub(crate) fn write_from(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    mut done: usize,
    position: Option<u64>,
) -> Outcome {
    loop {
        let rest = &bytes[done..];
        let result = retry_on_intr(|| match position {
            Some(offset) => rustix::io::pwrite(fd, rest, offset + done as u64),
            None => rustix::io::write(fd, rest),
        });
        match result {
            Err(errno) if done == 0 => return Outcome::failed(errno),
            Ok(count) if (1..rest.len()).contains(&count) => done += count,
            result => return Outcome::number(done + result.unwrap_or(0)),
        }
    }
}

fn read_file(request: &Request) -> Outcome {
    match open(request.path(), request.arg0, request.arg1) {
        Ok(fd) => read_whole(fd.as_fd()),
        Err(errno) => Outcome::failed_at(0, errno),
    }
}

/// Steps 1 and 2 of `OP_READ_FILE`.
fn read_whole(fd: BorrowedFd<'_>) -> Outcome {
    let size = match rustix::fs::fstat(fd) {
        Err(errno) => return Outcome::failed_at(1, errno),
        Ok(stat) if stat::kind(&stat) == stat::FILE => stat.st_size as u64,
        Ok(_) => 0,
    };
    if size > MAX_FILE {
        return Outcome { extra: size as i64, ..Outcome::failed_at(1, Errno::FBIG) };
    }
    read_to_end(fd, size as usize).map_or_else(|errno| Outcome::failed_at(2, errno), Outcome::bytes)
}

/// Reads `size` bytes, or to the end if the size is not known (0).
fn read_to_end(fd: BorrowedFd<'_>, size: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(size).map_err(|_| Errno::NOMEM)?;
    ask_for_huge_pages(&mut buffer);
    while size == 0 || buffer.len() < size {
        if size == 0 {
            buffer.try_reserve(CHUNK).map_err(|_| Errno::NOMEM)?;
        }
        if read_into(fd, &mut buffer, -1)? == 0 {
            break;
        }
        if buffer.len() as u64 > MAX_FILE {
            return Err(Errno::FBIG);
        }
    }
    // An allocator may give more than it was asked for, and the file may have grown.
    if size != 0 {
        buffer.truncate(size);
    }
    Ok(buffer)
}

fn write_file(request: &Request) -> Outcome {
    let Payload::Bytes(bytes) = &request.payload else { return Outcome::failed(Errno::INVAL) };
    let overwrites = !bytes.is_empty() && may_overwrite(request.arg0);
    let flags = if overwrites { request.arg0 & !TRUNCATE } else { request.arg0 };
    let fd = match open(request.path(), flags, request.arg1) {
        Ok(fd) => fd,
        Err(errno) => return Outcome::failed_at(0, errno),
    };
    let (written, outcome) = write_all(fd.as_fd(), bytes);
    // Also after a failure: what is left is then what an emptied file would hold.
    let cut = if overwrites { cut(fd.as_fd(), written) } else { Ok(()) };
    if let Err(errno) = outcome.and(cut) {
        return Outcome::failed_at(1, errno);
    }
    if request.has(F_SYNC)
        && let Err(errno) = retry_on_intr(|| rustix::fs::fsync(&fd))
    {
        return Outcome::failed_at(2, errno);
    }
    close(fd).map_or_else(|errno| Outcome::failed_at(3, errno), |()| Outcome::number(bytes.len()))
}

const TRUNCATE: i32 = OFlags::TRUNC.bits() as i32;

/// Whether an old file may be overwritten and then cut to length instead of being emptied first. That costs several times as much, and
/// has ext4 wait for the allocation when it is closed: docs/decisions/0011.
fn may_overwrite(flags: i32) -> bool {
    let wanted = OFlags::from_bits_retain(flags as u32);
    wanted.contains(OFlags::TRUNC)
        && wanted.intersects(OFlags::WRONLY | OFlags::RDWR)
        && !wanted.contains(OFlags::APPEND)
}

/// How much was written, and whether that is all.
fn write_all(fd: BorrowedFd<'_>, bytes: &[u8]) -> (usize, Result<(), Errno>) {
    let mut done = 0;
    while done < bytes.len() {
        match retry_on_intr(|| rustix::io::write(fd, &bytes[done..])) {
            // No error, and no end either.
            Ok(0) => return (done, Err(Errno::IO)),
            Ok(count) => done += count,
            Err(errno) => return (done, Err(errno)),
        }
    }
    (done, Ok(()))
}

/// Cuts a file that is longer to `length`. What is no file has no length.
fn cut(fd: BorrowedFd<'_>, length: usize) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(fd)?;
    if stat::kind(&stat) == stat::FILE && stat.st_size as u64 > length as u64 {
        return retry_on_intr(|| rustix::fs::ftruncate(fd, length as u64));
    }
    Ok(())
}

fn truncate(request: &Request) -> Outcome {
    let Ok(length) = u64::try_from(request.extra) else { return Outcome::failed_at(1, Errno::INVAL) };
    let fd = match open(request.path(), OFlags::RDWR.bits() as i32, 0) {
        Ok(fd) => fd,
        Err(errno) => return Outcome::failed_at(0, errno),
    };
    match retry_on_intr(|| rustix::fs::ftruncate(&fd, length)) {
        Ok(()) => close(fd).map_or_else(|errno| Outcome::failed_at(2, errno), |()| Outcome::default()),
        Err(errno) => Outcome::failed_at(1, errno),
    }
}

/// Closes and says what close(2) said. Interrupted or not, the descriptor is gone (close(2), NOTES).
pub(crate) fn close(fd: rustix::fd::OwnedFd) -> Result<(), Errno> {
    close_number(fd.into_raw_fd())
}

/// As [`close`], of a descriptor that the program opened by other means and hands over.
pub(crate) fn close_number(number: i32) -> Result<(), Errno> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: [INV-5] the program gives the descriptor up; closing is what it asked for.
    match unsafe { rustix::io::try_close(number) } {
        Err(Errno::INTR) => Ok(()),
        result => result,
    }
}
