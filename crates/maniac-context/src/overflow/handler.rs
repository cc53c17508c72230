//! The signal handler. Everything it reaches is async-signal-safe: it reads atomics and writes to standard error.

use std::io;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::{SLABS, name};
use crate::signals::{self, current_action};

/// A touched guard is one of these, depending on the system.
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// What handled [`SIGNALS`] before. Set before the handler is installed, so that the handler always finds it.
static PREVIOUS: OnceLock<[libc::sigaction; 2]> = OnceLock::new();

pub(super) fn install() -> io::Result<()> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if PREVIOUS.get().is_some() {
        return Ok(());
    }
    let previous = [current_action(SIGNALS[0])?, current_action(SIGNALS[1])?];
    let _ = PREVIOUS.set(previous);
    for (signal, previous) in SIGNALS.into_iter().zip(previous) {
        // What the previous handler asked for holds for it still: its mask, and whether it may be interrupted.
        let mut action = previous;
        action.sa_flags = previous.sa_flags & (libc::SA_NODEFER | libc::SA_RESTART);
        action.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
        action.sa_sigaction = on_fault as *const () as libc::sighandler_t;
        // SAFETY: [INV-8] `action` is a whole sigaction whose handler has the type that SA_SIGINFO demands.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: [INV-8] with SA_SIGINFO the kernel passes a valid siginfo_t.
    let fault = unsafe { &*info };
    let code = fault.si_code;
    if code > 0 {
        // SAFETY: [INV-8] a signal that the kernel raised for a fault carries an address.
        let address = unsafe { fault.si_addr() };
        if let Some(bytes) = SLABS.stack_guarded_by(address.addr()) {
            report(bytes);
        }
    }
    forward(signal, code, info, context);
}

/// Says whose stack overflowed and ends the process.
fn report(bytes: usize) -> ! {
    let name = name::current();
    let mut digits = [0; 20];
    let size = decimal(bytes / 1024, &mut digits);
    let task =
        if name.as_str().is_empty() { ["", "an unnamed task", ""] } else { ["task `", name.as_str(), "`"] };
    for text in [
        "\nmaniac: ",
        task[0],
        task[1],
        task[2],
        " has overflowed its stack of ",
        size,
        " KiB; give it a larger one\n",
    ] {
        // SAFETY: [local] write(2) reads `text`. Whether it succeeds changes nothing.
        // tidy-allow: architecture: a signal handler's last words; no driver can be called from one
        let _ = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    }
    // SAFETY: [INV-8] abort(3) is async-signal-safe.
    unsafe { libc::abort() }
}

fn decimal(mut value: usize, digits: &mut [u8; 20]) -> &str {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            return std::str::from_utf8(&digits[start..]).unwrap_or_default();
        }
    }
}

/// Does what would have happened without this handler.
fn forward(signal: libc::c_int, code: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(previous) = PREVIOUS.get() else { return };
    let previous = previous[usize::from(signal != SIGNALS[0])];
    match previous.sa_sigaction {
        // A signal that somebody sent can be ignored, a fault cannot.
        libc::SIG_IGN if code <= 0 => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            let default = libc::sigaction { sa_sigaction: libc::SIG_DFL, ..previous };
            // SAFETY: [INV-8] a whole sigaction. Returning then repeats the fault, which takes its default action.
            let _ = unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
            if code <= 0 {
                // SAFETY: [INV-8] raise(3) is async-signal-safe; the signal comes when this handler has returned.
                let _ = unsafe { libc::raise(signal) };
            }
        }
        // SAFETY: [INV-8] the action that stood in our handler's place, with what the kernel gave.
        _ => unsafe { signals::call(&previous, signal, info, context) },
    }
}
