//! The waker of a task: the slot's address with the low bits of its generation in the bits that addresses do not use.
//!
//! Cloning copies two words, dropping does nothing, and a stale wake (the slot moved on to another generation) does nothing.
//! When the packed bits of a generation come round again a stale wake is a spurious wake of another task, which futures allow.

use super::header::{Header, TaskRef};
use super::state::Wake;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// Low bits that are zero in every slot's address.
const LOW_BITS: u32 = 6;
/// High bits that no user-space address of a mapping without a hint uses (47 bits on x86_64, 48 on aarch64, at most 47 on riscv64).
#[cfg(target_pointer_width = "64")]
const HIGH_BITS: u32 = 16;
#[cfg(not(target_pointer_width = "64"))]
const HIGH_BITS: u32 = 0;

const LOW_MASK: usize = (1 << LOW_BITS) - 1;
const ADDRESS_MASK: usize = usize::MAX >> HIGH_BITS & !LOW_MASK;

/// Whether a slot at this address can have wakers.
pub(crate) fn addressable(address: usize) -> bool {
    address & !ADDRESS_MASK == 0
}

/// The low bits of a generation, where the address has none: the lowest on top.
#[inline]
fn tag(generation: u32) -> usize {
    let high = if HIGH_BITS == 0 { 0 } else { (generation as usize).wrapping_shl(usize::BITS - HIGH_BITS) };
    high | (generation as usize >> HIGH_BITS & LOW_MASK)
}

fn pack(task: TaskRef, generation: u32) -> *const () {
    task.as_ptr().as_ptr().cast_const().cast::<()>().map_addr(|address| address | tag(generation))
}

/// The task, and the [`tag`] of its generation.
#[inline]
fn unpack(data: *const ()) -> (TaskRef, usize) {
    let header = data.map_addr(|address| address & ADDRESS_MASK).cast_mut().cast::<Header>();
    let header = NonNull::new(header).expect("a packed slot is not null");
    (TaskRef::from_header(header), data.addr() & !ADDRESS_MASK)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_waker);

unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    let (task, of) = unpack(data);
    let wake = task.header().state.wake(|generation| tag(generation) == of);
    // Out of line, so that waking a task that is notified already saves no registers.
    if wake != Wake::Nothing {
        make_entry(task, wake);
    }
}

#[inline(never)]
fn make_entry(task: TaskRef, wake: Wake) {
    task.queue(wake);
}

unsafe fn drop_waker(_data: *const ()) {}

/// The waker of the task of this generation; dropping it does nothing, so that it may be made anew for each poll.
#[inline]
pub(crate) fn waker(task: TaskRef, generation: u32) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(pack(task, generation), &VTABLE);
    // SAFETY: [TASK-4] the functions of VTABLE keep RawWakerVTable's contract: they are thread-safe, need no drop, and the slot's
    // memory outlives every waker.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_undone_by_unpacking() {
        #[repr(align(64))]
        struct Aligned([u8; 64]);
        let memory = Box::leak(Box::new(Aligned([0; 64])));
        let task = TaskRef::from_header(NonNull::from(&mut memory.0).cast());
        let kept = 1 << (LOW_BITS + HIGH_BITS);
        for generation in [0, 1, 63, 64, 0x12345, kept - 1, kept, kept + 1, u32::MAX] {
            assert_eq!(unpack(pack(task, generation)), (task, tag(generation)));
            assert_eq!(tag(generation), tag(generation % kept), "the bits that are kept");
        }
        // No two generations that follow one another look alike, for as long as there are bits.
        let tags: std::collections::HashSet<usize> = (0..kept.min(1 << 16)).map(tag).collect();
        assert_eq!(tags.len(), kept.min(1 << 16) as usize);
    }
}
