//! Files, directories and paths.
//!
//! How a call reaches the system:
//!
//! | call | on Linux | elsewhere |
//! |---|---|---|
//! | read, write | the page cache by one plain call that does not wait; else the driver | a thread of the pool |
//! | `metadata`, `try_exists` | a plain call | the same |
//! | `open` | on a ring, while other tasks wait to run, the driver; a plain call that the path cache answers; else the driver | a thread of the pool |
//! | `open` that makes or empties, sync, allocate, rename, remove, link, `create_dir` | the driver | a thread of the pool |
//! | `read_dir`, `remove_dir_all`, `copy`, `canonicalize`, permissions, a lock that is waited for | a thread of the pool | the same |
//!
//! The driver is io_uring, or readiness, which hands what would block to threads of the pool.
//!
//! Off Unix all of it goes to threads of the pool, and there are no owned, direct or vectored calls, no locks, no [`Fd`], no
//! splice and no `Dir`.

#[cfg(unix)]
mod dir;
mod dir_builder;
#[cfg(unix)]
mod fd;
#[cfg(target_os = "linux")]
mod fifo;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod metadata;
#[cfg(unix)]
mod open_file;
mod options;
#[cfg(unix)]
mod paths;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod read_dir;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod splice;
#[cfg(unix)]
mod unfinished;
#[cfg(unix)]
mod uring;
#[cfg(feature = "watch")]
mod watch;
#[cfg(unix)]
mod whole;

pub use crate::buf::AlignedBuf;
#[cfg(unix)]
pub(crate) use open_file::{OpenFile, stat as stat_fd};
#[cfg(target_os = "linux")]
pub(crate) use splice::relay;
#[cfg(unix)]
pub(crate) use unfinished::Unfinished;
#[cfg(target_os = "linux")]
pub(crate) use whole::copy_range;

#[cfg(unix)]
pub use dir::Dir;
pub use dir_builder::DirBuilder;
#[cfg(unix)]
pub use fd::Fd;
#[cfg(unix)]
pub use file::File;
#[cfg(unix)]
pub use maniac_driver::sys::{FileKind, Stat, Timestamp};
#[cfg(unix)]
pub use metadata::{FileType, Metadata, Permissions};
pub use options::OpenOptions;
#[cfg(unix)]
pub use paths::{
    canonicalize, create_dir, create_dir_all, hard_link, metadata, read_link, remove_dir, remove_dir_all,
    remove_file, rename, set_permissions, symlink, symlink_metadata, try_exists,
};
#[cfg(not(unix))]
pub use portable::*;
#[cfg(unix)]
pub use read_dir::{DirEntry, ReadDir, read_dir};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use splice::{splice, tee};
#[cfg(unix)]
pub use uring::{io_uring_read_at, io_uring_write_at};
#[cfg(feature = "watch")]
pub use watch::{Change, ChangeKind, Reach, Watcher};
#[cfg(unix)]
pub use whole::{copy, read, read_to_string, write};

/// What a call at an offset gets from a socket or a pipe (ESPIPE).
#[cfg(unix)]
fn not_seekable() -> std::io::Error {
    std::io::Error::from_raw_os_error(crate::sys::Errno::SPIPE.raw_os_error())
}
