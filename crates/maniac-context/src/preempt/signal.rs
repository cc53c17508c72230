//! The signal, SIGURG: sending it to a thread of ours, and the handler that leaves a coroutine from where it was interrupted.
//!
//! The signal is blocked while the handler runs. Whoever comes to run next on the thread lets it through again ([`let_through`]); whoever goes back into a
//! handler holds it off first ([`hold`]), until the kernel puts the interrupted code's mask back together with its registers. So a stack
//! carries one frame of this signal at most, however fast signals come.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{arch, armed};
use crate::signals;
use crate::stack::sys;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;

#[cfg(target_os = "macos")]
pub(super) use system::Message;
pub use system::Target;

/// Ignored where nobody handles it, and used by few: Go's choice for the same purpose.
const SIGNAL: libc::c_int = libc::SIGURG;

/// What handled the signal before. Set before the handler is installed, so that the handler always finds it; never freed, as that may be looking at it.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// The process that the handler was installed in; others' signals do not concern it.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Installs the handler of SIGURG; doing so again does nothing. Signals that [`Target::request`] did not send go to the handler that stood there before.
///
/// # Errors
/// What the system says.
///
/// ```
/// # #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
/// maniac_context::preempt::install()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn install() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let previous = signals::current_action(SIGNAL)?;
    let is_handled = !matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
    if is_handled && previous.sa_flags & libc::SA_ONSTACK != 0 {
        // Ours must not run on a signal stack, that one may need to (Go's small stacks), and there is one flag for both.
        let reason = "SIGURG has a handler that runs on the alternate signal stack";
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    // Release: the handler sees what is there.
    PREVIOUS.store(Box::leak(Box::new(previous)), Ordering::Release);
    PROCESS.store(std::process::id().cast_signed(), Ordering::Relaxed);
    // Neither SA_ONSTACK, since the frame is to lie on the coroutine's stack, nor SA_NODEFER, since frames would nest without end. The mask stays empty:
    // it would have to be put back after a switch.
    let restart = match previous.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => libc::SA_RESTART,
        _ => previous.sa_flags & libc::SA_RESTART,
    };
    let mut action = previous;
    action.sa_flags = libc::SA_SIGINFO | restart;
    action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
    action.sa_mask = set_of(None);
    // SAFETY: [INV-8] `action` is a whole sigaction whose handler has the type that SA_SIGINFO demands.
    if unsafe { libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    *installed = true;
    Ok(())
}

/// Lets SIGURG through on the calling thread, which may have inherited a mask that holds it off, or has left a handler without returning from it.
///
/// ```
/// maniac_context::preempt::let_through(); // on a thread of one's own
/// ```
pub fn let_through() {
    mask(libc::SIG_UNBLOCK, &set_of(Some(SIGNAL)));
}

/// Whether the signal is ours still.
fn is_installed() -> bool {
    signals::current_action(SIGNAL)
        .is_ok_and(|action| action.sa_sigaction == on_signal as *const () as libc::sighandler_t)
}

extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: [INV-8] with SA_SIGINFO the kernel passes a valid ucontext_t.
    let interrupted = unsafe { &*context.cast::<libc::ucontext_t>() };
    let program_counter = arch::program_counter(interrupted);
    // SAFETY: [INV-8] with SA_SIGINFO the kernel passes a valid siginfo_t.
    let received = unsafe { system::received(info, program_counter) };
    if received.is_others {
        forward(signal, info, context);
    }
    let Some(request) = received.request else { return };
    let errno = system::errno();
    // SAFETY: [INV-8] a variable of this thread.
    let before = unsafe { *errno };
    armed::interrupted(request, program_counter, arch::stack_pointer(interrupted));
    // SAFETY: [INV-8] the coroutine never leaves its thread.
    unsafe { *errno = before };
}

/// What a signal is about.
struct Received {
    /// What we asked by it.
    request: Option<u64>,
    /// Whether it may be meant for the handler before ours.
    is_others: bool,
}

/// A signal that is not ours.
fn forward(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: [INV-8] null, or a leaked action.
    let Some(previous) = (unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() }) else { return };
    if matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        return; // Which for this signal is the same.
    }
    let before = mask(libc::SIG_BLOCK, &previous.sa_mask);
    // SAFETY: [INV-8] the action that stood in our handler's place, with what the kernel gave.
    unsafe { signals::call(previous, signal, info, context) };
    mask(libc::SIG_SETMASK, &before);
}

/// Holds the signal off on this thread, which is about to go back into a handler.
pub(super) fn hold() {
    mask(libc::SIG_BLOCK, &set_of(Some(SIGNAL)));
}

/// Bytes that a stack needs below what its calls use.
pub(super) fn room() -> Option<usize> {
    Some(sys::signal_room())
}

fn set_of(signal: Option<libc::c_int>) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: [local] the call only writes to `set`.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    if let Some(signal) = signal {
        // SAFETY: [local] as above.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: [local] written by the call, and all zero before, which is a valid value.
    unsafe { set.assume_init() }
}

/// Changes this thread's mask; gives the one before. Async-signal-safe.
fn mask(how: libc::c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = set_of(None);
    // SAFETY: [INV-10] reads one set and writes the other. It cannot fail: `how` is valid.
    unsafe { libc::pthread_sigmask(how, set, &raw mut before) };
    before
}
