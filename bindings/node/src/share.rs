//! A long batch of calls that do not wait, for two threads: the environment's own begins at its front, one of the pool at its back. What one
//! of them would need so long for is done in half the time; and where the other gets no processor, the first does it all.
//!
//! Only calls on paths come here, whose requests hold all that they need. The pool's thread sees no memory of JavaScript's.

use crate::calls;
use crate::pool::{self, Mailbox, Reply};
use crate::request::Request;
use crate::start::read_file_aside;
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

/// So many calls are worth waking a thread for, which costs as much as two or three of them.
pub(crate) const LEAST: usize = 16;

/// So many the environment's thread takes at a time: the lock is not to be what the two threads meet at. The other takes one by one, so that
/// a call that waits there keeps no other with it.
const SLICE: usize = 4;

/// Whether there is a processor for a second thread.
pub(crate) static PAYS: LazyLock<bool> =
    LazyLock::new(|| available_parallelism().is_ok_and(|processors| processors.get() > 1));

#[derive(Default)]
struct State {
    /// Bounded by the operations in flight.
    waiting: VecDeque<Request>,
    /// Whether a thread of the pool is at it, or on its way.
    helped: bool,
}

/// See the module's page.
pub(crate) struct Share {
    state: Mutex<State>,
    mailbox: Arc<Mailbox>,
}

impl Share {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), mailbox })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `requests` and has a thread of the pool help with what there is.
    pub(crate) fn add(self: &Arc<Self>, requests: &mut Vec<Request>) {
        let mut state = self.lock();
        state.waiting.extend(requests.drain(..));
        if state.helped || state.waiting.len() < LEAST {
            return;
        }
        state.helped = true;
        drop(state);
        let helper = Helper { share: Arc::clone(self), helps: true };
        pool::run(move || helper.work());
    }

    /// Takes the first few, and says how many are behind them.
    pub(crate) fn first(&self, slice: &mut Vec<Request>) -> usize {
        let mut state = self.lock();
        let count = SLICE.min(state.waiting.len());
        slice.extend(state.waiting.drain(..count));
        state.waiting.len()
    }

    /// All that nobody has begun, in order.
    pub(crate) fn take_all(&self) -> VecDeque<Request> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// The one with that id, if nobody has begun it.
    pub(crate) fn take(&self, id: usize) -> Option<Request> {
        let mut state = self.lock();
        let at = state.waiting.iter().position(|request| request.id == id)?;
        state.waiting.remove(at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Forgets what nobody has begun.
    pub(crate) fn clear(&self) {
        self.lock().waiting.clear();
    }
}

/// The pool's thread.
struct Helper {
    share: Arc<Share>,
    helps: bool,
}

impl Helper {
    fn work(mut self) {
        while let Some((request, reply)) = self.last() {
            match request.by_reading() {
                true => read_file_aside(request, reply),
                false => reply.send(calls::perform(request, [None, None])),
            }
        }
    }

    /// Takes the last, which is answered from now on, come what may.
    fn last(&mut self) -> Option<(Request, Reply)> {
        let mut state = self.share.lock();
        let Some(request) = state.waiting.pop_back() else {
            // Under the lock: what is added from now on asks for help anew.
            state.helped = false;
            self.helps = false;
            return None;
        };
        drop(state);
        let reply = Reply::new(self.share.mailbox.clone(), request.id);
        Some((request, reply))
    }
}

impl Drop for Helper {
    /// It got no thread, or panicked: the environment's own does what is left, and the next batch asks for help anew.
    fn drop(&mut self) {
        if self.helps {
            self.share.lock().helped = false;
        }
    }
}
