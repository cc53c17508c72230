//! [`ReadDir`]: the entries of a directory, read by threads of the blocking pool.

use super::dir::state;
use super::{Dir, FileType, Metadata};
use crate::rt;
use crate::sys::{Entries, RawEntry};
use maniac_driver::SharedFd;
use maniac_runtime::blocking::try_spawn_blocking;
use maniac_runtime::task::JoinHandle;
use std::ffi::OsString;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The entries of a directory, without `.` and `..`, in the order of the file system.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// fs::write(dir.path().join("one"), "1").await?;
/// let mut entries = fs::read_dir(dir.path()).await?;
/// while let Some(entry) = entries.next_entry().await? {
///     assert_eq!(entry.path(), dir.path().join("one"));
///     assert!(entry.file_type().await?.is_file());
///     assert_eq!(entry.metadata().await?.len(), 1);
/// }
/// # Ok(()) })
/// # }
/// ```
pub struct ReadDir {
    fd: SharedFd,
    base: Arc<Path>,
    /// What was read and not given out yet.
    batch: std::vec::IntoIter<RawEntry>,
    reading: Reading,
}

type Batch = (Entries, io::Result<Vec<RawEntry>>);

enum Reading {
    /// Nothing is under way.
    Idle(Entries),
    /// A thread reads. Kept if the future that waits is dropped.
    Busy(JoinHandle<Batch>),
    /// The end, or an error, has been told.
    Over,
}

/// The entries of the directory `path`. They are read by threads of the blocking pool, a batch at a time.
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
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join("one"), "1")?;
/// let mut entries = fs::read_dir(dir.path()).await?;
/// assert!(entries.next_entry().await?.is_some());
/// assert!(entries.next_entry().await?.is_none());
/// # Ok(()) })
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    Ok(ReadDir::new(Dir::open(path).await?.into_fd(), path))
}

impl ReadDir {
    pub(super) fn new(fd: SharedFd, base: &Path) -> Self {
        let reading = Reading::Idle(Entries::new(fd.clone()));
        Self { fd, base: base.into(), batch: Vec::new().into_iter(), reading }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of getdents(2). After one comes the end.
    ///
    /// # Cancel safety
    ///
    /// No entry is lost.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// As [`next_entry`](ReadDir::next_entry), to be polled.
    ///
    /// # Errors
    ///
    /// As for `next_entry`.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// let mut entries = maniac_io::fs::read_dir(dir.path()).await?;
    /// assert!(poll_fn(|cx| entries.poll_next_entry(cx)).await?.is_none(), "the directory is empty");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        ready!(rt::poll_charge(cx));
        loop {
            if let Some(raw) = self.batch.next() {
                let (dir, base) = (self.fd.clone(), Arc::clone(&self.base));
                return Poll::Ready(Ok(Some(DirEntry { dir, base, raw })));
            }
            if let Reading::Busy(thread) = &mut self.reading {
                let done = ready!(Pin::new(thread).poll(cx));
                self.reading = Reading::Over;
                let (entries, batch) = done.map_err(io::Error::other)?;
                let batch = batch?;
                if !batch.is_empty() {
                    self.batch = batch.into_iter();
                    self.reading = Reading::Idle(entries);
                }
                continue;
            }
            match std::mem::replace(&mut self.reading, Reading::Over) {
                Reading::Idle(mut entries) => {
                    let read = move || {
                        let batch = entries.batch();
                        (entries, batch)
                    };
                    self.reading = Reading::Busy(try_spawn_blocking(read).map_err(io::Error::other)?);
                }
                _ => return Poll::Ready(Ok(None)),
            }
        }
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").field("path", &self.base).finish_non_exhaustive()
    }
}

/// One entry of a directory.
///
/// ```
/// use maniac_io::fs::{self, DirEntry};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// fs::write(dir.path().join("one"), "1").await?;
/// let entry: DirEntry = fs::read_dir(dir.path()).await?.next_entry().await?.unwrap();
/// assert_eq!(entry.file_name(), "one");
/// assert_eq!(entry.ino(), entry.metadata().await?.stat().ino);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct DirEntry {
    dir: SharedFd,
    base: Arc<Path>,
    raw: RawEntry,
}

impl DirEntry {
    /// The path that [`read_dir`] was given, with the name behind it.
    pub fn path(&self) -> PathBuf {
        self.base.join(&self.raw.name)
    }

    /// The name.
    pub fn file_name(&self) -> OsString {
        self.raw.name.clone()
    }

    /// The inode's number.
    pub fn ino(&self) -> u64 {
        self.raw.ino
    }

    /// What kind of thing it is; a symbolic link is not followed. Costs a system call only where the file system did not
    /// say.
    ///
    /// # Errors
    ///
    /// Those of statx(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn file_type(&self) -> io::Result<FileType> {
        match self.raw.kind {
            Some(kind) => Ok(FileType::of(kind)),
            None => self.metadata().await.map(|metadata| metadata.file_type()),
        }
    }

    /// What the system knows of it; a symbolic link is not followed.
    ///
    /// # Errors
    ///
    /// Those of statx(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        state(self.dir.clone(), Path::new(&self.raw.name), false).await
    }
}
