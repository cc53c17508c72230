//! How the blocking ends wait: a bounded spin, then the thread parks. The waker of a thread and nothing of any channel.

use crate::shim::{spin_loop, thread};
use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

/// A thread that blocks in [`block_on`], to whoever wakes it.
struct Parker {
    #[cfg(not(loom))]
    thread: thread::Thread,
    /// loom's threads forget an unpark that comes while they yield; this does not.
    #[cfg(loom)]
    token: loom::sync::Notify,
}

impl Parker {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            #[cfg(not(loom))]
            thread: thread::current(),
            #[cfg(loom)]
            token: loom::sync::Notify::new(),
        })
    }

    /// Parks this thread, whose parker this is, until it is unparked; may return before. False if the deadline has passed.
    #[cfg(not(loom))]
    fn park(&self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            thread::park();
            return true;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::park_timeout(left);
        true
    }

    /// As above. loom knows no time: a deadline has always passed.
    #[cfg(loom)]
    fn park(&self, deadline: Option<Instant>) -> bool {
        if deadline.is_none() {
            self.token.wait();
        }
        deadline.is_none()
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        #[cfg(not(loom))]
        self.thread.unpark();
        #[cfg(loom)]
        self.token.notify();
    }
}

/// Calls `f` with this thread's parker and its waker, which are made once per thread.
#[cfg(not(loom))]
fn with_parker<R>(f: impl FnOnce(&Parker, &Waker) -> R) -> R {
    use std::cell::Cell;
    std::thread_local! {
        static PARKER: Cell<Option<(Arc<Parker>, Waker)>> = const { Cell::new(None) };
    }
    // Taken out for the call, so that a nested one, in a destructor for instance, makes its own.
    let cached = PARKER.try_with(Cell::take).ok().flatten();
    let parker = cached.unwrap_or_else(|| {
        let parker = Parker::new();
        (Arc::clone(&parker), Waker::from(parker))
    });
    let result = f(&parker.0, &parker.1);
    // After the thread's locals are gone it is simply dropped.
    let _ = PARKER.try_with(|cached| cached.set(Some(parker)));
    result
}
#[cfg(loom)]
fn with_parker<R>(f: impl FnOnce(&Parker, &Waker) -> R) -> R {
    let parker = Parker::new();
    f(&parker, &Waker::from(Arc::clone(&parker)))
}

/// Polls until ready, parking the thread in between; gives `None` when `deadline` has passed first.
pub(crate) fn block_on<R>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> Option<R> {
    with_parker(|parker, waker| {
        let mut context = Context::from_waker(waker);
        loop {
            if let Poll::Ready(result) = poll(&mut context) {
                return Some(result);
            }
            if !parker.park(deadline) {
                // What became ready at the last moment still counts.
                return match poll(&mut context) {
                    Poll::Ready(result) => Some(result),
                    Poll::Pending => None,
                };
            }
        }
    })
}

/// A bounded busy wait: first with pauses that double, then giving the processor to other threads.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    step: u32,
}

impl Backoff {
    /// Steps with pauses: 1, 2, 4, … 128, some ten microseconds in all: about what parking costs who wakes us.
    const SPINS: u32 = if cfg!(loom) { 0 } else { 7 };
    /// Steps that yield the processor: few, since on a busy machine each may take a long time.
    const YIELDS: u32 = if cfg!(loom) { 0 } else { 4 };

    pub(crate) const fn new() -> Self {
        Self { step: 0 }
    }

    /// Waits a little, longer each time.
    pub(crate) fn snooze(&mut self) {
        self.snooze_at_least(1);
    }

    /// Waits a little, longer each time, starting with so many pauses.
    #[cfg_attr(loom, expect(clippy::absurd_extreme_comparisons, clippy::unnecessary_min_or_max))]
    pub(crate) fn snooze_at_least(&mut self, pauses: u32) {
        if self.step <= Self::SPINS {
            self.step = self.step.max(pauses.ilog2().min(Self::SPINS));
            for _ in 0..1_u32 << self.step {
                spin_loop();
            }
        } else {
            thread::yield_now();
        }
        self.step += 1;
    }

    /// Whether it is time to do something else than busy waiting.
    pub(crate) fn is_over(&self) -> bool {
        cfg!(loom) || self.step > Self::SPINS + Self::YIELDS
    }

    /// Whether the pauses are over and the processor is being given away.
    pub(crate) fn is_yielding(&self) -> bool {
        self.step > Self::SPINS
    }
}

/// What a receiver has learnt about its senders' pace.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How many messages had been taken out when the channel was last found empty.
    head: u64,
    /// Pauses to make before looking again, so that messages gather: a look at each one by one costs both sides a trip of
    /// the cache line.
    pause: u32,
    /// Pauses that a poll may make before it leaves a waker.
    patience: u32,
    /// Polls without patience since the last try.
    skipped: u32,
}

impl Pace {
    const MAX_PAUSE: u32 = 16;
    const MAX_PATIENCE: u32 = 16;
    /// Spinning that was of no use is tried again after so many polls.
    const TRY_EVERY: u32 = 64;

    pub(crate) const fn new() -> Self {
        Self { head: 0, pause: 1, patience: 0, skipped: 0 }
    }

    /// The channel was found empty after so many messages in all. If a pause let several gather, the senders are fast, and
    /// a longer one lets more gather; if there was one, somebody probably waits for the answer.
    pub(crate) fn found(&mut self, head: u64) {
        match head.wrapping_sub(std::mem::replace(&mut self.head, head)) {
            2..64 => self.pause = (self.pause * 2).min(Self::MAX_PAUSE),
            1 => self.pause = (self.pause / 2).max(1),
            _ => {}
        }
    }

    pub(crate) fn pause(&self) -> u32 {
        self.pause
    }

    /// How many pauses a poll may make before it leaves a waker.
    pub(crate) fn patience(&mut self) -> u32 {
        if self.patience == 0 && !cfg!(loom) {
            self.skipped += 1;
            if self.skipped >= Self::TRY_EVERY {
                (self.skipped, self.patience) = (0, Self::MAX_PATIENCE / 4);
            }
        }
        self.patience
    }

    /// Whether the poll's spinning was of use.
    pub(crate) fn learn(&mut self, of_use: bool) {
        self.patience = if of_use { (self.patience * 2).min(Self::MAX_PATIENCE) } else { self.patience / 2 };
    }
}
