//! Which machine code may be interrupted: a list of address ranges that a signal handler can read at any instant.
//!
//! A range's words are written before the count that covers it, and never again, so a reader needs no lock.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many ranges there can be.
pub const MAX_RANGES: usize = 256;

static BEGINS: [AtomicUsize; MAX_RANGES] = [const { AtomicUsize::new(0) }; MAX_RANGES];
static ENDS: [AtomicUsize; MAX_RANGES] = [const { AtomicUsize::new(0) }; MAX_RANGES];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Why a range of code was not registered.
///
/// ```
/// use maniac_context::preempt::{RangeError, register_code};
/// // SAFETY: it is refused.
/// let refused = unsafe { register_code(std::ptr::null()..std::ptr::null()) };
/// assert_eq!(refused, Err(RangeError::Empty));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RangeError {
    /// It has no bytes.
    Empty,
    /// There are as many ranges as there can be; register larger ones.
    Full {
        /// [`MAX_RANGES`].
        limit: usize,
    },
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a range of code without a byte; its end comes after its beginning"),
            Self::Full { limit } => {
                write!(f, "there are {limit} ranges of code; put more code into fewer sections")
            }
        }
    }
}

impl std::error::Error for RangeError {}

/// Lets a [`Preemptible`](super::Preemptible) be preempted whenever its thread's program counter is within this code; for the rest of the process's
/// life. Registering the same range again does nothing.
///
/// # Safety
/// Control may leave at *every instruction* within the range, for as long as it pleases others, while other code runs on the same thread. The caller promises, for
/// every call of this code from a preemptible coroutine, that nothing on that coroutine's stack relies on that not happening at that time: the
/// three things that [`Coroutine::start`](crate::coroutine::Coroutine::start) names, for the code in the range and for all that has called it. Code that
/// is not in the range, such as a function called from it, is not interrupted; but what the compiler puts in line there is code of the range, so that it calls locks, the allocator
/// and the runtime only through functions that are `#[inline(never)]` and elsewhere. The code stays loaded.
///
/// The two ends of a section have names in ELF, and with mingw-w64's linker on Windows; elsewhere a label before and one behind the code serve.
///
/// # Errors
/// [`RangeError`].
///
/// ```
/// # #[cfg(all(target_os = "linux", not(miri)))]
/// # mod kernel {
/// #[inline(never)]
/// #[unsafe(link_section = "kernels")]
/// pub fn sum(values: &[u64]) -> u64 {
///     let mut sum = 0_u64;
///     for value in values {
///         sum = sum.wrapping_add(*value);
///     }
///     sum
/// }
///
/// unsafe extern "C" {
///     // The linker's names for the two ends of the section.
///     #[link_name = "__start_kernels"]
///     static START: u8;
///     #[link_name = "__stop_kernels"]
///     static STOP: u8;
/// }
/// # pub fn register() {
/// // SAFETY: `sum` touches its argument and registers alone, and its callers hold nothing that minds.
/// unsafe { maniac_context::preempt::register_code((&raw const START).cast()..(&raw const STOP).cast()) }.unwrap();
/// # }
/// # }
/// # #[cfg(all(target_os = "linux", not(miri)))]
/// # { kernel::register(); assert_eq!(kernel::sum(&[1, 2, 3]), 6); }
/// ```
pub unsafe fn register_code(code: Range<*const ()>) -> Result<(), RangeError> {
    static ADDING: Mutex<()> = Mutex::new(());
    let (begin, end) = (code.start.addr(), code.end.addr());
    if begin >= end {
        return Err(RangeError::Empty);
    }
    let _one_at_a_time = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
    let count = COUNT.load(Ordering::Relaxed);
    let same =
        |at: usize| BEGINS[at].load(Ordering::Relaxed) == begin && ENDS[at].load(Ordering::Relaxed) == end;
    if (0..count).any(same) {
        return Ok(());
    }
    if count == MAX_RANGES {
        return Err(RangeError::Full { limit: MAX_RANGES });
    }
    BEGINS[count].store(begin, Ordering::Relaxed);
    ENDS[count].store(end, Ordering::Relaxed);
    // Release: who sees the count sees the ranges that it covers.
    COUNT.store(count + 1, Ordering::Release);
    Ok(())
}

/// Whether this is the address of code that may be interrupted. Async-signal-safe.
#[cfg(preemption)]
pub(super) fn contain(address: usize) -> bool {
    let count = COUNT.load(Ordering::Acquire);
    BEGINS
        .iter()
        .zip(&ENDS)
        .take(count)
        .any(|(begin, end)| (begin.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)).contains(&address))
}
