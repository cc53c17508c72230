//! The memory of records: blocks by size class, kept for reuse, so that a warm driver allocates nothing for an operation.
//!
//! The owner takes from its own lists; whoever drops a record's last reference, on whatever thread, gives the block
//! back through a lock-free list. Their number is that of the operations that were alive at once; when a driver
//! refills its lists it keeps [`KEEP`] of a class and frees the rest.

use super::{Header, Phase, Record, VTable};
use crate::driver::shared::Shared;
use crate::inbox::Linked;
use crate::op::{Mode, Operation};
use crate::shim::{AtomicPtr, AtomicU32, UnsafeCell};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Block sizes in bytes: a header is some 150, and the operations on a descriptor and a buffer fit in the first.
const SIZES: [usize; CLASSES] = [256, 384, 640, 1280];
/// How many size classes there are.
pub(crate) const CLASSES: usize = 4;
/// Blocks are aligned so; operations that want more get a block of their own.
const ALIGN: usize = 16;
/// The class of blocks that are not kept.
const SINGLE: u8 = CLASSES as u8;
/// How many blocks of a class a driver keeps.
const KEEP: usize = 1024;

/// The class and layout of a block for a `T`.
fn class_for<T: Operation>() -> (u8, Layout) {
    let layout = Layout::new::<Record<T>>();
    match SIZES.iter().position(|&size| layout.size() <= size && layout.align() <= ALIGN) {
        Some(class) => (class as u8, Layout::from_size_align(SIZES[class], ALIGN).expect("constants fit")),
        None => (SINGLE, layout),
    }
}

/// The memory of one record, owned alone: its header is initialised, its payload holds nothing.
pub(crate) struct Block {
    header: NonNull<Header>,
}

// SAFETY: [INV-3] a block is plain memory with a header of Send fields.
unsafe impl Send for Block {}
// SAFETY: [INV-3] a shared Block gives access to nothing.
unsafe impl Sync for Block {}

/// The functions of a block without an operation; never called.
const EMPTY: VTable = VTable {
    name: "free",
    mode: Mode::Offload,
    #[cfg(maniac_uring)]
    opcode: 0,
    entry: |_| None,
    call: |_| Err(std::io::ErrorKind::Unsupported.into()),
    wait_for: |_| None,
    discard: |_, _| (),
};

impl Block {
    /// A fresh block. `layout` must hold a header.
    fn new((class, layout): (u8, Layout), shared: Arc<Shared>) -> Self {
        assert!(layout.size() >= size_of::<Header>() && layout.align() >= align_of::<Header>());
        // SAFETY: [local] the size is not zero, by the line above.
        let memory = unsafe { alloc(layout) };
        let header = NonNull::new(memory.cast::<Header>()).unwrap_or_else(|| handle_alloc_error(layout));
        let value = Header {
            state: AtomicU32::new(0),
            refs: AtomicU32::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            vtable: const { &EMPTY },
            shared,
            token: None,
            layout,
            class,
            phase: std::sync::atomic::AtomicU32::new(Phase::Outside as u32),
            key: AtomicUsize::new(0),
            waker: UnsafeCell::new(None),
            result: UnsafeCell::new(None),
        };
        // SAFETY: [INV-3] fresh memory, large and aligned enough for a header.
        unsafe { header.write(value) };
        Self { header }
    }

    /// A fresh block for one `T`, which is freed after use.
    pub(crate) fn single<T: Operation>(shared: Arc<Shared>) -> Self {
        Self::new((SINGLE, Layout::new::<Record<T>>()), shared)
    }

    fn header(&self) -> &Header {
        // SAFETY: [INV-3] a block owns its initialised header.
        unsafe { self.header.as_ref() }
    }

    pub(super) fn fits(&self, layout: Layout) -> bool {
        layout.size() <= self.header().layout.size() && layout.align() <= self.header().layout.align()
    }

    /// Gives the block up as an address.
    pub(super) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).header
    }

    /// # Safety
    ///
    /// `header` came from `into_raw`, nothing refers to it any more, and its payload is gone.
    pub(super) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self { header }
    }

    /// Gives the block back to its driver, or frees it if that is gone or the block is of no class.
    pub(super) fn recycle(self) {
        // Behind the push the block, and with it the driver's shared part, may be gone: nothing is touched after it.
        let shared = Arc::as_ptr(&self.header().shared);
        let class = usize::from(self.header().class);
        // SAFETY: [INV-3] the block holds a count of `shared` until it is pushed.
        if let Some(list) = unsafe { &*shared }.returned.get(class) {
            // A closed list gives it back, and then it is freed.
            drop(list.push(self));
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let layout = self.header().layout;
        // SAFETY: [INV-3] the header is initialised and not used again.
        unsafe { self.header.drop_in_place() };
        // SAFETY: [INV-3] allocated in `new` with this layout.
        unsafe { dealloc(self.header.as_ptr().cast(), layout) }
    }
}

// SAFETY: [INV-4] a free block's link is used by the one list it lies in.
unsafe impl Linked for Block {
    type Node = Header;

    fn into_raw(self) -> NonNull<Header> {
        Block::into_raw(self)
    }

    unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self { header }
    }

    unsafe fn link<'a>(header: NonNull<Header>) -> &'a AtomicPtr<Header> {
        // SAFETY: [caller] the caller keeps the block alive.
        unsafe { &(*header.as_ptr()).next }
    }
}

/// The free blocks that only the driver's owner touches.
#[derive(Default)]
pub(crate) struct LocalPool {
    free: [Vec<Block>; CLASSES],
}

impl LocalPool {
    /// A block for a `T`: kept, given back by now, or fresh.
    pub(crate) fn take<T: Operation>(&mut self, shared: &Arc<Shared>) -> Block {
        let (class, layout) = class_for::<T>();
        if let Some(free) = self.free.get_mut(usize::from(class)) {
            if let Some(block) = free.pop() {
                return block;
            }
            free.extend(shared.returned[usize::from(class)].take_all());
            free.truncate(KEEP);
            if let Some(block) = free.pop() {
                return block;
            }
        }
        Block::new((class, layout), shared.clone())
    }

    /// How many blocks lie here.
    pub(crate) fn len(&self) -> usize {
        self.free.iter().map(Vec::len).sum()
    }

    /// Frees all.
    pub(crate) fn clear(&mut self) {
        self.free.iter_mut().for_each(Vec::clear);
    }
}

impl std::fmt::Debug for LocalPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalPool").field("free", &self.len()).finish()
    }
}

#[allow(dead_code, reason = "asserts at compile time")]
const FIRST_CLASS_HOLDS_A_HEADER: () = assert!(size_of::<Header>() + 64 <= SIZES[0] || cfg!(loom));
