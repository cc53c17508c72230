//! The OS threads of a core: their records, and the spare ones that can take a role over.

use super::core::{Core, STOPPING};
use crate::role::{Role, Thread, context, run_aside, worker};
use crate::task::{TaskRef, coroutine};
use maniac_context::preempt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

const CHUNK: usize = 256;
type Chunk = [OnceLock<&'static Thread>; CHUNK];

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Threads {
    /// Records by number: read without a lock, added under `state`.
    table: [OnceLock<Box<Chunk>>; CHUNK],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Records ever made.
    count: u32,
    /// Records that no OS thread uses.
    free: Vec<&'static Thread>,
    /// Threads that wait for a role.
    spare: Vec<&'static Thread>,
    /// OS threads of our own that have not ended.
    running: usize,
}

/// An OS thread of a core, counted as long as this lives: also where its code panics.
struct Running(&'static Core);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.threads.lock().running -= 1;
        self.0.announce_change();
    }
}

/// How a thread without a role waits for one.
#[derive(Clone, Copy)]
enum Waits {
    /// Among the spares, unless somebody took it to give it a role.
    Spare,
    /// For the role that it lost in an overdue poll, whose home it is.
    Heir(&'static Role),
}

impl Waits {
    fn role(self) -> Option<&'static Role> {
        match self {
            Waits::Spare => None,
            Waits::Heir(role) => Some(role),
        }
    }
}

/// How long a role's home waits for it before it runs what is pinned to it without.
const PATIENCE: Duration = Duration::from_millis(5);

impl Threads {
    pub(super) fn new() -> Threads {
        Threads { table: [const { OnceLock::new() }; CHUNK], state: Mutex::new(State::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of this number.
    fn get(&self, id: u16) -> Option<&'static Thread> {
        let chunk = self.table[id as usize / CHUNK].get()?;
        chunk[id as usize % CHUNK].get().copied()
    }
}

impl Core {
    /// The record of this number.
    pub(crate) fn thread(&self, id: u16) -> Option<&'static Thread> {
        self.threads.get(id)
    }

    /// All records.
    pub(super) fn known_threads(&self) -> Vec<&'static Thread> {
        let count = self.threads.lock().count;
        (0..count).filter_map(|id| self.threads.get(id as u16)).collect()
    }

