//! What the system knows of a file, as typed values.

pub use crate::sys::std_fs::Permissions;

use maniac_driver::sys::{FileKind, Stat, Timestamp};
use std::io;
use std::time::{Duration, SystemTime};

/// What the system knows of a file (statx(2)).
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// fs::write(&path, "12345").await?;
/// let metadata = fs::metadata(&path).await?;
/// assert!(metadata.is_file() && metadata.len() == 5);
/// assert!(metadata.modified()? <= std::time::SystemTime::now());
/// assert!(metadata.accessed().is_ok() && !metadata.permissions().readonly());
/// match metadata.created() {
///     Ok(time) => assert!(time <= metadata.modified()?),
///     Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::Unsupported),
/// }
/// fs::symlink("file", dir.path().join("link")).await?;
/// let link = fs::symlink_metadata(dir.path().join("link")).await?;
/// assert!(link.is_symlink() && link.file_type().is_symlink());
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    stat: Stat,
}

impl Metadata {
    pub(super) fn of(stat: Stat) -> Self {
        Self { stat }
    }

    /// What kind of thing it is.
    pub fn file_type(&self) -> FileType {
        FileType { kind: self.stat.kind() }
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.stat.is_file()
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.stat.is_dir()
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.stat.is_symlink()
    }

    /// The size in bytes.
    #[expect(clippy::len_without_is_empty, reason = "as the standard library has it")]
    pub fn len(&self) -> u64 {
        self.stat.size
    }

    /// Its permissions.
    #[cfg(unix)]
    pub fn permissions(&self) -> Permissions {
        use std::os::unix::fs::PermissionsExt;
        Permissions::from_mode(self.stat.mode)
    }

    /// When its data was last changed.
    ///
    /// # Errors
    ///
    /// If that is beyond what [`SystemTime`] can hold.
    pub fn modified(&self) -> io::Result<SystemTime> {
        time(self.stat.mtime)
    }

    /// When it was last read, as far as the file system keeps that.
    ///
    /// # Errors
    ///
    /// If that is beyond what [`SystemTime`] can hold.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        time(self.stat.atime)
    }

    /// When it was made.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the file system does not know.
    pub fn created(&self) -> io::Result<SystemTime> {
        let unknown =
            || io::Error::new(io::ErrorKind::Unsupported, "this file system keeps no time of creation");
        time(self.stat.btime.ok_or_else(unknown)?)
    }

    /// Everything that the system told: device, inode, mode, links, owner, group, blocks, times.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let metadata = maniac_io::fs::metadata("/").await?;
    /// assert!(metadata.stat().nlink > 0 && metadata.stat().uid == 0);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn stat(&self) -> &Stat {
        &self.stat
    }
}

fn time(at: Timestamp) -> io::Result<SystemTime> {
    let whole = Duration::from_secs(at.secs.unsigned_abs());
    let second = match at.secs {
        0.. => SystemTime::UNIX_EPOCH.checked_add(whole),
        _ => SystemTime::UNIX_EPOCH.checked_sub(whole),
    };
    let exact = second.and_then(|second| second.checked_add(Duration::from_nanos(u64::from(at.nanos))));
    exact.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a time beyond what can be told"))
}

/// What kind of thing a path names.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let kind = maniac_io::fs::metadata("/dev/null").await?.file_type();
/// assert!(!kind.is_file() && !kind.is_dir());
/// assert_eq!(kind.kind(), maniac_io::fs::FileKind::CharDevice);
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileType {
    kind: FileKind,
}

impl FileType {
    pub(super) fn of(kind: FileKind) -> Self {
        Self { kind }
    }

    /// Whether it is a regular file.
    pub fn is_file(self) -> bool {
        self.kind == FileKind::File
    }

    /// Whether it is a directory.
    pub fn is_dir(self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(self) -> bool {
        self.kind == FileKind::Symlink
    }

    /// Which kind.
    pub fn kind(self) -> FileKind {
        self.kind
    }
}
