//! An asymmetric barrier: the side that runs often pays for a compiler fence, the side that runs rarely makes a
//! system call that acts as a full barrier on every running thread of the process.
//!
//! membarrier(2), `PRIVATE_EXPEDITED`, on Linux; `FlushProcessWriteBuffers` on Windows. Elsewhere, and where the
//! call is refused, both sides are full fences, which order the same.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

/// What the barrier is made of on this machine.
///
/// ```
/// use maniac_context::membarrier::{Strategy, strategy};
/// match strategy() {
///     Strategy::Asymmetric => println!("the frequent side costs nothing"),
///     _ => println!("both sides are full fences"),
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// [`light`] on one side and [`heavy`] on the other order as two full fences would.
    Asymmetric,
    /// There is no such call here, or it is refused: [`light`] and [`heavy`] are full fences.
    Symmetric,
}

/// The barrier was not executed.
///
/// ```
/// let refused = maniac_context::membarrier::heavy().err();
/// # let _ = refused;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system refused a process-wide memory barrier that it had accepted before")
    }
}

impl std::error::Error for Refused {}

/// Whether the system call stands for the fences of the frequent side. Until that is known they are made.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// What the barrier is made of. The first call registers the process with the kernel.
#[must_use]
pub fn strategy() -> Strategy {
    static STRATEGY: OnceLock<Strategy> = OnceLock::new();
    *STRATEGY.get_or_init(|| {
        if imp::register() {
            ASYMMETRIC.store(true, Ordering::Relaxed);
            Strategy::Asymmetric
        } else {
            Strategy::Symmetric
        }
    })
}

/// The cold side: when it returns `Ok`, every other running thread of the process has executed a full memory barrier
/// since the call began (or makes one itself in [`light`]), and a full barrier lies between what this thread did before and what it does after.
///
/// # Errors
/// [`Refused`] if the system refuses now what it accepted before. Nothing is ordered then.
///
/// ```
/// maniac_context::membarrier::heavy()?;
/// # Ok::<(), maniac_context::membarrier::Refused>(())
/// ```
pub fn heavy() -> Result<(), Refused> {
    match strategy() {
        Strategy::Asymmetric if !imp::execute() => Err(Refused),
        Strategy::Asymmetric => Ok(()),
        Strategy::Symmetric => {
            fence(Ordering::SeqCst);
            Ok(())
        }
    }
}

/// The hot side: keeps the compiler from moving memory accesses across it, and costs nothing more than a look at whether that is enough: a
/// full fence where there is no such system call, and until [`strategy`] was first asked.
///
/// It orders nothing by itself, only together with a [`heavy`] on another thread.
///
/// ```
/// maniac_context::membarrier::light();
/// ```
#[inline(always)]
pub fn light() {
    if ASYMMETRIC.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(any(loom, miri))))]
mod imp {
    // linux/membarrier.h
    const QUERY: libc::c_int = 0;
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> libc::c_long {
        // SAFETY: [INV-10] membarrier(2) touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }

    pub(super) fn register() -> bool {
        let offered = membarrier(QUERY);
        offered > 0
            && offered & libc::c_long::from(PRIVATE_EXPEDITED) != 0
            && membarrier(REGISTER_PRIVATE_EXPEDITED) == 0
            && execute()
    }

    pub(super) fn execute() -> bool {
        membarrier(PRIVATE_EXPEDITED) == 0
    }
}

#[cfg(all(windows, not(any(loom, miri))))]
mod imp {
    pub(super) fn register() -> bool {
        true
    }

    pub(super) fn execute() -> bool {
        // SAFETY: [INV-10] the call has no preconditions.
        unsafe { windows_sys::Win32::System::Threading::FlushProcessWriteBuffers() };
        true
    }
}

#[cfg(any(loom, miri, not(any(target_os = "linux", target_os = "android", windows))))]
mod imp {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn execute() -> bool {
        false
    }
}
