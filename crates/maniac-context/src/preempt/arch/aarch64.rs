//! AArch64.

use std::arch::asm;

/// Bytes below the stack pointer that belong to the interrupted function: on macOS alone, where the kernel puts its frame below them.
pub(crate) const RED_ZONE: usize = if cfg!(target_os = "macos") { 128 } else { 0 };

#[cfg(target_os = "linux")]
pub(crate) fn program_counter(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

#[cfg(target_os = "linux")]
pub(crate) fn stack_pointer(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.sp as usize
}

#[cfg(target_os = "macos")]
pub(crate) fn program_counter(context: &libc::ucontext_t) -> usize {
    // SAFETY: [INV-8] in a signal's context the kernel sets this.
    unsafe { (*context.uc_mcontext).__ss.__pc as usize }
}

#[cfg(target_os = "macos")]
pub(crate) fn stack_pointer(context: &libc::ucontext_t) -> usize {
    // SAFETY: [INV-8] as above.
    unsafe { (*context.uc_mcontext).__ss.__sp as usize }
}

/// The floating-point control register of a thread. A handler has the interrupted code's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control(u64);

impl Control {
    pub(crate) fn read() -> Control {
        let control: u64;
        // SAFETY: [INV-14] reads a register.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags)) };
        Control(control)
    }

    pub(crate) fn write(&self) {
        // SAFETY: [INV-14] puts back what `read` found.
        unsafe { asm!("msr fpcr, {}", in(reg) self.0, options(nomem, nostack, preserves_flags)) };
    }
}
