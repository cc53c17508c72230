//! Path operations where there is no backend.

use super::{OpenHow, Place};
use crate::sys::{stat_raw::RawStat, unsupported};
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct RawHow;

pub(super) fn raw_how(_: OpenHow) -> RawHow {
    RawHow
}

pub(super) fn open(_: &Place, _: OpenHow, _: &RawHow) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn open_cached(_: &Place, _: OpenHow) -> Option<io::Result<usize>> {
    None
}

pub(super) fn unlink(_: &Place, _: bool) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn mkdir(_: &Place, _: u32) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn rename(_: &Place, _: &Place, _: u32) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn link(_: &Place, _: &Place) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn symlink(_: &CStr, _: &Place) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn stat(_: &Place, _: bool, _: &mut MaybeUninit<RawStat>) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn read_link(_: &Place, _: &mut Vec<u8>) -> io::Result<usize> {
    Err(unsupported())
}

pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
