//! Directory entries (getdents(2), readdir(3)). Reading them waits for the device: call this on a thread of the pool.

use maniac_driver::SharedFd;
use maniac_driver::sys::FileKind;
use rustix::fs::FileType;
use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// One name in a directory.
#[derive(Debug)]
pub(crate) struct RawEntry {
    pub(crate) name: OsString,
    /// `None` where the file system does not say.
    pub(crate) kind: Option<FileKind>,
    pub(crate) ino: u64,
}

/// An entry, unless it is `.` or `..`.
fn entry(name: &CStr, kind: FileType, ino: u64) -> Option<RawEntry> {
    let name = name.to_bytes();
    if name == b"." || name == b".." {
        return None;
    }
    let kind = match kind {
        FileType::RegularFile => Some(FileKind::File),
        FileType::Directory => Some(FileKind::Directory),
        FileType::Symlink => Some(FileKind::Symlink),
        FileType::Fifo => Some(FileKind::Fifo),
        FileType::Socket => Some(FileKind::Socket),
        FileType::CharacterDevice => Some(FileKind::CharDevice),
        FileType::BlockDevice => Some(FileKind::BlockDevice),
        FileType::Unknown => None,
    };
    Some(RawEntry { name: OsStr::from_bytes(name).to_owned(), kind, ino })
}

/// The entries of a directory, in batches.
pub(crate) struct Entries {
    fd: SharedFd,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    dir: Option<rustix::fs::Dir>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Entries {
    pub(crate) fn new(fd: SharedFd) -> Self {
        Self { fd }
    }

    /// More entries; none at the end.
    pub(crate) fn batch(&mut self) -> io::Result<Vec<RawEntry>> {
        /// As much as glibc asks for at a time.
        const ROOM: usize = 32 << 10;
        let mut room = Vec::with_capacity(ROOM);
        let mut batch = Vec::new();
        let mut raw = rustix::fs::RawDir::new(&self.fd, room.spare_capacity_mut());
        while let Some(next) = raw.next() {
            let next = next?;
            batch.extend(entry(next.file_name(), next.file_type(), next.ino()));
            if raw.is_buffer_empty() && !batch.is_empty() {
                break;
            }
        }
        Ok(batch)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Entries {
    pub(crate) fn new(fd: SharedFd) -> Self {
        Self { fd, dir: None }
    }

    /// More entries; none at the end.
    pub(crate) fn batch(&mut self) -> io::Result<Vec<RawEntry>> {
        /// About what one call to the system brings.
        const MOST: usize = 512;
        let dir = match &mut self.dir {
            Some(dir) => dir,
            None => self.dir.insert(rustix::fs::Dir::read_from(&self.fd)?),
        };
        let mut batch = Vec::new();
        for next in dir {
            let next = next?;
            batch.extend(entry(next.file_name(), next.file_type(), next.ino()));
            if batch.len() == MOST {
                break;
            }
        }
        Ok(batch)
    }
}
