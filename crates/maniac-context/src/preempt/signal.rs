//! The signal, SIGURG: sending it to a thread of ours, and the handler that leaves a coroutine from where it was interrupted.
//!
//! The signal is blocked while the handler runs. Whoever comes to run next on the thread lets it through again ([`run`]); whoever goes back into a
//! handler holds it off first ([`hold`]), until the kernel puts the interrupted code's mask back together with its registers. So a stack
//! carries one frame of this signal at most, however fast signals come.

use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering, compiler_fence};
use std::sync::{Mutex, PoisonError};

use super::arch::{self, Control};
use super::{Armed, REQUEST_BITS, Refused, ranges, was_preempted};
use crate::coroutine::{self, Switched};
use crate::signals;
use crate::stack::sys;

/// Ignored where nobody handles it, and used by few: Go's choice for the same purpose.
const SIGNAL: libc::c_int = libc::SIGURG;

/// What the high bits of the value say that comes with a signal of ours ("ma").
const MARK: u64 = 0x6d61;

/// What handled the signal before. Set before the handler is installed, so that the handler always finds it; never freed, as that may be looking at it.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// The process that the handler was installed in; others' signals do not concern it.
static PROCESS: AtomicI32 = AtomicI32::new(0);

thread_local! {
    /// The innermost preemptible coroutine that was entered on this thread and not left; null if there is none.
    static ARMED: AtomicPtr<Armed<'static>> = const { AtomicPtr::new(ptr::null_mut()) };
}

/// Installs the handler of SIGURG; doing so again does nothing. Signals that [`Target::request`] did not send go to the handler that stood there before.
///
/// # Errors
/// What the system says.
///
/// ```
/// # #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
/// maniac_context::preempt::install()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn install() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let previous = signals::current_action(SIGNAL)?;
    let is_handled = !matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
    if is_handled && previous.sa_flags & libc::SA_ONSTACK != 0 {
        // Ours must not run on a signal stack, that one may need to (Go's small stacks), and there is one flag for both.
        let reason = "SIGURG has a handler that runs on the alternate signal stack";
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    // Release: the handler sees what is there.
    PREVIOUS.store(Box::leak(Box::new(previous)), Ordering::Release);
    PROCESS.store(std::process::id().cast_signed(), Ordering::Relaxed);
    // Neither SA_ONSTACK, since the frame is to lie on the coroutine's stack, nor SA_NODEFER, since frames would nest without end. The mask stays empty:
    // it would have to be put back after a switch.
    let restart = match previous.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => libc::SA_RESTART,
        _ => previous.sa_flags & libc::SA_RESTART,
    };
    let mut action = previous;
    action.sa_flags = libc::SA_SIGINFO | restart;
    action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
    action.sa_mask = set_of(None);
    // SAFETY: [INV-8] `action` is a whole sigaction whose handler has the type that SA_SIGINFO demands.
    if unsafe { libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    *installed = true;
    Ok(())
}

/// Lets SIGURG through on the calling thread, which may have inherited a mask that holds it off.
///
/// ```
/// maniac_context::preempt::let_through(); // on a thread of one's own
/// ```
pub fn let_through() {
    mask(libc::SIG_UNBLOCK, &set_of(Some(SIGNAL)));
}

/// Whether the signal is ours still.
fn is_installed() -> bool {
    signals::current_action(SIGNAL)
        .is_ok_and(|action| action.sa_sigaction == on_signal as *const () as libc::sighandler_t)
}

/// A thread that can be asked to leave the coroutine that it runs.
///
/// ```
/// use maniac_context::preempt::{Refused, Target};
/// let target = Target::new();
/// target.bind();
/// # #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
/// maniac_context::preempt::install()?;
/// // This thread runs no coroutine, so that nothing comes of it.
/// let _ = target.request(1);
/// target.unbind();
/// assert_eq!(target.request(1), Err(Refused::NoThread));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Target(
    /// The thread's number in the kernel. Held while a signal is sent, so that the thread does not end meanwhile, and its number become another's.
    Mutex<Option<libc::pid_t>>,
);

impl Target {
    /// Bound to no thread.
    #[must_use]
    pub const fn new() -> Target {
        Target(Mutex::new(None))
    }

    /// Binds the calling thread. It has to [`unbind`](Self::unbind) before it ends.
    pub fn bind(&self) {
        // SAFETY: [INV-10] gettid reads a number of the thread's.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = libc::pid_t::try_from(thread).ok();
    }

