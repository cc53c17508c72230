//! Atomics, cells, locks and threads from `std`, or from loom in its models, and the orderings that the models
//! weaken by name. Nothing here knows a protocol.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize},
    },
    thread,
};
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize},
    },
    thread,
};

/// Takes a lock whose poisoning means nothing: no foreign code runs while this crate holds one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// `std`'s cell behind loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with the cell's address, for reading, which the caller argues nobody races with a write.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with the cell's address, for writing, to which the caller argues exclusive access.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// One step of a busy wait.
#[inline(always)]
pub(crate) fn spin_loop() {
    #[cfg(not(loom))]
    std::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// Its own cache line, and the neighbour's that the processor fetches with it.
#[repr(align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The ordering called `name`: as written in production, relaxed in a model that `weaken`s it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn ordering(_name: &'static str, strong: Ordering) -> Ordering {
    strong
}

#[cfg(loom)]
mod weak {
    use super::Ordering;
    use std::cell::Cell;

    std::thread_local! {
        // loom runs all threads of a model on the thread that started it, so tests do not weaken each other.
        static WEAKENED: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Makes the ordering called `name` relaxed in the models that this thread runs from now on; `None` restores all.
    pub fn weaken(name: Option<&'static str>) {
        WEAKENED.with(|weakened| weakened.set(name));
    }

    pub(crate) fn ordering(name: &'static str, strong: Ordering) -> Ordering {
        if WEAKENED.with(Cell::get) == Some(name) { Ordering::Relaxed } else { strong }
    }
}
#[cfg(loom)]
pub(crate) use weak::ordering;
#[cfg(loom)]
pub use weak::weaken;
