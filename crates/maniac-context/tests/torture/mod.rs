//! Registers with patterns in them: code that loads every register from a context, counts down, and stores them all again; and how the tests
//! interrupt threads themselves.
#![allow(dead_code, reason = "each test program uses a part")]

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
pub(crate) mod arch;
#[cfg(target_arch = "loongarch64")]
#[path = "loongarch64.rs"]
pub(crate) mod arch;
#[cfg(target_arch = "riscv64")]
#[path = "riscv64.rs"]
pub(crate) mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
pub(crate) mod arch;

#[cfg(unix)]
#[path = "signals.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;
pub(crate) use system::*;

/// What goes into the registers, and, from [`OUT`] on, what came out.
#[repr(C, align(64))]
pub(crate) struct Context(pub(crate) [u8; 2 * OUT]);

pub(crate) const OUT: usize = 16_384;

/// Registers of one kind, as bytes of a context.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) bytes: Range<usize>,
}

impl Class {
    pub(crate) fn new(name: &'static str, bytes: Range<usize>) -> Class {
        Class { name, bytes }
    }
}

/// xorshift64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

impl Context {
    pub(crate) fn new() -> Box<Context> {
        Box::new(Context([0; 2 * OUT]))
    }

    /// New patterns; nothing is known of what comes out.
    pub(crate) fn fill(&mut self, random: &mut Random) {
        for word in self.0[..OUT].as_chunks_mut::<8>().0 {
            *word = random.next().to_le_bytes();
        }
        arch::adjust(self, random);
        self.0[OUT..].fill(0xa5);
    }

    /// The names of the registers that came out changed.
    pub(crate) fn changed(&self, classes: &[Class]) -> Vec<&'static str> {
        let same = |class: &&Class| {
            self.0[class.bytes.clone()] == self.0[class.bytes.start + OUT..class.bytes.end + OUT]
        };
        classes.iter().filter(|class| !same(class)).map(|class| class.name).collect()
    }
}

unsafe extern "C" {
    static torture_begin: u8;
    static torture_end: u8;
}

#[cfg(not(target_arch = "x86_64"))]
unsafe extern "C" {
    fn torture_low(stack_pointer: usize, rounds: u64);
}

#[cfg(target_arch = "x86_64")]
unsafe extern "sysv64" {
    fn torture_low(stack_pointer: usize, rounds: u64);
}

/// The code of [`arch::run`] and [`count_low`].
pub(crate) fn register_code() {
    let code = (&raw const torture_begin).cast()..(&raw const torture_end).cast();
    // SAFETY: it touches its context, its registers and its stack; its callers in these tests hold nothing that minds.
    unsafe { maniac_context::preempt::register_code(code) }.unwrap();
}

/// Touches this stack page by page down to an address: where the system lets stacks grow only so, what lies below can be used then.
#[inline(never)]
pub(crate) fn grow_to(address: usize) {
    let page = [0_u8; 2048];
    if std::hint::black_box(&page).as_ptr().addr() > address {
        grow_to(address);
    }
    std::hint::black_box(&page);
}

/// Counts down with another stack pointer.
///
/// # Safety
/// It is one of this stack, with room for a signal's frame.
pub(crate) unsafe fn count_low(stack_pointer: usize, rounds: u64) {
    // SAFETY: passed on.
    unsafe { torture_low(stack_pointer, rounds) };
}

/// Requests that came to a thread: signals whose handler was entered.
pub(crate) static ARRIVED: AtomicU64 = AtomicU64::new(0);
/// The most frames that lay on one stack at one time.
pub(crate) static DEEPEST: AtomicU64 = AtomicU64::new(0);
/// The bases of the known stacks; the first is any other.
static BASES: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];
/// Bytes of a stack, at least.
const STACK: usize = 1 << 20;

/// Makes a stack known by its base, as number 1 to 7.
pub(crate) fn know_stack(number: usize, base: usize) {
    BASES[number].store(base, SeqCst);
}

fn stack_of(address: usize) -> usize {
    let holds = |base: &AtomicUsize| (1..=STACK).contains(&base.load(SeqCst).wrapping_sub(address));
    BASES.iter().position(holds).unwrap_or(0)
}

/// Whether [`arch::strip`] is done to frames before they are gone back through.
static STRIPS: AtomicU64 = AtomicU64::new(0);
