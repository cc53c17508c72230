//! What threads that do not own a role ask of it: timers to set and to cancel. Batched: one wake-up of the owner for many.

use maniac_wheel::TimerId;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// A request to a role's owner.
#[derive(Debug)]
pub(crate) enum Request {
    /// Set a timer, unless it was cancelled before the owner got here.
    Schedule { deadline: u64, waker: Waker, ticket: Arc<Ticket> },
    /// Cancel a timer.
    Cancel(TimerId),
}

/// Where the id of a timer that was asked for remotely appears.
#[derive(Debug, Default)]
pub(crate) struct Ticket(AtomicU64);

/// No id yet. (Timer ids are never zero: their generations begin at one.)
const WAITING: u64 = 0;
const CANCELLED: u64 = u64::MAX;

impl Ticket {
    /// The owner scheduled the timer; `false`: it was cancelled meanwhile.
    pub(crate) fn scheduled(&self, id: u64) -> bool {
        self.0.compare_exchange(WAITING, id, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire) == CANCELLED
    }

    /// The timer is not wanted any more; gives its id if it was scheduled.
    pub(crate) fn cancel(&self) -> Option<u64> {
        match self.0.swap(CANCELLED, Ordering::AcqRel) {
            WAITING | CANCELLED => None,
            id => Some(id),
        }
    }
}

/// The box of a role. Unbounded: each request stands for a timer that exists already or that its caller waits for.
#[derive(Debug)]
pub(crate) struct RemoteBox {
    /// Whether `requests` may hold something.
    any: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

impl RemoteBox {
    pub(crate) fn new() -> RemoteBox {
        RemoteBox { any: AtomicBool::new(false), requests: Mutex::new(Vec::new()) }
    }

    pub(crate) fn push(&self, request: Request) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        self.any.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        if self.is_empty() { 0 } else { self.requests.lock().unwrap_or_else(PoisonError::into_inner).len() }
    }

    /// Takes all requests.
    pub(crate) fn take(&self) -> Vec<Request> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *requests)
    }
}
