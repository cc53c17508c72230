//! The buffer traits for the `bytes` crate.

use super::{RawBufRead, RawBufWrite};
use bytes::{Bytes, BytesMut};

// SAFETY: [INV-6] Bytes are immutable and shared; they live at one place as long as any handle does.
unsafe impl RawBufRead for Bytes {
    fn as_buf_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn buf_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: [INV-6] a BytesMut owns its range alone and moves it only when it is changed.
unsafe impl RawBufRead for BytesMut {
    fn as_buf_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn buf_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: [INV-6] as above, for all of its capacity.
unsafe impl RawBufWrite for BytesMut {
    fn as_buf_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn buf_capacity(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_filled(&mut self, filled: usize) {
        // SAFETY: [caller] the caller promises that so many bytes are initialised and within the capacity.
        unsafe { self.set_len(filled) }
    }
}
