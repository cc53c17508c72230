//! Linux: a signal can carry a value, and is queued with it.

use std::mem::offset_of;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::{PROCESS, Received, SIGNAL, is_installed};
use crate::preempt::{REQUEST_BITS, Refused};

/// What the high bits of the value say that comes with a signal of ours ("ma").
const MARK: u64 = 0x6d61;

/// A thread that can be asked to leave the coroutine that it runs.
///
/// ```
/// use maniac_context::preempt::{Refused, Target};
/// let target = Target::new();
/// target.bind();
/// # #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
/// maniac_context::preempt::install()?;
/// // This thread runs no coroutine, so that nothing comes of it.
/// let _ = target.request(1);
/// target.unbind();
/// assert_eq!(target.request(1), Err(Refused::NoThread));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Target(
    /// The thread's number in the kernel. Held while a signal is sent, so that the thread does not end meanwhile, and its number become another's.
    Mutex<Option<libc::pid_t>>,
);

impl Target {
    /// Bound to no thread.
    #[must_use]
    pub const fn new() -> Target {
        Target(Mutex::new(None))
    }

    /// Binds the calling thread. It has to [`unbind`](Self::unbind) before it ends.
    pub fn bind(&self) {
        // SAFETY: [INV-10] gettid reads a number of the thread's.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = libc::pid_t::try_from(thread).ok();
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
        let thread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = thread.ok_or(Refused::NoThread)?;
        if !is_installed() {
            return Err(Refused::NoHandler);
        }
        send(number, request)
    }
}

/// The beginning of a `siginfo_t` that carries a value, as the kernel lays it out on 64-bit machines (linux/signal.h).
#[repr(C)]
struct Info {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    _padding: libc::c_int,
    process: libc::pid_t,
    user: libc::uid_t,
    value: u64,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<Info>() == size_of::<libc::siginfo_t>() && offset_of!(Info, value) == 24);

fn send(thread: libc::pid_t, request: u64) -> Result<(), Refused> {
    let value = MARK << REQUEST_BITS | request & ((1 << REQUEST_BITS) - 1);
    let process = PROCESS.load(Ordering::Relaxed);
    let info = Info {
        signal: SIGNAL,
        error: 0,
        code: libc::SI_QUEUE,
        _padding: 0,
        process,
        user: 0,
        value,
        _rest: [0; 12],
    };
    // SAFETY: [INV-10] rt_tgsigqueueinfo(2) reads the whole `info`; of other processes it refuses.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, SIGNAL, &raw const info) };
    if result == 0 { Ok(()) } else { Err(Refused::System) }
}

/// What the signal of this information is about: ours are marked.
///
/// # Safety
/// `info` is what the kernel gave a handler with SA_SIGINFO.
pub(super) unsafe fn received(info: *const libc::siginfo_t, _program_counter: usize) -> Received {
    // SAFETY: [INV-8, caller] a siginfo_t begins like this.
    let Info { code, process, value, .. } = unsafe { info.cast::<Info>().read() };
    let ours =
        code == libc::SI_QUEUE && value >> REQUEST_BITS == MARK && process == PROCESS.load(Ordering::Relaxed);
    Received { request: ours.then_some(value & ((1 << REQUEST_BITS) - 1)), is_others: !ours }
}

/// The address of this thread's `errno`.
pub(super) fn errno() -> *mut libc::c_int {
    // SAFETY: [INV-8] the address of a variable of this thread.
    unsafe { libc::__errno_location() }
}
