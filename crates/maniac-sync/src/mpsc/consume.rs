//! What the receiver does with the shared state: take out, wait, close. The senders' part is in [`chan`](super::chan).

use super::{
    chain::Cursor,
    chan::{CLOSED, HEAD_ONE, RX_WAITING, Shared},
};
use crate::{
    park::{Backoff, Pace},
    shim::{Ordering, ordering, spin_loop},
    wait::{self, Word},
};
use std::task::{Context, Poll};

static MESSAGE: Word = Word::new("a message of a channel");

/// The receiver's own state.
pub(super) struct Rx<T> {
    pub(super) cursor: Cursor<T>,
    /// How many messages have been taken out.
    head: u64,
    /// The first position that does not count, once the receiver has closed the channel.
    end: Option<u64>,
    /// How long to spin, and whether at all: learnt from what became of it.
    pace: Pace,
}

/// What a look at the queue found.
pub(super) enum Pop<T> {
    Value(T),
    /// Nothing was sent.
    Empty,
    /// Nothing was sent, and nothing will be.
    Closed,
    /// A sender has claimed the next position and is about to publish it.
    Unpublished,
}

impl<T> Rx<T> {
    pub(super) fn new() -> Self {
        Self { cursor: Cursor::new(), head: 0, end: None, pace: Pace::new() }
    }
}

/// The receiver's half of a channel: made by the one receiver from its `&mut self`, which makes it exclusive.
pub(super) struct Consumer<'a, T> {
    shared: &'a Shared<T>,
    rx: &'a mut Rx<T>,
}

impl<'a, T> Consumer<'a, T> {
    /// # Safety
    ///
    /// The caller is the channel's one receiver, borrowed for `'a` exclusively.
    #[inline(always)]
    pub(super) unsafe fn new(shared: &'a Shared<T>) -> Self {
        // SAFETY: [INV-3] nobody but the receiver has a reference to it.
        let rx = shared.recv.rx.with_mut(|rx| unsafe { &mut *rx });
        Self { shared, rx }
    }

    /// Takes out the next message. [`Consumer::release`] makes it room.
    #[inline(always)]
    fn take(&mut self) -> Option<T> {
        let Shared { send, .. } = self.shared;
        let head = self.rx.head & send.positions.mask();
        // SAFETY: [INV-3] we are the receiver, and `head` is the cursor's position.
        let slot = unsafe { self.rx.cursor.ready(&send.chain, send.positions, head) }?;
        // SAFETY: [INV-4] the receiver's own segment is alive.
        let slot = unsafe { slot.as_ref() };
        let value = slot.value.with(|place| {
            // SAFETY: [INV-2] published, and the cursor moves on so that it is read once.
            unsafe { place.cast::<T>().read() }
        });
        self.rx.cursor.advance();
        self.rx.head += 1;
        Some(value)
    }

