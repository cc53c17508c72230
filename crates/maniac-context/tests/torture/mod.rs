//! Registers with patterns in them: code that loads every register from a context, counts down, and stores them all again; and how the tests
//! send the signal themselves.
#![allow(dead_code, reason = "each test program uses a part")]

use std::cell::Cell;
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
    fn torture_low(stack_pointer: usize, rounds: u64);
}

/// The code of [`arch::run`] and [`count_low`].
pub(crate) fn register_code() {
    let code = (&raw const torture_begin).cast()..(&raw const torture_end).cast();
    // SAFETY: it touches its context, its registers and its stack; its callers in these tests hold nothing that minds.
    unsafe { maniac_context::preempt::register_code(code) }.unwrap();
}

/// Counts down with another stack pointer.
///
/// # Safety
/// It is one of this stack, with room for a signal's frame.
pub(crate) unsafe fn count_low(stack_pointer: usize, rounds: u64) {
    // SAFETY: passed on.
    unsafe { torture_low(stack_pointer, rounds) };
}

/// The calling thread's number.
pub(crate) fn thread() -> libc::pid_t {
    // SAFETY: reads a number.
    unsafe { libc::syscall(libc::SYS_gettid) as libc::pid_t }
}

/// Sends what `Target::request` would, also where that would refuse, since a handler of the test's stands before the crate's. `false`: the thread is gone.
pub(crate) fn send(thread: libc::pid_t, request: u64) -> bool {
    let process = std::process::id() as libc::pid_t;
    let mut info = [0_u64; 16];
    info[0] = libc::SIGURG as u64;
    info[1] = u64::from(libc::SI_QUEUE as u32);
    info[2] = process as u64;
    info[3] = 0x6d61 << 48 | request;
    // SAFETY: reads the whole of a siginfo_t, of which these are the first words.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, libc::SIGURG, info.as_ptr()) };
    result == 0
}

extern "C" fn on_tick(_signal: libc::c_int) {
    // SAFETY: the address of a variable of this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    assert!(send(thread(), 1));
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// Sends the signal to the calling thread, as [`send`] does, so often; until it is dropped. (Another thread would be a matter of luck where there are fewer
/// processors than busy threads.)
pub(crate) struct Ticks(libc::timer_t);

impl Ticks {
    pub(crate) fn every(nanoseconds: i64) -> Ticks {
        // SAFETY: all zero is a valid sigaction.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_tick as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        // The signal comes when this handler is gone, where the tick came.
        // SAFETY: only writes to the set.
        unsafe { libc::sigaddset(&raw mut action.sa_mask, libc::SIGURG) };
        // SAFETY: a whole action.
        unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
        // SAFETY: all zero is a valid sigevent.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        (event.sigev_notify, event.sigev_signo) = (libc::SIGEV_THREAD_ID, libc::SIGUSR1);
        event.sigev_notify_thread_id = thread();
        let mut timer: libc::timer_t = std::ptr::null_mut();
        // SAFETY: reads the event, writes the timer.
        let result = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        let often = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds };
        let times = libc::itimerspec { it_interval: often, it_value: often };
        // SAFETY: reads the times.
        assert_eq!(unsafe { libc::timer_settime(timer, 0, &raw const times, std::ptr::null_mut()) }, 0);
        Ticks(timer)
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // SAFETY: the timer is ours, and deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

static OURS: AtomicUsize = AtomicUsize::new(0);
/// Signals whose handler was entered.
pub(crate) static ARRIVED: AtomicU64 = AtomicU64::new(0);
thread_local! {
    /// Those of this thread.
    static ARRIVED_HERE: Cell<u64> = const { Cell::new(0) };
}

/// Signals whose handler was entered on this thread.
pub(crate) fn arrived_here() -> u64 {
    std::hint::black_box(ARRIVED_HERE.get())
}

/// The most frames that lay on one stack at one time.
pub(crate) static DEEPEST: AtomicU64 = AtomicU64::new(0);
/// Frames now on each stack that was made known; the first is any other.
static FRAMES: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
/// The bases of the known stacks.
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

extern "C" fn watch(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    ARRIVED.fetch_add(1, SeqCst);
    ARRIVED_HERE.set(ARRIVED_HERE.get() + 1);
    let frames = &FRAMES[stack_of((&raw const signal).addr())];
    DEEPEST.fetch_max(frames.fetch_add(1, SeqCst) + 1, SeqCst);
    // SAFETY: `watch_handler` stored the crate's handler, which has this type.
    let ours = unsafe { std::mem::transmute::<usize, Handler>(OURS.load(SeqCst)) };
    ours(signal, info, context);
    if STRIPS.load(SeqCst) != 0 {
        // SAFETY: the kernel passes a ucontext_t.
        arch::strip(unsafe { &mut *context.cast() });
    }
    frames.fetch_sub(1, SeqCst);
}

/// Puts a handler before the crate's, which counts, and strips frames if that is asked for. For a process of the test's own.
pub(crate) fn watch_handler(strips: bool) {
    maniac_context::preempt::install().unwrap();
    STRIPS.store(u64::from(strips), SeqCst);
    // SAFETY: all zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only writes to `action`.
    unsafe { libc::sigaction(libc::SIGURG, std::ptr::null(), &raw mut action) };
    OURS.store(action.sa_sigaction, SeqCst);
    action.sa_sigaction = watch as *const () as usize;
    // SAFETY: a whole action, whose handler has the type that its flags say.
    unsafe { libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut()) };
}