    /// A record for the calling OS thread, or for one about to start; give it back with [`Core::release_thread`].
    pub(crate) fn acquire_thread(&'static self) -> io::Result<&'static Thread> {
        let mut state = self.threads.lock();
        if let Some(thread) = state.free.pop() {
            return Ok(thread);
        }
        let Ok(id) = u16::try_from(state.count) else {
            return Err(io::Error::other("a runtime can know 65,536 threads at one time, and it does"));
        };
        state.count += 1;
        let thread: &'static Thread = Box::leak(Box::new(Thread::new(self, id)));
        let chunk = self.threads.table[id as usize / CHUNK]
            .get_or_init(|| Box::new([const { OnceLock::new() }; CHUNK]));
        let added = chunk[id as usize % CHUNK].set(thread);
        debug_assert!(added.is_ok());
        Ok(thread)
    }

    /// Gives a record back. A record whose inbox still gets entries of its pinned tasks is kept out of use.
    pub(crate) fn release_thread(&self, thread: &'static Thread, reusable: bool) {
        if reusable {
            self.threads.lock().free.push(thread);
        }
    }

    /// An OS thread of this core, or one that entered it, ends: tasks that are pinned to it are aborted and dropped here, as nobody else may.
    pub(crate) fn retire_thread(&'static self, thread: &'static Thread) {
        thread.unbind();
        let before = context::set_thread(Some(thread));
        let clean = self.abort_pinned(thread);
        context::set_thread(before);
        self.release_thread(thread, clean);
    }

    /// Starts an OS thread that takes `role`.
    pub(super) fn start_worker(&'static self, role: &'static Role) -> io::Result<()> {
        let thread = self.acquire_thread()?;
        role.hand_to(thread);
        let started = self.start_thread(thread);
        if started.is_err() {
            role.withdraw(thread);
            self.release_thread(thread, true);
        }
        started
    }

    fn start_thread(&'static self, thread: &'static Thread) -> io::Result<()> {
        let name = format!("{}-{}", self.config().thread_name, thread.id);
        self.run_thread(name, move || self.thread_main(thread)).map(drop)
    }

    /// Runs `main` on a new OS thread, which counts as this core's until it ends.
    pub(super) fn run_thread(
        &'static self,
        name: String,
        main: impl FnOnce() + Send + 'static,
    ) -> io::Result<std::thread::Thread> {
        self.threads.lock().running += 1;
        let running = Running(self);
        let started = std::thread::Builder::new().name(name).spawn(move || {
            let _running = running;
            main();
        });
        Ok(started?.thread().clone())
    }

    /// A spare thread to give a role to: a waiting one, or a new one.
    pub(crate) fn spare_thread(&'static self) -> io::Result<&'static Thread> {
        if let Some(thread) = self.waiting_spare() {
            return Ok(thread);
        }
        let thread = self.acquire_thread()?;
        match self.start_thread(thread) {
            Ok(()) => Ok(thread),
            Err(error) => {
                self.release_thread(thread, true);
                Err(error)
            }
        }
    }

    /// A spare thread that waits, if there is one.
    pub(super) fn waiting_spare(&self) -> Option<&'static Thread> {
        self.threads.lock().spare.pop()
    }

    /// Sees to it that there is a spare thread.
    pub(super) fn warm_spare(&'static self) -> io::Result<()> {
        if self.threads.lock().spare.is_empty() {
            self.return_spare(self.spare_thread()?);
        }
        Ok(())
    }

    /// Has a spare thread poll `task`, which the caller took; `false` if none waits, or as many polls as may be are off their workers.
    pub(crate) fn poll_aside(&self, task: TaskRef) -> bool {
        let Some(thread) = self.waiting_spare() else { return false };
        let begins = self.begin_aside();
        if begins {
            thread.give_task(task);
        } else {
            self.return_spare(thread);
        }
        begins
    }

    /// Gives an unused spare back, which looks at what it missed meanwhile.
    pub(crate) fn return_spare(&self, thread: &'static Thread) {
        self.threads.lock().spare.push(thread);
        if self.is_stopping() || !thread.inbox.is_empty() {
            thread.unpark();
        }
    }

    fn is_spare(&self, thread: &'static Thread) -> bool {
        self.threads.lock().spare.iter().any(|spare| std::ptr::eq(*spare, thread))
    }

    /// Takes `thread` out of the spares, unless somebody took it to give it a role.
    fn withdraw_spare(&self, thread: &'static Thread) -> bool {
        let mut state = self.threads.lock();
        let before = state.spare.len();
        state.spare.retain(|spare| !std::ptr::eq(*spare, thread));
        state.spare.len() != before
    }

    /// What an OS thread of a core does: runs the roles that it is given, until the core stops.
    fn thread_main(&'static self, thread: &'static Thread) {
        context::works_for(self.number());
        thread.bind();
        if self.config().switches() {
            preempt::let_through();
        }
        context::set_thread(Some(thread));
        self.thread_starts();
        let mut waits = Waits::Spare;
        while let Some(role) = self.wait_for_role(thread, waits) {
            let guard = role.take_up(thread);
            match worker::run(guard, || self.is_stopping()) {
                Some(guard) => {
                    guard.resign();
                    break;
                }
                None => waits = self.begin_wait(thread, Some(role)),
            }
        }
        context::set_thread(None);
        self.retire_thread(thread);
        coroutine::clear_table();
        self.thread_stops();
    }

    /// Has `thread`, the calling one, wait for a role: for the one it had if that comes back to it, else as a spare.
    fn begin_wait(&self, thread: &'static Thread, had: Option<&'static Role>) -> Waits {
        match had {
            Some(role) if role.ask_back(thread) => Waits::Heir(role),
            _ => {
                self.threads.lock().spare.push(thread);
                Waits::Spare
            }
        }
    }

    /// Ends the wait; `false` if somebody is about to give `thread`, the calling one, a role.
    fn end_wait(&self, thread: &'static Thread, waits: Waits) -> bool {
        match waits {
            Waits::Spare => self.withdraw_spare(thread),
            Waits::Heir(role) => role.renounce(thread),
        }
    }

    /// Waits until `thread`, the calling one, is given a role; `None` when the core stops first. Polls the tasks meanwhile that it is given, and those that
    /// are pinned to it; not while somebody may give it a role, which would wait for it.
    fn wait_for_role(&'static self, thread: &'static Thread, mut waits: Waits) -> Option<&'static Role> {
        let mut patience = PATIENCE;
        loop {
            if let Some(role) = thread.accept() {
                return Some(role);
            }
            if let Some(index) = thread.accept_task() {
                run_aside(thread, index);
                waits = self.begin_wait(thread, None);
                continue;
            }
            let stops = self.is_stopping();
            // Who waits for its own role has it soon, and then runs what is pinned here with it.
            let impatient = !matches!(waits, Waits::Heir(_)) || patience.is_zero();
            let ends = stops || (impatient && !thread.inbox.is_empty());
            if ends && self.end_wait(thread, waits) {
                if stops {
                    return None;
                }
                worker::drain_pinned(thread);
                waits = self.begin_wait(thread, waits.role());
                patience = PATIENCE;
                continue;
            }
            thread.announce_park(None);
            // Taken: whoever did that gives a role, or puts the thread back.
            let taken = ends && !self.is_spare(thread);
            let quiet = taken || (thread.inbox.is_empty() && !self.is_stopping());
            if !thread.has_mail() {
                if quiet {
                    std::thread::park();
                } else if !impatient && !stops {
                    std::thread::park_timeout(std::mem::take(&mut patience));
                }
            }
            thread.awake();
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Acquire) == STOPPING
    }

    /// OS threads of this core that have not ended.
    pub(super) fn running_threads(&self) -> usize {
        self.threads.lock().running
    }

    /// Wakes every thread of this core, whatever it sleeps on.
    pub(super) fn unpark_all(&'static self) {
        for thread in self.known_threads() {
            thread.unpark();
        }
        self.unpark_monitor();
    }
}

#[cfg(test)]
mod tests {
    use crate::runtime::Runtime;

    #[test]
    fn a_thread_that_panics_is_not_waited_for() {
        let runtime = Runtime::builder().worker_count(1).build().unwrap();
        let core = runtime.handle.shared.core;
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let panics = move || {
            // Its sender goes when the closure does, that is after the panic.
            let _end = end;
            std::panic::resume_unwind(Box::new("meant"));
        };
        core.run_thread(String::from("panics"), panics).unwrap();
        assert!(ended.recv().is_err());
        let report = runtime.shutdown_timeout(std::time::Duration::from_secs(600));
        assert!(report.is_clean(), "{report:?}");
    }
}
