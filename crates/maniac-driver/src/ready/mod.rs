//! Readiness: whether a descriptor can be read or written without waiting, and who waits for that.
//!
//! What lives here: the state of one descriptor ([`IoState`], one for each [`SharedFd`] that something waits for) and its
//! public face, [`Registration`]. What does not: epoll and kqueue, which the backends
//! own.

mod registration;
mod state;
mod waiters;
#[cfg(any(maniac_poll, maniac_uring))]
mod watched;

pub use registration::{Ready, Registration};
#[cfg(any(maniac_poll, maniac_uring))]
pub(crate) use registration::{io_of, known_io};
pub(crate) use state::IoState;
#[cfg(any(maniac_poll, maniac_uring))]
pub(crate) use watched::Watched;

use std::ops::BitOr;

/// What to wait for.
///
/// ```
/// use maniac_driver::Interest;
/// assert!((Interest::READABLE | Interest::WRITABLE).is_readable());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest(u32);

impl Interest {
    /// Data, a connection or the end can be read.
    pub const READABLE: Interest = Interest(READABLE);
    /// Data can be written.
    pub const WRITABLE: Interest = Interest(WRITABLE);
    /// Out-of-band data is there (POLLPRI).
    pub const PRIORITY: Interest = Interest(PRIORITY);

    /// Whether it includes reading.
    pub const fn is_readable(self) -> bool {
        self.0 & READABLE != 0
    }

    /// Whether it includes writing.
    pub const fn is_writable(self) -> bool {
        self.0 & WRITABLE != 0
    }

    /// Whether it includes out-of-band data.
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// The bits that satisfy it.
    const fn mask(self) -> u32 {
        let mut mask = self.0 | ERROR;
        if self.0 & (READABLE | PRIORITY) != 0 {
            mask |= READ_CLOSED;
        }
        if self.0 & WRITABLE != 0 {
            mask |= WRITE_CLOSED;
        }
        mask
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }
}

pub(crate) const READABLE: u32 = 1 << 0;
pub(crate) const WRITABLE: u32 = 1 << 1;
pub(crate) const PRIORITY: u32 = 1 << 2;
pub(crate) const READ_CLOSED: u32 = 1 << 3;
pub(crate) const WRITE_CLOSED: u32 = 1 << 4;
pub(crate) const ERROR: u32 = 1 << 5;

/// What a descriptor was ready for at a moment. [`Registration::clear_ready`] takes exactly that back, and nothing that
/// came later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyEvent {
    bits: u32,
    tick: u32,
}

impl ReadyEvent {
    /// An event outside of any state's history.
    pub(crate) fn of(bits: u32) -> Self {
        Self { bits, tick: 0 }
    }

    /// Reading will not block.
    pub const fn is_readable(self) -> bool {
        self.bits & (READABLE | READ_CLOSED) != 0
    }

    /// Writing will not block.
    pub const fn is_writable(self) -> bool {
        self.bits & (WRITABLE | WRITE_CLOSED) != 0
    }

    /// The peer has shut its writing side, or all of it.
    pub const fn is_read_closed(self) -> bool {
        self.bits & READ_CLOSED != 0
    }

    /// The peer reads no more.
    pub const fn is_write_closed(self) -> bool {
        self.bits & WRITE_CLOSED != 0
    }

    /// Out-of-band data is there.
    pub const fn is_priority(self) -> bool {
        self.bits & PRIORITY != 0
    }

    /// An error is pending on the descriptor (SO_ERROR tells a socket's).
    pub const fn is_error(self) -> bool {
        self.bits & ERROR != 0
    }
}
