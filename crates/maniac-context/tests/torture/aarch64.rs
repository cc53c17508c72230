//! AArch64: general registers, flags, FPCR and FPSR, and the vectors: SVE's with predicates and the first fault register where the CPU has
//! them, else NEON's.

use super::{Class, Context, Random};
use std::arch::is_aarch64_feature_detected;

std::arch::global_asm!(include_str!("aarch64.s"));

unsafe extern "C" {
    fn torture_neon(context: *mut u8, rounds: u64);
    fn torture_sve(context: *mut u8, rounds: u64);
    fn torture_vector_bytes() -> usize;
}

fn has_sve() -> bool {
    is_aarch64_feature_detected!("sve")
}

pub(crate) fn run(context: &mut Context, rounds: u64) {
    let run = if has_sve() { torture_sve } else { torture_neon };
    // SAFETY: it touches the context and its own stack, and the CPU has what it uses.
    unsafe { run(context.0.as_mut_ptr(), rounds) };
}

pub(crate) fn classes() -> Vec<Class> {
    let mut classes = vec![
        Class::new("general", 16..144),
        Class::new("general", 152..248),
        Class::new("FPCR", 512..520),
        Class::new("FPSR", 520..528),
        Class::new("flags", 528..536),
    ];
    if has_sve() {
        // SAFETY: the CPU has the instruction.
        let bytes = unsafe { torture_vector_bytes() };
        classes.extend((0..32).map(|n| Class::new("vector", 1024 + bytes * n..1024 + bytes * (n + 1))));
        classes.push(Class::new("predicate", 9216..9216 + 2 * bytes));
        classes.push(Class::new("first fault", 536..544));
    } else {
        classes.extend((0..32).map(|n| Class::new("vector", 1024 + 16 * n..1024 + 16 * (n + 1))));
    }
    classes
}

/// Makes random bytes values that the registers can have.
pub(crate) fn adjust(context: &mut Context, random: &mut Random) {
    // Rounding mode, flush to zero, default NaN; the cumulative flags; negative, zero, carry, overflow; five lanes without a fault.
    let words = [random.next() & 0x03c0_0000, random.next() & 0x0800_009f, random.next() & 0xf000_0000, 5];
    for (at, word) in words.into_iter().enumerate() {
        context.0[512 + 8 * at..520 + 8 * at].copy_from_slice(&word.to_le_bytes());
    }
}

/// The words that the scheduler's own code goes by.
pub(crate) fn control() -> u64 {
    let word: u64;
    // SAFETY: reads a register.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) word) };
    word
}

/// Sets words that are not the default ones, as a program may: denormals are zero.
pub(crate) fn set_control() {
    // SAFETY: writes a valid word. No arithmetic of this test depends on it.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) 1_u64 << 24) };
}

/// Takes the vectors out of a frame.
pub(crate) fn strip(context: &mut libc::ucontext_t) {
    let mut at = (&raw mut context.uc_mcontext).cast::<u8>().wrapping_add(288);
    loop {
        // SAFETY: records of the frame follow each other, each with its kind and size, and an empty one ends them.
        let [kind, bytes] = unsafe { at.cast::<[u32; 2]>().read() };
        match kind {
            0 => return,
            // SAFETY: FPSIMD and SVE: registers from byte 16 to the record's end.
            0x4650_8001 | 0x5356_4501 if bytes > 16 => unsafe {
                at.wrapping_add(16).write_bytes(0, bytes as usize - 16);
            },
            _ => {}
        }
        at = at.wrapping_add(bytes as usize);
    }
}
