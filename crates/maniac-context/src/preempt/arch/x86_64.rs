//! x86-64.

use std::arch::asm;

/// Bytes below the stack pointer that belong to the interrupted function (System V ABI, which functions may have on Windows too); frames begin below them.
pub(crate) const RED_ZONE: usize = 128;

#[cfg(target_os = "linux")]
pub(crate) fn program_counter(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

#[cfg(target_os = "linux")]
pub(crate) fn stack_pointer(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RSP as usize] as usize
}

#[cfg(target_os = "macos")]
pub(crate) fn program_counter(context: &libc::ucontext_t) -> usize {
    // SAFETY: [INV-8] in a signal's context the kernel sets this.
    unsafe { (*context.uc_mcontext).__ss.__rip as usize }
}

#[cfg(target_os = "macos")]
pub(crate) fn stack_pointer(context: &libc::ucontext_t) -> usize {
    // SAFETY: [INV-8] as above.
    unsafe { (*context.uc_mcontext).__ss.__rsp as usize }
}

/// The control words of a thread's floating-point units. In a handler the defaults stand there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    sse: u32,
    x87: u16,
}

impl Control {
    pub(crate) fn read() -> Control {
        let mut control = Control { sse: 0, x87: 0 };
        // SAFETY: [INV-14] stores MXCSR where the operand points: to a local.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut control.sse, options(nostack, preserves_flags)) };
        // SAFETY: [INV-14] as above, the x87 control word.
        unsafe { asm!("fnstcw [{}]", in(reg) &raw mut control.x87, options(nostack, preserves_flags)) };
        control
    }

    pub(crate) fn write(&self) {
        // SAFETY: [INV-14] loads what `read` found.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const self.sse, options(nostack, preserves_flags)) };
        // SAFETY: [INV-14] as above.
        unsafe { asm!("fldcw [{}]", in(reg) &raw const self.x87, options(nostack, preserves_flags)) };
    }
}
