//! The coroutine that may be left, as its thread knows it, and the leaving, once the thread was interrupted: the same on all systems.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering, compiler_fence};

use super::arch::{self, Control};
use super::{Armed, imp, ranges, was_preempted};
use crate::coroutine::{self, Switched};

/// What a thread and those that interrupt it know of each other.
#[derive(Debug)]
pub(super) struct Seat {
    /// The innermost preemptible coroutine that was entered on this thread and not left; null if there is none.
    armed: AtomicPtr<Armed<'static>>,
    /// What whoever interrupts the thread leaves for it, where that does not come with a signal.
    #[cfg(not(target_os = "linux"))]
    pub(super) message: imp::Message,
}

impl Seat {
    const fn new() -> Seat {
        Seat {
            armed: AtomicPtr::new(ptr::null_mut()),
            #[cfg(not(target_os = "linux"))]
            message: imp::Message::new(),
        }
    }

    /// Only its thread writes it; who interrupts that reads it.
    fn replace(&self, new: *mut Armed<'static>) -> *mut Armed<'static> {
        let old = self.armed.load(Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        // Release: another thread may read the record.
        self.armed.store(new, Ordering::Release);
        compiler_fence(Ordering::SeqCst);
        old
    }

    /// For another thread, while this seat's stands still.
    #[cfg(windows)]
    pub(super) fn armed(&self) -> *const Armed<'static> {
        self.armed.load(Ordering::Acquire)
    }
}

#[cfg(target_os = "linux")]
thread_local! {
    static SEAT: Seat = const { Seat::new() };
}

#[cfg(not(target_os = "linux"))]
thread_local! {
    /// Shared with the targets that are bound to this thread, which may outlast it.
    static SEAT: std::sync::Arc<Seat> = std::sync::Arc::new(Seat::new());
}

/// This thread's seat; `None` while the thread ends.
#[cfg(not(target_os = "linux"))]
pub(super) fn seat() -> Option<std::sync::Arc<Seat>> {
    SEAT.try_with(std::sync::Arc::clone).ok()
}

/// What this thread has armed.
fn innermost() -> *const Armed<'static> {
    SEAT.try_with(|seat| seat.armed.load(Ordering::Relaxed)).unwrap_or(ptr::null_mut())
}

/// Runs a coroutine by `switch`, which may be left meanwhile.
pub(super) fn run<Ret>(armed: &Armed<'_>, switch: impl FnOnce() -> Switched<Ret>) -> Switched<Ret> {
    let control = Control::read();
    let record = ptr::from_ref(armed).cast_mut().cast();
    // Without a seat, while the thread ends, nobody finds the coroutine.
    let before = SEAT.try_with(|seat| seat.replace(record));
    let switched = switch();
    if let Ok(before) = before {
        let _ = SEAT.try_with(|seat| seat.replace(before));
    }
    if was_preempted(&switched) {
        // What stands there is the interrupted code's, or the kernel's.
        control.write();
        imp::let_through();
    }
    switched
}

/// Adds to the depth of the innermost coroutine; `false` if it is not preemptible.
///
/// Never part of its caller, which may be registered code: the coroutine must not be left between the look at the record and its use, since going on with
/// it makes a new one.
#[inline(never)]
pub(super) fn deepen(by: u32) -> bool {
    let armed = innermost();
    // SAFETY: [INV-11] not null, it points to the record in a frame below, on this thread.
    let Some(armed) = (unsafe { armed.as_ref() }) else { return false };
    let innermost = coroutine::current_is_within(&armed.addresses);
    if innermost {
        compiler_fence(Ordering::SeqCst);
        armed.deepen(by);
        compiler_fence(Ordering::SeqCst);
    }
    innermost
}

/// This thread, the calling one, was interrupted at `program_counter`: leaves its coroutine, if that may be left there, and returns when that goes on.
/// Async-signal-safe.
pub(super) fn interrupted(request: u64, program_counter: usize, stack_pointer: usize) {
    // Before the look at a thread-local: in a shared object that may go through the dynamic linker, or the allocator, which may have been
    // interrupted. Registered code is in neither.
    if !ranges::contain(program_counter) {
        return;
    }
    let armed = innermost();
    // SAFETY: [INV-11] not null, it points to the record in a frame below, on this thread.
    if let Some(armed) = unsafe { armed.as_ref() }
        && armed.admits(request, stack_pointer)
    {
        // SAFETY: [INV-12] `admits` said that the coroutine runs here, on this stack, within code that was registered as bearing it.
        unsafe { coroutine::leave_current() };
    }
}

impl Armed<'_> {
    /// Adds to the depth. Only the coroutine's own thread writes it; what interrupts that reads it there.
    fn deepen(&self, by: u32) {
        self.depth.store(self.depth.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// Whether this stack pointer is on the coroutine's stack, with room for a frame.
    pub(super) fn has_room(&self, stack_pointer: usize) -> bool {
        (self.addresses.start + arch::RED_ZONE..self.addresses.end).contains(&stack_pointer)
    }

    /// Whether the interrupted code, which is registered, may be left where it is.
    fn admits(&self, request: u64, stack_pointer: usize) -> bool {
        self.depth.load(Ordering::Relaxed) == 0
            && self.has_room(stack_pointer)
            && coroutine::current_is_within(&self.addresses)
            && (self.gate)(request)
    }
}
