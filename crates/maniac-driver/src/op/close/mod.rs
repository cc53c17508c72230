//! Closing a descriptor, and hearing how that went.

#[cfg(unix)]
mod poll;
#[cfg(not(unix))]
#[path = "stub.rs"]
mod poll;
#[cfg(maniac_uring)]
mod uring;

use super::{Mode, Operation, Returned, unit};
use crate::fd::OwnedDescriptor;
use std::io;

/// Closes a descriptor (close(2)). Of a [`SharedFd`](crate::SharedFd), first take it out with
/// [`unwrap_last`](crate::SharedFd::unwrap_last): that waits for the operations in flight.
///
/// Cancel safety: the descriptor is closed in any case.
#[derive(Debug)]
pub struct Close {
    /// Present until closed.
    fd: Option<OwnedDescriptor>,
    /// Whether the ring was asked to close the number.
    asked: bool,
}

impl Close {
    /// Closes `fd`.
    pub fn new(fd: OwnedDescriptor) -> Self {
        Self { fd: Some(fd), asked: false }
    }
}

// SAFETY: [INV-1] the entry points to nothing. The ring closes the number that `fd` owns; `finish` makes sure that it is
// closed once.
unsafe impl Operation for Close {
    type Output = io::Result<()>;
    const NAME: &'static str = "close";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::CLOSE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        self.asked = self.fd.is_some();
        self.fd.as_ref().map(uring::close)
    }

    fn call(&mut self) -> io::Result<usize> {
        self.fd.take().map_or(Ok(0), poll::close)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        let result = unit(result);
        match self.fd {
            Some(fd) if self.asked => poll::closed(fd, &result),
            other => drop(other),
        }
        result
    }
}
