//! Short calls on paths: what makes, writes or removes a file. Each may wait, so that the environment's thread must not do it, but mostly
//! none does, so that a thread woken for each would cost more than the calls. One thread of the pool does them one after the other, and:
//!
//! * a thread that has waited calls another one, if there is more to do, and so does who brings work while none has got on for [`LONG`];
//! * while there is more to do and none gets on (a pipe that nobody reads, a server that does not answer), the number of threads
//!   doubles every [`PATIENCE`].
//!
//! A thread ends its work here when there is nothing left.

use crate::pool;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Threads at most, of the pool's.
const MOST: usize = pool::MAX_THREADS - 16;
/// A call that took longer has waited: for a device, for a lock, or for a processor.
const LONG: Duration = Duration::from_micros(200);
/// How long what waits may see no other call end.
const PATIENCE: Duration = Duration::from_millis(2);

type Work = Box<dyn FnOnce() + Send>;

struct State {
    /// Bounded by the operations in flight.
    waiting: VecDeque<Work>,
    /// At work, or on their way.
    threads: usize,
    /// Counts calls that have ended.
    ended: u64,
    /// When one of the threads here last got on; `None` once that one has left, so that it says nothing of the others.
    progress: Option<Instant>,
    /// Whether somebody looks whether any does.
    watched: bool,
}

static STATE: Mutex<State> =
    Mutex::new(State { waiting: VecDeque::new(), threads: 0, ended: 0, progress: None, watched: false });

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has `work` done when its turn comes, or drops it if there is no thread for it.
pub(crate) fn run(work: impl FnOnce() + Send + 'static) {
    let mut state = lock();
    state.waiting.push_back(Box::new(work));
    let stuck = state.progress.is_none_or(|last| last.elapsed() > LONG);
    if state.threads == 0 || (stuck && state.threads < MOST) {
        state.threads += 1;
        // The new one counts as getting on: what is brought at the same time waits for it.
        state.progress = Some(Instant::now());
        drop(state);
        return start(1);
    }
    let watched = std::mem::replace(&mut state.watched, true);
    drop(state);
    if !watched && !pool::spawn(watch()) {
        lock().watched = false;
    }
}

fn start(threads: usize) {
    for _ in 0..threads {
        let lane = Lane { counted: true };
        pool::run(move || lane.work());
    }
}

/// Looks after what waits, until nothing does.
async fn watch() {
    let mut seen = None;
    loop {
        maniac::time::sleep(PATIENCE).await;
        let mut state = lock();
        if state.waiting.is_empty() {
            state.watched = false;
            return;
        }
        let more = match seen.replace(state.ended) == Some(state.ended) {
            true => state.threads.min(MOST - state.threads).min(state.waiting.len()),
            false => 0,
        };
        state.threads += more;
        drop(state);
        start(more);
    }
}

/// One of the threads at work.
struct Lane {
    counted: bool,
}

impl Lane {
    fn work(mut self) {
        while let Some(work) = self.next() {
            let begun = Instant::now();
            work();
            let ended = Instant::now();
            let waited = ended - begun > LONG;
            let mut state = lock();
            state.ended += 1;
            state.progress = Some(ended);
            if waited && !state.waiting.is_empty() && state.threads < MOST {
                state.threads += 1;
                drop(state);
                start(1);
            }
        }
    }

    fn next(&mut self) -> Option<Work> {
        let mut state = lock();
        let next = state.waiting.pop_front();
        state.progress = next.is_some().then(Instant::now);
        if next.is_none() {
            // Under the lock: whoever comes from now on sees that a thread is missing.
            state.threads -= 1;
            self.counted = false;
        }
        next
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        // The system gave no thread, or a call panicked. What waits is another lane's, or there is nobody for it.
        let mut state = lock();
        state.threads -= 1;
        let lost = if state.threads == 0 { std::mem::take(&mut state.waiting) } else { VecDeque::new() };
        drop(state);
        drop(lost);
    }
}
