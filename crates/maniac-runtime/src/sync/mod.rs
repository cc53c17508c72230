//! Locks that the runtime knows of.

use maniac_sync::wait::{self, Wait};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

/// An async mutex that shows in [`dump`](crate::runtime::Handle::dump)s who waits for it, and in debug builds reports tasks that wait for each other's locks
/// ([`on_deadlock`](crate::runtime::RuntimeBuilder::on_deadlock)).
///
/// In release builds it is tokio's `Mutex` with a number; in debug builds each lock and unlock notes who holds it. The holder is the task that
/// locked it: who gives a guard to another task to unlock makes reports name the wrong one.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::sync::TrackedMutex;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let mut account = TrackedMutex::new(10);
/// *account.get_mut() -= 5; // nobody else can have it yet
/// println!("reports call it lock {}", account.number());
/// runtime.block_on(async {
///     *account.lock().await += 5;
/// });
/// assert_eq!(account.into_inner(), 10);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub struct TrackedMutex<T: ?Sized> {
    number: u64,
    lock: tokio::sync::Mutex<T>,
}

/// Unlocks a [`TrackedMutex`] when it is dropped.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// use maniac::sync::{TrackedMutex, TrackedMutexGuard};
/// fn log(mut lines: TrackedMutexGuard<'_, Vec<String>>, line: &str) {
///     lines.push(line.to_owned());
/// } // unlocked here
/// let lines = TrackedMutex::new(Vec::new());
/// log(lines.lock().await, "one");
/// let guard = lines.try_lock().unwrap();
/// assert!(lines.try_lock().is_none());
/// log(guard, "two");
/// assert_eq!(*lines.lock().await, ["one", "two"]);
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[must_use = "the mutex is unlocked when the guard is dropped"]
pub struct TrackedMutexGuard<'a, T: ?Sized> {
    #[cfg_attr(
        not(debug_assertions),
        allow(dead_code, reason = "debug builds note by it who holds the lock")
    )]
    number: u64,
    guard: tokio::sync::MutexGuard<'a, T>,
}

impl<T> TrackedMutex<T> {
    /// An unlocked mutex.
    #[must_use]
    pub fn new(value: T) -> TrackedMutex<T> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        TrackedMutex { number, lock: tokio::sync::Mutex::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.lock.into_inner()
    }
}

impl<T: ?Sized> TrackedMutex<T> {
    /// The number that reports call it by.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Locks it, waiting in the order of the calls.
    ///
    /// # Cancel safety
    /// Cancel-safe: dropping it gives up the place in the queue.
    pub async fn lock(&self) -> TrackedMutexGuard<'_, T> {
        let mut lock = pin!(self.lock.lock());
        let guard = std::future::poll_fn(|cx| {
            let poll = lock.as_mut().poll(cx);
            if poll.is_pending() {
                wait::note(Wait::lock(self.number));
            }
            poll
        });
        self.guard(guard.await)
    }

    /// Locks it if it is free.
    pub fn try_lock(&self) -> Option<TrackedMutexGuard<'_, T>> {
        Some(self.guard(self.lock.try_lock().ok()?))
    }

    /// The value, which nobody else can have locked.
    pub fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut()
    }

    fn guard<'a>(&self, guard: tokio::sync::MutexGuard<'a, T>) -> TrackedMutexGuard<'a, T> {
        #[cfg(debug_assertions)]
        holders::set(self.number);
        TrackedMutexGuard { number: self.number, guard }
    }
}

#[cfg(debug_assertions)]
impl<T: ?Sized> Drop for TrackedMutexGuard<'_, T> {
    fn drop(&mut self) {
        // Before the lock is free: the next holder notes itself after that.
        holders::clear(self.number);
    }
}

impl<T: ?Sized> Deref for TrackedMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> DerefMut for TrackedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for TrackedMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedMutex").field("number", &self.number).field("value", &&self.lock).finish()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for TrackedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackedMutexGuard").field(&&*self.guard).finish()
    }
}

impl<T: Default> Default for TrackedMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

#[cfg(debug_assertions)]
pub(crate) use holders::holder;

/// Which task holds which lock. Debug builds only: a lock of the process around each change.
#[cfg(debug_assertions)]
mod holders {
    use crate::role::context;
    use crate::task::{self, Id};
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// The number of the holder's core, and the holder, by number of the lock.
    static HOLDERS: Mutex<BTreeMap<u64, (u32, Id)>> = Mutex::new(BTreeMap::new());

    fn lock() -> MutexGuard<'static, BTreeMap<u64, (u32, Id)>> {
        HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task that runs here, if one does, holds lock `number`.
    pub(super) fn set(number: u64) {
        if let (Some(task), Some(id)) = (context::task(), task::try_id()) {
            lock().insert(number, (task.core(), id));
        }
    }

    pub(super) fn clear(number: u64) {
        lock().remove(&number);
    }

    pub(crate) fn holder(number: u64) -> Option<(u32, Id)> {
        lock().get(&number).copied()
    }
}
