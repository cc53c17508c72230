//! Keeps the addon's code where it is: threads of the runtime outlive the environment that loaded it, after which node
//! would unload it.

use std::ffi::c_void;
use std::sync::Once;

/// Pins the image, once.
pub(crate) fn pin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(pin_now);
}

#[cfg(unix)]
fn pin_now() {
    // SAFETY: [local] all zeros is a valid structure of pointers.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: [local] an address within this image, and a structure that is alive for the call.
    if unsafe { libc::dladdr(pin as *const c_void, &mut info) } == 0 {
        return;
    }
    // SAFETY: [local] the loader's own text; the image is loaded, so nothing of it runs again.
    unsafe { libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NODELETE) };
}

#[cfg(not(unix))]
fn pin_now() {}
