//! AArch64.

use std::arch::asm;

/// No bytes below the stack pointer belong to anybody.
pub(crate) const RED_ZONE: usize = 0;

pub(crate) fn program_counter(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

pub(crate) fn stack_pointer(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.sp as usize
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
