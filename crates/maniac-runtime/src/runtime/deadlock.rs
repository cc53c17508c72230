//! Deadlocks among tasks, found in debug builds: whoever begins to wait looks whether what it waits for waits, in the end, for it.
//!
//! A task's obstacle is what its slot says that it waits for, if that is one thing alone, and a task or a [`TrackedMutex`](crate::sync::TrackedMutex): the
//! task itself, or the mutex's holder. For one that may only run on a thread which another task blocks in `sync_await`, it is that task, whatever it
//! waits for itself. Two tasks that begin to wait at once: each publishes its wait, fences, and looks, so that one of them sees both.

use super::dump::Who;
use crate::task::Id;
use std::fmt;
use std::panic::Location;

/// Tasks of which each waits for the next, and the last for the first. Found in debug builds, as [`on_deadlock`](super::RuntimeBuilder::on_deadlock) is told:
/// a task that awaits its own handle; tasks that await each other's, by `.await` or in [`sync_await`](crate::sync_await); locks
/// ([`TrackedMutex`](crate::sync::TrackedMutex)) taken in opposite orders; a task that blocks its thread in `sync_await` for one that may run on
/// that thread alone.
///
/// What tasks wait for besides is known only of the futures of this package: where a poll waited for such a future and for another's at once, the other may
/// still wake the task. So a report is a strong suspicion, and the circle that it shows is real.
///
/// ```
/// # use maniac_runtime as maniac;
/// # if cfg!(debug_assertions) {
/// use maniac::runtime::RuntimeBuilder;
/// use std::sync::mpsc;
/// let (deadlocks, found) = mpsc::channel();
/// let runtime = RuntimeBuilder::new()
///     .worker_count(1)
///     .on_deadlock(move |deadlock| drop(deadlocks.send(deadlock.to_string())))
///     .build()?;
/// let (send, receive) = maniac_sync::oneshot::channel::<maniac::task::JoinHandle<()>>();
/// let narcissus = async move { receive.await.unwrap().await.unwrap() };
/// let _entered = runtime.handle().enter();
/// let handle = maniac::task::Builder::new().name("narcissus").spawn(narcissus)?;
/// assert!(send.send(handle).is_ok());
/// let report = found.recv()?;
/// assert!(report.contains("narcissus"), "{report}");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deadlock {
    /// The tasks; the first is the one that closed the circle.
    pub tasks: Vec<DeadlockedTask>,
}

/// A task of a [`Deadlock`].
///
/// ```
/// # use maniac_runtime as maniac;
/// # if cfg!(debug_assertions) {
/// use maniac::runtime::{DeadlockedTask, Runtime};
/// use std::sync::mpsc;
/// let (deadlocks, found) = mpsc::channel();
/// let runtime =
///     Runtime::builder().on_deadlock(move |deadlock| drop(deadlocks.send(deadlock.clone()))).build()?;
/// let (send, receive) = maniac_sync::oneshot::channel::<maniac::task::JoinHandle<()>>();
/// let handle = runtime.spawn(async move { receive.await.unwrap().await.unwrap() });
/// let id = handle.id();
/// assert!(send.send(handle).is_ok(), "it is to wait for itself");
/// let task: DeadlockedTask = found.recv()?.tasks.remove(0);
/// assert_eq!((task.id, task.spawned_at.file()), (id, file!()));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadlockedTask {
    /// Its id.
    pub id: Id,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// How the next task is in its way.
    pub obstacle: Obstacle,
}

/// How a task is in another's way.
///
/// ```
/// # use maniac_runtime as maniac;
/// # if cfg!(debug_assertions) {
/// use maniac::{runtime::{Obstacle, Runtime}, sync::TrackedMutex};
/// use std::sync::mpsc;
/// let (deadlocks, found) = mpsc::channel();
/// let runtime =
///     Runtime::builder().on_deadlock(move |deadlock| drop(deadlocks.send(deadlock.clone()))).build()?;
/// let lock = TrackedMutex::new(());
/// let number = lock.number();
/// runtime.spawn(async move {
///     let first = lock.lock().await;
///     let second = lock.lock().await; // never
///     drop((first, second));
/// });
/// assert_eq!(found.recv()?.tasks[0].obstacle, Obstacle::Lock(number));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// It is awaited.
    End,
    /// It holds the [`TrackedMutex`](crate::sync::TrackedMutex) of this number.
    Lock(u64),
    /// It blocks the thread of this number, which the other has to run on, in [`sync_await`](crate::sync_await).
    Thread(u16),
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock, unless a future of somebody else's wakes one of these tasks:")?;
        for (at, task) in self.tasks.iter().enumerate() {
            let next = &self.tasks[(at + 1) % self.tasks.len()];
            let who = Who { id: task.id, name: task.name.as_deref(), spawned_at: task.spawned_at };
            write!(f, "\n  {who}, ")?;
            match task.obstacle {
                Obstacle::End => write!(f, "awaits task {}", next.id)?,
                Obstacle::Lock(number) => write!(f, "waits for lock {number}, held by task {}", next.id)?,
                Obstacle::Thread(thread) => write!(
                    f,
                    "may run on thread {thread} alone, which task {} blocks in sync_await",
                    next.id
                )?,
            }
        }
        Ok(())
    }
}

