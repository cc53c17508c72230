//! Looking at a runtime's tasks from outside: the dump, and the backtraces of tasks that wait in `sync_await`.
//!
//! Nothing here stops a task or holds a lock that a task without a name meets. A backtrace is taken by the code itself that it is of: the task is woken
//! for nothing, and leaves its trace before it goes on waiting (decision 0009).

use super::core::Core;
use super::dump::{Dump, TaskDump, TaskState, WaitsFor, WorkerDump};
use crate::role::Thread;
use crate::task::state::{self, ABORTED, COMPLETE, NOTIFIED, PREEMPTIBLE, RUNNING, SUSPENDED};
use crate::task::{Glimpse, Id, TaskRef};
use crate::time::Instant;
use maniac_sync::wait::{Reason, Wait};
use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Backtraces that were asked for.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// How many ask right now.
    asking: AtomicUsize,
    /// What was asked for, and what has come of it.
    traces: Mutex<HashMap<Id, Option<Backtrace>>>,
    /// Told when a trace has come.
    came: Condvar,
}

impl Traces {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Option<Backtrace>>> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    pub(super) fn dump(&'static self) -> Dump {
        let threads = self.known_threads();
        let mut inboxes = HashMap::new();
        let mut tasks = Vec::new();
        self.for_each_slot(|task| {
            let Some(glimpse) = task.glimpse() else { return };
            let task = self.describe(glimpse, &threads);
            if let (TaskState::Ready, Some(thread)) = (task.state, task.pinned_to) {
                *inboxes.entry(thread).or_insert(0) += 1;
            }
            tasks.push(task);
        });
        let workers = self.roles().iter().map(|role| {
            let thread = role.holder().map(|thread| thread.id);
            WorkerDump {
                thread,
                asleep: role.asleep.is_asleep(),
                next: role.next.len(),
                batch: role.batch.len(),
                ready: self.tree.ready_count(role.index()),
                inbox: thread.and_then(|thread| inboxes.get(&thread).copied()).unwrap_or(0),
                remote: role.remote.len(),
            }
        });
        Dump {
            at: self.instant(self.clock().now()),
            workers: workers.collect(),
            tasks,
            background: self.background.len(),
            blocking: self.blocking().metrics(),
        }
    }

    fn instant(&self, nanos: u64) -> Instant {
        Instant::from_std(self.clock().instant(nanos))
    }

    fn describe(&self, glimpse: Glimpse, threads: &[&'static Thread]) -> TaskDump {
        let Glimpse { id, name, spawned_at, word, waits } = glimpse;
        let pinned_to = state::pinned_thread(word);
        let state = task_state(id, word, threads);
        let waits = waits.filter(|_| matches!(state, TaskState::Waiting | TaskState::Suspended { .. }));
        TaskDump {
            id,
            name,
            spawned_at,
            state,
            waits_for: waits.map(|waits| self.waits_for(waits)),
            waits_for_others: waits.is_some_and(|waits| !waits.is_sole()),
            pinned_to,
            aborted: word & (ABORTED | COMPLETE) == ABORTED,
            backtrace: None,
        }
    }

    pub(super) fn waits_for(&self, waits: Wait) -> WaitsFor {
        match waits.reason() {
            Reason::Until(nanos) => WaitsFor::Time(self.instant(nanos)),
            Reason::Task(number) => WaitsFor::Task(Id::from_number(number)),
            Reason::Lock(number) => WaitsFor::Lock(number),
            Reason::Operation(name) => WaitsFor::Operation(name),
            Reason::On(text) => WaitsFor::Other(text),
            _ => WaitsFor::Other("something"),
        }
    }

    /// As [`Core::dump`], with the backtraces that come within `limit`.
    pub(super) fn dump_with_backtraces(&'static self, limit: Duration) -> Dump {
        let until = std::time::Instant::now() + limit;
        let asked = self.ask_for_traces();
        let mut traces = self.traces.lock();
        let missing = |traces: &HashMap<Id, Option<Backtrace>>| {
            asked.iter().any(|id| traces.get(id).is_some_and(Option::is_none))
        };
        while missing(&traces) {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                break;
            }
            traces = self.traces.came.wait_timeout(traces, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        // Another one that asks for the same has to come for it again.
        let mut came: HashMap<Id, Backtrace> =
            asked.iter().filter_map(|id| traces.remove(id).flatten().map(|trace| (*id, trace))).collect();
        drop(traces);
        self.traces.asking.fetch_sub(1, Ordering::Relaxed);
        let mut dump = self.dump();
        for task in &mut dump.tasks {
            task.backtrace = came.remove(&task.id);
        }
        dump
    }

    /// Wakes every task that waits in `sync_await`, to leave a trace.
    fn ask_for_traces(&'static self) -> Vec<Id> {
        self.traces.asking.fetch_add(1, Ordering::Relaxed);
        let mut asked = Vec::new();
        self.for_each_slot(|task| {
            let word = task.header().state.load();
            // A preemptible one that is ready was left in its computation, or is about to go on by itself.
            let goes_on = word & (PREEMPTIBLE | NOTIFIED) == PREEMPTIBLE | NOTIFIED;
            if word & (SUSPENDED | RUNNING | COMPLETE) == SUSPENDED && !goes_on {
                let id = Id::new(task.index(), state::generation(word));
                asked.push(id);
                self.traces.lock().insert(id, None);
                task.queue(task.header().state.wake(|of| of == id.generation()));
            }
        });
        asked
    }

    /// Has `task`, whose code calls this from a wait, leave its trace, if it was asked for one.
    #[inline]
    pub(crate) fn trace_if_asked(&self, task: TaskRef) {
        if self.traces.asking.load(Ordering::Relaxed) != 0 {
            self.leave_trace(task);
        }
    }

    #[cold]
    fn leave_trace(&self, task: TaskRef) {
        let id = Id::new(task.index(), state::generation(task.header().state.load()));
        if !self.traces.lock().get(&id).is_some_and(Option::is_none) {
            return;
        }
        let trace = Backtrace::force_capture();
        if let Some(place) = self.traces.lock().get_mut(&id) {
            *place = Some(trace);
        }
        self.traces.came.notify_all();
    }
}

fn task_state(id: Id, word: u64, threads: &[&'static Thread]) -> TaskState {
    if word & COMPLETE != 0 {
        return TaskState::Complete;
    }
    if word & RUNNING != 0 {
        let here = |thread: &&&Thread| thread.running() == id.index();
        let found = threads.iter().filter(here).max_by_key(|thread| thread.poll.in_task());
        let overdue = found.is_some_and(|thread| thread.is_overdue());
        return TaskState::Running { thread: found.map(|thread| thread.id), overdue };
    }
    match state::pinned_thread(word) {
        Some(thread) if word & SUSPENDED != 0 => {
            let record = threads.iter().find(|record| record.id == thread);
            let blocks = record.is_some_and(|record| record.blocked_by() == Some(id));
            TaskState::Suspended { thread, blocks }
        }
        _ if word & NOTIFIED != 0 => TaskState::Ready,
        _ => TaskState::Waiting,
    }
}
