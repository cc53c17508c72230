//! What dropped futures have left of a stream. What a splice had taken and not delivered is for the next to read; a write that is
//! still with the kernel is over before the next begins.

use crate::fs::Unfinished;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's documentation. Empty but after such a drop.
#[derive(Default)]
pub(crate) struct Leftover {
    /// Writes under way.
    pub(crate) unfinished: Unfinished,
    /// Whether there is anything, so that reads need not lock.
    some: AtomicBool,
    bytes: Mutex<Vec<u8>>,
}

impl Leftover {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.some.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes in front of what there is: they were taken before.
    pub(crate) fn put(&self, mut bytes: Vec<u8>) {
        let mut old = self.lock();
        bytes.append(&mut old);
        self.some.store(!bytes.is_empty(), Ordering::Release);
        *old = bytes;
    }

    /// Gives the first bytes to `taker`, which says how many it took.
    pub(crate) fn give<E>(&self, taker: impl FnOnce(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        let mut bytes = self.lock();
        let count = taker(&bytes)?;
        bytes.drain(..count);
        if bytes.is_empty() {
            *bytes = Vec::new();
            self.some.store(false, Ordering::Release);
        }
        Ok(count)
    }

    /// Copies the first bytes into `buf`, and takes them if `take` says so.
    pub(crate) fn read(&self, buf: &mut [u8], take: bool) -> usize {
        let mut copied = 0;
        let copy = |bytes: &[u8]| {
            copied = bytes.len().min(buf.len());
            buf[..copied].copy_from_slice(&bytes[..copied]);
            Ok::<_, std::convert::Infallible>(if take { copied } else { 0 })
        };
        let Ok(_) = self.give(copy);
        copied
    }
}

impl fmt::Debug for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftover").field("bytes", &self.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Leftover;

    #[test]
    fn what_was_taken_first_comes_first() {
        let leftover = Leftover::default();
        assert!(leftover.is_empty());
        leftover.put(b"cd".to_vec());
        leftover.put(b"ab".to_vec());
        let mut buf = [0; 3];
        assert_eq!(leftover.read(&mut buf, false), 3);
        assert_eq!(leftover.read(&mut buf, true), 3);
        assert_eq!(&buf, b"abc");
        assert!(!leftover.is_empty());
        assert_eq!(leftover.give(|_| Err("refused")), Err("refused"));
        assert_eq!(leftover.give(|bytes| Ok::<_, ()>(bytes.len())), Ok(1));
        assert!(leftover.is_empty());
        leftover.put(Vec::new());
        assert!(leftover.is_empty());
    }
}
