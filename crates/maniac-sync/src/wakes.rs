//! A batch of wakers to be woken after a lock is released.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Waker,
};

/// So many are woken before the lock is taken again for more.
const BATCH: usize = 16;

/// Up to [`BATCH`] wakers. All are woken even if some panic; the first panic goes on afterwards.
pub(crate) struct Wakes {
    wakers: [Option<Waker>; BATCH],
    len: usize,
}

impl Wakes {
    pub(crate) fn new() -> Self {
        Self { wakers: [const { None }; BATCH], len: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == BATCH
    }

    /// Not to be called when full.
    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        self.wakers[self.len] = waker;
        self.len += 1;
    }

    pub(crate) fn wake_all(self) {
        Self::wake_each(self.wakers);
    }

    /// Wakes all, then lets the first panic go on.
    pub(crate) fn wake_each(wakers: impl IntoIterator<Item = Option<Waker>>) {
        let mut panic: Option<Box<dyn Any + Send>> = None;
        for waker in wakers.into_iter().flatten() {
            if let Err(caught) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                panic.get_or_insert(caught);
            }
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}
