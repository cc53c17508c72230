//! Which address ranges are guards of stacks: a list that a signal handler can read at any instant.
//!
//! Entries are pushed and never unlinked or freed. An entry's geometry is written before it is published and never
//! changes; only its address does, in one word, zero while no slab uses it. So a reader needs no lock and can see no
//! mixture of two slabs. A slab takes over an idle entry of exactly its geometry, so the list is as long as the most
//! slabs of each geometry that ever existed at once.
//!
//! A fault on a stack's guard finds the stack's slab: it was registered before its first stack was handed out, which
//! happened before anything ran on that stack, and stays registered until no stack of it is in use. An entry that
//! another thread adds, takes or frees meanwhile belongs to another slab, and either of its two values is right.

#![cfg_attr(not(loom), expect(unreachable_pub, reason = "public for the loom model alone"))]

use std::ptr;

use crate::shim::{AtomicPtr, AtomicUsize, Ordering, UnsafeCell, ordering};

/// How a slab is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of the slab.
    pub len: usize,
    /// Bytes from one guard's low end to the next one's.
    pub stride: usize,
    /// Bytes of a guard, at the low end of each stride.
    pub guard: usize,
    /// Bytes of a stack that calls may use.
    pub usable: usize,
}

/// A slab's place in the list. See the module's text.
#[derive(Debug)]
pub struct Entry {
    address: AtomicUsize,
    geometry: UnsafeCell<Geometry>,
    next: UnsafeCell<*const Entry>,
}

// SAFETY: [INV-7] the cells are written before the entry is published and only read afterwards.
unsafe impl Sync for Entry {}
// SAFETY: [INV-7] as above.
unsafe impl Send for Entry {}

impl Entry {
    fn geometry(&self) -> Geometry {
        self.geometry.with(|geometry| {
            // SAFETY: [INV-7] published, so no longer written.
            unsafe { *geometry }
        })
    }

    fn next(&self) -> *const Self {
        self.next.with(|next| {
            // SAFETY: [INV-7] published, so no longer written.
            unsafe { *next }
        })
    }

    /// Takes a slab out of the list; its address may then be used for anything.
    pub fn unregister(&self) {
        self.address.store(0, Ordering::Relaxed);
    }
}

/// The list.
#[derive(Debug)]
pub struct Registry {
    head: AtomicPtr<Entry>,
}

impl Registry {
    /// An empty list.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// An empty list.
    #[cfg(loom)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only for the model")]
    pub fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        let mut next = self.head.load(ordering("registry.walk", Ordering::Acquire)).cast_const();
        std::iter::from_fn(move || {
            // SAFETY: [INV-7] entries are published whole and never freed; the acquire load above reads
            // from the release sequence of every push so far, which makes the writes to all of them visible.
            let entry = unsafe { next.as_ref() }?;
            next = entry.next();
            Some(entry)
        })
    }

    /// Adds the slab at `address`, which is not zero.
    pub fn register(&self, address: usize, geometry: Geometry) -> &'static Entry {
        for entry in self.entries() {
            if entry.geometry() == geometry
                && entry.address.compare_exchange(0, address, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                return entry;
            }
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let entry = Box::into_raw(Box::new(Entry {
                address: AtomicUsize::new(address),
                geometry: UnsafeCell::new(geometry),
                next: UnsafeCell::new(head),
            }));
            match self.head.compare_exchange(
                head,
                entry,
                ordering("registry.push", Ordering::Release),
                Ordering::Relaxed,
            ) {
                // SAFETY: [INV-7] published, never freed.
                Ok(_) => return unsafe { &*entry },
                Err(newer) => {
                    // SAFETY: [local] made above, published nowhere.
                    drop(unsafe { Box::from_raw(entry) });
                    head = newer;
                }
            }
        }
    }

    /// If `address` lies in a guard: the usable bytes of the stack above it. Async-signal-safe.
    #[must_use]
    pub fn stack_guarded_by(&self, address: usize) -> Option<usize> {
        self.entries().find_map(|entry| {
            let slab = entry.address.load(Ordering::Relaxed);
            let Geometry { len, stride, guard, usable } = entry.geometry();
            let offset = address.checked_sub(slab).filter(|&offset| slab != 0 && offset < len)?;
            (offset % stride < guard).then_some(usable)
        })
    }
}
