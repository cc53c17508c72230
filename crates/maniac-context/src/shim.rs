//! Atomics and cells from `std`, or from loom in its models, and the orderings that the models weaken by name.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicPtr, AtomicUsize},
};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicUsize};

/// `std`'s cell behind loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with the cell's address, for reading.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
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
    use std::sync::Mutex;

    static WEAKENED: Mutex<Option<&'static str>> = Mutex::new(None);

    /// Makes the ordering called `name` relaxed in the models run after this call; `None` restores all.
    pub fn weaken(name: Option<&'static str>) {
        *WEAKENED.lock().unwrap() = name;
    }

    pub(crate) fn ordering(name: &'static str, strong: Ordering) -> Ordering {
        if *WEAKENED.lock().unwrap() == Some(name) { Ordering::Relaxed } else { strong }
    }
}
#[cfg(loom)]
pub(crate) use weak::ordering;
#[cfg(loom)]
pub use weak::weaken;
