//! Threads whose role was taken because of a poll that goes on: how many there are, how many there may be, and the counts.

use super::core::Core;
use crate::time::Instant;
use crate::time::clock::Clock;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Overdue threads of a core.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    now: AtomicUsize,
    warned: AtomicBool,
    /// When something was last done about an overdue poll, as the core's clock has it; 0: never.
    last: AtomicU64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    seized: AtomicU64,
    aside: AtomicU64,
    asked: AtomicU64,
    refused: AtomicU64,
    switched: AtomicU64,
    not_switched: AtomicU64,
}

/// What preemption has done.
///
/// ```
/// # use maniac_runtime as maniac;
/// let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// runtime.block_on(async { /* nothing that takes long */ });
/// assert_eq!(runtime.metrics().preemption.overdue_threads, 0);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreemptionMetrics {
    /// Threads that run a poll now whose worker role went to another thread, or that began on a thread without one.
    pub overdue_threads: usize,
    /// Times that a worker role was taken from a thread in an overdue poll.
    pub seized: u64,
    /// Polls that began on a thread without a worker role, since polls of the same task were overdue before.
    pub begun_aside: u64,
    /// Times that a poll was asked to yield at its next leaf operation.
    pub asked_to_yield: u64,
    /// Polls that stayed on their worker since there were as many overdue threads as `max_overdue_threads` allows, or the system gave no thread.
    pub refused: u64,
    /// Times that a poll of a preemptible task was left by a switch; the task went on later.
    pub switched: u64,
    /// Times that such a poll was asked to be left and was not, or not soon: it was in code that is not registered, in a section that forbids it, or had no processor.
    pub switches_refused: u64,
    /// When a poll was last found overdue whose role then went to another thread, or whose thread was asked to leave it.
    pub last_overdue: Option<Instant>,
}

impl Overdue {
    /// Counts one more thread as overdue, unless as many as may be are; undone by [`Overdue::ended`].
    fn begin(&self, limit: usize) -> bool {
        let under = |count: usize| (count < limit).then_some(count + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, under).is_ok()
    }

    /// A thread's role is taken because of its poll.
    pub(crate) fn seized(&self) {
        self.counts.seized.fetch_add(1, Ordering::Relaxed);
    }

    /// That poll ended.
    pub(crate) fn ended(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether some thread is overdue.
    pub(crate) fn any(&self) -> bool {
        self.now.load(Ordering::Relaxed) != 0
    }

    /// Begins to count, and to warn, anew; no thread is overdue.
    pub(super) fn forget(&self) {
        let Counts { seized, aside, asked, refused, switched, not_switched } = &self.counts;
        for count in [seized, aside, asked, refused, switched, not_switched] {
            count.store(0, Ordering::Relaxed);
        }
        self.warned.store(false, Ordering::Relaxed);
        self.last.store(0, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) {
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// This thread left a poll by a switch.
    pub(crate) fn switched(&self) {
        self.counts.switched.fetch_add(1, Ordering::Relaxed);
    }

    /// A poll that was asked to be left goes on.
    pub(super) fn not_switched(&self) {
        self.counts.not_switched.fetch_add(1, Ordering::Relaxed);
    }

    /// Something is done about a poll that was found overdue at `now`.
    pub(super) fn found(&self, now: u64) {
        self.last.store(now, Ordering::Relaxed);
    }

    pub(super) fn metrics(&self, clock: &Clock) -> PreemptionMetrics {
        let last = Some(self.last.load(Ordering::Relaxed)).filter(|last| *last != 0);
        PreemptionMetrics {
            last_overdue: last.map(|last| Instant::from_std(clock.instant(last))),
            overdue_threads: self.now.load(Ordering::Relaxed),
            seized: self.counts.seized.load(Ordering::Relaxed),
            begun_aside: self.counts.aside.load(Ordering::Relaxed),
            asked_to_yield: self.counts.asked.load(Ordering::Relaxed),
            refused: self.counts.refused.load(Ordering::Relaxed),
            switched: self.counts.switched.load(Ordering::Relaxed),
            switches_refused: self.counts.not_switched.load(Ordering::Relaxed),
        }
    }
}

impl Core {
    /// Whether one more thread may be overdue.
    pub(super) fn may_be_overdue(&self) -> bool {
        self.overdue.now.load(Ordering::Relaxed) < self.config().max_overdue_threads
    }

    /// Counts one more thread as overdue; `false`: there are as many as may be.
    pub(super) fn begin_overdue(&self) -> bool {
        self.overdue.begin(self.config().max_overdue_threads)
    }

    /// As [`Core::begin_overdue`], for a poll that begins on a thread without a role.
    pub(super) fn begin_aside(&self) -> bool {
        let begins = self.begin_overdue();
        self.overdue.counts.aside.fetch_add(u64::from(begins), Ordering::Relaxed);
        begins
    }

    /// An overdue poll stays where it is: counted, and warned about once.
    #[cold]
    pub(super) fn refuse_overdue(&self) {
        self.overdue.counts.refused.fetch_add(1, Ordering::Relaxed);
        if !self.overdue.warned.swap(true, Ordering::Relaxed) {
            let limit = self.config().max_overdue_threads;
            // Nobody may be listening; nothing depends on it.
            let _ = writeln!(
                std::io::stderr(),
                "maniac: tasks wait behind others that do not yield: {limit} threads at most may run such tasks on the side \
                 (max_overdue_threads), and no more can. Move long computations to spawn_blocking, or raise the limit."
            );
        }
    }
}

/// How many threads may be overdue at one time, unless the builder says otherwise: four for each processor, and 16 at least, but not more
/// than half of what the control group allows.
pub(super) fn default_limit(processors: usize) -> usize {
    let wanted = (4 * processors).max(16);
    maniac_driver::threads_limit().map_or(wanted, |limit| wanted.min(limit / 2).max(1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_grows_with_the_processors_and_stays_within_the_control_group() {
        let most = maniac_driver::threads_limit().map_or(usize::MAX, |limit| (limit / 2).max(1));
        assert_eq!(super::default_limit(1), 16.min(most));
        assert_eq!(super::default_limit(64), 256.min(most));
    }
}
