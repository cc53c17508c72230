//! The thread strategy: the thread gives its role away and blocks until its task is resumed.

use super::SyncAwaitError;
use crate::role::{Role, Thread, begins_to_wait, context, with_role};
use crate::runtime;
use crate::runtime::core::Core;
use crate::task::state::{Finish, Start, generation};
use crate::task::{Id, TaskRef};
use std::sync::atomic::Ordering;

/// One wait of a task on its thread; counted against the limit as long as it lives.
pub(super) struct Waiting {
    task: TaskRef,
    thread: &'static Thread,
    /// Whether the task was pinned to this thread before.
    local: bool,
}

impl Waiting {
    /// Counts this thread as blocked and gives its role, if it has one, to a spare thread.
    pub(super) fn begin(task: TaskRef, thread: &'static Thread) -> Result<Waiting, SyncAwaitError> {
        let core = thread.core();
        // The task's code may have entered another runtime; the role to give away is one of its own.
        let _home = Home(context::set_thread(Some(thread)));
        if core.config().host && with_role(core.number(), |_, _| ()).is_ok() {
            return Err(SyncAwaitError::HostLoop);
        }
        core.begin_sync_wait()?;
        let waiting = Waiting { task, thread, local: crate::task::pinned_to(task).is_some() };
        if let Ok(role) = with_role(core.number(), |role, _| role) {
            give_away(core, role, thread)?;
        }
        // Without a role, and about to block: it counts among the threads that wait, and no more among those that compute.
        thread.caught_up();
        Ok(waiting)
    }

    /// Suspends the task and blocks until somebody wakes it.
    pub(super) fn suspend(&self) {
        let state = &self.task.header().state;
        let mut put_back = Vec::new();
        let id = Id::new(self.task.index(), generation(state.load()));
        self.thread.set_blocked(Some(id));
        let mut finish = state.suspend(self.thread.id, true);
        if finish == Finish::Idle {
            begins_to_wait(self.task.core(), id);
        }
        while finish == Finish::Idle {
            self.wait_for_mail();
            finish = self.look_for_own_entry(&mut put_back);
        }
        // The entry is this thread's: it is resumed by taking it.
        let start = state.start(self.thread.id);
        debug_assert_eq!(start, Start::Resume);
        state.resumed(self.local);
        self.thread.set_blocked(None);
        for index in put_back {
            let other = self.thread.core().task(index).expect("an entry names a slot");
            runtime::forward(other, self.thread.id);
        }
    }

    fn wait_for_mail(&self) {
        self.thread.announce_park(None);
        if self.thread.inbox.is_empty() {
            std::thread::park();
        }
        self.thread.awake();
    }

    /// Looks for the suspended task's entry in the inbox; keeps those of other pinned tasks, which cannot run now.
    fn look_for_own_entry(&self, put_back: &mut Vec<u32>) -> Finish {
        let mut entries = Vec::new();
        self.thread.core().take_inbox(self.thread, &mut entries);
        let mut finish = Finish::Idle;
        while let Some(index) = entries.pop() {
            if index == self.task.index() {
                finish = Finish::Enqueue;
            } else {
                put_back.push(index);
            }
        }
        finish
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.thread.core().end_sync_wait();
    }
}

/// Puts the runtime back that the task's code had entered.
struct Home(Option<&'static Thread>);

impl Drop for Home {
    fn drop(&mut self) {
        context::set_thread(self.0);
    }
}

/// Gives the role that this thread holds inside its task to a spare thread.
pub(super) fn give_away(
    core: &'static Core,
    role: &'static Role,
    thread: &'static Thread,
) -> Result<(), SyncAwaitError> {
    let spare = core.spare_thread().map_err(|_| SyncAwaitError::NoThread)?;
    if !role.pass_on(thread, spare) {
        core.return_spare(spare);
    }
    Ok(())
}

impl Core {
    fn begin_sync_wait(&self) -> Result<(), SyncAwaitError> {
        let limit = self.config().max_sync_threads;
        let under = |count: usize| (count < limit).then_some(count + 1);
        match self.sync_waits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, under) {
            Ok(_) => Ok(()),
            Err(_) => Err(SyncAwaitError::ThreadLimit(limit)),
        }
    }

    fn end_sync_wait(&self) {
        self.sync_waits.fetch_sub(1, Ordering::Relaxed);
    }
}
