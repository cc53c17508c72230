//! Windows, which has no signals: the thread is suspended, and found where it is; if that is in registered code on a preemptible coroutine, it goes on in
//! a trampoline ([`arch::trampoline`]) as if it had called that, on its own stack and with all registers saved.
//!
//! What the suspended thread holds is not known, so that between suspending and resuming it nothing is called but the system.
//!
//! The trampoline is in no registered range, nor is anything that it calls, and what a request leaves for it is read before anything else may be
//! interrupted. So a stack carries one of its frames at most, however fast requests come.

use std::cell::UnsafeCell;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, GetLastError, HANDLE, SetLastError,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    CONTEXT, CONTEXT_CONTROL_AMD64, CONTEXT_EXCEPTION_ACTIVE_AMD64, CONTEXT_EXCEPTION_REQUEST_AMD64,
    CONTEXT_INTEGER_AMD64, CONTEXT_SERVICE_ACTIVE_AMD64, GetThreadContext, SetThreadContext,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetCurrentThreadId, ResumeThread, SuspendThread,
};

use super::arch::{self, Interrupted};
use super::armed::{self, Seat};
use super::{Refused, ranges};

/// Where the thread was when it was sent into the trampoline.
#[derive(Debug)]
pub(super) struct Message(UnsafeCell<Interrupted>);

// SAFETY: [INV-15] written only while the thread is suspended, and read only by that thread.
unsafe impl Sync for Message {}

impl Message {
    pub(super) const fn new() -> Message {
        Message(UnsafeCell::new(Interrupted::nowhere()))
    }
}

/// Nothing has to be installed.
///
/// # Errors
/// None.
///
/// ```
/// maniac_context::preempt::install()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn install() -> io::Result<()> {
    Ok(())
}

/// A thread that can be asked to leave the coroutine that it runs.
///
/// ```
/// use maniac_context::preempt::{Refused, Target};
/// let target = Target::new();
/// target.bind();
/// assert_eq!(target.request(1), Err(Refused::Elsewhere), "it is here");
/// target.unbind();
/// assert_eq!(target.request(1), Err(Refused::NoThread));
/// ```
#[derive(Debug, Default)]
pub struct Target(Mutex<Option<Bound>>);

#[derive(Debug)]
struct Bound {
    thread: OwnedHandle,
    number: u32,
    seat: Arc<Seat>,
}

impl Target {
    /// Bound to no thread.
    #[must_use]
    pub const fn new() -> Target {
        Target(Mutex::new(None))
    }

    /// Binds the calling thread. It has to [`unbind`](Self::unbind) before it ends.
    pub fn bind(&self) {
        // SAFETY: [INV-10] reads a number of the thread's.
        let number = unsafe { GetCurrentThreadId() };
        let bound = this_thread().zip(armed::seat()).map(|(thread, seat)| Bound { thread, number, seat });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bound;
    }

