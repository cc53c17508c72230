//! File operations as ring entries.

use super::poll::Vector;
use crate::buf::{RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::op::Entry;
use crate::sys::{stat_raw::RawStat, transfer};
use io_uring::{opcode, types};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

pub(super) const READ: u8 = opcode::Read::CODE;
pub(super) const WRITE: u8 = opcode::Write::CODE;
pub(super) const READV: u8 = opcode::Readv::CODE;
pub(super) const WRITEV: u8 = opcode::Writev::CODE;
pub(super) const FSYNC: u8 = opcode::Fsync::CODE;
pub(super) const SYNC_RANGE: u8 = opcode::SyncFileRange::CODE;
pub(super) const FALLOCATE: u8 = opcode::Fallocate::CODE;
pub(super) const FTRUNCATE: u8 = opcode::Ftruncate::CODE;
pub(super) const STATX: u8 = opcode::Statx::CODE;

fn fd_of(fd: &SharedFd) -> types::Fd {
    types::Fd(fd.as_raw_fd())
}

/// Nothing where the ring must not be asked to read or write at `offset`: what the system takes for no offset, and files of which it is not
/// known that no program serves them ([`transferable`]).
pub(super) fn positioned(fd: &SharedFd, offset: u64) -> Option<()> {
    crate::sys::offset(offset).ok()?;
    transferable(fd)
}

/// Nothing where the ring must not be asked to read or write: files that a program serves (FUSE), or may serve, until a thread of the pool has
/// found out. A ring asks for the rest of what came back short, and past such a program's page cache it does so at the same place again
/// (seen on Linux 6.18, where the file system leaves the position as it was): bytes come several times, or on top of each other. A thread of the
/// kernel's would make the call; so one of the pool does.
pub(super) fn transferable(fd: &SharedFd) -> Option<()> {
    fd.may_use_ring().then_some(())
}

/// An offset of `u64::MAX` means the descriptor's own position.
pub(super) fn read(fd: &SharedFd, buf: &mut impl RawBufWrite, offset: u64) -> Entry {
    let len = transfer(buf.buf_capacity()) as u32;
    opcode::Read::new(fd_of(fd), buf.as_buf_mut_ptr(), len).offset(offset).build()
}

/// An offset of `u64::MAX` means the descriptor's own position.
pub(super) fn write(fd: &SharedFd, buf: &impl RawBufRead, offset: u64) -> Entry {
    let len = transfer(buf.buf_len()) as u32;
    opcode::Write::new(fd_of(fd), buf.as_buf_ptr(), len).offset(offset).build()
}

pub(super) fn readv(fd: &SharedFd, vectors: &[Vector], offset: u64) -> Entry {
    opcode::Readv::new(fd_of(fd), vectors.as_ptr(), vectors.len() as u32).offset(offset).build()
}

pub(super) fn writev(fd: &SharedFd, vectors: &[Vector], offset: u64) -> Entry {
    opcode::Writev::new(fd_of(fd), vectors.as_ptr(), vectors.len() as u32).offset(offset).build()
}

pub(super) fn fsync(fd: &SharedFd, data_only: bool) -> Entry {
    let flags = if data_only { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
    opcode::Fsync::new(fd_of(fd)).flags(flags).build()
}

/// None for lengths that an entry has no room for.
pub(super) fn sync_range(fd: &SharedFd, offset: u64, len: u64) -> Option<Entry> {
    let (len, offset) = (u32::try_from(len).ok()?, crate::sys::offset(offset).ok()? as u64);
    Some(opcode::SyncFileRange::new(fd_of(fd), len).offset(offset).flags(super::poll::SYNC_RANGE).build())
}

pub(super) fn allocate(fd: &SharedFd, mode: i32, offset: u64, len: u64) -> Entry {
    opcode::Fallocate::new(fd_of(fd), len).offset(offset).mode(mode).build()
}

pub(super) fn truncate(fd: &SharedFd, len: u64) -> Entry {
    opcode::Ftruncate::new(fd_of(fd), len).build()
}

pub(super) fn stat(fd: &SharedFd, stat: &mut MaybeUninit<RawStat>) -> Entry {
    opcode::Statx::new(fd_of(fd), c"".as_ptr(), stat.as_mut_ptr().cast())
        .flags(libc::AT_EMPTY_PATH)
        .mask(crate::sys::stat_raw::MASK)
        .build()
}
