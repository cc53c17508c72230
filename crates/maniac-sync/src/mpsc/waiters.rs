//! The queue of senders that wait for room, and of those that wait for the close: a plain data structure that the channel
//! keeps under a lock and touches only when it is full or closing. Safe code; it calls nothing foreign.

use std::task::Waker;

/// Names an entry of [`Waiters`].
pub(super) type Key = usize;

const NONE: Key = usize::MAX;

/// Room for so many waiters is kept when nobody waits any more.
const KEPT: usize = 64;

/// What has become of a waiting sender.
#[derive(Debug)]
enum State {
    /// In the queue.
    Waiting(Waker),
    /// Taken out of the queue with room for one message.
    Granted,
    /// Taken out of the queue because the channel closed.
    Closed,
}

#[derive(Debug)]
enum Entry {
    Used { state: State, prev: Key, next: Key },
    Free { next: Key },
}

/// What [`Waiters::poll`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// Still in the queue, with the waker that it was given.
    Waiting,
    /// Still in the queue, but with another waker: [`Waiters::replace`] it.
    OtherWaker,
    /// Room for one message is the caller's; the entry is gone.
    Granted,
    /// The channel is closed; the entry is gone.
    Closed,
}

/// First come, first served; entries are reused, so that waiting allocates only when more wait than ever before.
#[derive(Debug)]
pub(super) struct Waiters {
    entries: Vec<Entry>,
    used: usize,
    free: Key,
    first: Key,
    last: Key,
    /// Those who wait for the close and not for room.
    for_close: Vec<Option<Waker>>,
}

impl Waiters {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), used: 0, free: NONE, first: NONE, last: NONE, for_close: Vec::new() }
    }

    /// Whether nobody waits for room.
    pub(super) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Puts a waiter at the end of the queue.
    pub(super) fn push(&mut self, waker: Waker) -> Key {
        let entry = Entry::Used { state: State::Waiting(waker), prev: self.last, next: NONE };
        let key = self.free;
        let key = if let Some(Entry::Free { next }) = self.entries.get(key) {
            self.free = *next;
            self.entries[key] = entry;
            key
        } else {
            self.entries.push(entry);
            self.entries.len() - 1
        };
        match self.entries.get_mut(self.last) {
            Some(Entry::Used { next, .. }) => *next = key,
            _ => self.first = key,
        }
        self.last = key;
        self.used += 1;
        key
    }

    /// Takes the first out of the queue and grants it room. Its waker is to be woken.
    pub(super) fn grant_first(&mut self) -> Option<Waker> {
        self.settle_first(State::Granted)
    }

    /// Takes the first out of the queue because the channel closed. Its waker is to be woken.
    pub(super) fn close_first(&mut self) -> Option<Waker> {
        self.settle_first(State::Closed)
    }

    fn settle_first(&mut self, outcome: State) -> Option<Waker> {
        let key = self.first;
        self.unlink(key);
        match self.entries.get_mut(key) {
            Some(Entry::Used { state, .. }) => match std::mem::replace(state, outcome) {
                State::Waiting(waker) => Some(waker),
                State::Granted | State::Closed => None,
            },
            _ => None,
        }
    }

    /// Takes an entry out of the queue, and leaves it among the used ones.
    fn unlink(&mut self, key: Key) {
        let Some(&Entry::Used { state: State::Waiting(_), prev, next }) = self.entries.get(key) else {
            return;
        };
        match self.entries.get_mut(prev) {
            Some(Entry::Used { next: after, .. }) => *after = next,
            _ => self.first = next,
        }
        match self.entries.get_mut(next) {
            Some(Entry::Used { prev: before, .. }) => *before = prev,
            _ => self.last = prev,
        }
    }

    fn release(&mut self, key: Key) -> Option<State> {
        let freed = Entry::Free { next: self.free };
        match std::mem::replace(self.entries.get_mut(key)?, freed) {
            Entry::Used { state, .. } => {
                self.free = key;
                self.used -= 1;
                if self.used == 0 && self.entries.capacity() > KEPT {
                    *self = Self { for_close: std::mem::take(&mut self.for_close), ..Self::new() };
                }
                Some(state)
            }
            free @ Entry::Free { .. } => {
                self.entries[key] = free;
                None
            }
        }
    }

    /// What has become of the waiter.
    pub(super) fn poll(&mut self, key: Key, waker: Option<&Waker>) -> Polled {
        match self.entries.get(key) {
            Some(Entry::Used { state: State::Waiting(held), .. }) => match waker {
                Some(waker) if !held.will_wake(waker) => Polled::OtherWaker,
                _ => Polled::Waiting,
            },
            Some(Entry::Used { state: State::Granted, .. }) => {
                self.release(key);
                Polled::Granted
            }
            _ => {
                self.release(key);
                Polled::Closed
            }
        }
    }

    /// Gives a waiter another waker, if it still waits; gives back the one that is no longer needed.
    pub(super) fn replace(&mut self, key: Key, waker: Waker) -> Waker {
        match self.entries.get_mut(key) {
            Some(Entry::Used { state: State::Waiting(held), .. }) => std::mem::replace(held, waker),
            _ => waker,
        }
    }

    /// Removes a waiter for good. Gives whether it had been granted room, and a waker to drop outside of the lock.
    pub(super) fn cancel(&mut self, key: Key) -> (bool, Option<Waker>) {
        self.unlink(key);
        match self.release(key) {
            Some(State::Waiting(waker)) => (false, Some(waker)),
            Some(State::Granted) => (true, None),
            Some(State::Closed) | None => (false, None),
        }
    }

    /// Adds, or gives another waker to, someone who waits for the close. Gives back a waker to drop outside of the lock.
    pub(super) fn watch_close(&mut self, key: &mut Option<Key>, waker: Waker) -> Option<Waker> {
        let place = key.unwrap_or_else(|| {
            self.for_close.iter().position(Option::is_none).unwrap_or_else(|| {
                self.for_close.push(None);
                self.for_close.len() - 1
            })
        });
        *key = Some(place);
        self.for_close.get_mut(place).and_then(|place| place.replace(waker))
    }

    /// Removes someone who waits for the close. Gives back a waker to drop outside of the lock.
    pub(super) fn forget_close(&mut self, key: Key) -> Option<Waker> {
        self.for_close.get_mut(key).and_then(Option::take)
    }

    /// All who wait for the close.
    pub(super) fn take_close_watchers(&mut self) -> Vec<Option<Waker>> {
        std::mem::take(&mut self.for_close)
    }
}
