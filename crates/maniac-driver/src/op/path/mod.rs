//! Operations on paths: open, create, remove, rename, link, look.
//!
//! Each takes a directory to start from (or none: the current one, at the time of the call) and a path, as the `…at`
//! system calls do.

#[cfg(unix)]
mod poll;
#[cfg(not(unix))]
#[path = "stub.rs"]
mod poll;
#[cfg(maniac_uring)]
mod uring;

use super::{Mode, Operation, Returned, unit};
use crate::fd::{OwnedDescriptor, SharedFd};
use crate::sys::{self, Stat, stat_raw::RawStat};
use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

/// A place in the file system: a directory to start from, and a path.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) dir: Option<SharedFd>,
    pub(crate) path: CString,
}

impl Place {
    fn new(dir: Option<SharedFd>, path: impl AsRef<Path>) -> io::Result<Self> {
        let bytes = path.as_ref().as_os_str().as_encoded_bytes();
        let path = CString::new(bytes).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "a path must not contain a zero byte")
        })?;
        Ok(Self { dir, path })
    }
}

/// How [`OpenAt`] opens (open(2), openat2(2)).
///
/// ```
/// use maniac_driver::op::path::OpenHow;
/// let how = OpenHow::new(0).mode(0o600);
/// assert_eq!(how.mode, 0o600);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenHow {
    /// `O_…`; `O_CLOEXEC` is always added.
    pub flags: i32,
    /// Permissions of a file that is created, before the umask.
    pub mode: u32,
    /// `RESOLVE_…` of openat2(2); Linux only.
    pub resolve: u64,
}

impl OpenHow {
    /// Flags, mode 0o666, no restrictions on the way.
    pub fn new(flags: i32) -> Self {
        Self { flags, mode: 0o666, resolve: 0 }
    }

    /// The permissions of a file that is created.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Restrictions on the way to the file (openat2(2)).
    pub fn resolve(mut self, resolve: u64) -> Self {
        self.resolve = resolve;
        self
    }
}

/// Opens a file.
///
/// Cancel safety: a file opened for a dropped operation is closed; one that it created stays.
#[derive(Debug)]
pub struct OpenAt {
    place: Place,
    how: OpenHow,
    raw: poll::RawHow,
}

impl OpenAt {
    /// Opens `path` below `dir`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path contains a zero byte.
    pub fn new(dir: Option<SharedFd>, path: impl AsRef<Path>, how: OpenHow) -> io::Result<Self> {
        let raw = poll::raw_how(how);
        Ok(Self { place: Place::new(dir, path)?, how, raw })
    }
}

// SAFETY: [INV-1] the entry points to the path's heap block and to `raw`, which the record keeps in place.
unsafe impl Operation for OpenAt {
    type Output = io::Result<OwnedDescriptor>;
    const NAME: &'static str = "open_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::OPENAT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::open(&self.place, self.how, &self.raw))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::open(&self.place, self.how, &self.raw)
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        poll::open_cached(&self.place, self.how)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        // SAFETY: [INV-7] the system has just made this descriptor for this operation.
        result.map(|raw| unsafe { sys::owned(raw.get()) })
    }
}

/// Removes a file or an empty directory (unlinkat(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct UnlinkAt {
    place: Place,
    directory: bool,
}

impl UnlinkAt {
    /// Removes the file `path` below `dir`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path contains a zero byte.
    pub fn file(dir: Option<SharedFd>, path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { place: Place::new(dir, path)?, directory: false })
    }

    /// Removes the empty directory `path` below `dir`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path contains a zero byte.
    pub fn directory(dir: Option<SharedFd>, path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { place: Place::new(dir, path)?, directory: true })
    }
}

// SAFETY: [INV-1] the entry points to the path's heap block.
unsafe impl Operation for UnlinkAt {
    type Output = io::Result<()>;
    const NAME: &'static str = "unlink_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::UNLINKAT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::unlink(&self.place, self.directory))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::unlink(&self.place, self.directory)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Creates a directory (mkdirat(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct MkdirAt {
    place: Place,
    mode: u32,
}

impl MkdirAt {
    /// Creates `path` below `dir` with permissions `mode` (before the umask).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path contains a zero byte.
    pub fn new(dir: Option<SharedFd>, path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        Ok(Self { place: Place::new(dir, path)?, mode })
    }
}

// SAFETY: [INV-1] the entry points to the path's heap block.
unsafe impl Operation for MkdirAt {
    type Output = io::Result<()>;
    const NAME: &'static str = "mkdir_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::MKDIRAT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::mkdir(&self.place, self.mode))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::mkdir(&self.place, self.mode)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Renames a file or directory (renameat2(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct RenameAt {
    from: Place,
    to: Place,
    flags: u32,
}

