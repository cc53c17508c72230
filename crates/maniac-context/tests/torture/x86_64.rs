//! x86-64: general registers, flags, red zone, x87 and its control word, MXCSR, and the widest vectors that the CPU has, with masks.

use super::{Class, Context, Random};

std::arch::global_asm!(include_str!("x86_64.s"));

unsafe extern "sysv64" {
    fn torture_avx512(context: *mut u8, rounds: u64);
    fn torture_avx(context: *mut u8, rounds: u64);
    fn torture_sse(context: *mut u8, rounds: u64);
}

#[derive(Clone, Copy, PartialEq)]
enum Width {
    Sse,
    Avx,
    Avx512,
}

fn width() -> Width {
    if is_x86_feature_detected!("avx512bw") {
        Width::Avx512
    } else if is_x86_feature_detected!("avx") {
        Width::Avx
    } else {
        Width::Sse
    }
}

pub(crate) fn run(context: &mut Context, rounds: u64) {
    let run = match width() {
        Width::Avx512 => torture_avx512,
        Width::Avx => torture_avx,
        Width::Sse => torture_sse,
    };
    // SAFETY: it touches the context and its own stack, and the CPU has what it uses.
    unsafe { run(context.0.as_mut_ptr(), rounds) };
}

pub(crate) fn classes() -> Vec<Class> {
    let (count, bytes) = match width() {
        Width::Avx512 => (32, 64),
        Width::Avx => (16, 32),
        Width::Sse => (16, 16),
    };
    let mut classes = vec![
        Class::new("general", 0..88),
        Class::new("x87 control", 512..514),
        Class::new("MXCSR", 520..524),
        Class::new("flags", 528..530),
        Class::new("red zone", 544..672),
        Class::new("x87", 704..784),
    ];
    classes.extend((0..count).map(|n| Class::new("vector", 1024 + 64 * n..1024 + 64 * n + bytes)));
    if width() == Width::Avx512 {
        classes.push(Class::new("mask", 9216..9280));
    }
    classes
}

/// Makes random bytes values that the registers can have.
pub(crate) fn adjust(context: &mut Context, random: &mut Random) {
    for n in 0..8 {
        // Extended numbers have their integer bit set, and are no infinities.
        context.0[704 + 10 * n + 7] |= 0x80;
        context.0[704 + 10 * n + 9] &= 0xbf;
    }
    let precision = [0x0000, 0x0200, 0x0300][(random.next() % 3) as usize];
    let control = 0x007f | random.next() as u16 & 0x0c00 | precision;
    context.0[512..514].copy_from_slice(&control.to_le_bytes());
    let mxcsr = 0x1f80 | random.next() as u32 & 0xe07f;
    context.0[520..524].copy_from_slice(&mxcsr.to_le_bytes());
    // Carry, parity, adjust, zero, sign, direction, overflow; the interrupt flag is the system's and always set.
    let flags = random.next() & 0xcd5 | 0x202;
    context.0[528..536].copy_from_slice(&flags.to_le_bytes());
}

/// The words that the scheduler's own code goes by.
pub(crate) fn control() -> u64 {
    let (mut mxcsr, mut x87) = (0_u32, 0_u16);
    // SAFETY: stores a word into a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr) };
    // SAFETY: as above.
    unsafe { std::arch::asm!("fnstcw [{}]", in(reg) &raw mut x87) };
    u64::from(mxcsr) << 16 | u64::from(x87)
}

/// Sets words that are not the default ones, as a program may: denormals are zero, double precision.
pub(crate) fn set_control() {
    let (mxcsr, x87) = (0x9fc0_u32, 0x027f_u16);
    // SAFETY: loads a valid word. No arithmetic of this test depends on it.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr) };
    // SAFETY: as above.
    unsafe { std::arch::asm!("fldcw [{}]", in(reg) &raw const x87) };
}

/// Takes all but x87 and SSE out of a frame: what slide 8 would have saved.
#[cfg(unix)]
pub(crate) fn strip(context: &mut libc::ucontext_t) {
    let state = context.uc_mcontext.fpregs.cast::<u8>();
    // Behind the legacy part, where the header says which parts are there.
    let parts = state.wrapping_add(512).cast::<u64>();
    // SAFETY: the frame has an XSAVE area; a CPU without one has nothing to strip, and this test would say so.
    unsafe { parts.write(3) };
}

/// As `strip`, for the first frame above this address.
///
/// # Safety
/// There is one, on the calling thread's stack.
#[cfg(windows)]
pub(crate) unsafe fn strip_above(here: *const u8) {
    use std::arch::x86_64::_fxsave64;

    #[repr(align(64))]
    struct Area([u32; 128]);
    const MASK: usize = 7;
    let mut area = Area([0; 128]);
    // SAFETY: writes 512 bytes, of which the eighth word says which bits MXCSR has.
    unsafe { _fxsave64((&raw mut area).cast()) };
    let mut at = here.wrapping_add(here.align_offset(64)).cast::<u32>().cast_mut();
    loop {
        // SAFETY: between here and the frame all is the stack's.
        let legacy = unsafe { at.cast::<[u32; 144]>().read() };
        // The parts that are there, and zeros behind them.
        if legacy[MASK] == area.0[MASK] && legacy[128] & 2 != 0 && legacy[130..] == [0; 14] {
            break;
        }
        at = at.wrapping_add(16);
    }
    let parts = at.wrapping_add(128).cast::<u64>();
    // SAFETY: as above.
    unsafe { parts.write(3) };
}
