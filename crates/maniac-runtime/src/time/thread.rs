//! Timers of threads that block on a future outside the workers: a wheel of their own, which their park loop serves.

use maniac_wheel::{TimerId, TimerWheel};
use std::cell::{Cell, RefCell};
use std::sync::LazyLock;
use std::task::Waker;
use std::time::{Duration, Instant};

thread_local! {
    static WHEEL: RefCell<Option<TimerWheel<Waker>>> = const { RefCell::new(None) };
    /// Whether a loop that serves the wheel polls right now.
    static SERVED: Cell<bool> = const { Cell::new(false) };
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

fn nanos(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*EPOCH).as_nanos()).unwrap_or(u64::MAX)
}

/// Marks this thread as served as long as the guard lives.
pub(crate) struct Served(bool);

impl Served {
    pub(crate) fn begin() -> Served {
        Served(SERVED.replace(true))
    }

    /// A worker's loop runs inside a blocking one: its timers are the role's.
    pub(crate) fn suspend() -> Served {
        Served(SERVED.replace(false))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        SERVED.set(self.0);
    }
}

/// Whether a timer set here would fire.
pub(crate) fn is_served() -> bool {
    SERVED.get()
}

/// Sets a timer of this thread.
pub(crate) fn schedule(at: Instant, waker: Waker) -> TimerId {
    WHEEL.with_borrow_mut(|wheel| {
        let wheel = wheel.get_or_insert_with(|| TimerWheel::new(nanos(Instant::now())));
        wheel.schedule_timer_best_fit(nanos(at), waker).0
    })
}

/// Cancels a timer of this thread.
pub(crate) fn cancel(id: TimerId) {
    // A thread that is ending has no wheel any more.
    let waker = WHEEL.try_with(|wheel| wheel.borrow_mut().as_mut().and_then(|wheel| wheel.cancel_timer(id)));
    drop(waker);
}

/// Wakes what is due; gives the time until the next timer.
pub(crate) fn fire() -> Option<Duration> {
    let mut due = Vec::new();
    let next = WHEEL.with_borrow_mut(|wheel| {
        let wheel = wheel.as_mut().filter(|wheel| !wheel.is_empty())?;
        let now = nanos(Instant::now());
        wheel.poll(now, usize::MAX, |_, _, waker| due.push(waker));
        wheel.next_deadline().map(|at| Duration::from_nanos(at.saturating_sub(now)))
    });
    due.into_iter().for_each(Waker::wake);
    next
}
