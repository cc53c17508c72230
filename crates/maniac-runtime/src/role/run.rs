//! Running one task: from the queue entry to what its poll leaves to do.

use super::context;
use super::role::{RoleGuard, leave_task};
use super::thread::Thread;
use crate::coop::{BUDGET, UNLIMITED};
use crate::runtime;
use crate::runtime::core::Core;
use crate::task::state::{ABORTED, Completed, Finish, Start, Wake, WakerTaken, generation};
use crate::task::{Id, TaskRef, contain, coroutine, preemptible, waker};
use maniac_sync::wait;
use std::task::Context;
use std::time::Instant;

/// Takes the queue entry `index` and does what the task's state asks for. `None`: the role was given away meanwhile.
#[inline]
pub(crate) fn run_entry(guard: RoleGuard, index: u32) -> Option<RoleGuard> {
    let core = guard.core();
    let Some(task) = core.task(index) else { return Some(guard) };
    match task.header().state.start(guard.thread().id) {
        Start::Stale => Some(guard),
        Start::Forward(thread) => {
            runtime::forward(task, thread);
            Some(guard)
        }
        Start::Poll => {
            let thread = enter(guard, task);
            let outcome = poll_in_task(task);
            settle(thread, task, outcome)
        }
        Start::PollAside => aside(guard, task),
        Start::PollOnCoroutine => by(guard, task, coroutine::poll),
        Start::PollPreemptible => by(guard, task, preemptible::poll),
        Start::Resume => by(guard, task, coroutine::resume),
        Start::Cancel => {
            let thread = enter(guard, task);
            cancel(task);
            left(thread, true)
        }
    }
}

#[inline]
fn enter(guard: RoleGuard, task: TaskRef) -> &'static Thread {
    guard.thread().set_running(task.index());
    guard.enter_task()
}

#[inline(never)]
fn by(guard: RoleGuard, task: TaskRef, step: fn(TaskRef) -> Outcome) -> Option<RoleGuard> {
    let thread = enter(guard, task);
    let outcome = step(task);
    settle(thread, task, outcome)
}

/// Has a thread without a role poll a task that this thread took, whose polls take long; polls it here if none is at hand.
#[cold]
fn aside(guard: RoleGuard, task: TaskRef) -> Option<RoleGuard> {
    if guard.core().poll_aside(task) { Some(guard) } else { by(guard, task, poll_in_task) }
}

/// Polls the task in slot `index`, which a worker took, on `thread`, the calling one, which has no role.
pub(crate) fn run_aside(thread: &'static Thread, index: u32) {
    let core = thread.core();
    let task = core.task(index).expect("a task that was taken has a slot");
    let state = &task.header().state;
    let generation = generation(state.load());
    thread.set_running(index);
    // Without a role all calls take the remote path. The word is for those who look for polls that stall.
    thread.poll.enter();
    // The task was taken by another thread, some time ago.
    let outcome = if state.load() & ABORTED != 0 {
        cancel(task);
        Outcome::Done
    } else {
        let begin = Instant::now();
        let outcome = poll_in_task(task);
        if !thread.is_overdue() {
            // It waited on this thread: how long it took says nothing about how long it computed.
        } else if begin.elapsed() < core.config().quantum {
            state.kept_short(generation);
        } else {
            state.overran();
        }
        outcome
    };
    let guard = settle(thread, task, outcome);
    debug_assert!(guard.is_none(), "a thread that polls aside has no role");
    thread.caught_up();
}

/// As [`run_entry`], on a thread that has no role: entries of its pinned tasks, one round.
pub(crate) fn run_entry_without_role(thread: &'static Thread, index: u32) {
    let Some(task) = thread.core().task(index) else { return };
    debug_assert!(thread.role().is_none());
    thread.set_running(index);
    let outcome = match task.header().state.start(thread.id) {
        Start::Stale => return,
        Start::Forward(other) => return runtime::forward(task, other),
        Start::Poll | Start::PollAside => poll_in_task(task),
        Start::PollOnCoroutine => coroutine::poll(task),
        Start::PollPreemptible => preemptible::poll(task),
        Start::Resume => coroutine::resume(task),
        Start::Cancel => {
            cancel(task);
            Outcome::Done
        }
    };
    match outcome {
        Outcome::Done => thread.core().count_outside_completion(),
        Outcome::Again => task.queue(task.where_to()),
        Outcome::Idle => {}
    }
}

/// Runs the entry of a task of the blocking pool; whether it completed the task.
pub(crate) fn run_blocking_entry(core: &'static Core, index: u32) -> bool {
    let Some(task) = core.task(index) else { return false };
    let _running = context::thread().filter(|thread| thread.core().number() == core.number()).map(|thread| {
        let before = Running(thread, thread.running());
        thread.set_running(index);
        before
    });
    // Such a task is pinned to nobody, so that any number serves as this thread's.
    match task.header().state.start(u16::MAX) {
        Start::Poll | Start::PollAside => poll_in_task(task) == Outcome::Done,
        Start::Cancel => {
            cancel(task);
            true
        }
        Start::Stale
        | Start::Forward(_)
        | Start::Resume
        | Start::PollOnCoroutine
        | Start::PollPreemptible => false,
    }
}

/// Says again what ran on this thread before: a task's code may end blocking work.
struct Running(&'static Thread, u32);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set_running(self.1);
    }
}

