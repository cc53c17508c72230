//! The monitor: a thread that sees when others wait behind a task's long poll, and does something about it.
//!
//! Workers wake nobody for work that they will come to by themselves: waking costs more than most tasks do. But a poll may take long, and
//! nobody knows beforehand. So the monitor looks at the workers from time to time. One whose count of polls has not moved since the last
//! look, while it is awake and tasks wait in its queues, is in a long poll: a sleeping worker is woken to fetch them. With
//! [`Preemption::HandOff`] a poll that goes on for longer than the [`Quantum`] allows is then asked to yield, and after half a quantum more its role goes
//! to another thread (`docs/internals/preemption.md` has the protocol). With [`Preemption::HandOffAndSwitch`] the thread of a preemptible task's poll is asked to leave that, and
//! the role goes to another thread if it is still in the poll at the next look.
//!
//! The monitor looks often only while a poll goes on; it rests when all workers have slept for a while. A runtime of one worker has a monitor only for
//! preemption and for stalls ([`stall`](super::stall)).

use super::Preemption;
use super::core::Core;
use super::quantum::{Act, Quantum, Waits};
use super::stall::Stalls;
use crate::role::park::AWAKE;
use crate::role::{Role, Thread as Record};
use maniac_context::membarrier;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Between two looks while something is in the way, and the longest between two, without preemption.
const SHORTEST: Duration = Duration::from_micros(250);
const LONGEST: Duration = Duration::from_millis(2);
/// The longest between two with preemption, while no poll is new.
const CALM: Duration = Duration::from_millis(4);
/// So long after the last sign of life the monitor rests.
const REST_AFTER: Duration = Duration::from_secs(1);

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    /// Whether it rests, until a worker wakes up.
    resting: AtomicBool,
    looks: AtomicU64,
    thread: Mutex<Option<Thread>>,
}

impl Monitor {
    pub(super) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    pub(super) fn forget_looks(&self) {
        self.looks.store(0, Ordering::Relaxed);
    }

    /// Whether the calling thread is this monitor's.
    pub(super) fn is_here(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| thread.id() == std::thread::current().id())
    }
}

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    /// All sleep.
    Quiet,
    /// Polls go on, behind which nothing waits.
    Calm,
    /// Somebody is awake.
    Busy,
    /// Something waits behind a long poll, or a poll may become overdue soon.
    Stuck,
}

/// What was seen of a role at the last look.
#[derive(Clone, Copy, Debug)]
struct Seen {
    polls: u64,
    /// The poll that its owner was in, if it was in one, and since when.
    poll: Option<(&'static Record, u64)>,
    since: Instant,
    /// Whether that poll stayed on its worker although it was overdue.
    refused: bool,
    /// Whether its thread was asked to leave it at the last look.
    asked_to_leave: bool,
}

impl Core {
    pub(super) fn start_monitor(&'static self) -> io::Result<()> {
        let config = self.config();
        let alone = self.roles().len() == 1 && config.preemption == Preemption::Off;
        if alone && config.stall_after == Duration::MAX {
            return Ok(());
        }
        // Registers the process with the kernel before there is anything to order.
        let _ = membarrier::strategy();
        let name = format!("{}-monitor", self.config().thread_name);
        let handle = self.run_thread(name, move || self.monitor())?;
        *self.monitor.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(())
    }

    /// A worker woke up: there may be something to watch.
    #[inline]
    pub(super) fn rouse_monitor(&self) {
        // Either this sees the monitor rest, or the monitor, after its own fence, sees this worker awake.
        fence(Ordering::SeqCst);
        if self.monitor.resting.load(Ordering::Relaxed) {
            self.unpark_monitor();
        }
    }

    #[cold]
    pub(super) fn unpark_monitor(&self) {
        self.monitor.resting.store(false, Ordering::Relaxed);
        if let Some(thread) = &*self.monitor.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
    }

    fn monitor(&'static self) {
        let quantum = match self.config().preemption {
            Preemption::HandOff | Preemption::HandOffAndSwitch => Some(Quantum::new(self.config().quantum)),
            Preemption::Off => None,
        };
        let shortest = quantum.map_or(SHORTEST, |quantum| quantum.half());
        let busy = quantum.map_or(LONGEST, |quantum| (quantum.shortest() * 2).min(LONGEST)).max(SHORTEST);
        let calm = if quantum.is_some() { CALM } else { LONGEST };
        let mut seen: Vec<Seen> = self.roles().iter().map(|_| Seen::nothing()).collect();
        let mut stalls = Stalls::new(self.config().stall_after);
        let mut pause = shortest;
        let mut last_life = Instant::now();
        while !self.is_stopping() {
            std::thread::park_timeout(pause);
            let mut look = self.look(&mut seen, quantum.as_ref());
            if self.look_for_stalls(&mut stalls) {
                look = look.max(Look::Calm);
            }
            if look != Look::Quiet {
                last_life = Instant::now();
            }
            pause = match look {
                Look::Stuck => shortest,
                Look::Busy => (pause * 2).min(busy),
                Look::Calm => (pause * 2).min(calm),
                Look::Quiet if last_life.elapsed() < REST_AFTER => calm,
                Look::Quiet => {
                    self.rest();
                    last_life = Instant::now();
                    shortest
                }
            };
        }
    }

