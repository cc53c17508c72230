//! What dropped futures have left of a stream. What a splice had taken and not delivered is for the next to read, and so is an error
//! that it met after it had moved bytes, for the system tells it once; a write that is still with the kernel is over before the next begins.

use crate::fs::Unfinished;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's documentation. Empty but after such a drop.
#[derive(Default)]
pub(crate) struct Leftover {
    /// Writes under way.
    pub(crate) unfinished: Unfinished,
    /// Whether there is anything, so that reads need not lock.
    some: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// What comes after them.
    failure: Option<io::Error>,
}

impl Leftover {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.some.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, kept: &Kept) {
        self.some.store(!kept.bytes.is_empty() || kept.failure.is_some(), Ordering::Release);
    }

    /// Puts bytes in front of what there is: they were taken before.
    pub(crate) fn put(&self, mut bytes: Vec<u8>) {
        let mut kept = self.lock();
        bytes.append(&mut kept.bytes);
        kept.bytes = bytes;
        self.note(&kept);
    }

    /// Puts an error behind what there is.
    pub(crate) fn fail(&self, error: io::Error) {
        let mut kept = self.lock();
        kept.failure.get_or_insert(error);
        self.note(&kept);
    }

    /// Gives the first bytes to `taker`, which says how many it took.
    ///
    /// # Errors
    ///
    /// The taker's; without bytes the one that was put here, once.
    pub(crate) fn give(&self, taker: impl FnOnce(&[u8]) -> io::Result<usize>) -> io::Result<usize> {
        let mut kept = self.lock();
        if kept.bytes.is_empty()
            && let Some(failure) = kept.failure.take()
        {
            self.note(&kept);
            return Err(failure);
        }
        let count = taker(&kept.bytes)?;
        kept.bytes.drain(..count);
        if kept.bytes.is_empty() {
            kept.bytes = Vec::new();
            self.note(&kept);
        }
        Ok(count)
    }

    /// Copies the first bytes into `buf`, and takes them if `take` says so.
    ///
    /// # Errors
    ///
    /// As for [`give`](Self::give).
    pub(crate) fn read(&self, buf: &mut [u8], take: bool) -> io::Result<usize> {
        let mut copied = 0;
        self.give(|bytes| {
            copied = bytes.len().min(buf.len());
            buf[..copied].copy_from_slice(&bytes[..copied]);
            Ok(if take { copied } else { 0 })
        })?;
        Ok(copied)
    }
}

impl fmt::Debug for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftover").field("bytes", &self.lock().bytes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Leftover, io};

    #[test]
    fn what_was_taken_first_comes_first() {
        let leftover = Leftover::default();
        assert!(leftover.is_empty());
        leftover.put(b"cd".to_vec());
        leftover.put(b"ab".to_vec());
        let mut buf = [0; 3];
        assert_eq!(leftover.read(&mut buf, false).unwrap(), 3);
        assert_eq!(leftover.read(&mut buf, true).unwrap(), 3);
        assert_eq!(&buf, b"abc");
        assert!(!leftover.is_empty());
        let refused = || Err(io::ErrorKind::WouldBlock.into());
        assert_eq!(leftover.give(|_| refused()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        leftover.fail(io::ErrorKind::ConnectionReset.into());
        assert_eq!(leftover.give(|bytes| Ok(bytes.len())).unwrap(), 1);
        assert_eq!(leftover.read(&mut buf, true).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(leftover.is_empty());
        leftover.put(Vec::new());
        assert!(leftover.is_empty());
    }
}
