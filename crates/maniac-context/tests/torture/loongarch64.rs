//! LoongArch64: general registers, floating point with its control register and condition flags, and LSX's vectors where the CPU has them.

use super::{Class, Context, Random};

std::arch::global_asm!(include_str!("loongarch64.s"));

unsafe extern "C" {
    fn torture_float(context: *mut u8, rounds: u64);
    fn torture_lsx(context: *mut u8, rounds: u64);
}

fn has_lsx() -> bool {
    // SAFETY: getauxval(3) reads the auxiliary vector.
    (unsafe { libc::getauxval(libc::AT_HWCAP) }) >> 4 & 1 == 1
}

pub(crate) fn run(context: &mut Context, rounds: u64) {
    let run = if has_lsx() { torture_lsx } else { torture_float };
    // SAFETY: it touches the context and its own stack, and the CPU has what it uses.
    unsafe { run(context.0.as_mut_ptr(), rounds) };
}

pub(crate) fn classes() -> Vec<Class> {
    let bytes = if has_lsx() { 16 } else { 8 };
    let mut classes = vec![
        Class::new("general", 8..16),
        Class::new("general", 48..168),
        Class::new("general", 176..256),
        Class::new("fcsr", 512..520),
        Class::new("condition flags", 520..584),
    ];
    classes.extend((0..32).map(|n| Class::new("vector", 1024 + 16 * n..1024 + 16 * n + bytes)));
    classes
}

/// Makes random bytes values that the registers can have.
pub(crate) fn adjust(context: &mut Context, random: &mut Random) {
    // The rounding mode; no exception is enabled. Then eight flags.
    let words = std::iter::once(random.next() & 0x300).chain((0..8).map(|_| random.next() & 1));
    for (at, word) in words.collect::<Vec<_>>().into_iter().enumerate() {
        context.0[512 + 8 * at..520 + 8 * at].copy_from_slice(&word.to_le_bytes());
    }
}

/// The rounding mode that the scheduler's own code goes by.
pub(crate) fn control() -> u64 {
    let word: u64;
    // SAFETY: reads a register.
    unsafe { std::arch::asm!("movfcsr2gr {}, $fcsr3", out(reg) word) };
    word
}

/// Sets a word that is not the default one, as a program may: rounding towards zero.
pub(crate) fn set_control() {
    // SAFETY: writes a valid word. No arithmetic of this test depends on it.
    unsafe { std::arch::asm!("movgr2fcsr $fcsr3, {}", in(reg) 0x100_u64) };
}

/// Takes the vectors out of a frame.
pub(crate) fn strip(context: &mut libc::ucontext_t) {
    let mut at = (&raw mut context.uc_mcontext).cast::<u8>().wrapping_add(272);
    loop {
        // SAFETY: records of the frame follow each other, each with its kind and size, and an empty one ends them.
        let [kind, bytes] = unsafe { at.cast::<[u32; 2]>().read() };
        match kind {
            0 => return,
            // SAFETY: FPU, LSX and LASX: 32 registers from byte 16 on.
            0x4650_5501 => unsafe { at.wrapping_add(16).write_bytes(0, 32 * 8) },
            // SAFETY: as above.
            0x5358_0001 => unsafe { at.wrapping_add(16).write_bytes(0, 32 * 16) },
            // SAFETY: as above.
            0x4153_5801 => unsafe { at.wrapping_add(16).write_bytes(0, 32 * 32) },
            _ => {}
        }
        at = at.wrapping_add(bytes as usize);
    }
}
