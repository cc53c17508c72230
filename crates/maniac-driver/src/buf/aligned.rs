//! Memory aligned for O_DIRECT.

use super::{RawBufRead, RawBufWrite};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// An alignment that every common block device accepts, in bytes.
pub const DEFAULT_ALIGN: usize = 4096;

/// A zeroed buffer whose address and capacity are multiples of an alignment, as O_DIRECT wants them (open(2)).
///
/// ```
/// use maniac_driver::buf::AlignedBuf;
/// let buf = AlignedBuf::new(10_000, 4096).unwrap();
/// assert_eq!(buf.as_ptr() as usize % 4096, 0);
/// assert_eq!(buf.capacity(), 12_288);
/// assert_eq!(buf.len(), 0);
/// ```
pub struct AlignedBuf {
    ptr: NonNull<u8>,
    layout: Layout,
    len: usize,
}

// SAFETY: [INV-6] the memory is owned alone, like a Box<[u8]>.
unsafe impl Send for AlignedBuf {}
// SAFETY: [INV-6] shared references only read.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// At least `capacity` bytes, rounded up to `align`; nothing filled.
    ///
    /// # Errors
    ///
    /// `None` if `align` is no power of two or the size overflows.
    pub fn new(capacity: usize, align: usize) -> Option<Self> {
        let size = capacity.max(1).checked_next_multiple_of(align.max(1))?;
        let layout = Layout::from_size_align(size, align).ok()?;
        // SAFETY: [local] the size is at least one byte.
        let raw = unsafe { alloc_zeroed(layout) };
        let ptr = NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(layout));
        Some(Self { ptr, layout, len: 0 })
    }

    /// How many bytes fit.
    pub fn capacity(&self) -> usize {
        self.layout.size()
    }

    /// The alignment of the address and of the capacity.
    pub fn align(&self) -> usize {
        self.layout.align()
    }

    /// Sets how many bytes count as filled, all of them zero or written before.
    ///
    /// # Panics
    ///
    /// If `len` is beyond the capacity.
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity(), "length {len} beyond the capacity of {} bytes", self.capacity());
        self.len = len;
    }

    /// Appends as much of `bytes` as fits and says how much that was.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> usize {
        let take = bytes.len().min(self.capacity() - self.len);
        let start = self.len;
        self.len += take;
        self[start..].copy_from_slice(&bytes[..take]);
        take
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: [local] allocated in `new` with this layout, freed here only.
        unsafe { dealloc(self.ptr.as_ptr(), self.layout) }
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: [INV-6] all bytes are initialised (zeroed at first), and `len` is within the block.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: [INV-6] as above, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .field("align", &self.align())
            .finish()
    }
}

// SAFETY: [INV-6] a heap block that never moves; its first `len` bytes are initialised.
unsafe impl RawBufRead for AlignedBuf {
    fn as_buf_ptr(&self) -> *const u8 {
        self.ptr.as_ptr()
    }

    fn buf_len(&self) -> usize {
        self.len
    }
}

// SAFETY: [INV-6] the block is owned and never moves.
unsafe impl RawBufWrite for AlignedBuf {
    fn as_buf_mut_ptr(&mut self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    fn buf_capacity(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_filled(&mut self, filled: usize) {
        self.set_len(filled);
    }
}
