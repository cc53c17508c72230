//! The owner-only part of a role: free slots, places in the ready set, the timer wheel, the driver, the cached clock.

use super::next::NextEnds;
use super::reactor::Reactor;
use super::remote::Request;
use super::role::Role;
use super::thread::Thread;
use crate::runtime::core::Core;
use crate::task::TaskRef;
use maniac_arena::{Leaf, SizeClass, Slot, SlotPool};
use maniac_driver::Completions;
use maniac_signal_tree::{Hand, TakeMode};
use maniac_wheel::{TimerId, TimerWheel};
use std::collections::VecDeque;
use std::task::Waker;

/// Tasks run between two looks at the driver, the timers and the clock.
pub(crate) const HOUSEKEEPING: u32 = 64;

/// See the module's page.
pub(crate) struct RoleLocal {
    /// Free slots by size class.
    pools: [SlotPool; SizeClass::COUNT],
    /// Where `next` begins and ends.
    pub(crate) next: NextEnds,
    /// Tasks run since the ready set had its turn.
    pub(crate) streak: u32,
    /// Where the search of the own partition goes on.
    pub(crate) hand: Hand,
    /// Where the search of others' partitions goes on, and the last one that had work.
    pub(crate) steal_hand: Hand,
    pub(crate) victim: usize,
    /// The timers of the tasks that ran here when they set them.
    pub(crate) wheel: TimerWheel<Waker>,
    pub(crate) reactor: Reactor,
    /// The clock as of the last look at it, in nanoseconds since the core began.
    pub(crate) now: u64,
    /// Tasks run since the driver, the timers and the clock were looked at.
    pub(crate) since_housekeeping: u32,
    /// When the role last had nothing to run; a whole stretch of work since then wakes another worker.
    pub(crate) busy_since: u64,
    /// What the driver brought to light and nobody acted on yet.
    pub(crate) due: Completions,
    /// Wakers of what is due: timers, and what the driver completed.
    pub(crate) expired: VecDeque<Waker>,
    /// What was seen of the other roles when this one last had nothing to do.
    pub(crate) glances: Box<[Glance]>,
    /// Whether looking on before a sleep is worth its time.
    pub(crate) patience: Patience,
    /// Entries taken out of the thread's inbox, the oldest last; kept for its memory.
    pub(crate) pinned: Vec<u32>,
    /// Entries of preempted tasks. They wait until nothing else is ready, or for as many tasks as run between two looks at the clock: a poll
    /// of theirs takes long.
    pub(crate) left: VecDeque<u32>,
    /// Whether those had no turn at the last look around, since somebody asked for that look.
    pub(crate) passed_over: bool,
}

/// Another role at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Glance {
    /// Polls that it had counted.
    pub(crate) polls: u64,
    /// Since when that count stands, in nanoseconds of the core's time.
    pub(crate) since: u64,
}

/// How often a role's owner looks on before it sleeps: always while that brings work, and ever more seldom while it does not, as where all
/// work comes from sockets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    /// Times in a row that it brought nothing, up to [`Patience::MOST`].
    misses: u32,
    /// Sleeps before which it is left out.
    skips: u32,
}

impl Patience {
    /// One sleep in two to this power begins with it at least, so that it is found out when it pays again.
    const MOST: u32 = 6;

    /// Whether to look on now.
    pub(crate) fn begins(&mut self) -> bool {
        let begins = self.skips == 0;
        self.skips = self.skips.saturating_sub(1);
        begins
    }

    /// Notes whether it has brought something.
    pub(crate) fn learns(&mut self, found: bool) {
        self.misses = if found { 0 } else { (self.misses + 1).min(Self::MOST) };
        self.skips = (1 << self.misses) - 1;
    }
}

impl std::fmt::Debug for RoleLocal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoleLocal").finish_non_exhaustive()
    }
}

impl RoleLocal {
    pub(crate) fn new(now: u64, victim: usize, roles: usize, reactor: Reactor) -> RoleLocal {
        RoleLocal {
            pools: std::array::from_fn(|class| {
                let bytes = (class + 1) * SizeClass::STEP;
                SlotPool::new(SizeClass::for_size(bytes).expect("every class has a size"))
            }),
            next: NextEnds::default(),
            streak: 0,
            hand: Hand::default(),
            steal_hand: Hand::default(),
            victim,
            wheel: TimerWheel::new(now),
            reactor,
            now,
            since_housekeeping: 0,
            busy_since: now,
            due: Completions::new(),
            expired: VecDeque::new(),
            glances: vec![Glance::default(); roles].into(),
            patience: Patience::default(),
            pinned: Vec::new(),
            left: VecDeque::new(),
            passed_over: false,
        }
    }

    /// A free slot for tasks of `class`, or of a larger class that was pre-initialised.
    #[inline]
    pub(crate) fn allocate(&mut self, class: SizeClass, preinitialized: Option<SizeClass>) -> Option<Slot> {
        if let Some(large) = preinitialized.filter(|large| class < *large)
            && let Some(slot) = self.pools[large.index()].allocate()
        {
            return Some(slot);
        }
        self.pools[class.index()].allocate()
    }

