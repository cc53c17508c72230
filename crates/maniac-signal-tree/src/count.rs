//! With `--cfg maniac_count`: atomics that tell a hook of each access, for simulations of what the tree costs on
//! machines that are not at hand (`cargo xtask scale`: cache-line transfers for 8 to 512 workers).

use std::cell::Cell;
use std::sync::atomic::{AtomicU64 as Inner, Ordering};

/// One access to one of the tree's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where the word lies. Divide by the size of a cache line (64) to get its line.
    pub address: usize,
    /// Whether it was a read-modify-write, which needs the line for itself even if it changes nothing.
    pub writes: bool,
}

std::thread_local! {
    static HOOK: Cell<fn(Access)> = const { Cell::new(|_| ()) };
}

/// From now on `hook` is told of each access by this thread.
pub fn on_access(hook: fn(Access)) {
    HOOK.with(|current| current.set(hook));
}

/// `std`'s, observed.
#[derive(Debug)]
pub struct AtomicU64(Inner);

impl AtomicU64 {
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(Inner::new(value))
    }

    fn told(&self, writes: bool) -> &Inner {
        let access = Access { address: std::ptr::from_ref(self) as usize, writes };
        HOOK.with(Cell::get)(access);
        &self.0
    }

    pub fn load(&self, order: Ordering) -> u64 {
        self.told(false).load(order)
    }

    pub fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.told(true).swap(value, order)
    }

    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.told(true).fetch_or(bits, order)
    }

    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        self.told(true).fetch_and(bits, order)
    }

    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.told(true).fetch_add(value, order)
    }

    pub fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
        self.told(true).fetch_sub(value, order)
    }

    pub fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.told(true).compare_exchange(current, new, success, failure)
    }

    pub fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.told(true).compare_exchange_weak(current, new, success, failure)
    }
}
