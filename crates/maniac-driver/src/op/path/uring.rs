//! Path operations as ring entries.

use super::poll::dir_of;
use super::{OpenHow, Place, poll::RawHow};
use crate::op::Entry;
use crate::sys::stat_raw::{MASK, RawStat, at_flags};
use io_uring::{opcode, types};
use std::ffi::CStr;
use std::mem::MaybeUninit;

pub(super) const OPENAT: u8 = opcode::OpenAt::CODE;
pub(super) const UNLINKAT: u8 = opcode::UnlinkAt::CODE;
pub(super) const MKDIRAT: u8 = opcode::MkDirAt::CODE;
pub(super) const RENAMEAT: u8 = opcode::RenameAt::CODE;
pub(super) const LINKAT: u8 = opcode::LinkAt::CODE;
pub(super) const SYMLINKAT: u8 = opcode::SymlinkAt::CODE;
pub(super) const STATX: u8 = opcode::Statx::CODE;

fn dir(place: &Place) -> types::Fd {
    types::Fd(dir_of(place))
}

pub(super) fn open(place: &Place, how: OpenHow, raw: &RawHow) -> Entry {
    if how.resolve != 0 {
        return opcode::OpenAt2::new(dir(place), place.path.as_ptr(), raw).build();
    }
    opcode::OpenAt::new(dir(place), place.path.as_ptr())
        .flags(how.flags | libc::O_CLOEXEC)
        .mode(how.mode)
        .build()
}

pub(super) fn unlink(place: &Place, directory: bool) -> Entry {
    let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
    opcode::UnlinkAt::new(dir(place), place.path.as_ptr()).flags(flags).build()
}

pub(super) fn mkdir(place: &Place, mode: u32) -> Entry {
    opcode::MkDirAt::new(dir(place), place.path.as_ptr()).mode(mode).build()
}

pub(super) fn rename(from: &Place, to: &Place, flags: u32) -> Entry {
    opcode::RenameAt::new(dir(from), from.path.as_ptr(), dir(to), to.path.as_ptr()).flags(flags).build()
}

pub(super) fn link(from: &Place, to: &Place) -> Entry {
    opcode::LinkAt::new(dir(from), from.path.as_ptr(), dir(to), to.path.as_ptr()).build()
}

pub(super) fn symlink(target: &CStr, place: &Place) -> Entry {
    opcode::SymlinkAt::new(dir(place), target.as_ptr(), place.path.as_ptr()).build()
}

pub(super) fn stat(place: &Place, follow: bool, stat: &mut MaybeUninit<RawStat>) -> Entry {
    opcode::Statx::new(dir(place), place.path.as_ptr(), stat.as_mut_ptr().cast())
        .flags(at_flags(Some(&place.path), follow))
        .mask(MASK)
        .build()
}
