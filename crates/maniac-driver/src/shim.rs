//! Atomics and locks from `std`, or from loom in its models, and the orderings that the models weaken by name.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicPtr, AtomicU32, fence},
    sync::{Mutex, MutexGuard},
};
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicPtr, AtomicU32, fence},
    sync::{Mutex, MutexGuard},
};

/// Takes a lock whose poisoning means nothing: no invariant of this crate is broken where a panic can pass.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// `std`'s cell behind loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with the cell's address. Reading through it needs the absence of writers, which the caller argues for.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with the cell's address. Writing through it needs exclusive access, which the caller argues for.
    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// The ordering called `name`: as written in production, relaxed in a model that [`weaken`]s it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn ordering(_name: &'static str, strong: Ordering) -> Ordering {
    strong
}

#[cfg(loom)]
mod weak {
    use super::Ordering;
    use std::cell::Cell;

    // Of a thread: loom runs all threads of a model on one, and tests run beside each other.
    std::thread_local! {
        static WEAKENED: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Makes the ordering called `name` relaxed in the models that this thread runs; `None` restores all.
    pub(crate) fn weaken(name: Option<&'static str>) {
        WEAKENED.set(name);
    }

    pub(crate) fn ordering(name: &'static str, strong: Ordering) -> Ordering {
        if WEAKENED.get() == Some(name) { Ordering::Relaxed } else { strong }
    }
}
#[cfg(loom)]
pub(crate) use weak::{ordering, weaken};