    /// Looks at all workers once; acts where that is needed.
    fn look(&'static self, seen: &mut [Seen], quantum: Option<&Quantum>) -> Look {
        self.monitor.looks.fetch_add(1, Ordering::Relaxed);
        let mut found = Look::Quiet;
        if self.overdue.any() {
            // The kernel ends an operation on the thread that submitted it, when that next enters the kernel: it does so for this.
            let _ = membarrier::heavy();
            found = Look::Busy;
        }
        for (role, seen) in self.roles().iter().zip(seen) {
            let polls = role.counts.polls.get();
            let moved = std::mem::replace(&mut seen.polls, polls) != polls;
            if role.asleep.is_asleep() {
                seen.poll = None;
                continue;
            }
            if !moved && role.waiting() != 0 {
                found = Look::Stuck;
                self.wake_helper(role.index());
            }
            found = found.max(quantum.map_or(Look::Busy, |quantum| self.watch(role, seen, quantum)));
        }
        found
    }

    /// Looks at the poll that the owner of an awake role is in; acts if it is overdue.
    fn watch(&'static self, role: &'static Role, seen: &mut Seen, quantum: &Quantum) -> Look {
        let poll = role.holder().map(|thread| (thread, thread.poll.now())).filter(|(_, word)| word & 1 == 1);
        let (Some((thread, word)), true) = (poll, seen.is(poll)) else {
            *seen = Seen { poll, since: Instant::now(), refused: false, asked_to_leave: false, ..*seen };
            return Look::Busy;
        };
        let ran = seen.since.elapsed();
        if ran < quantum.shortest() {
            return Look::Stuck;
        }
        // Asked before, and still there: refused, or without a processor.
        let stayed = std::mem::take(&mut seen.asked_to_leave);
        if stayed {
            self.overdue.not_switched();
        }
        let leaves = !stayed && self.config().switches() && thread.is_preemptible(word);
        let mut act = self.act(role, (thread, word), quantum, ran, leaves);
        if leaves && matches!(act, Some((Act::Seize, _))) {
            self.overdue.found(self.clock().now());
            seen.asked_to_leave = thread.ask_to_leave(word);
            if seen.asked_to_leave {
                return Look::Stuck;
            }
            self.overdue.not_switched();
            act = self.act(role, (thread, word), quantum, ran, false);
        }
        // There was no thread at hand.
        if act == Some((Act::Seize, false)) && self.may_be_overdue() && self.warm_spare().is_ok() {
            act = self.act(role, (thread, word), quantum, ran, false);
        }
        let (act, seized) = match act {
            None => return Look::Busy,
            Some((Act::Nothing, _)) => return Look::Calm,
            Some(act) => act,
        };
        if thread.ask_to_yield(word) {
            self.overdue.asked();
        }
        if act == Act::Ask && !leaves {
            // Whoever does not yield is about to be replaced; without a thread for that it stays, and is counted then.
            let _ = self.warm_spare();
        } else if act == Act::Seize && !seized {
            if !std::mem::replace(&mut seen.refused, true) {
                self.refuse_overdue();
            }
            return Look::Busy;
        }
        Look::Stuck
    }

    /// Does to a poll that has gone on for `ran` what the quantum says, as far as that takes the role's owner-only part; whether the role went to another
    /// thread. `None`: the poll is over. If its thread `leaves` it when asked, the role stays.
    fn act(
        &'static self,
        role: &'static Role,
        (thread, word): (&'static Record, u64),
        quantum: &Quantum,
        ran: Duration,
        leaves: bool,
    ) -> Option<(Act, bool)> {
        let now = self.clock().now();
        // Before the interruption, which is to be short.
        let mut spare = if !leaves && self.may_be_overdue() { self.waiting_spare() } else { None };
        let act = role.interrupt(thread, word, |local, heir| {
            let waits = match heir {
                Some(_) => Waits::Events,
                None => match role.waits(local) {
                    // What is pinned to the thread has its turn only if that leaves the poll.
                    Waits::Nothing if leaves && local.has_pinned(thread) => Waits::Tasks,
                    waits => waits,
                },
            };
            let act = quantum.act(waits, ran);
            let seizes = act == Act::Seize && !leaves && (heir.is_some() || spare.is_some());
            let to = if seizes && self.begin_overdue() { heir.or_else(|| spare.take()) } else { None };
            if to.is_some() {
                self.overdue.found(now);
            }
            if to.is_some() || leaves {
                local.look_around();
            }
            if to.is_some()
                && let Some(task) = self.task(thread.running())
            {
                task.header().state.overran();
            }
            ((act, to.is_some()), to)
        });
        if let Some(spare) = spare {
            self.return_spare(spare);
        }
        act
    }

    /// Waits until a worker wakes up, or the core stops.
    fn rest(&'static self) {
        self.monitor.resting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while self.monitor.resting.load(Ordering::Relaxed) {
            if self.is_stopping() || self.roles().iter().any(|role| role.asleep.look() == AWAKE) {
                self.monitor.resting.store(false, Ordering::Relaxed);
                return;
            }
            std::thread::park();
        }
    }
}

impl Seen {
    fn nothing() -> Seen {
        Seen { polls: 0, poll: None, since: Instant::now(), refused: false, asked_to_leave: false }
    }

    fn is(&self, poll: Option<(&'static Record, u64)>) -> bool {
        match (self.poll, poll) {
            (Some((thread, word)), Some((now, later))) => std::ptr::eq(thread, now) && word == later,
            _ => false,
        }
    }
}
