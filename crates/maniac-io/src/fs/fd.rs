//! [`Fd`]: any descriptor, for calls that take any.

use super::File;
use super::open_file::{OpenFile, stat};
use crate::net::Leftover;
use maniac_driver::SharedFd;
use maniac_driver::sys::FileKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

/// A handle of an open file, a socket or a pipe, for calls that take any of them: [`splice`](super::splice),
/// [`tee`](super::tee), [`io_uring_read_at`](super::io_uring_read_at). Made from what it is a handle of, or from an
/// `OwnedFd`. Clones are handles of the same; the descriptor is closed with the last of all of them. A file's handle shares
/// the file's cursor.
///
/// ```
/// use maniac_io::fs::{Fd, File};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let file = File::open("/dev/null").await?;
/// let one: Fd = file.fd();
/// let other = Fd::from(std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null")?));
/// # let _ = (one, other);
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fd {
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Anything else, and its cursor.
    File(Arc<OpenFile>),
    /// A socket or a pipe, and what a dropped splice has taken from it.
    Stream(SharedFd, Arc<Leftover>),
}

impl Fd {
    pub(crate) fn of_stream(fd: SharedFd, leftover: Arc<Leftover>) -> Self {
        Self { kind: Kind::Stream(fd, leftover) }
    }

    pub(super) fn shared(&self) -> &SharedFd {
        match &self.kind {
            Kind::File(file) => &file.fd,
            Kind::Stream(fd, _) => fd,
        }
    }
}

impl From<&File> for Fd {
    fn from(file: &File) -> Self {
        Self { kind: Kind::File(file.inner().clone()) }
    }
}

impl From<&Fd> for Fd {
    fn from(fd: &Fd) -> Self {
        fd.clone()
    }
}

/// A descriptor that is handed over. Of a file, the cursor begins at the descriptor's position.
impl From<OwnedFd> for Fd {
    fn from(fd: OwnedFd) -> Self {
        let fd = SharedFd::new(fd);
        let kind = stat(&fd).map(|stat| stat.kind());
        if matches!(kind, Ok(FileKind::Fifo | FileKind::Socket)) {
            return Self::of_stream(fd, Arc::default());
        }
        let fd = fd.try_unwrap().unwrap_or_else(|_| unreachable!("made here, and its only handle"));
        Self { kind: Kind::File(OpenFile::from_descriptor(fd)) }
    }
}

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared().as_fd()
    }
}

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.shared().as_raw_fd()
    }
}
