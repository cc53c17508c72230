//! What the handlers of signals share: asking for the action that stands, and doing what it would have done.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// What the process does about a signal.
pub(crate) fn current_action(signal: libc::c_int) -> io::Result<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: [local] the call only writes to `action`.
    if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: [local] written by the call, and all zero before, which is a valid value.
    Ok(unsafe { action.assume_init() })
}

/// Calls the handler of an action, which is neither `SIG_DFL` nor `SIG_IGN`.
///
/// # Safety
/// The action was installed for `signal`; the pointers are what the kernel gave a handler of that signal, in which this is called.
pub(crate) unsafe fn call(
    action: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if action.sa_flags & libc::SA_SIGINFO != 0 {
        type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: [INV-8] SA_SIGINFO says that the handler has this type.
        let handler = unsafe { std::mem::transmute::<libc::sighandler_t, Handler>(action.sa_sigaction) };
        // SAFETY: [INV-8] called as the kernel would have called it.
        unsafe { handler(signal, info, context) };
    } else {
        type Handler = unsafe extern "C" fn(libc::c_int);
        // SAFETY: [INV-8] without SA_SIGINFO the handler has this type.
        let handler = unsafe { std::mem::transmute::<libc::sighandler_t, Handler>(action.sa_sigaction) };
        // SAFETY: [INV-8] called as the kernel would have called it.
        unsafe { handler(signal) };
    }
}
