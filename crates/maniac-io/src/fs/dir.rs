//! [`Dir`]: an open directory, and what is done to paths that start from it.

use super::open_file::{OpenFile, open, stat};
use super::{File, Metadata, OpenOptions, ReadDir};
use crate::rt;
use crate::sys::flags;
use maniac_driver::SharedFd;
use maniac_driver::op::path::OpenHow;
use maniac_driver::op::{
    Fsync, Inline, LinkAt, MkdirAt, ReadLinkAt, RenameAt, StatAt, SymlinkAt, UnlinkAt, try_inline,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

/// An open directory. Relative paths start from it, wherever it has been moved to meanwhile; absolute ones do not, unless
/// [`OpenOptions::beneath`] says so. Clones share the descriptor.
///
/// ```
/// use maniac_io::fs::{Dir, OpenOptions};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let temp = tempfile::tempdir()?;
/// let dir = Dir::open(temp.path()).await?;
/// dir.create_dir_at("sub").await?;
/// let mut file = dir.open_at("sub/file", OpenOptions::new().write(true).create(true)).await?;
/// file.write_all(b"text").await?;
/// dir.rename_at("sub/file", &dir, "file").await?;
/// assert_eq!(dir.metadata_at("file").await?.len(), 4);
/// dir.unlink_at("file").await?;
/// dir.remove_dir_at("sub").await?;
/// dir.sync_all().await?;
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Dir {
    fd: SharedFd,
}

impl Dir {
    /// Opens a directory.
    ///
    /// # Errors
    ///
    /// Those of open(2); `NotADirectory` if it is something else.
    ///
    /// # Cancel safety
    ///
    /// What was opened for a dropped future is closed.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Dir> {
        Self::open_from(None, path.as_ref(), 0).await
    }

    async fn open_from(dir: Option<SharedFd>, path: &Path, more: i32) -> io::Result<Dir> {
        rt::charge().await;
        let how = OpenHow::new(flags::READ | flags::DIRECTORY | more);
        Ok(Dir { fd: SharedFd::new(open(dir, path, how).await?) })
    }

    /// Opens a directory below this one. `follow` says whether a symbolic link at the path's end is followed, or an error.
    ///
    /// # Errors
    ///
    /// Those of openat(2).
    ///
    /// # Cancel safety
    ///
    /// What was opened for a dropped future is closed.
    ///
    /// ```
    /// use maniac_io::fs::Dir;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let dev = Dir::open("/").await?.open_dir_at("dev", true).await?;
    /// assert!(dev.metadata_at("null").await.is_ok());
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn open_dir_at(&self, path: impl AsRef<Path>, follow: bool) -> io::Result<Dir> {
        let more = if follow { 0 } else { flags::NO_FOLLOW };
        Self::open_from(Some(self.fd.clone()), path.as_ref(), more).await
    }

    /// Opens a file below this directory.
    ///
    /// # Errors
    ///
    /// Those of openat2(2); `InvalidInput` if the options contradict each other.
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed; one that was made or emptied stays so.
    pub async fn open_at(&self, path: impl AsRef<Path>, options: &OpenOptions) -> io::Result<File> {
        rt::charge().await;
        OpenFile::open(Some(self.fd.clone()), path.as_ref(), options).await.map(File::of)
    }

    /// Makes a directory below this one, with mode 0o777 before the umask.
    ///
    /// # Errors
    ///
    /// Those of mkdirat(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn create_dir_at(&self, path: impl AsRef<Path>) -> io::Result<()> {
        create(Some(self.fd.clone()), path.as_ref()).await
    }

    /// Removes a file below this directory.
    ///
    /// # Errors
    ///
    /// Those of unlinkat(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn unlink_at(&self, path: impl AsRef<Path>) -> io::Result<()> {
        remove(Some(self.fd.clone()), path.as_ref(), false).await
    }

    /// Removes an empty directory below this one.
    ///
    /// # Errors
    ///
    /// Those of unlinkat(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn remove_dir_at(&self, path: impl AsRef<Path>) -> io::Result<()> {
        remove(Some(self.fd.clone()), path.as_ref(), true).await
    }

    /// Renames `from` below this directory to `to` below `to_dir`, replacing what is there.
    ///
    /// # Errors
    ///
    /// Those of renameat(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn rename_at(
        &self,
        from: impl AsRef<Path>,
        to_dir: &Dir,
        to: impl AsRef<Path>,
    ) -> io::Result<()> {
        rename(Some(self.fd.clone()), from.as_ref(), Some(to_dir.fd.clone()), to.as_ref()).await
    }

    /// Gives the file `original` below this directory the name `link` below `to_dir` too.
    ///
    /// # Errors
    ///
    /// Those of linkat(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    ///
    /// ```
    /// use maniac_io::fs::Dir;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let temp = tempfile::tempdir()?;
    /// # std::fs::write(temp.path().join("one"), "1")?;
    /// let dir = Dir::open(temp.path()).await?;
    /// dir.hard_link_at("one", &dir, "two").await?;
    /// assert_eq!(dir.metadata_at("one").await?.stat().nlink, 2);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn hard_link_at(
        &self,
        original: impl AsRef<Path>,
        to_dir: &Dir,
        link: impl AsRef<Path>,
    ) -> io::Result<()> {
        hard_link(Some(self.fd.clone()), original.as_ref(), Some(to_dir.fd.clone()), link.as_ref()).await
    }

    /// Makes `link` below this directory a symbolic link that says `target`.
    ///
    /// # Errors
    ///
    /// Those of symlinkat(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    ///
    /// ```
    /// use maniac_io::fs::Dir;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let temp = tempfile::tempdir()?;
    /// let dir = Dir::open(temp.path()).await?;
    /// dir.symlink_at("target", "link").await?;
    /// assert_eq!(dir.read_link_at("link").await?, std::path::Path::new("target"));
    /// assert!(dir.symlink_metadata_at("link").await?.is_symlink());
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn symlink_at(&self, target: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        symlink(target.as_ref(), Some(self.fd.clone()), link.as_ref()).await
    }

    /// What a symbolic link below this directory says.
    ///
    /// # Errors
    ///
    /// Those of readlinkat(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn read_link_at(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        rt::charge().await;
        rt::run(ReadLinkAt::new(Some(self.fd.clone()), path)?).await
    }

    /// What the system knows of what `path` below this directory leads to.
    ///
    /// # Errors
    ///
    /// Those of statx(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn metadata_at(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        state(self.fd.clone(), path.as_ref(), true).await
    }

    /// As [`metadata_at`](Dir::metadata_at), of a symbolic link itself if `path` names one.
    ///
    /// # Errors
    ///
    /// Those of statx(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn symlink_metadata_at(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        state(self.fd.clone(), path.as_ref(), false).await
    }

    /// What the system knows of the directory itself.
    ///
    /// # Errors
    ///
    /// Those of statx(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let temp = tempfile::tempdir()?;
    /// let dir = maniac_io::fs::Dir::open(temp.path()).await?;
    /// assert!(dir.metadata().await?.is_dir());
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        rt::charge().await;
        stat(&self.fd).map(Metadata::of)
    }

    /// The directory's entries. It must not be read twice at the same time through clones, which share its position.
    ///
    /// # Errors
    ///
    /// Those of open(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    ///
    /// ```
    /// use maniac_io::fs::Dir;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let temp = tempfile::tempdir()?;
    /// let dir = Dir::open(temp.path()).await?;
    /// dir.create_dir_at("sub").await?;
    /// let mut entries = dir.read_dir().await?;
    /// let entry = entries.next_entry().await?.unwrap();
    /// assert_eq!(entry.file_name(), "sub");
    /// assert!(entries.next_entry().await?.is_none());
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read_dir(&self) -> io::Result<ReadDir> {
        // A descriptor of its own, and so a position of its own.
        let own = self.open_dir_at(".", true).await?;
        Ok(ReadDir::new(own.fd, Path::new("")))
    }

    /// Brings the directory's entries to the device (fsync(2)): what was made, renamed or removed in it then survives a crash.
    ///
    /// # Errors
    ///
    /// Those of fsync(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn sync_all(&self) -> io::Result<()> {
        rt::charge().await;
        rt::run(Fsync::new(self.fd.clone())).await
    }

    pub(super) fn into_fd(self) -> SharedFd {
        self.fd
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Dir {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

pub(super) async fn create(dir: Option<SharedFd>, path: &Path) -> io::Result<()> {
    rt::charge().await;
    rt::run(MkdirAt::new(dir, path, 0o777)?).await
}

pub(super) async fn remove(dir: Option<SharedFd>, path: &Path, directory: bool) -> io::Result<()> {
    rt::charge().await;
    let op = if directory { UnlinkAt::directory(dir, path)? } else { UnlinkAt::file(dir, path)? };
    rt::run(op).await
}

pub(super) async fn rename(
    from_dir: Option<SharedFd>,
    from: &Path,
    to_dir: Option<SharedFd>,
    to: &Path,
) -> io::Result<()> {
    rt::charge().await;
    rt::run(RenameAt::new(from_dir, from, to_dir, to)?).await
}

pub(super) async fn hard_link(
    from_dir: Option<SharedFd>,
    from: &Path,
    to_dir: Option<SharedFd>,
    to: &Path,
) -> io::Result<()> {
    rt::charge().await;
    rt::run(LinkAt::new(from_dir, from, to_dir, to)?).await
}

pub(super) async fn symlink(target: &Path, dir: Option<SharedFd>, link: &Path) -> io::Result<()> {
    rt::charge().await;
    rt::run(SymlinkAt::new(target, dir, link)?).await
}

pub(super) async fn state(dir: SharedFd, path: &Path, follow: bool) -> io::Result<Metadata> {
    rt::charge().await;
    let stat = match try_inline(StatAt::new(Some(dir), path, follow)?) {
        Inline::Done(stat) => stat?,
        Inline::Pending(op) => rt::run(op).await?,
    };
    Ok(Metadata::of(stat))
}
