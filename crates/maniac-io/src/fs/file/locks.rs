//! Locks on files (flock(2)). Waiting for one is a call that blocks, on a thread of the pool.

use super::File;
use crate::fs::open_file::OpenFile;
use crate::rt;
use crate::sys::{self, Lock};
use maniac_runtime::blocking::try_spawn_blocking;
use maniac_runtime::task::JoinHandle;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// Whether the thread has the lock, and who wants it.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// The thread has what it waited for.
    Held,
    /// Nobody wants it any more: the thread gives it back.
    GivenUp,
    /// It failed, or the caller has it.
    Over,
}

/// A thread that waits for a lock. Dropped, it leaves none.
struct Waiting<'a> {
    file: &'a OpenFile,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Waiting<'a> {
    fn begin(file: &'a OpenFile, kind: Lock) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::Waiting));
        let (fd, shared) = (file.fd.clone(), Arc::clone(&state));
        let wait = move || {
            let result = sys::lock(&fd, kind);
            let mut state = locked(&shared);
            match (&result, &*state) {
                (Ok(()), State::GivenUp) => return sys::unlock(&fd),
                (Ok(()), _) => *state = State::Held,
                (Err(_), _) => *state = State::Over,
            }
            result
        };
        let thread = try_spawn_blocking(wait).map_err(io::Error::other)?;
        Ok(Self { file, state, thread: Some(thread) })
    }
}

impl Future for Waiting<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let thread = self.thread.as_mut().expect("polled after completion");
        let result = ready!(Pin::new(thread).poll(cx));
        self.thread = None;
        *locked(&self.state) = State::Over;
        Poll::Ready(result.unwrap_or_else(|error| Err(io::Error::other(error))))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let mut state = locked(&self.state);
        match *state {
            State::Waiting => *state = State::GivenUp,
            // It came, and was not told yet. That it cannot be given back does not happen.
            State::Held => _ = sys::unlock(&self.file.fd),
            State::GivenUp | State::Over => return,
        }
        drop(state);
        // Whoever locks this file next waits for that: all its handles have one lock.
        self.file.locking.push(async move { thread.await.unwrap_or(Ok(())).or(Ok(())) });
    }
}

impl File {
    /// Locks the file for this open file alone (flock(2)); waits while another has a lock on it. All [clones](File::try_clone)
    /// have the same lock; it ends with [`unlock`](File::unlock), or when the last of them is dropped. It is advisory: who does
    /// not ask for a lock is not held up. A shared lock that this open file has is given back first, and another may come in
    /// between.
    ///
    /// A thread of the blocking pool waits.
    ///
    /// # Errors
    ///
    /// Those of flock(2).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves no lock, also none that this open file had before. The next one on this open file waits until
    /// that is so.
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
        self.inner.locking.settle().await?;
        match sys::try_lock(&self.inner.fd, kind) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Waiting::begin(&self.inner, kind)?.await
            }
            result => result,
        }
    }

    /// As [`lock`](File::lock), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if another open file has a lock, or a dropped `lock` of this one still waits; those of flock(2).
    pub fn try_lock(&self) -> io::Result<()> {
        self.try_to_lock(Lock::Exclusive)
    }

    /// As [`lock_shared`](File::lock_shared), without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_lock`](File::try_lock), but a shared lock of another is no hindrance.
    pub fn try_lock_shared(&self) -> io::Result<()> {
        self.try_to_lock(Lock::Shared)
    }

    fn try_to_lock(&self, kind: Lock) -> io::Result<()> {
        match self.inner.locking.is_settled() {
            true => sys::try_lock(&self.inner.fd, kind),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
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
