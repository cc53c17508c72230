//! Buffers that an operation owns while the kernel uses them: the two traits and their implementations.
//!
//! What lives here: the contract between a buffer and the kernel, and buffers of this crate's own ([`Slice`],
//! [`AlignedBuf`], [`BufferPool`]). What does not: records and operations, which only call the traits.

mod aligned;
#[cfg(feature = "bytes")]
mod bytes;
mod impls;
mod pool;
mod slice;

pub use aligned::{AlignedBuf, DEFAULT_ALIGN};
pub use pool::{BufferPool, BufferPoolConfig, PoolBuf, PoolStats};
pub use slice::Slice;

use std::io;

/// The result of an operation on an owned buffer: the buffer comes back whatever happened.
///
/// ```
/// use maniac_driver::buf::BufResult;
/// let done: BufResult<usize, Vec<u8>> = (Ok(3), b"abc".to_vec());
/// assert_eq!(done.1, b"abc");
/// ```
pub type BufResult<T, B> = (io::Result<T>, B);

/// A buffer whose bytes an operation can send.
///
/// ```
/// use maniac_driver::buf::RawBufRead;
/// assert_eq!(b"abc".to_vec().buf_len(), 3);
/// ```
///
/// # Safety
///
/// While the value is neither moved nor accessed in any other way, the `buf_len()` bytes from `as_buf_ptr()` stay
/// where they are, initialised and unchanged, and any thread and the kernel may read them. Both methods give the
/// same answer at each call between two changes of the value.
pub unsafe trait RawBufRead: Send + 'static {
    /// The address of the first byte.
    fn as_buf_ptr(&self) -> *const u8;

    /// How many bytes there are.
    fn buf_len(&self) -> usize;
}

/// A buffer that an operation can fill.
///
/// ```
/// use maniac_driver::buf::RawBufWrite;
/// assert_eq!([0u8; 16].buf_capacity(), 16);
/// ```
///
/// # Safety
///
/// While the value is neither moved nor accessed in any other way, the `buf_capacity()` bytes from
/// `as_buf_mut_ptr()` stay where they are, and any thread and the kernel may write them; they need not be
/// initialised. Both methods give the same answer at each call between two changes of the value. Where the type
/// is a [`RawBufRead`] too, both speak of the same bytes: `as_buf_ptr()` is the same address, `buf_len()` at most
/// `buf_capacity()`, and after `set_filled(n)` at least `n`.
pub unsafe trait RawBufWrite: Send + 'static {
    /// The address of the first byte.
    fn as_buf_mut_ptr(&mut self) -> *mut u8;

    /// How many bytes may be written.
    fn buf_capacity(&self) -> usize;

    /// Tells the buffer that its first `filled` bytes now hold data. Growable buffers then have that length.
    ///
    /// # Safety
    ///
    /// The first `filled` bytes from `as_buf_mut_ptr()` are initialised, and `filled` is at most `buf_capacity()`.
    unsafe fn set_filled(&mut self, filled: usize);
}