    /// Tells the senders that so many messages were taken out.
    #[inline(always)]
    fn release(&mut self, count: u64) {
        let head = &self.shared.recv.head;
        if self.shared.is_bounded() {
            // Two waits must not miss each other: a sender sets a flag in this word and then looks at the count, so
            // that either it sees this message gone or this sees the flag.
            let order = ordering("mpsc.made", Ordering::Release);
            let seen = head.fetch_add(count * HEAD_ONE, order);
            if seen & (HEAD_ONE - 1) != 0 {
                self.shared.hand_out();
            }
        } else {
            head.store(self.rx.head * HEAD_ONE, Ordering::Release);
        }
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Pop<T> {
        match self.take() {
            Some(value) => {
                self.release(1);
                Pop::Value(value)
            }
            None => self.why_not(),
        }
    }

    #[cold]
    fn why_not<R>(&self) -> Pop<R> {
        let positions = self.shared.send.positions;
        let state = self.shared.send.state.load(ordering("mpsc.end", Ordering::Acquire));
        let end = self.rx.end.unwrap_or(positions.of(state));
        if end != self.rx.head & positions.mask() {
            Pop::Unpublished
        } else if state & CLOSED != 0 {
            Pop::Closed
        } else {
            Pop::Empty
        }
    }

    /// Takes out up to `limit` messages.
    pub(super) fn pop_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> Pop<usize> {
        let mut taken = Taken { consumer: self, count: 0 };
        while taken.count < limit as u64 {
            // Room for one before one is taken out: a failed allocation loses nothing.
            buffer.reserve(1);
            let Some(value) = taken.consumer.take() else { break };
            taken.count += 1;
            buffer.push(value);
        }
        let count = taken.count as usize;
        drop(taken);
        if count == 0 && limit != 0 { self.why_not() } else { Pop::Value(count) }
    }

    /// Polls `pop` until it gives something, leaving the waker when there is nothing.
    pub(super) fn poll<R>(
        &mut self,
        context: &mut Context<'_>,
        mut pop: impl FnMut(&mut Self) -> Pop<R>,
    ) -> Poll<Option<R>> {
        self.spin_briefly();
        let mut backoff = Backoff::new();
        loop {
            match pop(self) {
                Pop::Value(value) => return Poll::Ready(Some(value)),
                Pop::Closed => return Poll::Ready(None),
                Pop::Empty if self.wait(context) => return wait::pending_on(&MESSAGE),
                // A sender is amid publishing, or amid waking us: it needs a few instructions, or the processor.
                Pop::Empty | Pop::Unpublished => backoff.snooze(),
            }
            if backoff.is_yielding() {
                crate::shim::thread::yield_now();
                context.waker().wake_by_ref();
                return wait::pending_on(&MESSAGE);
            }
        }
    }

    /// Whether the next message is published. Unlike [`Consumer::pop`] it looks at nothing that senders write for each
    /// other, and so does not slow them down.
    fn is_ready(&mut self) -> bool {
        let Shared { send, .. } = self.shared;
        let head = self.rx.head & send.positions.mask();
        // SAFETY: [INV-3] we are the receiver, and `head` is the cursor's position.
        unsafe { self.rx.cursor.ready(&send.chain, send.positions, head) }.is_some()
    }

    /// Before leaving a waker: a spin of a microsecond at most, and only while that is of use.
    fn spin_briefly(&mut self) {
        let most = self.rx.pace.patience();
        if most == 0 {
            return;
        }
        let mut found = false;
        for _ in 0..most {
            spin_loop();
            if self.is_ready() {
                found = true;
                break;
            }
        }
        self.rx.pace.learn(found);
    }

    /// Before parking the thread: spins, then yields the processor. Whether there may be something to take out.
    pub(super) fn spin(&mut self) -> bool {
        self.rx.pace.found(self.rx.head);
        let mut backoff = Backoff::new();
        while !backoff.is_over() {
            backoff.snooze_at_least(self.rx.pace.pause());
            if self.is_ready() {
                return true;
            }
        }
        false
    }

    /// Leaves the waker, if the queue is still empty then. False if it is not, or if the seat is just being given back.
    fn wait(&mut self, context: &mut Context<'_>) -> bool {
        if !self.unwait() {
            return false;
        }
        let Shared { send, seat, .. } = self.shared;
        let state = &send.state;
        // SAFETY: [INV-5] the flag is clear and the seat not lent.
        unsafe { seat.put(context.waker()) };
        let head = self.rx.head & send.positions.mask();
        let mut seen = state.load(Ordering::Relaxed);
        while send.positions.of(seen) == head && seen & CLOSED == 0 {
            // A sender that claims after this sees the flag; one that claimed before makes this fail.
            let order = ordering("mpsc.wait", Ordering::Release);
            match state.compare_exchange_weak(seen, seen | RX_WAITING, order, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => seen = other,
            }
        }
        // SAFETY: [INV-5] the flag was not set.
        unsafe { seat.take_back() };
        false
    }

    /// Clears the flag that a former wait may have left set. Whether the seat is ours then.
    fn unwait(&mut self) -> bool {
        let Shared { send, seat, .. } = self.shared;
        if send.state.load(Ordering::Relaxed) & RX_WAITING != 0 {
            let seen = send.state.fetch_and(!RX_WAITING, Ordering::Relaxed);
            if seen & RX_WAITING != 0 {
                // SAFETY: [INV-5] we cleared the flag that we set ourselves.
                unsafe { seat.take_back() };
            }
        }
        !seat.is_lent()
    }

    /// Closes the channel for senders. What was sent can still be taken out.
    pub(super) fn close(&mut self) {
        let seen = self.shared.close();
        self.rx.end.get_or_insert(self.shared.send.positions.of(seen));
    }

    /// Closes, takes out and drops what was sent, and forgets the waker.
    pub(super) fn finish(&mut self) {
        let mut rest = Rest { consumer: self };
        rest.consumer.close();
        rest.drop_all();
        drop(rest);
        let waker = self.unwait().then(|| {
            // SAFETY: [INV-5] the flag is clear and the seat not lent.
            unsafe { self.shared.seat.take() }
        });
        drop(waker);
    }
}

/// Makes room of what was taken out, also when a panic cuts the taking short.
struct Taken<'c, 'a, T> {
    consumer: &'c mut Consumer<'a, T>,
    count: u64,
}

impl<T> Drop for Taken<'_, '_, T> {
    fn drop(&mut self) {
        if self.count != 0 {
            self.consumer.release(self.count);
        }
    }
}

/// Drops what is left in the channel, also when a message's destructor, or a waker that the close woke, panics.
struct Rest<'c, 'a, T> {
    consumer: &'c mut Consumer<'a, T>,
}

impl<T> Rest<'_, '_, T> {
    fn drop_all(&mut self) {
        let mut backoff = Backoff::new();
        loop {
            match self.consumer.pop() {
                Pop::Value(value) => drop(value),
                // The sender is a few instructions away from publishing. Its message may hold a sender of this channel,
                // which would keep the channel alive for ever if nobody dropped it.
                Pop::Unpublished => backoff.snooze(),
                Pop::Empty | Pop::Closed => return,
            }
        }
    }
}

impl<T> Drop for Rest<'_, '_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.drop_all();
        }
    }
}