    pub(crate) fn add_leaf(&mut self, leaf: &'static Leaf) {
        self.pools[leaf.class().index()].add_leaf(leaf);
    }

    #[inline]
    pub(crate) fn free(&mut self, slot: Slot) {
        self.pools[slot.leaf().class().index()].free_local(slot);
    }

    /// Queues a task that became runnable: `next` while there is room, else its bit in the ready set.
    #[inline]
    pub(crate) fn enqueue(&mut self, role: &'static Role, task: TaskRef) {
        let index = task.index();
        if !role.next.push(&mut self.next, index) {
            role.core().set_ready(role, index);
        }
    }

    /// Takes the next task of the own partition.
    #[inline]
    pub(crate) fn take_ready(&mut self, role: &'static Role) -> Option<u32> {
        if let Some(index) = role.batch.take() {
            return Some(index);
        }
        let mut taken = role.core().tree().take(role.index(), &mut self.hand, TakeMode::Whole)?;
        let first = taken.pop();
        if !taken.is_empty() {
            role.batch.fill(taken.base(), taken.bits());
        }
        first
    }

    /// As [`RoleLocal::take_ready`], before a sleep: leaves no summary up that points at nothing. The slots stay in the batch; whether there
    /// are any.
    pub(crate) fn take_last(&mut self, role: &'static Role) -> bool {
        if role.batch.is_empty()
            && let Some(taken) = role.core().tree().take_last(role.index(), &mut self.hand)
        {
            role.batch.fill(taken.base(), taken.bits());
        }
        !role.batch.is_empty()
    }

    /// Takes tasks from another role's partition: the first to run, the others into `next` or back.
    pub(crate) fn steal_from(
        &mut self,
        core: &'static Core,
        role: &'static Role,
        victim: usize,
    ) -> Option<u32> {
        let mut taken = core.tree().steal_from(victim, &mut self.steal_hand, TakeMode::Half)?;
        let first = taken.pop();
        while let Some(index) = taken.pop() {
            if !role.next.push(&mut self.next, index) {
                core.set_ready(role, index);
            }
        }
        first
    }

    /// Does what another thread asked for; gives the waker that nobody needs any more.
    pub(crate) fn serve(&mut self, request: Request) -> Option<Waker> {
        match request {
            Request::Schedule { waker, ticket, .. } if ticket.is_cancelled() => Some(waker),
            Request::Schedule { deadline, waker, ticket } => {
                let (id, _) = self.wheel.schedule_timer_best_fit(deadline, waker);
                if ticket.scheduled(id.to_bits()) { None } else { self.cancel_timer(id) }
            }
            Request::Cancel(id) => self.cancel_timer(id),
        }
    }

    /// What the outside world, or time, may bring or has brought for this role, and nobody saw to yet.
    pub(crate) fn has_events(&mut self, role: &Role, now: u64) -> bool {
        !role.remote.is_empty()
            || !self.due.is_empty()
            || !self.expired.is_empty()
            || !self.reactor.is_idle()
            || self.wheel.next_deadline().is_some_and(|at| at <= now)
    }

    /// Whether tasks wait that only `thread`, the role's owner, may run.
    pub(crate) fn has_pinned(&self, thread: &Thread) -> bool {
        !thread.inbox.is_empty() || !self.pinned.is_empty() || !self.left.is_empty()
    }

    /// Has the next turn begin with a look at clock, timers and driver.
    pub(crate) fn look_around(&mut self) {
        self.since_housekeeping = HOUSEKEEPING;
    }

    /// Has a look at the driver come after so many turns, or sooner.
    pub(crate) fn look_around_within(&mut self, turns: u32) {
        self.since_housekeeping = self.since_housekeeping.max(HOUSEKEEPING.saturating_sub(turns));
    }

    /// Cancels a timer of this role's wheel; a stale id does nothing. The waker is the caller's to drop, outside the bracket.
    pub(crate) fn cancel_timer(&mut self, id: TimerId) -> Option<Waker> {
        self.wheel.cancel_timer(id)
    }
}

#[cfg(test)]
mod tests {
    use super::Patience;

    #[test]
    fn patience_ends_when_it_is_in_vain_and_comes_back() {
        let (mut patience, sleeps) = (Patience::default(), 1000);
        let looks = |patience: &mut Patience, found| {
            let mut count = 0;
            for _ in 0..sleeps {
                if patience.begins() {
                    patience.learns(found);
                    count += 1;
                }
            }
            count
        };
        let in_vain = looks(&mut patience, false);
        assert!((sleeps / 64..sleeps / 32).contains(&in_vain), "{in_vain} of {sleeps}");
        let paying = looks(&mut patience, true);
        assert!(paying >= sleeps - 64, "{paying} of {sleeps}");
    }
}
