//! The state that a channel's ends share, and what senders do with it: claim, publish, wait for room, close. The
//! receiver's part is in [`consume`](super::consume). README.md explains the protocol.

use super::{
    chain::{Chain, Positions},
    consume::Rx,
    waiters::{Key, Polled, Waiters},
};
use crate::{
    seat::Seat,
    shim::{AtomicU64, AtomicUsize, Mutex, Ordering, Padded, UnsafeCell, lock, ordering},
    wakes::Wakes,
};
use std::task::Waker;

/// Flag of [`SendSide::state`]: no position claimed from now on counts.
pub(super) const CLOSED: u64 = 1;
/// Flag of [`SendSide::state`]: the receiver's waker is in the seat; who clears the flag wakes it.
pub(super) const RX_WAITING: u64 = 2;
/// Flag of [`SendSide::state`]: senders wait in the queue; room is given out through it only.
const WAITERS: u64 = 4;
/// Flag of [`RecvSide::head`]: senders wait in the queue; who makes room hands it out.
const HEAD_WAITERS: u64 = 1;
/// One message, in [`RecvSide::head`].
pub(super) const HEAD_ONE: u64 = 2;
/// Room for one message, in [`SendSide::state`] of a bounded channel.
const ROOM_ONE: u64 = 8;

/// The position's place in [`SendSide::state`]: above the flags, and for a bounded channel above the room.
const UNBOUNDED: Positions = Positions { shift: 3 };
const BOUNDED: Positions = Positions { shift: 32 };
const ROOM_MASK: u64 = (1 << BOUNDED.shift) - ROOM_ONE;

/// The most that a bounded channel holds: 536,870,911 messages.
pub const MAX_CAPACITY: usize = (ROOM_MASK / ROOM_ONE) as usize;

/// What senders write.
pub(super) struct SendSide<T> {
    /// `position | room | flags`, see the constants. Claiming is a read-modify-write of it.
    pub(super) state: AtomicU64,
    /// How many of the messages taken out so far have been turned into room again.
    refilled: AtomicU64,
    pub(super) chain: Chain<T>,
    pub(super) positions: Positions,
    /// 0 for an unbounded channel.
    capacity: u64,
}

/// What the receiver writes.
pub(super) struct RecvSide<T> {
    /// Twice the number of messages taken out, and [`HEAD_WAITERS`].
    pub(super) head: AtomicU64,
    /// The receiver's own.
    pub(super) rx: UnsafeCell<Rx<T>>,
}

/// A channel.
pub(super) struct Shared<T> {
    pub(super) send: Padded<SendSide<T>>,
    pub(super) recv: Padded<RecvSide<T>>,
    /// The receiver's waker.
    pub(super) seat: Seat,
    senders: AtomicUsize,
    waiters: Mutex<Waiters>,
}

// SAFETY: messages are moved from senders' threads to the receiver's, never shared; all else is atomic, locked, or the
// receiver's own [INV-3], who is one and needs `&mut`.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: [INV-3] as above.
unsafe impl<T: Send> Sync for Shared<T> {}

/// A claimed position: to be published at once, with no foreign code in between.
#[must_use]
pub(super) struct Claim {
    position: u64,
    wakes: bool,
}

/// What a sender believes the state to be: the one it last made itself. Guessing spares a load that would wait for the
/// write before it, and a wrong guess costs no more than that load.
pub(super) struct Guess(AtomicU64);

impl Guess {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

/// Why nothing was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// The outcome of asking for room at the queue's end.
pub(super) enum Queued {
    Granted,
    Closed,
    Waiting(Key),
}

impl<T> Shared<T> {
    /// `capacity` 0 is unbounded.
    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!(capacity <= MAX_CAPACITY);
        let capacity = capacity as u64;
        Self {
            send: Padded(SendSide {
                state: AtomicU64::new(capacity * ROOM_ONE),
                refilled: AtomicU64::new(0),
                chain: Chain::new(),
                positions: if capacity == 0 { UNBOUNDED } else { BOUNDED },
                capacity,
            }),
            recv: Padded(RecvSide { head: AtomicU64::new(0), rx: UnsafeCell::new(Rx::new()) }),
            seat: Seat::new(),
            senders: AtomicUsize::new(1),
            waiters: Mutex::new(Waiters::new()),
        }
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        self.is_bounded().then_some(self.send.capacity as usize)
    }

