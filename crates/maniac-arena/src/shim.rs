//! Atomics from `std`, or from loom in its models; orderings and steps that a model can weaken by name. Nothing here knows a protocol.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

/// The ordering that stands here (its name is for the models).
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn ordering(_name: &'static str, strong: Ordering) -> Ordering {
    strong
}

/// Whether the step of this name is to be weakened: never, but in a model that says so.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn is_weak(_name: &'static str) -> bool {
    false
}

#[cfg(loom)]
pub(crate) use models::{is_weak, ordering};

#[cfg(loom)]
pub use models::weaken;

#[cfg(loom)]
mod models {
    use super::Ordering;
    use std::cell::Cell;

    std::thread_local! {
        // loom runs all threads of a model on the thread that called `loom::model`.
        static WEAK: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Weakens the ordering or step of this name in the models that this thread runs from now on; `None` restores all.
    pub fn weaken(name: Option<&'static str>) {
        WEAK.set(name);
    }

    pub(crate) fn is_weak(name: &'static str) -> bool {
        WEAK.get() == Some(name)
    }

    pub(crate) fn ordering(name: &'static str, strong: Ordering) -> Ordering {
        if is_weak(name) { Ordering::Relaxed } else { strong }
    }
}
