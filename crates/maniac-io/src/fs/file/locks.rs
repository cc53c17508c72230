//! Locks on files (flock(2)). Nothing tells when one becomes free, but a call that blocks and that nothing can end; so it is asked again
//! and again, between pauses.

use super::File;
use crate::rt;
use crate::sys::{self, Lock};
use maniac_runtime::time::sleep;
use std::io;
use std::time::Duration;

/// Between the first two attempts; each pause is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl File {
    /// Locks the file for this open file alone (flock(2)); waits while another has a lock on it. All [clones](File::try_clone)
    /// have the same lock; it ends with [`unlock`](File::unlock), or when the last of them is dropped. It is advisory: who does
    /// not ask for a lock is not held up. A shared lock that this open file has is given back first, and another may come in
    /// between.
    ///
    /// It is asked for again after 1 ms, then after pauses that grow to 50 ms: no thread waits, but a lock may be free that long before it is
    /// got here, and those who wait get it in no order.
    ///
    /// # Errors
    ///
    /// Those of flock(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves no lock, also none that this open file had before, and nothing that waits.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("database");
    /// let (ours, theirs) = (File::create(&path).await?, File::open(&path).await?);
    /// ours.lock().await?;
    /// assert_eq!(theirs.try_lock().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// ours.unlock()?;
    /// theirs.lock_shared().await?;
    /// ours.try_lock_shared()?;
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn lock(&self) -> io::Result<()> {
        self.wait_for_lock(Lock::Exclusive).await
    }

    /// As [`lock`](File::lock), a lock that several open files may have at a time, if none has one alone.
    ///
    /// # Errors
    ///
    /// Those of flock(2).
    ///
    /// # Cancel safety
    ///
    /// As for `lock`.
    pub async fn lock_shared(&self) -> io::Result<()> {
        self.wait_for_lock(Lock::Shared).await
    }

    async fn wait_for_lock(&self, kind: Lock) -> io::Result<()> {
        rt::charge().await;
        let mut pause = FIRST_PAUSE;
        loop {
            match sys::try_lock(&self.inner.fd, kind) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// As [`lock`](File::lock), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if another open file has a lock, and then this one has none, also none that it had before; those of flock(2).
    pub fn try_lock(&self) -> io::Result<()> {
        sys::try_lock(&self.inner.fd, Lock::Exclusive)
    }

    /// As [`lock_shared`](File::lock_shared), without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_lock`](File::try_lock), but a shared lock of another is no hindrance.
    pub fn try_lock_shared(&self) -> io::Result<()> {
        sys::try_lock(&self.inner.fd, Lock::Shared)
    }

    /// Gives the lock back. That there is none is no error.
    ///
    /// # Errors
    ///
    /// Those of flock(2).
    pub fn unlock(&self) -> io::Result<()> {
        sys::unlock(&self.inner.fd)
    }
}
