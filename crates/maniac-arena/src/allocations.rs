//! A global allocator that counts: proof that a piece of code allocates nothing.
//!
//! ```
//! use maniac_arena::allocations::{CountingAllocator, count};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::new();
//!
//! let (sum, allocations) = count(|| 1 + 1);
//! assert_eq!((sum, allocations), (2, 0));
//! assert_eq!(count(|| drop(Box::new(1))).1, 1);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of each thread and leaves the work to the system's allocator.
#[derive(Debug, Default)]
pub struct CountingAllocator(());

impl CountingAllocator {
    /// For a `#[global_allocator]` static.
    #[must_use]
    pub const fn new() -> CountingAllocator {
        CountingAllocator(())
    }
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn add_one() {
    // A thread whose locals are gone allocates uncounted.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

/// Runs `f` and tells how many allocations this thread made in it (new blocks and growth; not frees).
///
/// Without [`CountingAllocator`] as the global allocator the number is always 0.
pub fn count<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let before = COUNT.with(Cell::get);
    let result = f();
    (result, COUNT.with(Cell::get) - before)
}

// SAFETY: [INV-6] every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: [INV-6] passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: [INV-6] passed on unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: [INV-6] passed on unchanged.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add_one();
        // SAFETY: [INV-6] passed on unchanged.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
