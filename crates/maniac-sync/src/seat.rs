//! The seat where the one waiting end of a channel leaves its waker for whoever wakes it. Who may touch it is decided by a
//! flag in the channel's own word; this module holds the hand-over only.

use crate::shim::{AtomicBool, Ordering, UnsafeCell, ordering};
use std::task::Waker;

/// A place for one waker that changes hands with a flag of the channel's word, called WAIT here.
///
/// The waiting end owns it while WAIT is clear and `lent` is false. It puts its waker in, then sets WAIT with release
/// ordering. Whoever clears WAIT by a read-modify-write owns the seat from then on: the waiting end itself, which takes the
/// seat back, or (with acquire ordering) a waker, which takes the waker out and then gives the seat back.
///
/// Against the diatomic waker (`crate::waker`) this saves the two read-modify-writes of its own state, since the channel's
/// word already says who is to wake; and a waker that panics leaves nothing locked, since it runs after all is done.
#[derive(Debug)]
pub(crate) struct Seat {
    lent: AtomicBool,
    waker: UnsafeCell<Option<Waker>>,
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self { lent: AtomicBool::new(false), waker: UnsafeCell::new(None) }
    }

    /// Whether a waker is between taking the seat and giving it back: a few instructions.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent.load(ordering("seat.back", Ordering::Acquire))
    }

    /// Leaves a waker in the seat. WAIT is to be set next, or the seat taken back.
    ///
    /// # Safety
    ///
    /// The caller is the waiting end, WAIT is clear, and [`Seat::is_lent`] said false since WAIT was last set.
    pub(crate) unsafe fn put(&self, waker: &Waker) {
        let same = self.waker.with(|held| {
            // SAFETY: [INV-5] the waiting end owns the seat, as the caller promises.
            let held = unsafe { &*held };
            held.as_ref().is_some_and(|held| held.will_wake(waker))
        });
        if !same {
            // Both may run foreign code, and panic: before anything changes, and after everything is in order.
            let new = Some(waker.clone());
            // SAFETY: [INV-5] the waiting end owns the seat, as the caller promises.
            let old = unsafe { self.swap(new) };
            drop(old);
        }
        self.lent.store(true, Ordering::Relaxed);
    }

    /// Makes the seat the waiting end's own again.
    ///
    /// # Safety
    ///
    /// The caller is the waiting end and has itself cleared WAIT, or has not set it.
    pub(crate) unsafe fn take_back(&self) {
        self.lent.store(false, Ordering::Relaxed);
    }

    /// Takes the waker out.
    ///
    /// # Safety
    ///
    /// The caller has cleared WAIT, which was set, by a read-modify-write with acquire ordering, and calls this once for it.
    /// Or the caller is the waiting end and owns the seat.
    pub(crate) unsafe fn take(&self) -> Option<Waker> {
        // SAFETY: [INV-5] clearing WAIT gave the seat to the caller.
        let waker = unsafe { self.swap(None) };
        self.lent.store(false, ordering("seat.give", Ordering::Release));
        waker
    }

    /// Exchanges what the seat holds.
    ///
    /// # Safety
    ///
    /// The caller owns the seat.
    unsafe fn swap(&self, new: Option<Waker>) -> Option<Waker> {
        self.waker.with_mut(|held| {
            // SAFETY: [INV-5] the caller owns the seat, and no other reference into it is alive.
            let held = unsafe { &mut *held };
            std::mem::replace(held, new)
        })
    }
}
