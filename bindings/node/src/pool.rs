//! Where blocking calls go: one runtime of maniac's for the whole process, made when first wanted, and the mailbox through
//! which results come back to an environment's thread.

use crate::outcome::Outcome;
use maniac::driver::host::{Job, Offload, Unparker};
use maniac::runtime::{Handle, HugePages, PoolMetrics, Runtime, RuntimeBuilder};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Threads at most: calls that wait (a pipe nobody writes to) must not keep the others from going on.
pub(crate) const MAX_THREADS: usize = 128;

/// What the runtime begins with; what is not set is the runtime's own default, but for one worker.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) workers: Option<usize>,
    pub(crate) max_tasks: Option<u64>,
    pub(crate) huge_pages: Option<bool>,
    pub(crate) quantum: Option<Duration>,
}

static SETTINGS: Mutex<Settings> =
    Mutex::new(Settings { workers: None, max_tasks: None, huge_pages: None, quantum: None });
static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();

/// Sets what the runtime begins with; false if it runs already.
pub(crate) fn configure(settings: Settings) -> bool {
    let mut current = SETTINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let early = RUNTIME.get().is_none();
    if early {
        *current = settings;
    }
    early
}

/// The pool's threads; `None` before the runtime runs.
pub(crate) fn metrics() -> Option<PoolMetrics> {
    let runtime = RUNTIME.get()?.as_ref()?;
    Some(runtime.metrics().blocking)
}

/// What came of asking for huge pages; `None` before the runtime runs.
pub(crate) fn huge_pages() -> Option<HugePages> {
    let runtime = RUNTIME.get()?.as_ref()?;
    Some(runtime.metrics().huge_pages)
}

/// The process's runtime; `None` if the system refused it.
fn runtime() -> Option<&'static Handle> {
    RUNTIME.get_or_init(start).as_ref().map(Runtime::handle)
}

fn start() -> Option<Runtime> {
    let settings = *SETTINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = RuntimeBuilder::new()
        .worker_count(settings.workers.unwrap_or(1))
        .blocking_max_threads(MAX_THREADS)
        .driver(maniac::driver::DriverKind::Poll)
        .thread_name("maniac");
    if let Some(count) = settings.max_tasks {
        builder = builder.max_tasks(count);
    }
    if let Some(wanted) = settings.huge_pages {
        builder = builder.huge_pages(wanted);
    }
    if let Some(quantum) = settings.quantum {
        builder = builder.quantum(quantum);
    }
    builder.build().ok()
}

/// Runs `job` on a thread of the pool, or drops it if there is none.
pub(crate) fn run(job: impl FnOnce() + Send + 'static) {
    if let Some(handle) = runtime()
        && let Ok(task) = handle.try_spawn_blocking(job)
    {
        // Its result comes through the mailbox.
        drop(task);
    }
}

/// Runs `future` as a task of the runtime; false if there is none.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> bool {
    runtime().is_some_and(|handle| handle.try_spawn(future).is_ok())
}

/// Look-ups of names at once, of all environments: slow name servers must not take all of the threads that files want too.
const MAX_NAMES: usize = 32;

type Lookup = Box<dyn FnOnce() + Send>;

/// How many threads look names up, and what waits for one of them: each environment has as many under way as `net-lookup.ts` lets it.
static NAMES: Mutex<(usize, VecDeque<Lookup>)> = Mutex::new((0, VecDeque::new()));

/// Runs `job`, which looks a name up, on one of the threads that do that.
pub(crate) fn look_up(job: impl FnOnce() + Send + 'static) {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if names.0 == MAX_NAMES {
        return names.1.push_back(Box::new(job));
    }
    names.0 += 1;
    drop(names);
    let mut thread = LookupThread { counted: true };
    run(move || {
        job();
        while let Some(next) = thread.next() {
            next();
        }
    });
}

/// One of the threads that look names up.
struct LookupThread {
    counted: bool,
}

impl LookupThread {
    /// What the thread does next; with nothing left it is free for all else.
    fn next(&mut self) -> Option<Lookup> {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let next = names.1.pop_front();
        if next.is_none() {
            // Under the lock: whoever comes from now on sees that a thread is missing.
            names.0 -= 1;
            self.counted = false;
        }
        next
    }
}

impl Drop for LookupThread {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        // The system gave no thread, or a look-up panicked. What waits is another thread's, or there is nobody for it.
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        names.0 -= 1;
        let lost = if names.0 == 0 { std::mem::take(&mut names.1) } else { VecDeque::new() };
        drop(names);
        drop(lost);
    }
}

/// The pool, for the driver's operations.
pub(crate) struct Threads;

impl Offload for Threads {
    fn offload(&self, job: Job) -> Result<(), Job> {
        run(move || job.run());
        Ok(())
    }
}

/// Results on their way from the pool to an environment's thread. Bounded by the operations in flight.
pub(crate) struct Mailbox {
    letters: Mutex<Vec<(usize, Outcome)>>,
    unparker: Unparker,
}

impl Mailbox {
    pub(crate) fn new(unparker: Unparker) -> Arc<Self> {
        Arc::new(Self { letters: Mutex::default(), unparker })
    }

    /// Takes all letters; `into` is empty.
    pub(crate) fn take(&self, into: &mut Vec<(usize, Outcome)>) {
        std::mem::swap(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner), into);
    }

    fn post(&self, id: usize, outcome: Outcome) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.push((id, outcome));
        let first = letters.len() == 1;
        drop(letters);
        // Whoever was first has woken the owner, who takes all.
        if first {
            self.unparker.unpark();
        }
    }
}

/// The duty to answer an operation: a job that panics, or is never run, answers too.
pub(crate) struct Reply {
    to: Option<(Arc<Mailbox>, usize)>,
}

impl Reply {
    pub(crate) fn new(mailbox: Arc<Mailbox>, id: usize) -> Self {
        Self { to: Some((mailbox, id)) }
    }

    pub(crate) fn send(mut self, outcome: Outcome) {
        if let Some((mailbox, id)) = self.to.take() {
            mailbox.post(id, outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some((mailbox, id)) = self.to.take() {
            mailbox.post(id, Outcome::failed(Errno::BUSY));
        }
    }
}
