//! Operations on open files: positioned and plain reads and writes, their state and their size.

#[cfg(unix)]
mod poll;
#[cfg(not(unix))]
#[path = "stub.rs"]
mod poll;
#[cfg(maniac_uring)]
mod uring;
mod vectored;

pub use vectored::{ReadVectoredAt, WriteVectoredAt};

use super::{Mode, Operation, Returned, unit};
use crate::buf::{BufResult, RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::ready::Interest;
use crate::sys::Stat;
use crate::sys::stat_raw::RawStat;
use std::io;
use std::mem::MaybeUninit;

/// Tells `buf` how much of it a read has filled.
///
/// # Safety
///
/// `result` is of a read into the front of `buf`, never more than its capacity.
unsafe fn filled<B: RawBufWrite>(mut buf: B, result: io::Result<usize>) -> BufResult<usize, B> {
    if let Ok(count) = result {
        // SAFETY: [caller] the system has written so many bytes from the front.
        unsafe { buf.set_filled(count) };
    }
    (result, buf)
}

/// Reads at an offset (pread(2)). What has no offsets, such as a pipe, gives `ESPIPE` or, in a ring, its next data: use
/// [`Read`] there.
///
/// Cancel safety: the file is not changed; the data of a dropped read is lost to nobody.
#[derive(Debug)]
pub struct ReadAt<B> {
    fd: SharedFd,
    buf: B,
    offset: u64,
}

impl<B: RawBufWrite> ReadAt<B> {
    /// Reads up to `buf`'s capacity from `offset`.
    pub fn new(fd: SharedFd, buf: B, offset: u64) -> Self {
        Self { fd, buf, offset }
    }

    /// Gives the buffer back, unused.
    pub fn into_buf(self) -> B {
        self.buf
    }
}

// SAFETY: [INV-1] the entry points into `buf`, which the record keeps in place.
unsafe impl<B: RawBufWrite> Operation for ReadAt<B> {
    type Output = BufResult<usize, B>;
    const NAME: &'static str = "read_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::READ;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        uring::positioned(&self.fd, self.offset)?;
        Some(uring::read(&self.fd, &mut self.buf, self.offset))
    }

    fn call(&mut self) -> io::Result<usize> {
        #[cfg(maniac_uring)]
        self.fd.learn_of_ring();
        poll::read_at(&self.fd, &mut self.buf, self.offset)
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        poll::read_at_nowait(&self.fd, &mut self.buf, self.offset).transpose()
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        // SAFETY: [INV-7] the result is of a read into this buffer.
        unsafe { filled(self.buf, result.map(Returned::get)) }
    }
}

/// Writes at an offset (pwrite(2)). What has no offsets, such as a pipe, gives `ESPIPE` or, in a ring, takes the data:
/// use [`Write`] there.
///
/// Cancel safety: none; a dropped write may have happened, wholly or in part.
#[derive(Debug)]
pub struct WriteAt<B> {
    fd: SharedFd,
    buf: B,
    offset: u64,
}

impl<B: RawBufRead> WriteAt<B> {
    /// Writes `buf` at `offset`.
    pub fn new(fd: SharedFd, buf: B, offset: u64) -> Self {
        Self { fd, buf, offset }
    }

    /// Gives the buffer back, unwritten.
    pub fn into_buf(self) -> B {
        self.buf
    }
}

// SAFETY: [INV-1] the entry points into `buf`, which the record keeps in place.
unsafe impl<B: RawBufRead> Operation for WriteAt<B> {
    type Output = BufResult<usize, B>;
    const NAME: &'static str = "write_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::WRITE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        uring::positioned(&self.fd, self.offset)?;
        Some(uring::write(&self.fd, &self.buf, self.offset))
    }

    fn call(&mut self) -> io::Result<usize> {
        #[cfg(maniac_uring)]
        self.fd.learn_of_ring();
        poll::write_at(&self.fd, &self.buf, self.offset)
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        poll::write_at_nowait(&self.fd, &self.buf, self.offset).transpose()
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        (result.map(Returned::get), self.buf)
    }
}

/// Reads from a pipe, a terminal or another thing without offsets (read(2)). The descriptor is made non-blocking.
///
/// On a regular file it reads at the descriptor's own position, and may block the driver, in a ring too where a program may serve the
/// file (FUSE): use [`ReadAt`].
///
/// Cancel safety: none; data that a dropped read had taken is lost. Use
/// [`Registration`](crate::Registration) where that matters.
#[derive(Debug)]
pub struct Read<B> {
    fd: SharedFd,
    buf: B,
}

impl<B: RawBufWrite> Read<B> {
    /// Reads up to `buf`'s capacity.
    pub fn new(fd: SharedFd, buf: B) -> Self {
        Self { fd, buf }
    }
}

// SAFETY: [INV-1] the entry points into `buf`, which the record keeps in place.
unsafe impl<B: RawBufWrite> Operation for Read<B> {
    type Output = BufResult<usize, B>;
    const NAME: &'static str = "read";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::READ;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        uring::transferable(&self.fd)?;
        Some(uring::read(&self.fd, &mut self.buf, u64::MAX))
    }

    fn call(&mut self) -> io::Result<usize> {
        self.fd.set_nonblocking()?;
        poll::read(&self.fd, &mut self.buf)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::READABLE))
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        // SAFETY: [INV-7] the result is of a read into this buffer.
        unsafe { filled(self.buf, result.map(Returned::get)) }
    }
}

