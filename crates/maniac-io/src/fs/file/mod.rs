//! [`File`]: opening, state, cloning, conversions. Reading and writing are in the modules beside.

mod cursor;
mod direct;
mod locks;
mod polled;
mod positioned;

use super::open_file::OpenFile;
use super::{Fd, Metadata, OpenOptions, Permissions};
use crate::rt;
use crate::sys::{self, Errno, std_fs};
use maniac_driver::op::{Allocate, Fsync, SyncRange, Truncate};
use polled::Ahead;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

/// An open file.
///
/// Positioned calls ([`read_at`](File::read_at), [`write_at`](File::write_at) and their kin) take `&self`, and any number
/// may be under way. Calls that use the cursor take `&mut self`.
///
/// What the page cache holds is read by one system call straight into the caller's buffer. What must wait for a device goes
/// through the driver: io_uring, or a thread of the blocking pool.
///
/// Cancel safety: a dropped read loses nothing: the cursor moves only when a result is delivered. A dropped write may have
/// happened, or may still happen; it is over before the next write, sync or change of size of this file begins.
///
/// Dropping a file closes it. Errors of close(2) are then unheard; [`sync_all`](File::sync_all) tells them.
///
/// ```
/// use maniac_io::fs::File;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// let mut file = File::create_new(&path).await?;
/// file.write_all(b"hello, world").await?;
/// let mut buf = [0; 5];
/// assert_eq!(file.read_at(&mut buf, 7).await?, 5);
/// assert_eq!(&buf, b"world");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct File {
    inner: Arc<OpenFile>,
    ahead: Ahead,
}

impl File {
    pub(super) fn of(inner: Arc<OpenFile>) -> Self {
        Self { inner, ahead: Ahead::default() }
    }

    pub(super) fn inner(&self) -> &Arc<OpenFile> {
        &self.inner
    }

