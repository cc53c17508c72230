//! Buffers that an operation owns while the kernel uses them.
//!
//! An operation on an owned buffer gives it back with its result ([`BufResult`]), whatever happened. Operations on borrowed
//! buffers that the kernel cannot serve at once use buffers of [`shared_pool`] and copy.
//!
//! ```
//! use maniac_io::buf::{BufResult, Slice};
//! use maniac_io::fs::File;
//! # fn main() -> std::io::Result<()> {
//! # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("greeting");
//! maniac_io::fs::write(&path, "hello").await?;
//! let file = File::open(&path).await?;
//! let (count, buf): BufResult<usize, Vec<u8>> = file.read_owned_at(Vec::with_capacity(64), 0).await;
//! assert_eq!((count?, &buf[..]), (5, &b"hello"[..]));
//! // Append to what is there.
//! let (_, buf) = file.read_owned_at(Slice::new(buf, 5..), 0).await;
//! assert_eq!(buf.into_inner(), b"hellohello");
//! # Ok(()) })
//! # }
//! ```

pub use maniac_driver::buf::{
    AlignedBuf, BufResult, BufferPool, BufferPoolConfig, DEFAULT_ALIGN, PoolBuf, PoolStats, RawBufRead,
    RawBufWrite, Slice,
};

use std::sync::LazyLock;

/// How many bytes [`shared_pool`] lends at a time. Beyond it, calls on borrowed buffers wait for their turn.
pub const SHARED_POOL_LIMIT: usize = 256 << 20;
/// How many bytes one call on a borrowed buffer moves at most, where it has to copy.
pub const MAX_COPIED: usize = 256 << 10;

static SHARED: LazyLock<BufferPool> =
    LazyLock::new(|| BufferPool::new(BufferPoolConfig::new().limit(SHARED_POOL_LIMIT)));

/// The process's pool of buffers for calls on borrowed buffers that could not be served at once.
///
/// ```
/// assert_eq!(maniac_io::buf::shared_pool().stats().lent, 0);
/// ```
pub fn shared_pool() -> &'static BufferPool {
    &SHARED
}

/// A pooled buffer for a call on a borrowed one of `len` bytes; it may be smaller.
pub(crate) async fn pooled(len: usize) -> std::io::Result<PoolBuf> {
    SHARED.acquire(len.min(MAX_COPIED)).await
}
