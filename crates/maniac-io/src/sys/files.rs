//! Descriptors of files and pipes: flags, positions, pipes, moving data between pipes.

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::retry_on_intr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The flags of open(2).
pub(crate) mod flags {
    use super::OFlags;

    pub(crate) const READ: i32 = OFlags::RDONLY.bits() as i32;
    pub(crate) const WRITE: i32 = OFlags::WRONLY.bits() as i32;
    pub(crate) const READ_WRITE: i32 = OFlags::RDWR.bits() as i32;
    pub(crate) const ACCESS: i32 = OFlags::RWMODE.bits() as i32;
    pub(crate) const APPEND: i32 = OFlags::APPEND.bits() as i32;
    pub(crate) const CREATE: i32 = OFlags::CREATE.bits() as i32;
    pub(crate) const CREATE_NEW: i32 = CREATE | OFlags::EXCL.bits() as i32;
    pub(crate) const TRUNCATE: i32 = OFlags::TRUNC.bits() as i32;
    pub(crate) const NONBLOCK: i32 = OFlags::NONBLOCK.bits() as i32;
    pub(crate) const DIRECTORY: i32 = OFlags::DIRECTORY.bits() as i32;
    pub(crate) const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;

    /// Past the page cache; 0 where that is no flag of open(2).
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    pub(crate) const DIRECT: i32 = OFlags::DIRECT.bits() as i32;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    pub(crate) const DIRECT: i32 = 0;

    /// A file without a name; 0 where there is none.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) const TEMPORARY: i32 = OFlags::TMPFILE.bits() as i32;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) const TEMPORARY: i32 = 0;
}

/// The flags of an open descriptor (fcntl(2), F_GETFL).
pub(crate) fn status_flags(fd: &impl AsFd) -> io::Result<i32> {
    Ok(rustix::fs::fcntl_getfl(fd)?.bits() as i32)
}

/// Sets those flags of an open descriptor that can be set (fcntl(2), F_SETFL).
pub(crate) fn set_status_flags(fd: &impl AsFd, flags: i32) -> io::Result<()> {
    Ok(rustix::fs::fcntl_setfl(fd, OFlags::from_bits_retain(flags as _))?)
}

/// Takes O_NONBLOCK off.
pub(crate) fn set_blocking(fd: &impl AsFd) -> io::Result<()> {
    set_status_flags(fd, status_flags(fd)? & !flags::NONBLOCK)
}

/// The descriptor's own position; an error if it has none.
pub(crate) fn position(fd: &impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::tell(fd)?)
}

/// Sets the descriptor's own position.
pub(crate) fn set_position(fd: &impl AsFd, position: u64) -> io::Result<()> {
    rustix::fs::seek(fd, rustix::fs::SeekFrom::Start(position))?;
    Ok(())
}

/// open(2) as it is: it waits for the other end of a FIFO.
pub(crate) fn open_blocking(
    dir: Option<&impl AsFd>,
    path: &Path,
    flags: i32,
    mode: u32,
) -> io::Result<OwnedFd> {
    let dir = dir.map_or(rustix::fs::CWD, AsFd::as_fd);
    let flags = OFlags::from_bits_retain(flags as _) | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode as _);
    Ok(retry_on_intr(|| rustix::fs::openat(dir, path, flags, mode))?)
}

/// Has reads and writes go past the page cache, where that is not a flag of open(2).
#[cfg(target_vendor = "apple")]
pub(crate) fn set_direct(fd: &impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fcntl_nocache(fd, true)?)
}

/// As on Apple's systems.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn set_direct(_: &impl AsFd) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot bypass its page cache"))
}

/// The permissions of an open file (fchmod(2)).
pub(crate) fn set_mode(fd: &impl AsFd, mode: u32) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fchmod(fd, Mode::from_raw_mode(mode as _)))?)
}

/// What kind of lock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    Shared,
    Exclusive,
}

/// A lock (flock(2)), or `WouldBlock`, and then none.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn try_lock(fd: &impl AsFd, kind: Lock) -> io::Result<()> {
    // The kernel gives back what the open file had before it looks whether there is another (flock(2), Notes).
    Ok(rustix::fs::flock(fd, non_blocking(kind))?)
}