    /// Sends no signal from now on.
    pub fn unbind(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Sends the signal. Whether it leads to a preemption is decided on that thread, when it gets there.
    ///
    /// # Errors
    /// [`Refused`]: nothing was sent.
    pub fn request(&self, request: u64) -> Result<(), Refused> {
        let thread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = thread.ok_or(Refused::NoThread)?;
        if !is_installed() {
            return Err(Refused::NoHandler);
        }
        send(number, request)
    }
}

/// The beginning of a `siginfo_t` that carries a value, as the kernel lays it out on 64-bit machines (linux/signal.h).
#[repr(C)]
struct Info {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    _padding: libc::c_int,
    process: libc::pid_t,
    user: libc::uid_t,
    value: u64,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<Info>() == size_of::<libc::siginfo_t>() && offset_of!(Info, value) == 24);

fn send(thread: libc::pid_t, request: u64) -> Result<(), Refused> {
    let value = MARK << REQUEST_BITS | request & ((1 << REQUEST_BITS) - 1);
    let process = PROCESS.load(Ordering::Relaxed);
    let info = Info {
        signal: SIGNAL,
        error: 0,
        code: libc::SI_QUEUE,
        _padding: 0,
        process,
        user: 0,
        value,
        _rest: [0; 12],
    };
    // SAFETY: [INV-10] rt_tgsigqueueinfo(2) reads the whole `info`; of other processes it refuses.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, SIGNAL, &raw const info) };
    if result == 0 { Ok(()) } else { Err(Refused::System) }
}

extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: [INV-8] with SA_SIGINFO the kernel passes a valid siginfo_t, which begins like this.
    let Info { code, process, value, .. } = unsafe { info.cast::<Info>().read() };
    let ours =
        code == libc::SI_QUEUE && value >> REQUEST_BITS == MARK && process == PROCESS.load(Ordering::Relaxed);
    if !ours {
        return forward(signal, info, context);
    }
    // SAFETY: [INV-8] with SA_SIGINFO the kernel passes a valid ucontext_t.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    // Before the look at a thread-local: in a shared object that may go through the dynamic linker, or the allocator, which the signal may have
    // interrupted. Registered code is in neither.
    if !ranges::contain(arch::program_counter(context)) {
        return;
    }
    let armed = ARMED.with(|armed| armed.load(Ordering::Relaxed));
    // SAFETY: [INV-11] not null, it points to the record in a frame below, on this thread.
    if let Some(armed) = unsafe { armed.as_ref() }
        && armed.admits(value & ((1 << REQUEST_BITS) - 1), context)
    {
        leave();
    }
}

/// Leaves the coroutine that was interrupted; returns when it goes on.
#[inline(never)]
fn leave() {
    // SAFETY: [INV-8] the address of a variable of this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: [INV-8] as above.
    let before = unsafe { *errno };
    // SAFETY: [INV-12] `admits` said that the coroutine runs here, on this stack, within code that was registered as bearing it.
    unsafe { coroutine::leave_current() };
    // SAFETY: [INV-8] the coroutine never leaves its thread.
    unsafe { *errno = before };
}

impl Armed<'_> {
    /// Whether the interrupted code, which is registered, may be left where it is.
    fn admits(&self, request: u64, context: &libc::ucontext_t) -> bool {
        let stack = self.addresses.start + arch::RED_ZONE..self.addresses.end;
        self.depth.load(Ordering::Relaxed) == 0
            && stack.contains(&arch::stack_pointer(context))
            && coroutine::current_is_within(&self.addresses)
            && (self.gate)(request)
    }
}

/// A signal that is not ours.
fn forward(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: [INV-8] null, or a leaked action.
    let Some(previous) = (unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() }) else { return };
    if matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        return; // Which for this signal is the same.
    }
    let before = mask(libc::SIG_BLOCK, &previous.sa_mask);
    // SAFETY: [INV-8] the action that stood in our handler's place, with what the kernel gave.
    unsafe { signals::call(previous, signal, info, context) };
    mask(libc::SIG_SETMASK, &before);
}

/// Runs a coroutine by `switch`, which the signal may leave meanwhile.
pub(super) fn run<Ret>(armed: &Armed<'_>, switch: impl FnOnce() -> Switched<Ret>) -> Switched<Ret> {
    let control = Control::read();
    let record = ptr::from_ref(armed).cast_mut().cast();
    let before = ARMED.with(|armed| replace(armed, record));
    let switched = switch();
    ARMED.with(|armed| replace(armed, before));
    if was_preempted(&switched) {
        // What stands there is the interrupted code's, or the kernel's.
        control.write();
        let_through();
    }
    switched
}

/// Only this thread writes the word; its handler reads it.
fn replace(armed: &AtomicPtr<Armed<'static>>, new: *mut Armed<'static>) -> *mut Armed<'static> {
    let old = armed.load(Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    armed.store(new, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    old
}

/// Holds the signal off on this thread, which is about to go back into a handler.
pub(super) fn hold() {
    mask(libc::SIG_BLOCK, &set_of(Some(SIGNAL)));
}

/// Bytes that a stack needs below what its calls use.
pub(super) fn room() -> Option<usize> {
    Some(sys::signal_room())
}

/// Adds to the depth of the innermost coroutine; `false` if it is not preemptible.
///
/// Never part of its caller, which may be registered code: the coroutine must not be left between the look at the record and its use, since going on with
/// it makes a new one.
#[inline(never)]
pub(super) fn deepen(by: u32) -> bool {
    let armed = ARMED.with(|armed| armed.load(Ordering::Relaxed));
    // SAFETY: [INV-11] not null, it points to the record in a frame below, on this thread.
    let Some(armed) = (unsafe { armed.as_ref() }) else { return false };
    let innermost = coroutine::current_is_within(&armed.addresses);
    if innermost {
        compiler_fence(Ordering::SeqCst);
        armed.deepen(by);
        compiler_fence(Ordering::SeqCst);
    }
    innermost
}

fn set_of(signal: Option<libc::c_int>) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: [local] the call only writes to `set`.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    if let Some(signal) = signal {
        // SAFETY: [local] as above.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: [local] written by the call, and all zero before, which is a valid value.
    unsafe { set.assume_init() }
}

/// Changes this thread's mask; gives the one before. Async-signal-safe.
fn mask(how: libc::c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = set_of(None);
    // SAFETY: [INV-10] reads one set and writes the other. It cannot fail: `how` is valid.
    unsafe { libc::pthread_sigmask(how, set, &raw mut before) };
    before
}
