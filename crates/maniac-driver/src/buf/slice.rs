//! A range of another buffer.

use super::{RawBufRead, RawBufWrite};
use std::ops::{Bound, RangeBounds};

/// The part of a buffer that an operation works on, with the whole buffer inside.
///
/// For reading into, the range may lie beyond what is filled so far (but within the capacity): that is how
/// data is appended to a `Vec`. The bytes before the range must then be filled already.
///
/// ```
/// use maniac_driver::buf::{RawBufRead, Slice};
/// let part = Slice::new(b"hello".to_vec(), 1..3);
/// assert_eq!(part.buf_len(), 2);
/// assert_eq!(part.into_inner(), b"hello");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice<B> {
    inner: B,
    begin: usize,
    end: usize,
}

impl<B> Slice<B> {
    /// The bytes of `inner` in `range`. An end beyond the buffer's own is cut at each use.
    ///
    /// # Panics
    ///
    /// If the range ends before it begins.
    pub fn new(inner: B, range: impl RangeBounds<usize>) -> Self {
        let begin = match range.start_bound() {
            Bound::Included(&at) => at,
            Bound::Excluded(&at) => at.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&at) => at.saturating_add(1),
            Bound::Excluded(&at) => at,
            Bound::Unbounded => usize::MAX,
        };
        assert!(begin <= end, "slice begins at {begin} but ends at {end}");
        Self { inner, begin, end }
    }

    /// The whole buffer.
    pub fn into_inner(self) -> B {
        self.inner
    }

    /// The whole buffer, for a look.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// Where the range begins.
    pub fn begin(&self) -> usize {
        self.begin
    }

    fn clip(&self, limit: usize) -> (usize, usize) {
        let begin = self.begin.min(limit);
        (begin, self.end.min(limit) - begin)
    }
}

// SAFETY: [INV-6] the range is cut to the inner buffer's length, and the inner buffer keeps its promise.
unsafe impl<B: RawBufRead> RawBufRead for Slice<B> {
    fn as_buf_ptr(&self) -> *const u8 {
        self.inner.as_buf_ptr().wrapping_add(self.clip(self.inner.buf_len()).0)
    }

    fn buf_len(&self) -> usize {
        self.clip(self.inner.buf_len()).1
    }
}

// SAFETY: [INV-6] the range is cut to the inner buffer's capacity, and begins no later than where its filled part ends, so
// that `set_filled` vouches for initialised bytes only.
unsafe impl<B: RawBufWrite + RawBufRead> RawBufWrite for Slice<B> {
    fn as_buf_mut_ptr(&mut self) -> *mut u8 {
        let (begin, _) = self.writable();
        self.inner.as_buf_mut_ptr().wrapping_add(begin)
    }

    fn buf_capacity(&self) -> usize {
        self.writable().1
    }

    unsafe fn set_filled(&mut self, filled: usize) {
        let (begin, _) = self.writable();
        let total = (begin + filled).max(self.inner.buf_len());
        // SAFETY: [INV-6] bytes before `begin` were filled, `filled` more are by the caller's promise, and what was filled
        // beyond stays so.
        unsafe { self.inner.set_filled(total) }
    }
}

impl<B: RawBufWrite + RawBufRead> Slice<B> {
    /// Where the range begins, and its length: empty where the bytes before it are not filled yet.
    fn writable(&self) -> (usize, usize) {
        let (begin, len) = self.clip(self.inner.buf_capacity());
        if begin > self.inner.buf_len() { (self.inner.buf_len(), 0) } else { (begin, len) }
    }
}
