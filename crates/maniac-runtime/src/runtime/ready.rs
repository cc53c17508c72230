//! The ready set as the scheduler uses it, who sleeps, and who must be woken.
//!
//! The pattern of sleeping and waking is that of [`park`](crate::role::park).

use super::core::{Core, OPEN};
use crate::role::park::AWAKE;
use crate::role::{Role, Thread, with_role};
use crate::task::TaskRef;
use maniac_signal_tree::{LeafIndex, SignalTree};
use std::sync::atomic::Ordering;

/// What a role's sleeper says while its owner sleeps.
const ASLEEP: u32 = 1;

impl Core {
    /// Sets a task's bit, by the owner of `role`, which will come to it by itself if the task lies in its own partition. In another one it
    /// is that one's owner who must, so that is woken if it sleeps.
    #[inline]
    pub(crate) fn set_ready(&'static self, role: &Role, index: u32) {
        let home = self.tree.set_in(index);
        if home != role.index() {
            self.tell(&self.roles()[home]);
        }
    }

    /// The role whose partition a task lies in.
    fn home(&'static self, index: u32) -> &'static Role {
        let partition = self.tree.leaf_partition(LeafIndex::of(index)).expect("a slot lies in a leaf");
        &self.roles()[partition]
    }

    /// Sets a task's bit from anywhere, and wakes the worker that has to see to it.
    pub(crate) fn set_ready_and_notify(&'static self, index: u32) {
        let home = self.tree.set_in(index);
        self.notify(&self.roles()[home]);
    }

    /// Wakes the worker that has to see to a task that was just made ready: the one that is at `home` where the task lies, which finds
    /// it before it sleeps, or another one if that is busy.
    fn notify(&'static self, home: &Role) {
        if home.asleep.look() != AWAKE {
            home.unpark();
        } else {
            // The owner is awake; should it be in a long poll, somebody else can help.
            self.wake_helper(home.index());
        }
    }

    #[inline]
    pub(crate) fn tree(&self) -> &SignalTree {
        &self.tree
    }

    #[inline]
    pub(crate) fn maybe_ready(&self, partition: usize) -> bool {
        self.tree.maybe_ready(partition)
    }

    /// The partition of the next spawn from outside.
    pub(crate) fn next_partition(&'static self) -> usize {
        self.placement.fetch_add(1, Ordering::Relaxed) as usize % self.roles().len()
    }

    /// Announces that `role`'s owner is about to sleep. It looks for work once more after this.
    pub(crate) fn announce_sleep(&self, role: &'static Role, thread: &Thread) {
        role.asleep.announce(ASLEEP);
        self.sleepers.add(role.index());
        thread.announce_park(Some(role));
    }

    pub(crate) fn end_sleep(&self, role: &Role, thread: &Thread) {
        role.asleep.awake();
        self.sleepers.remove(role.index());
        thread.awake();
        self.rouse_monitor();
    }

    /// Wakes one sleeping worker, if there is one, to look for work; the search begins behind `from`.
    pub(crate) fn wake_helper(&'static self, from: usize) {
        if let Some(index) = self.sleepers.claim(from) {
            self.roles()[index].unpark();
        }
    }

    /// Something was put into `role`'s box: wakes its owner if it sleeps.
    pub(crate) fn tell(&self, role: &Role) {
        if role.asleep.look() != AWAKE {
            role.unpark();
        }
    }

    /// Whether looking on before sleeping makes sense: there is another processor that could make work.
    pub(crate) fn spins(&self) -> bool {
        self.config.spin
    }

    /// Whether a worker must not go to sleep: the runtime is going down.
    pub(crate) fn stops_sleep(&self) -> bool {
        self.phase.load(Ordering::Relaxed) > OPEN && self.is_stopping()
    }

    /// Moves the entries of `thread`'s inbox behind those in `into`.
    pub(crate) fn take_inbox(&self, thread: &Thread, into: &mut Vec<u32>) {
        let link_of = |index| &self.task(index).expect("an entry names a slot").header().link;
        thread.inbox.take_all(link_of, into);
    }

    /// Puts a leaf into a partition.
    pub(crate) fn assign_leaf(&self, leaf: u32, partition: usize) {
        let known = self.tree.leaves();
        if leaf as usize == known {
            let added = self.tree.add_leaf(partition);
            debug_assert!(added.is_ok_and(|added| added.get() == leaf));
        } else {
            // A leaf of an earlier life of this core.
            let moved = self.tree.reassign(LeafIndex::of(leaf << 12), partition);
            debug_assert!(moved.is_ok());
        }
    }
}

/// Makes the entry of a task that is not pinned.
#[inline]
pub(crate) fn enqueue(task: TaskRef) {
    let core = task.core();
    if with_role(core, |role, local| local.enqueue(role, task)).is_err() {
        Core::by_number(core).set_ready_and_notify(task.index());
    }
}

/// Makes the entry of a task that runs when nothing else is ready.
#[cold]
pub(crate) fn enqueue_background(task: TaskRef) {
    let core = Core::by_number(task.core());
    core.background.push(task.index());
    core.notify(core.home(task.index()));
}

/// Makes the entry of a task that is pinned to `thread`.
pub(crate) fn forward(task: TaskRef, thread: u16) {
    let core = Core::by_number(task.core());
    let thread = core.thread(thread).expect("a pinned task's thread has a record");
    thread.inbox.push(task.index(), &task.header().link);
    if !thread.is_current() {
        thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use crate::role::context;
    use crate::runtime::Runtime;
    use crate::task::state::Wake;
    use std::sync::mpsc;
    use std::task::Poll;
    use std::time::{Duration, Instant};

    /// Longer than anything takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn until(condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < PATIENCE, "it never came to that");
            std::thread::yield_now();
        }
    }

    /// As a worker does with a task that yields there and is at home elsewhere, while the owner at home sleeps.
    #[test]
    fn a_task_set_ready_away_from_home_wakes_its_home() {
        let runtime = Runtime::builder().worker_count(2).build().unwrap();
        let core = runtime.handle.shared.core;
        for _ in 0..20 {
            let (found, task) = mpsc::channel();
            let mut polls = 0;
            let handle = runtime.spawn(std::future::poll_fn(move |_| {
                polls += 1;
                if polls == 2 {
                    return Poll::Ready(());
                }
                found.send(context::task().expect("a task runs")).unwrap();
                Poll::Pending
            }));
            let task = task.recv().unwrap();
            until(|| core.roles().iter().all(|role| role.asleep.is_asleep()));
            assert_eq!(task.header().state.wake(|_| true), Wake::Enqueue);
            let away = core.roles().iter().find(|role| !std::ptr::eq(*role, core.home(task.index())));
            core.set_ready(away.expect("there are two"), task.index());
            until(|| handle.is_finished());
        }
    }
}
