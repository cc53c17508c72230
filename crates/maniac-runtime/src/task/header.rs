//! The first 64 bytes of a slot, the same for every task, and the pointer to it.

use super::origin::Origin;
use super::state::State;
use maniac_arena::Slot;
use maniac_sync::wait::AtomicWait;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::task::{Context, Waker};

/// What a task's type decides.
pub(crate) struct Vtable {
    /// Polls the future on; `true` when the output is written and the future dropped.
    ///
    /// # Safety
    /// RUNNING is held and the task is not COMPLETE.
    pub(crate) poll: unsafe fn(TaskRef, &mut Context<'_>) -> bool,
    /// Drops the future and writes "cancelled" (or its destructor's panic) as the output.
    ///
    /// # Safety
    /// RUNNING is held and the task is not COMPLETE.
    pub(crate) cancel: unsafe fn(TaskRef),
    /// Moves the output (`Result<T, JoinError>`) to where the pointer points.
    ///
    /// # Safety
    /// The task is COMPLETE, the output is the caller's and still there; the pointer is valid for writing one.
    pub(crate) take_output: unsafe fn(TaskRef, *mut ()),
    /// Drops the output.
    ///
    /// # Safety
    /// The task is COMPLETE, the output is the caller's and still there.
    pub(crate) drop_output: unsafe fn(TaskRef),
    /// Drops what else the payload holds (its box). The last thing before the slot is freed.
    ///
    /// # Safety
    /// The task is COMPLETE and its output gone.
    pub(crate) drop_payload: unsafe fn(TaskRef),
}

/// The first 64 bytes of a slot in use; zeros in one that never was.
///
/// The fields besides `state` are written by the thread that allocated the slot before the task's first entry is made. They are atomic
/// because a stale waker may look at a slot at any time; `Relaxed` is enough since what matters is ordered by `state`.
#[repr(C, align(16))]
pub(crate) struct Header {
    pub(crate) state: State,
    vtable: AtomicPtr<Vtable>,
    /// Governed by JOIN_WAKER and COMPLETE.
    join_waker: UnsafeCell<MaybeUninit<Waker>>,
    /// This slot's number.
    index: AtomicU32,
    /// The next slot in a thread's inbox.
    pub(crate) link: crate::shim::AtomicU32,
    /// The number of the core that this slot belongs to.
    core: AtomicU32,
    /// The key of the suspended coroutine in its thread's table.
    pub(crate) coroutine: AtomicU32,
    /// Where the task was spawned, and its name.
    pub(super) origin: AtomicPtr<()>,
    /// What the task waits for, as its last poll noted it; before the first one what another task left. Counts while the task neither runs nor is ready.
    pub(crate) waits: AtomicWait,
}

/// Bytes of a header; where the payload begins.
pub(crate) const PAYLOAD: usize = size_of::<Header>();
/// The strictest alignment of a payload that lies in its slot.
pub(crate) const PAYLOAD_ALIGN: usize = 16;

#[cfg(target_pointer_width = "64")]
const _: () = assert!(PAYLOAD == 64 && align_of::<Header>() == PAYLOAD_ALIGN);

/// A pointer to a slot's header: valid for ever, whatever the slot holds by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: [TASK-1] the header stays mapped for ever and is only touched through atomics, or as the state word allows.
unsafe impl Send for TaskRef {}
// SAFETY: [TASK-1] as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    #[inline]
    pub(crate) fn from_slot(slot: Slot) -> TaskRef {
        TaskRef(slot.as_ptr().cast())
    }

    #[inline]
    pub(crate) fn from_header(header: NonNull<Header>) -> TaskRef {
        TaskRef(header)
    }

    #[inline]
    pub(crate) fn as_ptr(self) -> NonNull<Header> {
        self.0
    }

    #[inline]
    pub(crate) fn header(self) -> &'static Header {
        // SAFETY: [TASK-1] a slot's memory stays mapped for ever, zeros are a valid header, and all shared parts are atomic.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn payload(self) -> NonNull<u8> {
        // SAFETY: [TASK-1] the payload lies behind the header in the same slot.
        unsafe { self.0.add(1).cast() }
    }

    /// Fills the header in of a slot that the caller allocated.
    #[inline]
    pub(crate) fn write_header(self, vtable: &'static Vtable, index: u32, core: u32, origin: Origin) {
        let header = self.header();
        header.vtable.store(std::ptr::from_ref(vtable).cast_mut(), Ordering::Relaxed);
        header.index.store(index, Ordering::Relaxed);
        header.core.store(core, Ordering::Relaxed);
        self.put_origin(origin);
    }

    /// The task's functions.
    ///
    /// # Safety
    /// The slot is LIVE, and stays so as long as the caller uses the result on it.
    #[inline]
    pub(crate) unsafe fn vtable(self) -> &'static Vtable {
        let vtable = self.header().vtable.load(Ordering::Relaxed);
        // SAFETY: [TASK-2] a live slot's header was written by `write_header`, from a 'static reference.
        unsafe { &*vtable }
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.header().index.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn core(self) -> u32 {
        self.header().core.load(Ordering::Relaxed)
    }

    /// Stores the waker to wake at the task's completion.
    ///
    /// # Safety
    /// The caller is the handle, JOIN_WAKER is not set, and the task was seen not COMPLETE or is about to be found so by
    /// `set_join_waker`.
    pub(crate) unsafe fn write_join_waker(self, waker: Waker) {
        let place = self.header().join_waker.get();
        // SAFETY: [TASK-3] without JOIN_WAKER the field is the handle's alone, and holds nothing that needs dropping.
        unsafe { (*place).write(waker) };
    }

    /// Takes the waker out.
    ///
    /// # Safety
    /// The waker is there and the caller's: the handle's before completion (JOIN_WAKER just cleared, or never announced), the runner's after.
    pub(crate) unsafe fn take_join_waker(self) -> Waker {
        let place = self.header().join_waker.get();
        // SAFETY: [TASK-3] passed on: the waker is there, and read out once. (MaybeUninit has its content's layout.)
        unsafe { place.cast::<Waker>().read() }
    }

    /// The waker that the handle stored.
    ///
    /// # Safety
    /// The caller is the handle and JOIN_WAKER is set, so that at most the runner's move out, which leaves the bytes, comes in between.
    pub(crate) unsafe fn join_waker_is(self, other: &Waker) -> bool {
        let place = self.header().join_waker.get();
        // SAFETY: [TASK-3] nobody writes the field while JOIN_WAKER is set; only its two words are compared.
        let waker = unsafe { &*place.cast::<Waker>() };
        waker.will_wake(other)
    }
}
