//! What happens when a stack overflows: a handler that recognises a touched guard and ends the process with a
//! message that names the task.
//!
//! It is opt-in, since it takes a signal of the process: a program does that, a library in somebody else's process
//! does not. Without it an overflow ends the process too, by `SIGSEGV` and without a word.

#[cfg(all(coroutines, unix))]
mod altstack;
#[cfg(all(coroutines, unix, not(loom)))]
mod handler;
mod name;
#[cfg(all(coroutines, unix))]
pub(crate) mod registry;

use std::io;

#[cfg(all(coroutines, unix))]
pub use altstack::AltStack;
pub use name::{TaskName, set_task_namer};

/// All slabs of the process.
#[cfg(all(coroutines, unix, not(loom)))]
pub(crate) static SLABS: registry::Registry = registry::Registry::new();

/// Installs the handler for stack overflows on coroutines; doing so again does nothing.
///
/// It handles `SIGSEGV` and `SIGBUS`. A fault in a guard of ours ends the process with a message on standard error
/// and `SIGABRT`. Every other fault goes on unchanged to the handler that was installed before, such as the one of
/// Rust's standard library that reports overflows of threads.
///
/// The handler runs on the thread's alternate signal stack. Threads made by `std::thread` in a Rust program have
/// one; for others see [`AltStack`].
///
/// # Errors
/// What the system says; [`io::ErrorKind::Unsupported`] where there are no coroutines or no signals. (On Windows the
/// standard library reports overflows, without the task's name.)
///
/// ```
/// # #[cfg(all(unix, not(miri)))]
/// maniac_context::overflow::install_overflow_handler()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn install_overflow_handler() -> io::Result<()> {
    #[cfg(all(coroutines, unix, not(loom)))]
    return handler::install();
    #[cfg(not(all(coroutines, unix, not(loom))))]
    return Err(io::ErrorKind::Unsupported.into());
}

/// Where there are no signals there is nothing to run them on.
///
/// ```
/// let _alternate = maniac_context::overflow::AltStack::for_this_thread()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(not(all(coroutines, unix)))]
#[derive(Debug)]
pub struct AltStack {
    _thread_bound: std::marker::PhantomData<*mut ()>,
}

#[cfg(not(all(coroutines, unix)))]
impl AltStack {
    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn for_this_thread() -> io::Result<Self> {
        Ok(Self { _thread_bound: std::marker::PhantomData })
    }
}
