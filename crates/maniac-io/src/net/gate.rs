//! A bound on how many do something at a time; those beyond wait in order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// See the module's documentation.
pub(super) struct Gate {
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// As long as there are waiting futures, which hold their own entries.
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

impl State {
    fn head(&self) -> Option<Waker> {
        let first = self.waiting.front().map(|(_, waker)| waker.clone());
        first.filter(|_| self.free > 0)
    }
}

impl Gate {
    /// Lets `free` through at a time.
    pub(super) const fn new(free: usize) -> Self {
        Self { state: Mutex::new(State { free, waiting: VecDeque::new(), next_ticket: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn.
    ///
    /// Cancel safety: a dropped future gives up its place.
    pub(super) fn enter(&'static self) -> Enter {
        Enter { gate: self, ticket: None }
    }
}

/// The right to be inside, until it is dropped.
pub(super) struct Pass {
    gate: &'static Gate,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.free += 1;
        let next = state.head();
        drop(state);
        next.inspect(Waker::wake_by_ref);
    }
}

/// The future of [`Gate::enter`].
pub(super) struct Enter {
    gate: &'static Gate,
    ticket: Option<u64>,
}

impl Future for Enter {
    type Output = Pass;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Pass> {
        let gate = self.gate;
        let waker = cx.waker().clone();
        let mut state = gate.lock();
        let first = state.waiting.front().map(|&(ticket, _)| ticket);
        if state.free > 0 && (first.is_none() || first == self.ticket) {
            state.free -= 1;
            if first.is_some() {
                state.waiting.pop_front();
            }
            let next = state.head();
            drop(state);
            next.inspect(Waker::wake_by_ref);
            self.ticket = None;
            return Poll::Ready(Pass { gate });
        }
        let place = self.ticket.and_then(|mine| state.waiting.iter().position(|&(other, _)| other == mine));
        let old = match place {
            Some(place) => Some(std::mem::replace(&mut state.waiting[place].1, waker)),
            None => {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                state.waiting.push_back((ticket, waker));
                self.ticket = Some(ticket);
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        let Some(mine) = self.ticket else { return };
        let mut state = self.gate.lock();
        let place = state.waiting.iter().position(|&(other, _)| other == mine);
        let old = place.and_then(|place| state.waiting.remove(place));
        let next = state.head();
        drop(state);
        drop(old);
        next.inspect(Waker::wake_by_ref);
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn in_order_and_bounded() {
        static GATE: Gate = Gate::new(1);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let (mut a, mut b, mut c) = (GATE.enter(), GATE.enter(), GATE.enter());
        let Poll::Ready(inside) = Pin::new(&mut a).poll(&mut cx) else { panic!("nobody is inside") };
        assert!(Pin::new(&mut b).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut c).poll(&mut cx).is_pending());
        drop(inside);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(Pin::new(&mut c).poll(&mut cx).is_pending(), "b was first");
        // The first gives up after it was woken: the next must hear.
        drop(b);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert!(Pin::new(&mut c).poll(&mut cx).is_ready());
        assert!(Pin::new(&mut GATE.enter()).poll(&mut cx).is_ready(), "the pass was dropped at once");
        assert!(GATE.lock().waiting.is_empty());
    }
}
