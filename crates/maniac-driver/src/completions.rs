//! What a turn of the driver brought to light, for its caller to act on outside of it.

use crate::record::Garbage;
use std::task::Waker;

/// Wakers to call, tokens that completed, and what is left of operations whose handles are gone.
///
/// The driver itself runs none of the caller's code: it collects here, and the caller wakes (and clears) when it
/// likes, for instance after it has given its role away.
///
/// ```
/// use maniac_driver::Completions;
/// let mut done = Completions::new();
/// assert!(done.is_empty());
/// done.wake_all();
/// ```
#[derive(Debug, Default)]
pub struct Completions {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) tokens: Vec<u64>,
    pub(crate) garbage: Vec<Garbage>,
}

impl Completions {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.tokens.is_empty() && self.garbage.is_empty()
    }

    /// Takes the wakers out, in the order of completion.
    pub fn wakers(&mut self) -> std::vec::Drain<'_, Waker> {
        self.wakers.drain(..)
    }

    /// Takes the tokens of completed operations out, in the order of completion.
    pub fn tokens(&mut self) -> std::vec::Drain<'_, u64> {
        self.tokens.drain(..)
    }

    /// Drops the buffers and results of operations whose handles were dropped before. This runs the buffers' own `Drop`
    /// and closes descriptors that nobody waited for. Dropping `Completions` does it too.
    pub fn clear_garbage(&mut self) {
        self.garbage.clear();
    }

    /// Calls all wakers and clears the garbage; the tokens stay.
    pub fn wake_all(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
        self.clear_garbage();
    }

    pub(crate) fn append(&mut self, other: &mut Completions) {
        self.wakers.append(&mut other.wakers);
        self.tokens.append(&mut other.tokens);
        self.garbage.append(&mut other.garbage);
    }
}