    /// Opens a file to read.
    ///
    /// A FIFO opens when somebody has opened it to write (fifo(7)); with O_NONBLOCK, by
    /// [`custom_flags`](OpenOptions::custom_flags), at once, and reads then wait for a writer.
    ///
    /// # Errors
    ///
    /// Those of open(2).
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let error = File::open("/no/such/file").await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// # });
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        Self::open_with(path.as_ref(), OpenOptions::new().read(true)).await
    }

    /// Opens a file to write: empty, made if it is not there.
    ///
    /// # Errors
    ///
    /// Those of open(2).
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed; it may have been made or emptied.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = OpenOptions::new();
        Self::open_with(path.as_ref(), options.write(true).create(true).truncate(true)).await
    }

    /// Makes a file and opens it to read and write.
    ///
    /// # Errors
    ///
    /// Those of open(2); `AlreadyExists` if it is there.
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed; it may have been made.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = OpenOptions::new();
        Self::open_with(path.as_ref(), options.read(true).write(true).create_new(true)).await
    }

    /// [`OpenOptions::new`].
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let error = File::options().read(true).truncate(true).open(&path).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "what is emptied must be open to write");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(super) async fn open_with(path: &Path, options: &OpenOptions) -> io::Result<File> {
        rt::charge().await;
        OpenFile::open(None, path, options).await.map(Self::of)
    }

    /// Takes over a file that was opened by the standard library; the cursor begins where its position is.
    ///
    /// A FIFO or terminal is made non-blocking when it is first used, which all see who share it.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let file = File::from_std(std::fs::File::open("/dev/zero")?);
    /// let mut buf = [1; 4];
    /// file.read_exact_at(&mut buf, 0).await?;
    /// assert_eq!(buf, [0; 4]);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_std(file: std_fs::File) -> File {
        Self::of(OpenFile::from_descriptor(file.into()))
    }

    /// Gives the file to the standard library, its position where the cursor is. Waits for what is unfinished. Where
    /// clones or [`Fd`]s of the file remain, the descriptor is duplicated.
    ///
    /// # Errors
    ///
    /// Those of a write that [`poll_write`](crate::io::AsyncWrite::poll_write) had taken, of fcntl(2) and of lseek(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has closed this handle.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// use std::io::Read;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "one two")?;
    /// let mut file = File::open(&path).await?;
    /// file.read_exact(&mut [0; 4]).await?;
    /// let mut rest = String::new();
    /// file.into_std().await?.read_to_string(&mut rest)?;
    /// assert_eq!(rest, "two");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn into_std(self) -> io::Result<std_fs::File> {
        self.flush().await?;
        let (position, stream) = (self.inner.position(), self.inner.is_stream());
        let inner = self.inner.clone();
        drop(self);
        let file: std_fs::File = match Arc::try_unwrap(inner) {
            Ok(OpenFile { fd, .. }) => match fd.unwrap_last().await {
                Some(fd) => fd.into(),
                None => return Err(io::Error::other("the file is being closed")),
            },
            Err(shared) => shared.fd.as_fd().try_clone_to_owned()?.into(),
        };
        if stream {
            sys::set_blocking(&file)?;
            return Ok(file);
        }
        match sys::set_position(&file, position?) {
            // A FIFO or the like that was never used.
            Err(error) if sys::is(&error, Errno::SPIPE) => Ok(file),
            result => result.map(|()| file),
        }
    }

    /// Another handle of the same open file, with the same cursor. Costs no descriptor.
    ///
    /// Reads through the cursor of several handles at the same time may deliver the same bytes: use
    /// [`read_at`](File::read_at) for that.
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let mut file = File::create(&path).await?;
    /// let mut again = file.try_clone()?;
    /// file.write_all(b"one ").await?;
    /// again.write_all(b"two").await?;
    /// assert_eq!(std::fs::read(&path)?, b"one two");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(Self::of(self.inner.clone()))
    }

    /// A handle for calls that take any descriptor, as [`splice`](super::splice). It shares the cursor.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # #[cfg(target_os = "linux")] {
    /// use maniac_io::fs::{File, splice};
    /// use maniac_io::net::pipe;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "not through memory")?;
    /// let (file, (sender, mut receiver)) = (File::open(&path).await?, pipe::pipe()?);
    /// let count = splice(file.fd(), sender.fd(), 3).await?;
    /// let mut buf = [0; 3];
    /// receiver.read_exact(&mut buf[..count]).await?;
    /// assert_eq!(&buf[..count], b"not");
    /// # }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn fd(&self) -> Fd {
        Fd::from(self)
    }

    /// What the system knows of the file (statx(2)).
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
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let file = File::create(&path).await?;
    /// file.set_len(1000).await?;
    /// let metadata = file.metadata().await?;
    /// assert!(metadata.is_file() && metadata.len() == 1000);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        rt::charge().await;
        self.inner.stat().map(Metadata::of)
    }

    /// Changes the permissions (fchmod(2)).
    ///
    /// # Errors
    ///
    /// Those of fchmod(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened, or may still happen.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// use std::os::unix::fs::PermissionsExt;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// let file = File::create(dir.path().join("secret")).await?;
    /// file.set_permissions(std::fs::Permissions::from_mode(0o600)).await?;
    /// assert_eq!(file.metadata().await?.permissions().mode() & 0o777, 0o600);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let (fd, mode) = (self.inner.fd.clone(), permissions.mode());
        rt::unblock(move || sys::set_mode(&fd, mode)).await
    }

    /// Brings all data, and what the system knows of the file, to the device (fsync(2)).
    ///
    /// # Errors
    ///
    /// Those of fsync(2), and those of a write that [`poll_write`](crate::io::AsyncWrite::poll_write) had taken. After
    /// one, what was written before may or may not be on the device: reading it back proves nothing.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let mut file = File::create(&path).await?;
    /// file.write_all(b"to be kept").await?;
    /// file.sync_all().await?;
    /// assert_eq!(file.metadata().await?.len(), 10);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn sync_all(&self) -> io::Result<()> {
        rt::charge().await;
        self.inner.unfinished.settle().await?;
        rt::run(Fsync::new(self.inner.fd.clone())).await
    }

    /// Brings all data to the device, and of what the system knows of the file only what reading it needs (fdatasync(2)).
    ///
    /// # Errors
    ///
    /// As for [`sync_all`](File::sync_all).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// let mut file = File::create(dir.path().join("journal")).await?;
    /// file.allocate(0, 1 << 16).await?;
    /// file.write_all(b"record").await?;
    /// file.sync_data().await?;
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn sync_data(&self) -> io::Result<()> {
        rt::charge().await;
        self.inner.unfinished.settle().await?;
        rt::run(Fsync::data(self.inner.fd.clone())).await
    }

    /// Writes `len` bytes of data from `offset` (0: to the end) out to the device (sync_file_range(2)), so that a later
    /// [`sync_data`](File::sync_data) has little left to do. By itself it makes nothing durable: neither what is needed to find the data
    /// again, nor the device's own cache, is written. Systems without the call do what `sync_data` does.
    ///
    /// # Errors
    ///
    /// Those of sync_file_range(2): `InvalidInput` for positions beyond 2^63 - 1, `NotSeekable` (ESPIPE) for what has no
    /// positions; else as for [`sync_all`](File::sync_all).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// let file = File::create(dir.path().join("large")).await?;
    /// for part in 0..4 {
    ///     file.write_all_at(&[7; 1 << 16], part << 16).await?;
    ///     file.sync_range(part << 16, 1 << 16).await?;
    /// }
    /// file.sync_data().await?;
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn sync_range(&self, offset: u64, len: u64) -> io::Result<()> {
        rt::charge().await;
        self.inner.unfinished.settle().await?;
        rt::run(SyncRange::new(self.inner.fd.clone(), offset, len)).await
    }

    /// Makes sure that `len` bytes from `offset` can be written without running out of space; the file grows to hold them
    /// (fallocate(2)).
    ///
    /// # Errors
    ///
    /// Those of fallocate(2); `Unsupported` on systems without it.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened; it is over before the next write begins.
    pub async fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        rt::charge().await;
        self.inner.run_change(Allocate::new(self.inner.fd.clone(), offset, len)).await
    }

    /// Cuts the file to `len` bytes, or extends it with zeros (ftruncate(2)). The cursor stays where it is.
    ///
    /// # Errors
    ///
    /// Those of ftruncate(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened; it is over before the next write begins.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        rt::charge().await;
        self.inner.run_change(Truncate::new(self.inner.fd.clone(), len)).await
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.fd.as_raw_fd()
    }
}

impl From<std_fs::File> for File {
    fn from(file: std_fs::File) -> Self {
        Self::from_std(file)
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::of(OpenFile::from_descriptor(fd))
    }
}
