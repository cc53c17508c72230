//! The stall detector: polls that go on for too long, whether anything waits behind them or not, each reported once.
//!
//! The monitor looks at the threads' poll words now and then. A poll that has gone on for the threshold is asked to leave a trace when it next calls the
//! runtime: at a leaf future, which it is asked to yield at, or where a call touches its role, which it is made to doubt. With the trace, or at the poll's end, or
//! after a grace without either, the monitor reports it. Nobody's thread is interrupted, and no thread looks at another's stack (decision 0009).

use super::core::Core;
use super::dump::Who;
use crate::role::{Thread, Trace};
use crate::task::state::SUSPENDED;
use crate::task::{Glimpse, Id};
use std::backtrace::Backtrace;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A poll that went on for longer than [`stall_after`](super::RuntimeBuilder::stall_after) says, as
/// [`on_stall`](super::RuntimeBuilder::on_stall) is told.
///
/// Its `Display` is a line for people.
///
/// ```
/// use maniac_runtime::runtime::{Runtime, Stall};
/// use std::{sync::mpsc, time::Duration};
/// let (stalls, told) = mpsc::channel();
/// let record = move |stall: &Stall| drop(stalls.send((stall.id, stall.ran)));
/// let limit = Duration::from_millis(5);
/// let runtime = Runtime::builder().worker_count(1).stall_after(limit).on_stall(record).build()?;
/// let hog = runtime.spawn(async move { told.recv() }); // blocks its thread
/// let hogs = hog.id();
/// let (id, ran) = runtime.block_on(hog)??;
/// assert!(id == hogs && ran >= limit);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Stall {
    /// The task.
    pub id: Id,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// How long the poll has gone on, as of this report.
    pub ran: Duration,
    /// Whether it has ended since.
    pub ended: bool,
    /// The number of the thread that it runs on.
    pub thread: u16,
    /// Whether that thread's worker role went to another one, so that others do not wait for this poll.
    pub demoted: bool,
    /// Where the task was when it first called the runtime after the threshold; `None` if it did not soon.
    pub backtrace: Option<Backtrace>,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = Who { id: self.id, name: self.name.as_deref(), spawned_at: self.spawned_at };
        let how = if self.ended { "ran" } else { "has run" };
        write!(f, "{who}, {how} for {:?} without yielding, on thread {}", self.ran, self.thread)?;
        if self.demoted { f.write_str(", off its worker") } else { Ok(()) }
    }
}

/// So many looks in a threshold.
const LOOKS: u32 = 4;
/// The longest between two, so that the monitor does not rest beside a poll that nothing else is awake for.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a trace is waited for.
const GRACE: Duration = Duration::from_millis(100);

/// What the monitor knows of the threads' polls.
#[derive(Debug)]
pub(super) struct Stalls {
    after: Duration,
    next: Instant,
    /// By number of the thread.
    polls: Vec<Poll>,
}

/// A poll, by its word when that is odd.
#[derive(Debug)]
struct Poll {
    word: u64,
    since: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Young,
    /// The task and how long its poll had gone on when that was last to be seen: a trace is awaited.
    Stalled(Box<(Glimpse, Duration)>),
    Reported,
}

impl Stalls {
    pub(super) fn new(after: Duration) -> Stalls {
        Stalls { after, next: Instant::now(), polls: Vec::new() }
    }

    /// Between two looks.
    fn pause(&self) -> Duration {
        (self.after / LOOKS).min(PAUSE)
    }
}

impl Core {
    /// Looks at all threads' polls, if it is time for that; whether one goes on.
    pub(super) fn look_for_stalls(&'static self, stalls: &mut Stalls) -> bool {
        let now = Instant::now();
        if now < stalls.next || stalls.after == Duration::MAX {
            return false;
        }
        stalls.next = now + stalls.pause();
        let mut any = false;
        for (number, thread) in self.known_threads().into_iter().enumerate() {
            if number == stalls.polls.len() {
                stalls.polls.push(Poll { word: 1, since: now, stage: Stage::Young });
            }
            any |= self.look_at_poll(thread, &mut stalls.polls[number], stalls.after, now);
        }
        any
    }

    /// Looks at one thread's poll; whether it goes on.
    fn look_at_poll(
        &'static self,
        thread: &'static Thread,
        poll: &mut Poll,
        after: Duration,
        now: Instant,
    ) -> bool {
        let word = thread.poll.now();
        // An even word is that of a poll that is over, or in a runtime call: which of the two the next look tells.
        if word | 1 != poll.word {
            self.report_stall(thread, poll, true);
            *poll = Poll { word: word | 1, since: now, stage: Stage::Young };
            return word & 1 == 1;
        }
        let ran = now - poll.since;
        if word & 1 == 1 && self.is_waiting(thread) {
            poll.since = now;
            return false;
        }
        match &mut poll.stage {
            Stage::Young if word & 1 == 1 && ran >= after => {
                let Some(task) = self.glimpse_running(thread, word) else { return true };
                poll.stage = Stage::Stalled(Box::new((task, ran)));
                thread.want_trace(word);
                thread.ask_to_yield(word);
                if let Some(role) = thread.role() {
                    role.nudge(thread);
                }
            }
            Stage::Stalled(stalled) => {
                if word & 1 == 1 {
                    stalled.1 = ran;
                }
                let trace = thread.trace_of(poll.word);
                if trace == Trace::Left || trace == Trace::Wanted && ran >= after.saturating_add(GRACE) {
                    self.report_stall(thread, poll, false);
                }
            }
            Stage::Young | Stage::Reported => {}
        }
        word & 1 == 1
    }

    /// Whether the poll on this thread waits in `sync_await`, which is no stall.
    fn is_waiting(&self, thread: &Thread) -> bool {
        let task = self.task(thread.running());
        task.is_some_and(|task| task.header().state.load() & SUSPENDED != 0)
    }

    /// The task that this thread polls, if that is still the poll of this word.
    fn glimpse_running(&self, thread: &Thread, word: u64) -> Option<Glimpse> {
        let glimpse = self.task(thread.running())?.glimpse()?;
        // The task cannot have changed while the poll had not.
        (thread.poll.now() == word).then_some(glimpse)
    }

    /// Reports a stalled poll, if it is one that was not reported.
    fn report_stall(&'static self, thread: &'static Thread, poll: &mut Poll, ended: bool) {
        let Stage::Stalled(stalled) = std::mem::replace(&mut poll.stage, Stage::Reported) else { return };
        let (Glimpse { id, name, spawned_at, .. }, ran) = *stalled;
        let stall = Stall {
            id,
            name,
            spawned_at,
            ran,
            ended,
            thread: thread.id,
            demoted: !ended && thread.is_overdue(),
            backtrace: thread.take_trace(poll.word),
        };
        self.stalled.fetch_add(1, Ordering::Relaxed);
        // Whoever listens is foreign code; its panic is not the monitor's.
        #[cfg(feature = "tracing")]
        crate::task::contain(|| {
            tracing::warn!(
                target: "maniac::stall",
                id = %stall.id,
                name = stall.name.as_deref(),
                spawned_at = %stall.spawned_at,
                ran = ?stall.ran,
                ended = stall.ended,
                thread = stall.thread,
                demoted = stall.demoted,
                backtrace = stall.backtrace.as_ref().map(tracing::field::display),
                "task has not yielded"
            );
        });
        self.tell_hook(&stall, |hooks| &hooks.stall);
    }
}
