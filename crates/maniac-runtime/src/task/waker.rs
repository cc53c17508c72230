//! The waker of a task: the slot's address with the low bits of its generation in the bits that addresses do not use.
//!
//! Cloning copies two words, dropping does nothing, and a stale wake (the slot moved on to another generation) does nothing.
//! When the packed bits of a generation come round again a stale wake is a spurious wake of another task, which futures allow.

use super::header::{Header, TaskRef};
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
const GENERATION_MASK: u32 = (1 << (LOW_BITS + HIGH_BITS)) - 1;

/// Whether a slot at this address can have wakers.
pub(crate) fn addressable(address: usize) -> bool {
    address & !ADDRESS_MASK == 0
}

fn pack(task: TaskRef, generation: u32) -> *const () {
    let low = generation as usize & LOW_MASK;
    let high = (generation as usize >> LOW_BITS).wrapping_shl(usize::BITS - HIGH_BITS);
    let high = if HIGH_BITS == 0 { 0 } else { high };
    task.as_ptr().as_ptr().cast_const().cast::<()>().map_addr(|address| address | low | high)
}

fn unpack(data: *const ()) -> (TaskRef, u32) {
    let address = data.addr();
    let low = address & LOW_MASK;
    let high = if HIGH_BITS == 0 { 0 } else { address.wrapping_shr(usize::BITS - HIGH_BITS) };
    let generation = (high << LOW_BITS | low) as u32 & GENERATION_MASK;
    let header = data.map_addr(|address| address & ADDRESS_MASK).cast_mut().cast::<Header>();
    let header = NonNull::new(header).expect("a packed slot is not null");
    (TaskRef::from_header(header), generation)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_waker);

unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    let (task, generation) = unpack(data);
    wake_packed(task, generation);
}

unsafe fn drop_waker(_data: *const ()) {}

#[inline]
fn wake_packed(task: TaskRef, generation: u32) {
    task.queue(task.header().state.wake(|of| of & GENERATION_MASK == generation));
}

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
        for generation in [0, 1, 63, 64, 0x12345, GENERATION_MASK, GENERATION_MASK + 1, u32::MAX] {
            let (unpacked, low) = unpack(pack(task, generation));
            assert_eq!((unpacked, low), (task, generation & GENERATION_MASK));
        }
    }
}
