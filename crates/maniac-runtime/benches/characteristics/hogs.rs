//! Computations that never yield. Those of the section `bench_kernels` may be left at every instruction.

use maniac_runtime::task::register_code;
use std::hint::black_box;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Computes until `stop`.
#[inline(never)]
#[unsafe(link_section = "bench_kernels")]
pub(crate) fn compute(stop: &AtomicBool) {
    let mut x = 88_172_645_463_325_252_u64;
    while !stop.load(Relaxed) {
        for _ in 0..100 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
    }
    black_box(x);
}

/// A signal to the calling thread, as the runtime's monitor sends it.
pub(crate) struct Signal {
    process: u64,
    thread: u64,
    /// rt_tgsigqueueinfo(2)'s: the signal, SI_QUEUE, the process, and the mark with the word of the poll that is asked to end.
    info: [u64; 16],
}

const MARK: u64 = 0x6d61 << 48;

impl Signal {
    pub(crate) fn new() -> Signal {
        let process = u64::from(std::process::id());
        // SAFETY: [local] gives a number.
        let thread = unsafe { libc::gettid() } as u64;
        let mut info = [0; 16];
        info[..3].copy_from_slice(&[libc::SIGURG as u64, u64::from(libc::SI_QUEUE as u32), process]);
        Signal { process, thread, info }
    }
}

/// Sends the signal for one poll after the other, from `word` on, until it is heeded: until others had a turn on this thread. Gives that poll's word, and the
/// processor time from before that call to when this thread was back, in nanoseconds.
#[inline(never)]
#[unsafe(link_section = "bench_kernels")]
pub(crate) fn leave(signal: &mut Signal, turns: &AtomicU64, mut word: u64) -> (u64, u64) {
    let before = turns.load(Relaxed);
    loop {
        let time = send(signal, word);
        if turns.load(Relaxed) != before {
            return (word, time);
        }
        word += 2;
    }
}

/// The same of a signal that the handler refuses, since it is for no poll.
#[inline(never)]
#[unsafe(link_section = "bench_kernels")]
pub(crate) fn refused(signal: &mut Signal) -> u64 {
    send(signal, 0)
}

/// Of two readings of the clock alone.
#[inline(never)]
pub(crate) fn readings() -> u64 {
    let before = cpu();
    cpu() - before
}

#[inline(always)]
fn send(signal: &mut Signal, word: u64) -> u64 {
    signal.info[3] = MARK | word;
    let before = cpu();
    // SAFETY: [local] rt_tgsigqueueinfo(2) reads the info, which is whole.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_rt_tgsigqueueinfo => _,
            in("rdi") signal.process,
            in("rsi") signal.thread,
            in("rdx") libc::SIGURG as u64,
            in("r10") &raw const signal.info,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    cpu() - before
}

/// The calling thread's processor time, by a system call of its own: libc's code is not registered.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn cpu() -> u64 {
    let mut time = [0_u64; 2];
    // SAFETY: [local] clock_gettime(2) fills a timespec, and says no to nothing that is asked here.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_clock_gettime => _,
            in("rdi") libc::CLOCK_THREAD_CPUTIME_ID,
            in("rsi") &raw mut time,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    time[0] * 1_000_000_000 + time[1]
}

unsafe extern "C" {
    #[link_name = "__start_bench_kernels"]
    static START: u8;
    #[link_name = "__stop_bench_kernels"]
    static STOP: u8;
}

/// Makes the section's code known.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let code = (&raw const START).cast()..(&raw const STOP).cast();
        // SAFETY: [local] the section's functions compute in registers and on their own stack, and ask for the time.
        unsafe { register_code(code) }.expect("it is this program's code");
    });
}
