//! What the system knows of a file.

/// A moment in a file's life: seconds and nanoseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Seconds; negative before 1970.
    pub secs: i64,
    /// Nanoseconds after `secs`, below 1,000,000,000.
    pub nanos: u32,
}

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A named pipe.
    Fifo,
    /// A Unix domain socket.
    Socket,
    /// Something else.
    Unknown,
}

impl FileKind {
    /// The kind that a mode (st_mode) tells.
    pub const fn from_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => FileKind::File,
            0o040_000 => FileKind::Directory,
            0o120_000 => FileKind::Symlink,
            0o060_000 => FileKind::BlockDevice,
            0o020_000 => FileKind::CharDevice,
            0o010_000 => FileKind::Fifo,
            0o140_000 => FileKind::Socket,
            _ => FileKind::Unknown,
        }
    }
}

/// The state of a file (statx(2), stat(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stat {
    /// The device that holds it.
    pub dev: u64,
    /// Its inode.
    pub ino: u64,
    /// Kind and permissions.
    pub mode: u32,
    /// How many links it has.
    pub nlink: u64,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The device that it is.
    pub rdev: u64,
    /// Its size in bytes.
    pub size: u64,
    /// The preferred size of transfers, in bytes.
    pub blksize: u64,
    /// How many blocks of 512 bytes it takes.
    pub blocks: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of its data.
    pub mtime: Timestamp,
    /// Last change of its state.
    pub ctime: Timestamp,
    /// Its creation, where the file system knows.
    pub btime: Option<Timestamp>,
}

impl Stat {
    /// What kind of thing it is.
    pub const fn kind(&self) -> FileKind {
        FileKind::from_mode(self.mode)
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == FileKind::File
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == FileKind::Directory
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.kind() == FileKind::Symlink
    }

    /// Whether it is a character device.
    pub fn is_char_device(&self) -> bool {
        self.kind() == FileKind::CharDevice
    }
}
