//! Signals: how the tests send them, and what they see of them.

use super::{ARRIVED, DEEPEST, STRIPS, arch, stack_of};
use maniac_context::preempt::{Gate, Target};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// What a coroutine's gate says, where the test says nothing about it.
pub(crate) const GATE: Gate = |_| true;

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

/// As [`send`], for a thread that is known to the tests and has a target.
pub(crate) fn send_to(_target: &Target, thread: libc::pid_t) {
    let _gone = !send(thread, 1);
}

/// The word in which the system keeps a thread's last error.
pub(crate) fn error() -> i32 {
    // SAFETY: the address of a variable of this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *errno }
}

/// Sets what [`error`] gives.
pub(crate) fn set_error(error: i32) {
    // SAFETY: the address of a variable of this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *errno = error };
}

extern "C" fn on_tick(_signal: libc::c_int) {
    let before = error();
    assert!(send(thread(), 1));
    set_error(before);
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
thread_local! {
    /// Those of this thread.
    static ARRIVED_HERE: Cell<u64> = const { Cell::new(0) };
}

/// Signals whose handler was entered on this thread.
pub(crate) fn arrived_here() -> u64 {
    std::hint::black_box(ARRIVED_HERE.get())
}

/// Frames now on each stack that was made known; the first is any other.
static FRAMES: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

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