/// Writes to a pipe, a terminal or another thing without offsets (write(2)). The descriptor is made non-blocking.
///
/// On a regular file it writes at the descriptor's own position, and may block the driver, in a ring too where a program may serve the
/// file (FUSE): use [`WriteAt`].
///
/// Cancel safety: none; a dropped write may have happened, wholly or in part.
#[derive(Debug)]
pub struct Write<B> {
    fd: SharedFd,
    buf: B,
}

impl<B: RawBufRead> Write<B> {
    /// Writes `buf`, or as much as there is room for.
    pub fn new(fd: SharedFd, buf: B) -> Self {
        Self { fd, buf }
    }
}

// SAFETY: [INV-1] the entry points into `buf`, which the record keeps in place.
unsafe impl<B: RawBufRead> Operation for Write<B> {
    type Output = BufResult<usize, B>;
    const NAME: &'static str = "write";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::WRITE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        uring::transferable(&self.fd)?;
        Some(uring::write(&self.fd, &self.buf, u64::MAX))
    }

    fn call(&mut self) -> io::Result<usize> {
        self.fd.set_nonblocking()?;
        poll::write(&self.fd, &self.buf)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, Interest::WRITABLE))
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        (result.map(Returned::get), self.buf)
    }
}

/// Brings a file's data to the device (fsync(2), fdatasync(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct Fsync {
    fd: SharedFd,
    data_only: bool,
}

impl Fsync {
    /// Data and all of the file's state.
    pub fn new(fd: SharedFd) -> Self {
        Self { fd, data_only: false }
    }

    /// Data, and the state that is needed to read it (fdatasync).
    pub fn data(fd: SharedFd) -> Self {
        Self { fd, data_only: true }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for Fsync {
    type Output = io::Result<()>;
    const NAME: &'static str = "fsync";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::FSYNC;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::fsync(&self.fd, self.data_only))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::fsync(&self.fd, self.data_only)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Writes a part of a file's data out to the device (sync_file_range(2)), and waits for that. Not what is needed to find it there
/// again, and not out of the device's own cache: [`Fsync`] makes durable, and this keeps how much it then has to do small. Where the
/// system has no such call, all of the file's data is synchronised.
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct SyncRange {
    fd: SharedFd,
    offset: u64,
    len: u64,
}

impl SyncRange {
    /// `len` bytes from `offset`; 0 means all to the end.
    pub fn new(fd: SharedFd, offset: u64, len: u64) -> Self {
        Self { fd, offset, len }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for SyncRange {
    type Output = io::Result<()>;
    const NAME: &'static str = "sync_range";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::SYNC_RANGE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        uring::sync_range(&self.fd, self.offset, self.len)
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::sync_range(&self.fd, self.offset, self.len)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Gives a file room on the device, or takes it away (fallocate(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct Allocate {
    fd: SharedFd,
    mode: i32,
    offset: u64,
    len: u64,
}

impl Allocate {
    /// Makes sure that `len` bytes from `offset` can be written; the file grows to hold them.
    pub fn new(fd: SharedFd, offset: u64, len: u64) -> Self {
        Self::with_mode(fd, 0, offset, len)
    }

    /// fallocate(2) with its `mode` (`FALLOC_FL_…`). Only Linux knows other modes than 0.
    pub fn with_mode(fd: SharedFd, mode: i32, offset: u64, len: u64) -> Self {
        Self { fd, mode, offset, len }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for Allocate {
    type Output = io::Result<()>;
    const NAME: &'static str = "allocate";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::FALLOCATE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::allocate(&self.fd, self.mode, self.offset, self.len))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::allocate(&self.fd, self.mode, self.offset, self.len)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Cuts or extends a file (ftruncate(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct Truncate {
    fd: SharedFd,
    len: u64,
}

impl Truncate {
    /// Makes the file `len` bytes long.
    pub fn new(fd: SharedFd, len: u64) -> Self {
        Self { fd, len }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for Truncate {
    type Output = io::Result<()>;
    const NAME: &'static str = "truncate";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::FTRUNCATE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::truncate(&self.fd, self.len))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::truncate(&self.fd, self.len)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// The state of an open file (statx(2), fstat(2)).
///
/// Cancel safety: nothing is changed. The plain call ([`try_inline`](super::try_inline)) is several times cheaper than the
/// ring.
pub struct StatFile {
    fd: SharedFd,
    stat: MaybeUninit<RawStat>,
}

impl StatFile {
    /// Asks for the state of `fd`.
    pub fn new(fd: SharedFd) -> Self {
        Self { fd, stat: MaybeUninit::uninit() }
    }
}

impl std::fmt::Debug for StatFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatFile").field("fd", &self.fd).finish_non_exhaustive()
    }
}

// SAFETY: [INV-1] the entry points to `stat`, which the record keeps in place, and to a constant.
unsafe impl Operation for StatFile {
    type Output = io::Result<Stat>;
    const NAME: &'static str = "stat_file";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::STATX;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::stat(&self.fd, &mut self.stat))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::stat(&self.fd, &mut self.stat)
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        Some(self.call())
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        // SAFETY: [INV-7] the call succeeded, and so has filled the state.
        result.map(|_| Stat::from(unsafe { self.stat.assume_init_ref() }))
    }
}
