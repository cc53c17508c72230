//! Targets without preemption by a switch: nothing is ever armed, and nobody is asked.

use std::io;

use super::{Armed, Refused};
use crate::coroutine::Switched;

/// There is no handler to install.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`].
///
/// ```
/// assert!(maniac_context::preempt::install().is_err());
/// ```
pub fn install() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no signal to let through.
///
/// ```
/// maniac_context::preempt::let_through();
/// ```
pub fn let_through() {}

/// A thread that could be asked where there is preemption.
///
/// ```
/// maniac_context::preempt::Target::new().bind();
/// ```
#[derive(Debug, Default)]
pub struct Target(());

impl Target {
    /// Bound to no thread.
    #[must_use]
    pub const fn new() -> Target {
        Target(())
    }

    /// Does nothing.
    pub fn bind(&self) {}

    /// Does nothing.
    pub fn unbind(&self) {}

    /// Refuses.
    ///
    /// # Errors
    /// [`Refused::NoThread`].
    pub fn request(&self, _request: u64) -> Result<(), Refused> {
        Err(Refused::NoThread)
    }
}

pub(super) fn room() -> Option<usize> {
    None
}

pub(super) fn run<Ret>(_armed: &Armed<'_>, switch: impl FnOnce() -> Switched<Ret>) -> Switched<Ret> {
    switch()
}

pub(super) fn hold() {}

pub(super) fn deepen(_by: u32) -> bool {
    false
}
