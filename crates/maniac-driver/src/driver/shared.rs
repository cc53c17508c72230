//! What a driver's owner shares with other threads: inboxes, free blocks, the way to wake it.

use crate::completions::Completions;
use crate::inbox::Inbox;
use crate::op::Operation;
use crate::ready::IoState;
use crate::record::{Block, CLASSES, Op, Outcome, RecordRef, START};
use crate::unpark::{Bell, ParkWord};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The part of a driver that any thread may use.
pub(crate) struct Shared {
    /// Records that the owner shall look at: submitted, cancelled, ready, done elsewhere.
    pub(crate) inbox: Inbox<RecordRef>,
    /// Readiness registrations to begin or end.
    pub(crate) ios: Inbox<Arc<IoState>>,
    /// Blocks given back. Each holds a count of this struct, which the driver's end resolves by closing the lists.
    pub(crate) returned: [Inbox<Block>; CLASSES],
    pub(crate) park: ParkWord,
    pub(crate) bell: Bell,
    /// epoll's or kqueue's other end, for ending a registration from any thread.
    #[cfg(maniac_poll)]
    pub(crate) registry: Option<mio::Registry>,
    /// What watches descriptors beside a ring.
    #[cfg(maniac_uring)]
    pub(crate) epoll: Option<crate::sys::Epoll>,
    /// Operations with a thread of the pool.
    pub(crate) offloaded: AtomicUsize,
    /// Operations that threads of the pool completed.
    pub(crate) done_elsewhere: AtomicU64,
    /// The driver shuts down: jobs not begun end as cancelled, and their completion wakes the owner.
    pub(crate) closing: AtomicBool,
}

impl Shared {
    pub(crate) fn new(bell: Bell) -> Self {
        Self {
            inbox: Inbox::new(),
            ios: Inbox::new(),
            returned: std::array::from_fn(|_| Inbox::new()),
            park: ParkWord::new(),
            bell,
            #[cfg(maniac_poll)]
            registry: None,
            #[cfg(maniac_uring)]
            epoll: None,
            offloaded: AtomicUsize::new(0),
            done_elsewhere: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        }
    }

    /// Makes the owner look at its inboxes, now or before it next waits.
    pub(crate) fn notify(&self) {
        if self.park.notify() {
            let rung = self.bell.ring();
            debug_assert!(rung.is_ok(), "the driver's wake-up failed: {rung:?}");
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("offloaded", &self.offloaded).finish_non_exhaustive()
    }
}

/// The error of operations whose driver is gone.
pub(crate) fn driver_gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the driver of this operation has been shut down")
}

/// The error of operations that ended because they were asked to.
pub(crate) fn cancelled() -> io::Error {
    #[cfg(unix)]
    return io::Error::from_raw_os_error(libc::ECANCELED);
    #[cfg(not(unix))]
    return io::Error::new(io::ErrorKind::Interrupted, "the operation was cancelled");
}

/// Completes a record on a thread that does not own its driver.
///
/// # Safety
///
/// As for [`RecordRef::complete`].
pub(crate) unsafe fn complete_elsewhere(record: RecordRef, result: io::Result<usize>) {
    // SAFETY: [caller] passed on to the caller.
    match unsafe { record.complete(result) } {
        Outcome::Silent => (),
        Outcome::Wake(waker) => waker.wake(),
        Outcome::Token(record, _) => {
            let _ = record.request(crate::record::NOTIFY);
        }
        Outcome::Orphan(garbage) => drop(garbage),
    }
}

impl Completions {
    /// Notes who must hear of a completion, for the owner's caller to act on.
    pub(crate) fn note(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Silent => (),
            Outcome::Wake(waker) => self.wakers.push(waker),
            Outcome::Token(_, token) => self.tokens.push(token),
            Outcome::Orphan(garbage) => self.garbage.push(garbage),
        }
    }
}

/// A driver's far end: any thread submits through it, and the owner is woken if it waits. Cloning is cheap.
///
/// ```
/// # #[cfg(all(unix, feature = "mio"))] {
/// use maniac_driver::{Driver, DriverConfig, NoOffload, Remote};
/// let driver = Driver::new(DriverConfig::new(), std::sync::Arc::new(NoOffload)).unwrap();
/// let remote: Remote = driver.remote();
/// std::thread::spawn(move || remote.unpark()).join().unwrap();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Remote {
    shared: Arc<Shared>,
}

impl Remote {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Submits `op` to the driver's owner. Allocates a record; the owner's own [`submit`](crate::Driver::submit) does not
    /// once it is warm.
    pub fn submit<T: Operation>(&self, op: T) -> Op<T> {
        self.send(op, None)
    }

    /// Submits `op`; its completion puts `token` into the list that [`Driver::poll`](crate::Driver::poll) fills.
    pub fn submit_with_token<T: Operation>(&self, op: T, token: u64) -> Op<T> {
        self.send(op, Some(token))
    }

    fn send<T: Operation>(&self, op: T, token: Option<u64>) -> Op<T> {
        // Not of a class: only the owner takes from the lists of free blocks, and they would grow without end.
        let block = Block::single::<T>(self.shared.clone());
        let record = RecordRef::new(block, op, token);
        let handle = Op::new(record.clone());
        if !record.request(START) {
            // SAFETY: [INV-1] the inbox refused the record, so it was never anyone else's to drive.
            unsafe { complete_elsewhere(record, Err(driver_gone())) };
        }
        handle
    }

    /// Asks for `op` to be ended, as [`Op::cancel`] does.
    pub fn cancel<T: Operation>(&self, op: &Op<T>) {
        op.cancel();
    }

    /// Ends the owner's wait, or its next one. Repeated calls before the owner looks cost one atomic operation each.
    pub fn unpark(&self) {
        self.shared.notify();
    }

    /// A handle that can do nothing but [`unpark`](Remote::unpark).
    pub fn unparker(&self) -> Unparker {
        Unparker { shared: self.shared.clone() }
    }

    /// Whether the driver has been shut down.
    pub fn is_closed(&self) -> bool {
        self.shared.closing.load(Ordering::Acquire)
    }
}

/// Ends a driver's wait, from any thread.
#[derive(Clone, Debug)]
pub struct Unparker {
    shared: Arc<Shared>,
}

impl Unparker {
    /// Ends the owner's wait, or its next one. Repeated calls before the owner looks cost one atomic operation each.
    pub fn unpark(&self) {
        self.shared.notify();
    }
}
