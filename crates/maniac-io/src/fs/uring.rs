//! The kernel's operations under their own names, straight to the driver: io_uring where there is one, else a thread.

use super::Fd;
use super::fd::Kind;
use crate::buf::{BufResult, RawBufRead, RawBufWrite};
use crate::rt;
use maniac_driver::op::ReadAt;

/// Reads at `offset` into an owned buffer, by way of the driver even if the page cache holds the data
/// ([`File::read_owned_at`](super::File::read_owned_at) looks there first).
///
/// # Errors
///
/// Those of pread(2); `ESPIPE` of a socket or pipe.
///
/// # Cancel safety
///
/// The file is not changed; the buffer is lost.
///
/// ```
/// use maniac_io::buf::BufResult;
/// use maniac_io::fs::{Fd, File, io_uring_read_at};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// async fn read_file(fd: Fd, buf: Vec<u8>, offset: u64) -> BufResult<usize, Vec<u8>> {
///     io_uring_read_at(fd, buf, offset).await
/// }
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # std::fs::write(&path, "abcdef")?;
/// let file = File::open(&path).await?;
/// let (count, buf) = read_file(file.fd(), Vec::with_capacity(3), 2).await;
/// assert_eq!((count?, &buf[..]), (3, &b"cde"[..]));
/// # Ok(()) })
/// # }
/// ```
pub async fn io_uring_read_at<B: RawBufWrite>(fd: impl Into<Fd>, buf: B, offset: u64) -> BufResult<usize, B> {
    let fd = fd.into();
    rt::charge().await;
    match &fd.kind {
        Kind::File(file) => rt::run_owned(ReadAt::new(file.fd.clone(), buf, offset)).await,
        // The kernel would ignore the offset.
        Kind::Stream(..) => (Err(super::not_seekable()), buf),
    }
}

/// Writes an owned buffer at `offset`, by way of the driver even if the page cache would take the data
/// ([`File::write_owned_at`](super::File::write_owned_at) tries that first).
///
/// # Errors
///
/// Those of pwrite(2); `ESPIPE` of a socket or pipe.
///
/// # Cancel safety
///
/// As for [`File::write_at`](super::File::write_at); the buffer is lost.
///
/// ```
/// use maniac_io::fs::{self, File, io_uring_write_at};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// let file = File::create(&path).await?;
/// let (count, _) = io_uring_write_at(&file, b"text".to_vec(), 0).await;
/// assert_eq!(count?, 4);
/// assert_eq!(fs::read(&path).await?, b"text");
/// # Ok(()) })
/// # }
/// ```
pub async fn io_uring_write_at<B: RawBufRead>(fd: impl Into<Fd>, buf: B, offset: u64) -> BufResult<usize, B> {
    let fd = fd.into();
    rt::charge().await;
    match &fd.kind {
        Kind::File(file) => file.write_submitted_at(buf, offset).await,
        Kind::Stream(..) => (Err(super::not_seekable()), buf),
    }
}