    /// Does nothing to the thread from now on.
    pub fn unbind(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Suspends the thread for a moment, and sends it into the trampoline if it is where it may be left. Whether it is left then is decided on that thread.
    ///
    /// # Errors
    /// [`Refused`]: the thread goes on as if nothing had been.
    pub fn request(&self, request: u64) -> Result<(), Refused> {
        /// Two threads that suspend each other would wait for ever.
        static SUSPENDING: Mutex<()> = Mutex::new(());
        let bound = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = bound.as_ref().ok_or(Refused::NoThread)?;
        // SAFETY: [INV-10] reads a number of the thread's.
        if unsafe { GetCurrentThreadId() } == bound.number {
            return Err(Refused::Elsewhere);
        }
        let _one_at_a_time = SUSPENDING.lock().unwrap_or_else(PoisonError::into_inner);
        // Goes on before the locks are free.
        let thread = Suspended::new(bound.thread.as_raw_handle()).ok_or(Refused::System)?;
        thread.divert(&bound.seat, request)
    }
}

/// A handle of the calling thread that others can use.
fn this_thread() -> Option<OwnedHandle> {
    let mut handle: HANDLE = null_mut();
    // SAFETY: [INV-10] names the calling process.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: [INV-10] names the calling thread.
    let thread = unsafe { GetCurrentThread() };
    // SAFETY: [INV-10] writes a new handle of our own to a local.
    let made =
        unsafe { DuplicateHandle(process, thread, process, &raw mut handle, 0, 0, DUPLICATE_SAME_ACCESS) };
    // SAFETY: [local] the handle was made above, and is nobody else's.
    (made != 0).then(|| unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A thread that does not run while this value lives.
struct Suspended(HANDLE);

impl Drop for Suspended {
    fn drop(&mut self) {
        // SAFETY: [INV-10] undoes what `new` did.
        unsafe { ResumeThread(self.0) };
    }
}

impl Suspended {
    fn new(thread: HANDLE) -> Option<Suspended> {
        // SAFETY: [INV-10] a thread of this process that is not the calling one.
        let before = unsafe { SuspendThread(thread) };
        (before != u32::MAX).then_some(Suspended(thread))
    }

    /// Has the thread go on in the trampoline, if it is in registered code, on the stack of the coroutine that it entered last.
    fn divert(&self, seat: &Seat, request: u64) -> Result<(), Refused> {
        /// As the system aligns it.
        #[repr(align(16))]
        struct Aligned(CONTEXT);
        const WANTED: u32 = CONTEXT_CONTROL_AMD64 | CONTEXT_INTEGER_AMD64;
        const IN_THE_KERNEL: u32 = CONTEXT_EXCEPTION_ACTIVE_AMD64 | CONTEXT_SERVICE_ACTIVE_AMD64;

        // SAFETY: [local] all zero is a valid context.
        let mut context: Aligned = unsafe { std::mem::zeroed() };
        let context = &mut context.0;
        context.ContextFlags = WANTED | CONTEXT_EXCEPTION_REQUEST_AMD64;
        // The thread stands still only when this has returned: suspending does not wait for it.
        // SAFETY: [INV-10] writes to a local, which says how much of it is wanted.
        if unsafe { GetThreadContext(self.0, context) } == 0 {
            return Err(Refused::System);
        }
        if context.ContextFlags & IN_THE_KERNEL != 0 || !ranges::contain(context.Rip as usize) {
            return Err(Refused::Elsewhere);
        }
        // SAFETY: [INV-11] not null, it points to a record in a frame of the thread, which stands still.
        match unsafe { seat.armed().as_ref() } {
            Some(armed) if armed.has_room(context.Rsp as usize) => {}
            _ => return Err(Refused::Elsewhere),
        }
        let message = seat.message.0.get();
        // SAFETY: [INV-15] the thread stands still, in registered code, and not in the trampoline, which alone reads this.
        unsafe { message.write(Interrupted::at(context, request)) };
        context.ContextFlags = WANTED;
        arch::divert(context, message);
        // SAFETY: [INV-12] the thread is in registered code, with room for the trampoline's frame on its stack.
        if unsafe { SetThreadContext(self.0, context) } == 0 { Err(Refused::System) } else { Ok(()) }
    }
}

/// Called by the trampoline.
pub(super) extern "C" fn on_interruption(message: *const Interrupted) {
    // SAFETY: [INV-15] this thread's seat, in which a request left it.
    let Interrupted { request, rip, rsp, .. } = unsafe { message.read() };
    // Before a look at thread-locals, which changes it.
    // SAFETY: [INV-10] a variable of this thread.
    let error = unsafe { GetLastError() };
    armed::interrupted(request, rip as usize, rsp as usize);
    // SAFETY: [INV-10] as above; the coroutine never leaves its thread.
    unsafe { SetLastError(error) };
}

/// Nothing is held off: code that is not registered is not interrupted.
pub(super) fn hold() {}

/// Nothing was held off.
///
/// ```
/// maniac_context::preempt::let_through();
/// ```
pub fn let_through() {}

/// Bytes that a stack needs below what its calls use.
pub(super) fn room() -> Option<usize> {
    arch::room()
}
