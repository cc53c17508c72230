//! The buffer traits for `std`'s types.

use super::{RawBufRead, RawBufWrite};
use std::sync::Arc;

// SAFETY: [INV-6] a Vec's heap block moves only when the Vec is changed, and its first `len` bytes are initialised.
unsafe impl RawBufRead for Vec<u8> {
    fn as_buf_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn buf_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: [INV-6] a Vec owns `capacity` bytes at a place that changes only when the Vec is changed.
unsafe impl RawBufWrite for Vec<u8> {
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

/// Both traits for a type that dereferences to a slice of fixed length, all initialised.
macro_rules! fixed {
    ($({$($generics:tt)*})? $type:ty) => {
        // SAFETY: [INV-6] the slice is wholly initialised and stays in place while its owner is left alone.
        unsafe impl $($($generics)*)? RawBufRead for $type {
            fn as_buf_ptr(&self) -> *const u8 {
                self.as_ptr()
            }

            fn buf_len(&self) -> usize {
                self.len()
            }
        }

        // SAFETY: [INV-6] as above, and it is owned, so that the kernel may write it.
        unsafe impl $($($generics)*)? RawBufWrite for $type {
            fn as_buf_mut_ptr(&mut self) -> *mut u8 {
                self.as_mut_ptr()
            }

            fn buf_capacity(&self) -> usize {
                self.len()
            }

            unsafe fn set_filled(&mut self, _filled: usize) {}
        }
    };
}

fixed!(Box<[u8]>);
fixed!({<const N: usize>} [u8; N]);
fixed!({<const N: usize>} Box<[u8; N]>);

/// The reading trait for a type that cannot be written while it is shared.
macro_rules! shared {
    ($({$($generics:tt)*})? $type:ty) => {
        // SAFETY: [INV-6] the bytes are immutable and live as long as the value.
        unsafe impl $($($generics)*)? RawBufRead for $type {
            fn as_buf_ptr(&self) -> *const u8 {
                self.as_ptr().cast()
            }

            fn buf_len(&self) -> usize {
                self.len()
            }
        }
    };
}

shared!(&'static [u8]);
shared!({<const N: usize>} &'static [u8; N]);
shared!(&'static str);
shared!(String);
shared!(Arc<[u8]>);
shared!(Arc<Vec<u8>>);
shared!(Box<str>);