/// What a poll leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The task is complete; its slot is seen to.
    Done,
    /// The task waits for a wake.
    Idle,
    /// The task goes to the back of the ready set.
    Again,
}

/// Polls a task that this thread took, and settles its state. The calling thread is in a task as far as its word says.
#[inline]
pub(crate) fn poll_in_task(task: TaskRef) -> Outcome {
    let state = &task.header().state;
    let generation = generation(state.load());
    let waker = waker::waker(task, generation);
    // SAFETY: [TASK-2] RUNNING is held: the slot is live.
    let vtable = unsafe { task.vtable() };
    wait::clear();
    let done = context::in_task(task, BUDGET, || {
        // SAFETY: [TASK-6] RUNNING is held and the task is not complete: `start` gave this entry to this thread, or to the one that passed it on.
        unsafe { (vtable.poll)(task, &mut Context::from_waker(&waker)) }
    });
    if done {
        complete(task);
        return Outcome::Done;
    }
    task.header().waits.store(wait::take());
    let id = Id::new(task.index(), generation);
    match state.finish() {
        Finish::Idle => {
            begins_to_wait(task.core(), id);
            Outcome::Idle
        }
        Finish::Enqueue => Outcome::Again,
        Finish::Cancel => {
            cancel(task);
            Outcome::Done
        }
    }
}

/// The poll of task `id` is over, or suspended, and its next wake makes an entry: debug builds look whether it ever can.
#[inline]
pub(crate) fn begins_to_wait(core: u32, id: Id) {
    #[cfg(debug_assertions)]
    Core::by_number(core).look_for_deadlock(id);
    #[cfg(not(debug_assertions))]
    let _ = (core, id);
}

/// Leaves the task and makes the entry that the outcome asks for.
#[inline]
pub(crate) fn settle(thread: &'static Thread, task: TaskRef, outcome: Outcome) -> Option<RoleGuard> {
    let guard = left(thread, outcome == Outcome::Done);
    if outcome == Outcome::Again {
        match (&guard, task.where_to()) {
            // To the back: its bit, not `next`, so that a task that wakes itself runs after all others.
            (Some(guard), Wake::Enqueue) => guard.core().set_ready(guard.role(), task.index()),
            (_, wake) => task.queue(wake),
        }
    }
    guard
}

#[inline]
fn left(thread: &'static Thread, done: bool) -> Option<RoleGuard> {
    let guard = leave_task(thread);
    match &guard {
        Some(guard) => {
            let counts = &guard.role().counts;
            counts.polls.add(1);
            if done {
                counts.completed.add(1);
            }
        }
        None if done => thread.core().count_outside_completion(),
        None => {}
    }
    if done {
        thread.core().note_completion();
    }
    guard
}

/// Drops an aborted task's future, on the thread that holds RUNNING.
pub(crate) fn cancel(task: TaskRef) {
    // SAFETY: [TASK-2] RUNNING is held: the slot is live.
    let vtable = unsafe { task.vtable() };
    context::in_task(task, UNLIMITED, || {
        // SAFETY: [TASK-6] RUNNING is held and the task is not complete.
        unsafe { (vtable.cancel)(task) };
    });
    complete(task);
}

/// The output is written: tells the handle, or drops the output and frees the slot.
#[inline]
pub(crate) fn complete(task: TaskRef) {
    let state = &task.header().state;
    match state.complete() {
        Completed::Claimed => {}
        Completed::ClaimedWithWaker => {
            // SAFETY: [TASK-3] COMPLETE with JOIN_WAKER: the waker is the runner's.
            let waker = unsafe { task.take_join_waker() };
            // The waker may be anybody's code; its panic is not the scheduler's.
            contain(|| waker.wake());
            match state.join_waker_taken() {
                WakerTaken::Claimed => {}
                WakerTaken::Unclaimed => drop_unclaimed(task),
                // SAFETY: [TASK-9] complete, the output was taken, and the handle is gone: this is the last claim.
                WakerTaken::Emptied => unsafe { crate::task::spawn::free_task(task) },
            }
        }
        Completed::Unclaimed => drop_unclaimed(task),
    }
}

#[cold]
fn drop_output(task: TaskRef) {
    // SAFETY: [TASK-2] complete and nobody else's: live until freed.
    let vtable = unsafe { task.vtable() };
    contain(|| {
        // SAFETY: [TASK-7] without HANDLE the output of a complete task is the runner's; it is dropped once.
        unsafe { (vtable.drop_output)(task) };
    });
}

fn drop_unclaimed(task: TaskRef) {
    drop_output(task);
    // SAFETY: [TASK-9] complete, the output is gone, and no handle exists: this is the last claim.
    unsafe { crate::task::spawn::free_task(task) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Runtime;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_task_that_is_aborted_on_its_way_aside_is_not_polled() {
        let runtime = Runtime::new_single_threaded().unwrap();
        let _entered = runtime.handle().enter();
        let polled = Arc::new(AtomicBool::new(false));
        let polls = Arc::clone(&polled);
        let task = runtime.spawn(async move { polls.store(true, Ordering::SeqCst) });
        let thread = context::thread().unwrap();
        let taken = thread.core().task(task.id().index()).unwrap();
        assert_eq!(taken.header().state.start(thread.id), Start::Poll);
        task.abort();
        run_aside(thread, taken.index());
        assert!(!polled.load(Ordering::SeqCst), "polled after its abort");
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    }
}
