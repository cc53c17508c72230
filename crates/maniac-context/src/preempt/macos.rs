//! macOS: a signal carries nothing, so that what is asked lies in the thread's seat. This has been compiled and linked, and never run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Received, SIGNAL, is_installed};
use crate::preempt::armed::{self, Seat};
use crate::preempt::{REQUEST_BITS, Refused, ranges};

/// What was asked of the thread last, and [`ASKED`]; zero if it has seen that.
#[derive(Debug)]
pub(crate) struct Message(AtomicU64);

/// Set in a message that was not seen.
const ASKED: u64 = 1 << REQUEST_BITS;

impl Message {
    pub(crate) const fn new() -> Message {
        Message(AtomicU64::new(0))
    }
}

/// A thread that can be asked to leave the coroutine that it runs.
///
/// ```
/// use maniac_context::preempt::{Refused, Target};
/// let target = Target::new();
/// target.bind();
/// target.unbind();
/// assert_eq!(target.request(1), Err(Refused::NoThread));
/// ```
#[derive(Debug, Default)]
pub struct Target(
    /// Held while a signal is sent, so that the thread does not end meanwhile.
    Mutex<Option<Bound>>,
);

#[derive(Debug)]
struct Bound {
    thread: libc::pthread_t,
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
        // SAFETY: [INV-10] reads which thread this is.
        let thread = unsafe { libc::pthread_self() };
        let bound = armed::seat().map(|seat| Bound { thread, seat });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bound;
    }

    /// Sends no signal from now on.
    pub fn unbind(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Sends the signal. Whether it leads to a preemption is decided on that thread, when it gets there.
    ///
    /// # Errors
    /// [`Refused`]: nothing was sent.
    pub fn request(&self, request: u64) -> Result<(), Refused> {
        let bound = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = bound.as_ref().ok_or(Refused::NoThread)?;
        if !is_installed() {
            return Err(Refused::NoHandler);
        }
        bound.seat.message.0.store(ASKED | request & (ASKED - 1), Ordering::Relaxed);
        // SAFETY: [INV-10] the thread has not ended; its number is no other's before it has.
        let result = unsafe { libc::pthread_kill(bound.thread, SIGNAL) };
        if result == 0 { Ok(()) } else { Err(Refused::System) }
    }
}

/// What a signal that interrupted this code is about. Signals of the same number become one, so that each may be another's too.
///
/// # Safety
/// None; as on other systems.
pub(super) unsafe fn received(_info: *const libc::siginfo_t, program_counter: usize) -> Received {
    // Elsewhere the thread must not look at its thread-locals, and would not be left.
    let message = if ranges::contain(program_counter) { armed::seat() } else { None };
    let message = message.map_or(0, |seat| seat.message.0.swap(0, Ordering::Relaxed));
    Received { request: (message != 0).then_some(message & (ASKED - 1)), is_others: true }
}

/// The address of this thread's `errno`.
pub(super) fn errno() -> *mut libc::c_int {
    // SAFETY: [INV-8] the address of a variable of this thread.
    unsafe { libc::__error() }
}