/// As on Linux. A lock that is refused leaves here the one that was there: two who share a lock and want it alone would wait for each
/// other for ever.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn try_lock(fd: &impl AsFd, kind: Lock) -> io::Result<()> {
    use std::sync::{Mutex, PoisonError};
    /// Nobody gets a lock on this open file between the two calls.
    static TRYING: Mutex<()> = Mutex::new(());
    let _alone = TRYING.lock().unwrap_or_else(PoisonError::into_inner);
    match rustix::fs::flock(fd, non_blocking(kind)) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            unlock(fd)?;
            Err(io::ErrorKind::WouldBlock.into())
        }
        result => Ok(result?),
    }
}

fn non_blocking(kind: Lock) -> FlockOperation {
    match kind {
        Lock::Shared => FlockOperation::NonBlockingLockShared,
        Lock::Exclusive => FlockOperation::NonBlockingLockExclusive,
    }
}

/// Gives a lock back.
pub(crate) fn unlock(fd: &impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::flock(fd, FlockOperation::Unlock)?)
}

/// A named pipe (mkfifo(3)).
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::from_raw_mode(mode as _));
    Ok(rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0)?)
}

/// As elsewhere.
#[cfg(target_vendor = "apple")]
pub(crate) fn make_fifo(_: &Path, _: u32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "make the named pipe with mkfifo(1) on this system"))
}

/// A pipe, reader first: CLOEXEC, and non-blocking where that costs nothing.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pipe::PipeFlags;
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// As elsewhere.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// Whether poll(2) finds `fd` readable now; what it cannot say, and errors, count as that.
pub(crate) fn is_readable(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    retry_on_intr(|| rustix::event::poll(&mut fds, Some(&now))) != Ok(0)
}

/// Whether poll(2) finds `from` readable and `to` writable now; the other end's leave, and errors, count as that.
pub(crate) fn poll_both(from: &impl AsFd, to: &impl AsFd) -> io::Result<(bool, bool)> {
    let mut fds = [PollFd::new(from, PollFlags::IN), PollFd::new(to, PollFlags::OUT)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    retry_on_intr(|| rustix::event::poll(&mut fds, Some(&now)))?;
    Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty()))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use moving::*;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod moving {
    use super::{AsFd, OwnedFd, io, retry_on_intr};
    use rustix::pipe::SpliceFlags;
    use std::os::fd::AsRawFd;

    /// splice(2) between two streams, one of them a pipe. Never waits.
    pub(crate) fn splice(from: &impl AsFd, to: &impl AsFd, len: usize) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        Ok(retry_on_intr(|| rustix::pipe::splice(from, None, to, None, len, flags))?)
    }

    /// tee(2). Never waits.
    pub(crate) fn tee(from: &impl AsFd, to: &impl AsFd, len: usize) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::pipe::tee(from, to, len, SpliceFlags::NONBLOCK))?)
    }

    /// sendfile(2): what `file` holds from `offset` on, to a stream. It waits for the device if the page cache does not hold it.
    #[cfg(target_os = "linux")]
    pub(crate) fn send_file(
        stream: &impl AsFd,
        file: &impl AsFd,
        mut offset: u64,
        len: usize,
    ) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::fs::sendfile(stream, file, Some(&mut offset), len))?)
    }

    /// Whether the FIFO of this reading end holds bytes, has a writer, or had one since it was opened.
    pub(crate) fn had_writer(fifo: &impl AsFd) -> io::Result<bool> {
        let (_reader, writer) = super::pipe()?;
        if super::poll_both(fifo, &writer)?.0 {
            return Ok(true);
        }
        match tee(fifo, &writer, 1) {
            // Its end: nobody writes, and as poll(2) says nobody ever did.
            Ok(0) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// A descriptor that is readable when what `fd` stands for has been opened (inotify(7)).
    pub(crate) fn watch_openings(fd: &impl AsFd) -> io::Result<OwnedFd> {
        use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        inotify::add_watch(&watch, path, WatchFlags::OPEN)?;
        Ok(watch)
    }

    /// Asks for a pipe of `size` bytes, and tells what it has.
    pub(crate) fn resize_pipe(pipe: &impl AsFd, size: usize) -> io::Result<usize> {
        match rustix::pipe::fcntl_setpipe_size(pipe, size) {
            Ok(size) => Ok(size),
            // Beyond the user's allowance.
            Err(_) => Ok(rustix::pipe::fcntl_getpipe_size(pipe)?),
        }
    }
}