impl RenameAt {
    /// Renames `from` below `from_dir` to `to` below `to_dir`, replacing what is there.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a path contains a zero byte.
    pub fn new(
        from_dir: Option<SharedFd>,
        from: impl AsRef<Path>,
        to_dir: Option<SharedFd>,
        to: impl AsRef<Path>,
    ) -> io::Result<Self> {
        Ok(Self { from: Place::new(from_dir, from)?, to: Place::new(to_dir, to)?, flags: 0 })
    }

    /// `RENAME_…` of renameat2(2); Linux only.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }
}

// SAFETY: [INV-1] the entry points to the paths' heap blocks.
unsafe impl Operation for RenameAt {
    type Output = io::Result<()>;
    const NAME: &'static str = "rename_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::RENAMEAT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::rename(&self.from, &self.to, self.flags))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::rename(&self.from, &self.to, self.flags)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Gives a file another name (linkat(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct LinkAt {
    from: Place,
    to: Place,
}

impl LinkAt {
    /// Gives `from` below `from_dir` the name `to` below `to_dir` too. A symbolic link is linked itself.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a path contains a zero byte.
    pub fn new(
        from_dir: Option<SharedFd>,
        from: impl AsRef<Path>,
        to_dir: Option<SharedFd>,
        to: impl AsRef<Path>,
    ) -> io::Result<Self> {
        Ok(Self { from: Place::new(from_dir, from)?, to: Place::new(to_dir, to)? })
    }
}

// SAFETY: [INV-1] the entry points to the paths' heap blocks.
unsafe impl Operation for LinkAt {
    type Output = io::Result<()>;
    const NAME: &'static str = "link_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::LINKAT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::link(&self.from, &self.to))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::link(&self.from, &self.to)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// Makes a symbolic link (symlinkat(2)).
///
/// Cancel safety: a dropped one may have happened.
#[derive(Debug)]
pub struct SymlinkAt {
    target: CString,
    place: Place,
}

impl SymlinkAt {
    /// Makes `path` below `dir` a link that says `target`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a path contains a zero byte.
    pub fn new(target: impl AsRef<Path>, dir: Option<SharedFd>, path: impl AsRef<Path>) -> io::Result<Self> {
        let target = Place::new(None, target)?.path;
        Ok(Self { target, place: Place::new(dir, path)? })
    }
}

// SAFETY: [INV-1] the entry points to the paths' heap blocks.
unsafe impl Operation for SymlinkAt {
    type Output = io::Result<()>;
    const NAME: &'static str = "symlink_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::SYMLINKAT;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::symlink(&self.target, &self.place))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::symlink(&self.target, &self.place)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        unit(result)
    }
}

/// The state of what a path names (statx(2)).
///
/// Cancel safety: nothing is changed. The plain call ([`try_inline`](super::try_inline)) is several times cheaper than the
/// ring, but waits for the device where the path is not cached.
pub struct StatAt {
    place: Place,
    follow: bool,
    stat: MaybeUninit<RawStat>,
}

impl StatAt {
    /// Asks for the state of `path` below `dir`; `follow` says whether a symbolic link at its end is followed.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path contains a zero byte.
    pub fn new(dir: Option<SharedFd>, path: impl AsRef<Path>, follow: bool) -> io::Result<Self> {
        Ok(Self { place: Place::new(dir, path)?, follow, stat: MaybeUninit::uninit() })
    }
}

impl std::fmt::Debug for StatAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatAt")
            .field("place", &self.place)
            .field("follow", &self.follow)
            .finish_non_exhaustive()
    }
}

// SAFETY: [INV-1] the entry points to the path's heap block and to `stat`, which the record keeps in place.
unsafe impl Operation for StatAt {
    type Output = io::Result<Stat>;
    const NAME: &'static str = "stat_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::STATX;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::stat(&self.place, self.follow, &mut self.stat))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::stat(&self.place, self.follow, &mut self.stat)
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        Some(self.call())
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        // SAFETY: [INV-7] the call succeeded, and so has filled the state.
        result.map(|_| Stat::from(unsafe { self.stat.assume_init_ref() }))
    }
}

/// What a symbolic link says (readlinkat(2)). No ring knows it: a thread of the pool makes the call.
///
/// Cancel safety: nothing is changed.
#[derive(Debug)]
pub struct ReadLinkAt {
    place: Place,
    target: Vec<u8>,
}

impl ReadLinkAt {
    /// Reads the link `path` below `dir`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path contains a zero byte.
    pub fn new(dir: Option<SharedFd>, path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { place: Place::new(dir, path)?, target: Vec::new() })
    }
}

// SAFETY: [INV-1] there is no entry.
unsafe impl Operation for ReadLinkAt {
    type Output = io::Result<PathBuf>;
    const NAME: &'static str = "read_link_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = super::NO_OPCODE;

    fn call(&mut self) -> io::Result<usize> {
        poll::read_link(&self.place, &mut self.target)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        result.map(|_| poll::path_of(self.target))
    }
}
