//! Atomics, locks and cells from `std`, or from loom in its models, and the orderings that the models weaken by name.
//! Nothing here knows a protocol.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(maniac_count)]
pub(crate) use crate::count::AtomicU64;
#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU64};
#[cfg(not(any(loom, maniac_count)))]
pub(crate) use std::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

/// Takes a lock whose poisoning means nothing: no foreign code runs while this crate holds one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The ordering called `name`: as written in production, relaxed in a model that weakens it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn ordering(_name: &'static str, strong: Ordering) -> Ordering {
    strong
}

/// Reads `word` by a read-modify-write that changes nothing: a read-modify-write of the same word by another thread
/// either came before, and is seen, or comes after, and sees everything that this thread has done (README, "One rule").
/// A plain load in a model that weakens `name`.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn look(_name: &'static str, word: &AtomicU64) -> u64 {
    word.fetch_or(0, Ordering::AcqRel)
}

/// Whether the step called `name` is to be left out: never, but in a model that weakens it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn is_weak(_name: &'static str) -> bool {
    false
}

#[cfg(loom)]
pub(crate) use self::model::{OnceLock, is_weak, look, ordering};

#[cfg(loom)]
pub use self::model::weaken;

/// What the loom models need beyond loom.
#[cfg(loom)]
mod model {
    use super::{AtomicU64, Ordering};
    use std::cell::Cell;

    std::thread_local! {
        // loom runs all threads of a model on the thread that called `loom::model`.
        static WEAKENED: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Weakens the ordering or look called `name` in the models that this thread runs from now on; `None` restores all.
    pub fn weaken(name: Option<&'static str>) {
        WEAKENED.with(|weakened| weakened.set(name));
    }

    pub(crate) fn is_weak(name: &'static str) -> bool {
        WEAKENED.with(Cell::get) == Some(name)
    }

    pub(crate) fn ordering(name: &'static str, strong: Ordering) -> Ordering {
        if is_weak(name) { Ordering::Relaxed } else { strong }
    }

    pub(crate) fn look(name: &'static str, word: &AtomicU64) -> u64 {
        if is_weak(name) { word.load(Ordering::Acquire) } else { word.fetch_or(0, Ordering::AcqRel) }
    }

    /// `std`'s cell, its initialisation seen by loom.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        ready: AtomicU64,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { ready: AtomicU64::new(0), value: std::sync::OnceLock::new() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.ready.load(Ordering::Acquire) == 0 { None } else { self.value.get() }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.ready.store(1, Ordering::Release);
            Ok(())
        }
    }
}