    #[inline(always)]
    pub(super) fn is_bounded(&self) -> bool {
        self.send.capacity != 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.send.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Messages claimed and not yet taken out, as far as a moment's look can tell.
    pub(super) fn len(&self) -> usize {
        let head = self.recv.head.load(Ordering::Acquire) / HEAD_ONE;
        let claimed = self.send.positions.of(self.send.state.load(Ordering::Acquire));
        // A claim after the first load can make it too large by as many as were taken out meanwhile, never more than fit.
        let len = claimed.wrapping_sub(head) & self.send.positions.mask();
        let most = if self.is_bounded() { self.send.capacity } else { self.send.positions.mask() };
        len.min(most) as usize
    }

    // --- Claiming

    /// Claims the next position, unless the channel is full or closed.
    #[inline(always)]
    pub(super) fn claim(&self, guess: &Guess) -> Result<Claim, Refused> {
        if !self.is_bounded() {
            return self.claim_unbounded();
        }
        let state = &self.send.state;
        let mut seen = guess.0.load(Ordering::Relaxed);
        loop {
            if seen & (CLOSED | WAITERS) != 0 || seen & ROOM_MASK == 0 {
                seen = self.look_for_room(seen)?;
                continue;
            }
            let next = seen.wrapping_add((1 << BOUNDED.shift) - ROOM_ONE);
            let order = ordering("mpsc.claim", Ordering::Acquire);
            match state.compare_exchange_weak(seen, next, order, Ordering::Relaxed) {
                Ok(_) => {
                    guess.0.store(next, Ordering::Relaxed);
                    return Ok(Claim { position: BOUNDED.of(seen), wakes: seen & RX_WAITING != 0 });
                }
                Err(other) => seen = other,
            }
        }
    }

    #[inline(always)]
    fn claim_unbounded(&self) -> Result<Claim, Refused> {
        self.claim_next(UNBOUNDED).ok_or(Refused::Closed)
    }

    /// Claims the next position, for which there is room. `None` if the channel is closed: positions beyond the close do
    /// not count, so that a claim after it changes nothing.
    #[inline(always)]
    fn claim_next(&self, positions: Positions) -> Option<Claim> {
        let seen = self.send.state.fetch_add(1 << positions.shift, ordering("mpsc.claim", Ordering::Acquire));
        let claim = Claim { position: positions.of(seen), wakes: seen & RX_WAITING != 0 };
        (seen & CLOSED == 0).then_some(claim)
    }

    /// Claims a position with the room taken before by [`Shared::take_room`] or granted in the queue.
    pub(super) fn claim_with_room(&self) -> Result<Claim, Refused> {
        if !self.is_bounded() {
            return self.claim_unbounded();
        }
        self.claim_next(BOUNDED).ok_or(Refused::Closed)
    }

    /// Takes room for one message without a position, unless the channel is full or closed.
    pub(super) fn take_room(&self) -> Result<(), Refused> {
        let state = &self.send.state;
        let mut seen = state.load(Ordering::Relaxed);
        loop {
            if !self.is_bounded() {
                return if seen & CLOSED == 0 { Ok(()) } else { Err(Refused::Closed) };
            }
            if seen & (CLOSED | WAITERS) != 0 || seen & ROOM_MASK == 0 {
                seen = self.look_for_room(seen)?;
                continue;
            }
            let order = ordering("mpsc.claim", Ordering::Acquire);
            match state.compare_exchange_weak(seen, seen - ROOM_ONE, order, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }

    /// Gives back room taken without a position.
    pub(super) fn give_room(&self) {
        if self.is_bounded() {
            self.add_room(1);
        }
    }

    /// Turns what the receiver took out meanwhile into room. Gives the state after that.
    #[cold]
    fn look_for_room(&self, guess: u64) -> Result<u64, Refused> {
        let seen = self.send.state.load(Ordering::Relaxed);
        if seen != guess {
            return Ok(seen);
        }
        if seen & CLOSED != 0 {
            return Err(Refused::Closed);
        }
        if seen & WAITERS != 0 {
            return Err(Refused::Full);
        }
        match self.collect() {
            0 => {
                // Others may have collected before us and not yet added.
                let state = self.send.state.load(Ordering::Relaxed);
                if state & ROOM_MASK == 0 && state & CLOSED == 0 { Err(Refused::Full) } else { Ok(state) }
            }
            room => {
                self.add_room(room);
                Ok(self.send.state.load(Ordering::Relaxed))
            }
        }
    }

    /// Takes over what the receiver has taken out and nobody has turned into room yet. The caller adds it as room.
    fn collect(&self) -> u64 {
        let refilled = &self.send.refilled;
        let mut seen = refilled.load(Ordering::Relaxed);
        loop {
            let head = self.recv.head.load(ordering("mpsc.collect", Ordering::Acquire)) / HEAD_ONE;
            if head <= seen {
                return 0;
            }
            match refilled.compare_exchange_weak(seen, head, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return head - seen,
                Err(other) => seen = other,
            }
        }
    }

    fn add_room(&self, room: u64) {
        let seen = self.fill(room);
        if seen & WAITERS != 0 {
            self.hand_out();
        }
    }

    /// Adds room, and gives the state before. What the receiver did before it made the room happens before the send that
    /// takes it.
    fn fill(&self, room: u64) -> u64 {
        self.send.state.fetch_add(room * ROOM_ONE, ordering("mpsc.room", Ordering::Release))
    }

    /// Whether a sender that spins would do well to try again: a good deal of the channel is free, or it is closed.
    pub(super) fn may_have_room(&self) -> bool {
        let state = self.send.state.load(Ordering::Relaxed);
        let free = self.send.capacity.saturating_sub(self.len() as u64);
        state & CLOSED != 0 || (state & WAITERS == 0 && free > self.send.capacity / 8)
    }

    // --- Publishing

    /// Puts the value into the claimed slot, and wakes the receiver if it waits.
    #[inline(always)]
    pub(super) fn publish(&self, claim: Claim, value: T) {
        let Claim { position, wakes } = claim;
        // SAFETY: [INV-1] the claim is ours and unpublished.
        let (slot, lap) = unsafe { self.send.chain.locate(&self.send.state, self.send.positions, position) };
        // SAFETY: [INV-4] the segment stays until the position is consumed.
        let slot = unsafe { slot.as_ref() };
        slot.value.with_mut(|place| {
            // SAFETY: [INV-1] nobody else writes the slot; [INV-2] nobody reads it before it is published.
            unsafe { (*place).write(value) };
        });
        slot.ready.store(lap, ordering("mpsc.ready", Ordering::Release));
        // Nothing of the chain is touched from here on.
        if wakes {
            self.wake_receiver();
        }
    }

    #[cold]
    pub(super) fn wake_receiver(&self) {
        let seen = self.send.state.fetch_and(!RX_WAITING, ordering("mpsc.wake", Ordering::Acquire));
        if seen & RX_WAITING == 0 {
            return;
        }
        // SAFETY: [INV-5] the flag was set and we cleared it.
        let waker = unsafe { self.seat.take() };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    // --- Waiting for room

    /// Takes room, or joins the queue with `waker`.
    pub(super) fn queue(&self, waker: Waker) -> Queued {
        let mut waiters = lock(&self.waiters);
        let state = &self.send.state;
        let outcome = loop {
            let seen = state.load(Ordering::Relaxed);
            if seen & CLOSED != 0 {
                break Queued::Closed;
            }
            if !waiters.is_empty() {
                return Queued::Waiting(waiters.push(waker));
            }
            if seen & ROOM_MASK != 0 {
                let next = seen - ROOM_ONE;
                let order = ordering("mpsc.claim", Ordering::Acquire);
                if state.compare_exchange(seen, next, order, Ordering::Relaxed).is_err() {
                    continue;
                }
                if seen & WAITERS != 0 {
                    self.clear_waiters();
                }
                break Queued::Granted;
            }
            if seen & WAITERS == 0 {
                // From here on nobody takes room but through the queue, and who adds some comes to hand it out.
                let next = seen | WAITERS;
                if state.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                    continue;
                }
            }
            // Either the receiver has moved before this, and it shows, or it sees the flag when it moves.
            self.recv.head.fetch_or(HEAD_WAITERS, Ordering::Relaxed);
            match self.collect() {
                0 => return Queued::Waiting(waiters.push(waker)),
                room => self.fill(room),
            };
        };
        drop(waiters);
        outcome
    }

    /// What has become of a place in the queue; leaves `waker` there while it waits.
    pub(super) fn poll_queued(&self, key: Key, waker: &Waker) -> Polled {
        let mut found = lock(&self.waiters).poll(key, Some(waker));
        if found == Polled::OtherWaker {
            let new = waker.clone();
            let old = lock(&self.waiters).replace(key, new);
            drop(old);
            found = lock(&self.waiters).poll(key, None);
        }
        found
    }

    /// Leaves the queue; room granted meanwhile goes to the next.
    pub(super) fn cancel_queued(&self, key: Key) {
        let (granted, waker) = lock(&self.waiters).cancel(key);
        if granted {
            self.give_room();
        }
        drop(waker);
    }

    /// The lock on the queue is held, and nobody waits in it.
    fn clear_waiters(&self) {
        self.send.state.fetch_and(!WAITERS, Ordering::Relaxed);
        self.recv.head.fetch_and(!HEAD_WAITERS, Ordering::Relaxed);
    }

    /// Hands room to those in the queue, first come first served, and wakes them.
    #[cold]
    pub(super) fn hand_out(&self) {
        loop {
            let mut wakes = Wakes::new();
            let mut waiters = lock(&self.waiters);
            while !waiters.is_empty() && !wakes.is_full() {
                if self.take_queued_room() {
                    wakes.push(waiters.grant_first());
                    continue;
                }
                match self.collect() {
                    0 => break,
                    room => self.fill(room),
                };
            }
            if waiters.is_empty() {
                self.clear_waiters();
            }
            drop(waiters);
            let more = wakes.is_full();
            wakes.wake_all();
            if !more {
                return;
            }
        }
    }

    /// Takes room for one message for the queue's first.
    fn take_queued_room(&self) -> bool {
        let state = &self.send.state;
        let mut seen = state.load(Ordering::Relaxed);
        while seen & ROOM_MASK != 0 {
            let order = ordering("mpsc.claim", Ordering::Acquire);
            match state.compare_exchange_weak(seen, seen - ROOM_ONE, order, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => seen = other,
            }
        }
        false
    }

    // --- Closing, and waiting for it

    /// Closes the channel. Gives the state before; who closes first wakes all senders.
    pub(super) fn close(&self) -> u64 {
        let seen = self.send.state.fetch_or(CLOSED, ordering("mpsc.close", Ordering::AcqRel));
        if seen & CLOSED != 0 {
            return seen;
        }
        loop {
            let mut wakes = Wakes::new();
            let mut waiters = lock(&self.waiters);
            while !waiters.is_empty() && !wakes.is_full() {
                wakes.push(waiters.close_first());
            }
            let more = wakes.is_full();
            let watchers = if more { Vec::new() } else { waiters.take_close_watchers() };
            drop(waiters);
            wakes.wake_all();
            Wakes::wake_each(watchers);
            if !more {
                return seen;
            }
        }
    }

    /// Leaves a waker for the close. False if the channel is closed already.
    pub(super) fn watch_close(&self, key: &mut Option<Key>, waker: &Waker) -> bool {
        if self.is_closed() {
            return false;
        }
        let waker = waker.clone();
        let mut waiters = lock(&self.waiters);
        // The closer sets the flag before it takes the lock.
        let closed = self.send.state.load(Ordering::Relaxed) & CLOSED != 0;
        let unused = if closed { Some(waker) } else { waiters.watch_close(key, waker) };
        drop(waiters);
        drop(unused);
        !closed
    }

    /// Takes back what [`Shared::watch_close`] left.
    pub(super) fn forget_close(&self, key: Key) {
        let waker = lock(&self.waiters).forget_close(key);
        drop(waker);
    }

    // --- Counting senders

    pub(super) fn senders(&self) -> usize {
        self.senders.load(Ordering::Relaxed)
    }

    pub(super) fn add_sender(&self) {
        if self.senders.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
            // As `Arc` does: only forgetting billions of handles leads here, and going on would be unsound.
            std::process::abort();
        }
    }

    /// Adds a sender unless the last is gone.
    pub(super) fn try_add_sender(&self) -> bool {
        let mut seen = self.senders.load(Ordering::Relaxed);
        while seen != 0 {
            match self.senders.compare_exchange_weak(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => seen = other,
            }
        }
        false
    }

    /// The last sender closes the channel.
    pub(super) fn drop_sender(&self) {
        // All claims of all senders come before the close, so that the position at the close is the last.
        if self.senders.fetch_sub(1, ordering("mpsc.senders", Ordering::AcqRel)) == 1 {
            let seen = self.send.state.fetch_or(CLOSED, ordering("mpsc.close", Ordering::AcqRel));
            if seen & RX_WAITING != 0 {
                self.wake_receiver();
            }
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        self.recv.rx.with_mut(|rx| {
            // SAFETY: [local] `&mut self`.
            let rx = unsafe { &mut *rx };
            // SAFETY: [local] nobody else is left, and the receiver, before it went, has taken all values out.
            unsafe { rx.cursor.free_all(&self.send.chain) };
        });
    }
}
