//! [`sleep`]: waiting for a point in time.

use super::{Duration, Instant, thread};
use crate::coop;
use crate::role::{Request, Role, Thread, Ticket, context, with_role};
use crate::runtime::core::Core;
use crate::task::spawn::NO_RUNTIME;
use maniac_sync::wait::{self, Wait};
use maniac_wheel::TimerId;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Waits until `duration` has passed. Never early.
///
/// # Panics
/// When polled outside a runtime.
///
/// # Cancel safety
/// Cancel-safe: dropping it forgets the timer.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, Instant, sleep};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// let start = Instant::now();
/// sleep(Duration::from_millis(5)).await;
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Instant::now().saturating_add(duration))
}

/// Waits until `deadline`. Never early.
///
/// # Panics
/// When polled outside a runtime.
///
/// # Cancel safety
/// Cancel-safe: dropping it forgets the timer.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, Instant, sleep_until};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// runtime.block_on(sleep_until(Instant::now() + Duration::from_millis(1)));
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(deadline)
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// use maniac::time::{Duration, Instant, sleep};
/// let mut sleep = std::pin::pin!(sleep(Duration::from_secs(3600)));
/// assert!(!sleep.is_elapsed());
/// let soon = Instant::now() + Duration::from_millis(1);
/// sleep.as_mut().reset(soon);
/// assert_eq!(sleep.deadline(), soon);
/// sleep.as_mut().await;
/// assert!(sleep.is_elapsed());
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    deadline: Instant,
    timer: Option<Timer>,
}

/// A timer that is set somewhere.
struct Timer {
    place: Place,
    /// Whom it wakes.
    waker: Waker,
    /// When it fires, in nanoseconds of the core's time: the deadline, or earlier where that is beyond what a wheel can hold.
    fires: u64,
}

/// Where a timer is.
enum Place {
    /// In the wheel of a role.
    Role { core: u32, role: u32, id: TimerId },
    /// On its way into the wheel of a role, asked for by a thread that holds none.
    Asked { role: &'static Role, ticket: Arc<Ticket> },
    /// In the wheel of this thread.
    Thread { of: std::thread::ThreadId, id: TimerId },
}

/// The farthest that timers are set ahead where the wheel is not at hand to tell its range: 12 hours.
const AHEAD: Duration = Duration::from_secs(12 * 3600);

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Sleep {
    fn new(deadline: Instant) -> Sleep {
        Sleep { deadline, timer: None }
    }

    /// When this is due.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Sets another deadline.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.get_mut();
        this.forget_timer();
        this.deadline = deadline;
    }

    fn forget_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    /// The core's time, by the role's cached clock where that is the clock that fires the timer. Another role's clock may be
    /// ahead of this one's: by it the timer may have fired although it still seems to be due here, and nobody would wake the
    /// task again. The system's clock is behind none of them.
    fn now(&self, core: &'static Core) -> u64 {
        let cached = with_role(core.number(), |role, local| match &self.timer {
            None => Some(local.now),
            Some(timer) => timer.is_in(core, role).then_some(local.now),
        });
        match cached {
            Ok(Some(now)) => now,
            _ => core.clock().now(),
        }
    }

    /// Makes sure that a timer will wake `waker` at the deadline, or on the way there.
    fn arm(&mut self, waker: &Waker, core: &'static Core, now: u64, deadline: u64) {
        if self.timer.as_ref().is_some_and(|timer| timer.serves(waker, now)) {
            return;
        }
        self.forget_timer();
        self.timer = Some(Timer::set(core, self.deadline, deadline, waker));
    }
}

impl Timer {
    /// Sets a timer where this thread can: in its role's wheel, in its own, or by asking a role. `deadline` is `instant` on the core's clock.
    fn set(core: &'static Core, instant: Instant, deadline: u64, waker: &Waker) -> Timer {
        if thread::is_served() {
            let capped = instant.into_std().min(std::time::Instant::now() + AHEAD);
            let place = Place::Thread {
                of: std::thread::current().id(),
                id: thread::schedule(capped, waker.clone()),
            };
            return Timer { place, waker: waker.clone(), fires: core.clock().nanos(capped) };
        }
        // Cloned out here: a foreign waker's clone is foreign code, which has no business inside a bracket.
        let mut armed = Some(waker.clone());
        let set = with_role(core.number(), |role, local| {
            let waker = armed.take()?;
            let (id, fires) = local.wheel.schedule_timer_best_fit(deadline, waker);
            Some((Place::Role { core: core.number(), role: role.index() as u32, id }, fires))
        });
        let (place, fires) = match set {
            Ok(Some(placed)) => placed,
            _ => Timer::ask(core, deadline, armed.take().unwrap_or_else(|| waker.clone())),
        };
        Timer { place, waker: waker.clone(), fires }
    }

    #[cold]
    fn ask(core: &'static Core, deadline: u64, waker: Waker) -> (Place, u64) {
        let role = core.a_role();
        let ticket = Arc::new(Ticket::default());
        let deadline = deadline.min(core.clock().now() + AHEAD.as_nanos() as u64);
        role.remote.push(Request::Schedule { deadline, waker, ticket: Arc::clone(&ticket) });
        core.tell(role);
        (Place::Asked { role, ticket }, deadline)
    }

    /// Whether it is in the wheel of `role`, which is one of `core`.
    fn is_in(&self, core: &Core, role: &Role) -> bool {
        matches!(self.place, Place::Role { core: number, role: index, .. }
            if number == core.number() && index as usize == role.index())
    }

    /// Whether this timer is still to fire, and wakes `waker`.
    fn serves(&self, waker: &Waker, now: u64) -> bool {
        let here = match &self.place {
            Place::Thread { of, .. } => *of == std::thread::current().id(),
            Place::Role { .. } | Place::Asked { .. } => true,
        };
        here && now < self.fires && self.waker.will_wake(waker)
    }

    /// Forgets the timer. The waker in the wheel is dropped here or by the wheel's owner.
    fn cancel(self) {
        match self.place {
            Place::Role { core, role, id } => {
                let cancelled = with_role(core, |mine, local| {
                    (mine.index() as u32 == role).then(|| local.cancel_timer(id))
                });
                if !matches!(cancelled, Ok(Some(_))) {
                    // Not worth a wake-up: the owner gets to it before the timer is due, or the wake is a stale one.
                    Core::by_number(core).roles()[role as usize].remote.push(Request::Cancel(id));
                }
            }
            Place::Asked { role, ticket } => {
                if let Some(id) = ticket.cancel().and_then(TimerId::from_bits) {
                    role.remote.push(Request::Cancel(id));
                }
            }
            Place::Thread { of, id } => {
                // On another thread the timer fires in vain, at a waker that may be stale by then.
                if of == std::thread::current().id() {
                    thread::cancel(id);
                }
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let unit = ready!(coop::poll_proceed(cx));
        let Some(core) = context::thread().map(Thread::core) else { panic!("{NO_RUNTIME}") };
        let now = this.now(core);
        let deadline = core.clock().nanos(this.deadline.into_std());
        if now >= deadline {
            unit.made_progress();
            this.forget_timer();
            return Poll::Ready(());
        }
        this.arm(cx.waker(), core, now, deadline);
        wait::note(Wait::until(deadline));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget_timer();
    }
}
