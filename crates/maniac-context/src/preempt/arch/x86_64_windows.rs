//! x86-64 on Windows: the trampoline that saves all registers where a thread was interrupted, as a kernel does elsewhere before it calls a signal's handler.
//!
//! The registers are the general ones and whatever the XSAVE instruction finds in this processor. Only the rights of protection keys (PKRU) stay as
//! they are: they are not the computation's.

use std::arch::naked_asm;
use std::arch::x86_64::__cpuid_count;
use std::mem::offset_of;
use std::sync::OnceLock;

use windows_sys::Win32::System::Diagnostics::Debug::CONTEXT;

use crate::preempt::imp::on_interruption;

/// Where a thread was interrupted, and what for: how [`divert`] and the trampoline share it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    /// As iretq takes them from the stack, from here up.
    pub(crate) rip: u64,
    cs: u64,
    flags: u64,
    pub(crate) rsp: u64,
    ss: u64,
    /// What stood in the register that leads the trampoline here.
    rax: u64,
    /// Bytes that XSAVE writes.
    area: u64,
    pub(crate) request: u64,
}

impl Interrupted {
    pub(crate) const fn nowhere() -> Interrupted {
        Interrupted { rip: 0, cs: 0, flags: 0, rsp: 0, ss: 0, rax: 0, area: 0, request: 0 }
    }

    pub(crate) fn at(context: &CONTEXT, request: u64) -> Interrupted {
        Interrupted {
            rip: context.Rip,
            cs: context.SegCs.into(),
            flags: context.EFlags.into(),
            rsp: context.Rsp,
            ss: context.SegSs.into(),
            rax: context.Rax,
            area: area().unwrap_or(0) as u64,
            request,
        }
    }
}

/// Makes a thread that was where `message` says go on in the trampoline.
pub(crate) fn divert(context: &mut CONTEXT, message: *const Interrupted) {
    /// The flags that a called function expects to be clear: direction, and alignment checks.
    const CLEAR: u32 = 1 << 10 | 1 << 18;
    context.Rip = trampoline as *const () as u64;
    context.Rsp = (context.Rsp - super::RED_ZONE as u64) & !15;
    context.Rax = message as u64;
    context.EFlags &= !CLEAR;
}

/// Bytes that XSAVE writes for the parts of the processor's state that the system has enabled; `None` where there is no such instruction. Found out once, and
/// not while a thread is suspended.
fn area() -> Option<usize> {
    static AREA: OnceLock<Option<usize>> = OnceLock::new();
    *AREA.get_or_init(|| {
        #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
        // SAFETY: [INV-14] this part of the instruction's answer is there where XSAVE is.
        let bytes = || unsafe { __cpuid_count(0xd, 0) }.ebx as usize;
        is_x86_feature_detected!("xsave").then(bytes)
    })
}

/// Bytes that the trampoline's frame takes, and 4 KiB for what it calls (as much as unoptimised code needs).
pub(crate) fn room() -> Option<usize> {
    // The general registers, what the alignment of both parts may cost, and the callee's home space.
    let fixed = offset_of!(Interrupted, area) + 14 * 8 + 16 + 64 + 32;
    Some(area()?.next_multiple_of(64) + fixed + 4096)
}

/// What XRSTOR makes the initial state of: no part is there, and the one word that it takes from here in any case.
#[repr(C, align(64))]
struct Initial {
    before: [u32; 6],
    mxcsr: u32,
    after: [u32; 137],
}

static INITIAL: Initial = Initial { before: [0; 6], mxcsr: 0x1f80, after: [0; 137] };

const _: () = assert!(offset_of!(Initial, mxcsr) == 24 && size_of::<Initial>() == 576);

/// Where [`divert`] sends a thread. In `rax` is the address of its [`Interrupted`], in `rsp` one below the interrupted code's data; all else is that code's.
///
/// Saves everything on the stack, calls [`on_interruption`] in the state that a function expects to find (floating point as in a new thread), puts everything back, and goes to
/// where the thread was. As what the hardware itself pushes when it interrupts code is at the frame's end, debuggers can follow the stack through it.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn trampoline() {
    naked_asm!(
        ".seh_proc {trampoline}",
        ".irp part, 32, 24, 16, 8, 0",
        "push qword ptr [rax + \\part]",
        ".endr",
        ".seh_pushframe",
        "push qword ptr [rax + 40]",
        ".seh_pushreg rax",
        ".irp register, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15",
        "push \\register",
        ".seh_pushreg \\register",
        ".endr",
        "mov rbp, rsp",
        ".seh_setframe rbp, 0",
        ".seh_endprologue",
        // The area, in steps of a page: the system lets a stack grow only where its guard page is touched.
        "mov rdx, rsp",
        "sub rdx, [rax + 48]",
        "and rdx, -64",
        "mov r8, rsp",
        "2:",
        "sub r8, 4096",
        "cmp r8, rdx",
        "jb 3f",
        "test [r8], r8",
        "jmp 2b",
        "3:",
        "mov rsp, rdx",
        // Its header, which XSAVE leaves alone but for the bits of what it saves.
        ".irp word, 0, 1, 2, 3, 4, 5, 6, 7",
        "mov qword ptr [rsp + 512 + 8 * \\word], 0",
        ".endr",
        "mov rcx, rax",
        "mov eax, {all}",
        "mov edx, -1",
        "xsave64 [rsp]",
        "xrstor64 [rip + {initial}]",
        "sub rsp, 32",
        "call {on_interruption}",
        "add rsp, 32",
        "mov eax, {all}",
        "mov edx, -1",
        "xrstor64 [rsp]",
        "mov rsp, rbp",
        ".irp register, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax",
        "pop \\register",
        ".endr",
        "iretq",
        ".seh_endproc",
        trampoline = sym trampoline,
        // All parts but the ninth, PKRU.
        all = const !(1_u32 << 9) as i32,
        initial = sym INITIAL,
        on_interruption = sym on_interruption,
    )
}
