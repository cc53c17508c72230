//! One segment: a run of slots and its place in the chain. How segments are found, grown and given back is in
//! [`chain`](super::chain).

use crate::shim::{AtomicPtr, AtomicU8, AtomicU64, Ordering, UnsafeCell};
use std::{
    alloc::{self, Layout},
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

/// How many slots a segment has at most: as many as fit in 16 KiB, within 4 and 512.
pub(super) const fn max_len<T>() -> u32 {
    if cfg!(loom) {
        return 2;
    }
    match 16 * 1024 / size_of::<Slot<T>>() {
        fit @ 4..512 => fit as u32,
        0..4 => 4,
        _ => 512,
    }
}

/// How many slots the first segment of a channel has. Each further one has twice as many, up to [`max_len`].
pub(super) const fn first_len<T>() -> u32 {
    if max_len::<T>() < 32 { max_len::<T>() } else { 32 }
}

/// [`Segment::observed`] before the tail has left the segment. No position has this value.
pub(super) const NOT_OBSERVED: u64 = u64::MAX;

/// A slot: full while `ready` equals the lap byte of its segment's header, and empty otherwise.
///
/// Comparing with the lap instead of clearing the byte keeps the receiver from ever writing to a slot.
pub(super) struct Slot<T> {
    pub(super) ready: AtomicU8,
    pub(super) value: UnsafeCell<MaybeUninit<T>>,
}

/// What changes only when a segment is placed in the chain.
pub(super) struct Header<T> {
    /// Position of the first slot.
    pub(super) start: u64,
    /// Value of [`Slot::ready`] that means full: 1, 0, 1, … from one placing to the next.
    pub(super) lap: u8,
    /// The segment before this one; valid as long as a position before `start` is unconsumed.
    pub(super) prev: *mut Segment<T>,
}

impl<T> Clone for Header<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Header<T> {}

/// A segment; its slots follow it in the same allocation.
pub(super) struct Segment<T> {
    pub(super) header: UnsafeCell<Header<T>>,
    pub(super) len: u32,
    pub(super) next: AtomicPtr<Segment<T>>,
    /// The channel's position soon after the tail left this segment: whoever still holds the segment has claimed one before.
    pub(super) observed: AtomicU64,
}

impl<T> Segment<T> {
    /// The allocation's layout: the fields, then the slots.
    fn layout(len: u32) -> Layout {
        let slots = Layout::array::<Slot<T>>(len as usize);
        let whole = slots.and_then(|slots| Layout::new::<Self>().extend(slots));
        let Ok((whole, _)) = whole else { panic!("a message type of {} bytes is too large", size_of::<T>()) };
        whole.pad_to_align()
    }

    /// Allocates an empty segment of `len` slots. Ends the process when there is no memory, as all of `std` does.
    pub(super) fn alloc(len: u32, start: u64, prev: *mut Self) -> NonNull<Self> {
        let layout = Self::layout(len);
        // SAFETY: [local] the layout is not empty: a segment has fields.
        let memory = unsafe { alloc::alloc(layout) };
        let Some(segment) = NonNull::new(memory.cast::<Self>()) else { alloc::handle_alloc_error(layout) };
        let fields = Self {
            header: UnsafeCell::new(Header { start, lap: 1, prev }),
            len,
            next: AtomicPtr::new(ptr::null_mut()),
            observed: AtomicU64::new(NOT_OBSERVED),
        };
        // SAFETY: [local] freshly allocated with room and alignment for it.
        unsafe { segment.write(fields) };
        for index in 0..len {
            let slot = Slot { ready: AtomicU8::new(0), value: UnsafeCell::new(MaybeUninit::uninit()) };
            // SAFETY: [local] `index` is below `len`, for which the layout has room.
            let place = unsafe { Self::slot(segment, index) };
            // SAFETY: [local] freshly allocated, nobody else knows it.
            unsafe { place.write(slot) };
        }
        segment
    }

    /// Gives the memory back. Values in the slots are not dropped.
    ///
    /// # Safety
    ///
    /// `segment` came from [`Segment::alloc`] and nobody uses it any more.
    pub(super) unsafe fn free(segment: NonNull<Self>) {
        // SAFETY: [caller] alive, as the caller promises.
        let len = unsafe { segment.as_ref() }.len;
        let layout = Self::layout(len);
        #[cfg(loom)]
        for index in 0..len {
            // loom's atomics and cells own memory of their own.
            // SAFETY: [local] `index` is in range.
            let slot = unsafe { Self::slot(segment, index) };
            // SAFETY: [caller] nobody uses it any more.
            unsafe { slot.drop_in_place() };
        }
        // SAFETY: [caller] nobody uses it any more.
        unsafe { segment.drop_in_place() };
        // SAFETY: [caller] allocated with this layout, which depends on `len` alone.
        unsafe { alloc::dealloc(segment.as_ptr().cast(), layout) };
    }

    /// The slot `index`.
    ///
    /// # Safety
    ///
    /// `segment` is alive and `index` is below its `len`.
    #[inline(always)]
    pub(super) unsafe fn slot(segment: NonNull<Self>, index: u32) -> NonNull<Slot<T>> {
        let slots = const { size_of::<Self>().next_multiple_of(align_of::<Slot<T>>()) };
        // SAFETY: [caller] alive, and the slots lie there, in the same allocation: `Layout::extend` puts them at the first
        // offset that their alignment allows.
        let first = unsafe { segment.cast::<u8>().add(slots) };
        // SAFETY: [caller] `index` is below the number of slots.
        unsafe { first.cast::<Slot<T>>().add(index as usize) }
    }
}

impl<T> Slot<T> {
    /// Whether the slot is full in `lap`.
    #[inline(always)]
    pub(super) fn is_ready(&self, lap: u8) -> bool {
        self.ready.load(crate::shim::ordering("mpsc.ready", Ordering::Acquire)) == lap
    }
}
