//! RISC-V 64: general registers, floating point with its control and status register, and the vectors with length, type and control where the
//! CPU has them.

use super::{Class, Context, Random};

std::arch::global_asm!(include_str!("riscv64.s"));

unsafe extern "C" {
    fn torture_float(context: *mut u8, rounds: u64);
    fn torture_vector(context: *mut u8, rounds: u64);
    fn torture_vector_bytes() -> usize;
}

fn has_vectors() -> bool {
    // SAFETY: getauxval(3) reads the auxiliary vector.
    (unsafe { libc::getauxval(libc::AT_HWCAP) }) >> (b'v' - b'a') & 1 == 1
}

pub(crate) fn run(context: &mut Context, rounds: u64) {
    let run = if has_vectors() { torture_vector } else { torture_float };
    // SAFETY: it touches the context and its own stack, and the CPU has what it uses.
    unsafe { run(context.0.as_mut_ptr(), rounds) };
}

pub(crate) fn classes() -> Vec<Class> {
    let mut classes = vec![
        Class::new("general", 8..16),
        Class::new("general", 40..80),
        Class::new("general", 96..256),
        Class::new("fcsr", 512..520),
        Class::new("float", 768..1024),
    ];
    if has_vectors() {
        // SAFETY: the CPU has the register.
        let bytes = unsafe { torture_vector_bytes() };
        classes.extend((0..32).map(|n| Class::new("vector", 1024 + bytes * n..1024 + bytes * (n + 1))));
        classes.push(Class::new("vl, vtype, vcsr", 520..544));
    }
    classes
}

/// Makes random bytes values that the registers can have.
pub(crate) fn adjust(context: &mut Context, random: &mut Random) {
    // Flags and one of five rounding modes; three elements of 16 bits in groups of two registers; rounding down, saturated.
    let words = [random.next() & 0x1f | (random.next() % 5) << 5, 3, 0b001_001, 5];
    for (at, word) in words.into_iter().enumerate() {
        context.0[512 + 8 * at..520 + 8 * at].copy_from_slice(&word.to_le_bytes());
    }
}

/// The word that the scheduler's own code goes by; its flags, which any arithmetic raises, apart.
pub(crate) fn control() -> u64 {
    let word: u64;
    // SAFETY: reads a register.
    unsafe { std::arch::asm!("frrm {}", out(reg) word) };
    word
}

/// Sets a word that is not the default one, as a program may: rounding towards zero.
pub(crate) fn set_control() {
    // SAFETY: writes a valid word. No arithmetic of this test depends on it.
    unsafe { std::arch::asm!("fsrm {}", in(reg) 1_u64) };
}

/// Takes vectors, or where there are none the floating-point registers, out of a frame.
pub(crate) fn strip(context: &mut libc::ucontext_t) {
    let machine = (&raw mut context.uc_mcontext).cast::<u8>();
    if !has_vectors() {
        // SAFETY: 32 registers of 8 bytes follow the general ones.
        return unsafe { machine.wrapping_add(256).write_bytes(0, 256) };
    }
    // The record of the vectors: kind, size, then its state, whose last word points to the registers.
    let record = machine.wrapping_add(256 + 528 - 8).cast::<u32>();
    // SAFETY: the reserved words that end the floating-point part are the records' head.
    if unsafe { record.read() } != 0x5346_5457 {
        return; // The thread has not used a vector yet.
    }
    // SAFETY: as above: five words of state, then the pointer.
    let registers = unsafe { record.cast::<u8>().wrapping_add(8 + 40).cast::<*mut u8>().read() };
    // SAFETY: the CPU has the register.
    let bytes = unsafe { torture_vector_bytes() };
    // SAFETY: it points to 32 registers in the same frame.
    unsafe { registers.write_bytes(0, 32 * bytes) };
}