#[cfg(debug_assertions)]
pub(crate) use search::Circles;

#[cfg(debug_assertions)]
mod search {
    use super::{Deadlock, DeadlockedTask, Obstacle};
    use crate::runtime::core::Core;
    use crate::task::Id;
    use crate::task::state::{self, COMPLETE, LIVE, NOTIFIED, RUNNING};
    use maniac_sync::wait::Reason;
    use std::io::Write;
    use std::sync::atomic::{Ordering, fence};
    use std::sync::{Mutex, PoisonError};

    /// The longest circle that is looked for.
    const LONGEST: usize = 64;
    /// Circles that are remembered, so that each is reported once.
    const REMEMBERED: usize = 256;

    /// The circles that were reported, by their tasks in order of ids.
    #[derive(Debug, Default)]
    pub(crate) struct Circles(Mutex<Vec<Vec<Id>>>);

    impl Circles {
        /// Whether it is a new one, which is remembered.
        fn is_new(&self, circle: &[(Id, Obstacle)]) -> bool {
            let mut ids: Vec<Id> = circle.iter().map(|(id, _)| *id).collect();
            ids.sort_unstable();
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.contains(&ids) {
                return false;
            }
            if known.len() == REMEMBERED {
                known.remove(0);
            }
            known.push(ids);
            true
        }
    }

    impl Core {
        /// Task `id`, whose poll is over or suspended, begins to wait: reports a circle that this closes.
        pub(crate) fn look_for_deadlock(&'static self, id: Id) {
            // Behind what says that this task waits, in front of the look at others.
            fence(Ordering::SeqCst);
            let Some(circle) = self.circle(id) else { return };
            // What was seen of one task after the other is seen again: then all of it was so at one time.
            if self.circle(id).as_ref() == Some(&circle) && self.circles.is_new(&circle) {
                self.report_deadlock(&circle);
            }
        }

        /// From this task to what is in its way, and on until that is the task itself.
        fn circle(&'static self, id: Id) -> Option<Vec<(Id, Obstacle)>> {
            let mut circle = Vec::new();
            let mut at = id;
            while circle.len() < LONGEST {
                let (obstacle, next) = self.obstacle(at)?;
                circle.push((at, obstacle));
                if next == id {
                    return Some(circle);
                }
                at = next;
            }
            None
        }

        /// The task that is in the way of this one, and how.
        fn obstacle(&'static self, id: Id) -> Option<(Obstacle, Id)> {
            let header = self.task(id.index())?.header();
            let word = header.state.load();
            if word & (LIVE | RUNNING | COMPLETE) != LIVE || state::generation(word) != id.generation() {
                return None;
            }
            if let Some(thread) = state::pinned_thread(word)
                && let Some(blocker) = self.thread(thread)?.blocked_by()
                && blocker != id
            {
                return Some((Obstacle::Thread(thread), blocker));
            }
            let waits = header.waits.load()?;
            if word & NOTIFIED != 0 || !waits.is_sole() || header.state.load() != word {
                return None;
            }
            match waits.reason() {
                Reason::Task(number) => Some((Obstacle::End, Id::from_number(number))),
                Reason::Lock(number) => {
                    let (core, holder) = crate::sync::holder(number)?;
                    (core == self.number()).then_some((Obstacle::Lock(number), holder))
                }
                _ => None,
            }
        }

        fn report_deadlock(&'static self, circle: &[(Id, Obstacle)]) {
            let describe = |&(id, obstacle): &(Id, Obstacle)| {
                let glimpse = self.task(id.index())?.glimpse().filter(|task| task.id == id)?;
                let (name, spawned_at) = (glimpse.name, glimpse.spawned_at);
                Some(DeadlockedTask { id, name, spawned_at, obstacle })
            };
            // A task that is gone was in nobody's way.
            let Some(tasks) = circle.iter().map(describe).collect() else { return };
            let deadlock = Deadlock { tasks };
            #[cfg(feature = "tracing")]
            crate::task::contain(|| tracing::error!(target: "maniac::deadlock", "{deadlock}"));
            if !self.tell_hook(&deadlock, |hooks| &hooks.deadlock) {
                // Nobody may be listening; nothing depends on it.
                let _ = writeln!(std::io::stderr(), "maniac: {deadlock}");
            }
        }
    }
}
