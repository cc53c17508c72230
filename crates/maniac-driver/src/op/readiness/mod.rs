//! Waiting for a descriptor once, as an operation. [`Registration`](crate::Registration) is for those that wait often.

#[cfg(unix)]
mod poll;
#[cfg(not(unix))]
#[path = "stub.rs"]
mod poll;
#[cfg(maniac_uring)]
mod uring;

use super::{Mode, Operation, Returned};
use crate::fd::SharedFd;
use crate::ready::{Interest, ReadyEvent};
use std::io;

/// Waits until a descriptor is ready (poll(2)). Gives what it is ready for, which may be an error or the peer's end.
///
/// Cancel safety: nothing is taken.
#[derive(Debug)]
pub struct PollOnce {
    fd: SharedFd,
    interest: Interest,
}

impl PollOnce {
    /// Waits until `fd` is ready for any of `interest`.
    pub fn new(fd: SharedFd, interest: Interest) -> Self {
        Self { fd, interest }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for PollOnce {
    type Output = io::Result<ReadyEvent>;
    const NAME: &'static str = "poll";
    const MODE: Mode = Mode::Ready;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::POLL_ADD;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        Some(uring::poll(&self.fd, self.interest))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::poll(&self.fd, self.interest)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some((&self.fd, self.interest))
    }

    fn inline(&mut self) -> Option<io::Result<usize>> {
        super::now(self.call())
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        result.map(Returned::get).map(poll::event)
    }
}
