//! Waking a driver that waits in the kernel, so that only the wake-up that is needed costs a system call.
//!
//! One word: `RUNNING`, `PARKED` or `NOTIFIED`. Who wants attention publishes it (the inbox), then swaps in `NOTIFIED`; only who
//! found `PARKED` rings the bell. The owner moves `RUNNING` to `PARKED` by compare-and-swap before it waits; if that finds
//! `NOTIFIED` it swaps in `RUNNING` and does not wait this time. All are read-modify-writes of one word, so each
//! notification is seen either by the compare-and-swap or, as a ring, by the wait.
//!
//! One notification stands for all that came before it, and some of those say nothing but "look": what they are about lies with
//! the owner's caller, not in the inbox. So an owner that took one off never waits in the same turn, whatever its inbox held.

use crate::shim::{AtomicU32, ordering};
use std::io;
use std::sync::atomic::Ordering;

const RUNNING: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;

/// The word of the protocol above.
#[derive(Debug)]
pub(crate) struct ParkWord {
    word: AtomicU32,
}

impl ParkWord {
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(RUNNING) }
    }

    /// Leaves a notification; true if the owner waits and the bell must ring.
    pub(crate) fn notify(&self) -> bool {
        // A swap even when already notified: a load could miss what the owner is about to consume.
        self.word.swap(NOTIFIED, ordering("unpark.notify", Ordering::Release)) == PARKED
    }

    /// The owner is about to wait; false if it was notified, and must go back to its caller without waiting.
    pub(crate) fn park(&self) -> bool {
        let parked =
            self.word.compare_exchange(RUNNING, PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !parked {
            self.consume();
        }
        parked
    }

    /// The owner no longer waits; true if it was notified. What was published before is visible afterwards.
    pub(crate) fn consume(&self) -> bool {
        self.word.swap(RUNNING, ordering("unpark.consume", Ordering::Acquire)) == NOTIFIED
    }
}

/// What ends a wait in the kernel.
pub(crate) enum Bell {
    /// An eventfd that epoll watches, and the ring polls while it waits.
    #[cfg(maniac_uring)]
    Event(std::os::fd::OwnedFd),
    /// mio's own: an eventfd, a pipe or EVFILT_USER.
    #[cfg(maniac_poll)]
    Mio(mio::Waker),
    #[cfg(maniac_park)]
    Alarm(std::sync::Arc<crate::driver::park::Alarm>),
    /// A model's.
    #[cfg(loom)]
    Fake(Box<dyn Fn() + Send + Sync>),
    /// Where there is no backend, nothing waits.
    #[cfg(not(any(maniac_uring, maniac_poll, maniac_park, loom)))]
    None,
}

impl Bell {
    /// The eventfd, if that is what it is.
    #[cfg(maniac_uring)]
    #[allow(unreachable_patterns, reason = "there may be no other kind")]
    pub(crate) fn event(&self) -> Option<&std::os::fd::OwnedFd> {
        match self {
            Bell::Event(fd) => Some(fd),
            _ => None,
        }
    }

    /// Rings; the error is of interest to nobody but tests, since a wait that cannot be ended is a bug.
    pub(crate) fn ring(&self) -> io::Result<()> {
        match self {
            #[cfg(maniac_uring)]
            Bell::Event(fd) => crate::sys::eventfd_add(fd),
            #[cfg(maniac_poll)]
            Bell::Mio(waker) => waker.wake(),
            #[cfg(maniac_park)]
            Bell::Alarm(alarm) => {
                alarm.ring();
                Ok(())
            }
            #[cfg(loom)]
            Bell::Fake(ring) => {
                ring();
                Ok(())
            }
            #[cfg(not(any(maniac_uring, maniac_poll, maniac_park, loom)))]
            Bell::None => Ok(()),
        }
    }
}
