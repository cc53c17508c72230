//! Memory that the runtime owns and JavaScript sees: regions for direct I/O, and the slab.

use maniac::buf::{RawBufRead, RawBufWrite};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

/// A zeroed block that JavaScript, the kernel and the engine reach through pointers only; no reference into it outlives a
/// call on the environment's thread.
#[derive(Debug)]
pub(crate) struct Block {
    base: NonNull<u8>,
    layout: Layout,
    /// Where in the allocation the block begins.
    offset: usize,
    size: usize,
}

// SAFETY: [INV-3] the block is an address and a size; who may follow the address, and when, is said there.
unsafe impl Send for Block {}
// SAFETY: [INV-3] as above.
unsafe impl Sync for Block {}

impl Block {
    /// `size` bytes at a multiple of `alignment`, a power of two; `None` where there is no such memory.
    pub(crate) fn new(size: usize, alignment: usize) -> Option<Arc<Self>> {
        if !alignment.is_power_of_two() {
            return None;
        }
        let size = size.max(1);
        // Aligned by hand: asked for an alignment, allocators clear the memory themselves, and touch all of it.
        let layout = Layout::from_size_align(size.checked_add(alignment)?, 16).ok()?;
        // SAFETY: [local] the size is at least one byte.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let offset = base.as_ptr().addr().next_multiple_of(alignment) - base.as_ptr().addr();
        Some(Arc::new(Self { base, layout, offset, size }))
    }

    pub(crate) fn address(&self) -> *mut u8 {
        self.base.as_ptr().wrapping_add(self.offset)
    }

    pub(crate) fn len(&self) -> usize {
        self.size
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: [local] allocated in `new` with this layout, freed here only.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

/// A part of a block that one operation uses; it keeps the block.
#[derive(Debug)]
pub(crate) struct Region {
    block: Arc<Block>,
    start: usize,
    length: usize,
}

impl Region {
    /// The address of the first byte.
    fn address(&self) -> *mut u8 {
        self.block.address().wrapping_add(self.start)
    }

    /// Copies `bytes` to the front; what does not fit is left out. Only on the environment's own thread.
    pub(crate) fn fill(&self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.length);
        // SAFETY: [INV-3] the part lies within the block, which `bytes` (memory of Rust's own) cannot overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.address(), count) };
        count
    }

    /// A copy of the bytes. Only on the environment's own thread.
    pub(crate) fn copy(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        // SAFETY: [INV-3] as in `fill`; all of the block is initialised.
        unsafe { std::ptr::copy_nonoverlapping(self.address(), bytes.as_mut_ptr(), self.length) };
        bytes
    }
}

// SAFETY: [INV-3] the block stays where it is while this part keeps it. JavaScript may change its bytes meanwhile, which the
// kernel does not mind and no reference of Rust's sees.
unsafe impl RawBufRead for Region {
    fn as_buf_ptr(&self) -> *const u8 {
        self.address()
    }

    fn buf_len(&self) -> usize {
        self.length
    }
}

// SAFETY: [INV-3] as above.
unsafe impl RawBufWrite for Region {
    fn as_buf_mut_ptr(&mut self) -> *mut u8 {
        self.address()
    }

    fn buf_capacity(&self) -> usize {
        self.length
    }

    unsafe fn set_filled(&mut self, _filled: usize) {}
}

/// Asks for huge pages below what `bytes` has room for, if that is much: it is about to be filled for the first time, and a fault
/// for every 4 KiB would cost several times the copying. Where the system has none, nothing changes.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_huge_pages(bytes: &mut Vec<u8>) {
    // From here on allocators take memory from the system by itself, and give it back: the advice does not outlast the bytes.
    const LEAST: usize = 32 * 1024 * 1024;
    // madvise(2) wants whole pages, and refuses where they are larger than this.
    const PAGE: usize = 4096;
    let room = bytes.spare_capacity_mut();
    if room.len() < LEAST {
        return;
    }
    let skipped = room.as_ptr().align_offset(PAGE);
    let length = (room.len() - skipped) / PAGE * PAGE;
    let start = room[skipped..].as_mut_ptr();
    // SAFETY: [local] whole pages within memory that is borrowed here; the advice changes no byte of them.
    let _ = unsafe { rustix::mm::madvise(start.cast(), length, rustix::mm::Advice::LinuxHugepage) };
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ask_for_huge_pages(_: &mut Vec<u8>) {}

/// The regions of an environment, by number. An entry goes when its ArrayBuffer is collected; operations under way keep the
/// block itself.
#[derive(Debug, Default, Clone)]
pub(crate) struct Regions(Rc<RefCell<Table>>);

#[derive(Debug, Default)]
struct Table {
    last: u32,
    blocks: HashMap<u32, Arc<Block>>,
}

impl Regions {
    pub(crate) fn add(&self, block: Arc<Block>) -> u32 {
        let Table { last, blocks } = &mut *self.0.borrow_mut();
        *last = last.wrapping_add(1);
        while blocks.contains_key(last) {
            *last = last.wrapping_add(1);
        }
        blocks.insert(*last, block);
        *last
    }

    pub(crate) fn remove(&self, number: u32) {
        self.0.borrow_mut().blocks.remove(&number);
    }

    pub(crate) fn slice(&self, number: u32, start: usize, length: usize) -> Option<Region> {
        let block = self.0.borrow().blocks.get(&number)?.clone();
        (start.checked_add(length)? <= block.len()).then_some(Region { block, start, length })
    }
}
