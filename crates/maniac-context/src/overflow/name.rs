//! The name of the task whose stack overflowed, asked for by the handler.

use std::fmt;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Bytes of a name that are shown.
const NAME_BYTES: usize = 128;

/// A buffer of fixed size for a task's name; what does not fit is cut off. Writing to it neither allocates nor locks.
///
/// ```
/// use std::fmt::Write;
/// let mut name = maniac_context::overflow::TaskName::new();
/// write!(name, "parser #{}", 7).unwrap();
/// assert_eq!(name.as_str(), "parser #7");
/// ```
#[derive(Clone)]
pub struct TaskName {
    bytes: [u8; NAME_BYTES],
    len: usize,
}

impl TaskName {
    /// An empty name.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; NAME_BYTES], len: 0 }
    }

    /// Appends as many whole characters as fit.
    pub fn push_str(&mut self, text: &str) {
        let mut end = text.len().min(NAME_BYTES - self.len);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[self.len..self.len + end].copy_from_slice(&text.as_bytes()[..end]);
        self.len += end;
    }

    /// What was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only whole characters were appended.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Default for TaskName {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Write for TaskName {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

/// A `fn(&mut TaskName)`, or null.
static NAMER: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Sets the function that writes the name of the task running on this thread. The overflow handler calls it on the
/// thread whose stack overflowed; one that writes nothing leaves the task unnamed.
///
/// # Safety
/// `namer` is called from a signal handler that interrupted arbitrary code, so it must be async-signal-safe
/// (signal-safety(7)): no allocation, no lock, no thread-local with a destructor or lazy initialisation.
///
/// ```
/// use maniac_context::overflow::{TaskName, set_task_namer};
/// fn namer(name: &mut TaskName) {
///     name.push_str("the only task");
/// }
/// // SAFETY: it copies a constant.
/// unsafe { set_task_namer(namer) };
/// ```
pub unsafe fn set_task_namer(namer: fn(&mut TaskName)) {
    NAMER.store(namer as *mut (), Ordering::Release);
}

/// The name of the task on this thread, as the namer gives it.
#[cfg_attr(not(all(coroutines, unix, not(loom))), expect(dead_code, reason = "only the handler asks"))]
pub(super) fn current() -> TaskName {
    let mut name = TaskName::new();
    let namer = NAMER.load(Ordering::Acquire);
    if !namer.is_null() {
        // SAFETY: [INV-8] only `set_task_namer` stores here, and it stores such a function.
        let namer = unsafe { std::mem::transmute::<*mut (), fn(&mut TaskName)>(namer) };
        namer(&mut name);
    }
    name
}
