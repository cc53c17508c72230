//! Tasks: spawning them, their handles, and what a task may ask about itself.
//!
//! What lives here: the slot's header and state word, the future's cell, the waker, the handles. What does not: who runs a task when
//! (`role`), and where slots come from (`maniac-arena`).

mod builder;
pub(crate) mod cell;
pub(crate) mod coroutine;
mod error;
mod glimpse;
mod header;
mod id;
mod join;
mod local;
pub(crate) mod origin;
pub(crate) mod preemptible;
mod scope;
mod set;
pub(crate) mod spawn;
mod stackful;
pub(crate) mod state;
pub(crate) mod waker;
mod yielding;

pub use crate::sync_await::no_unwind;
pub use builder::Builder;
pub use error::JoinError;
pub use id::Id;
pub use join::{AbortHandle, AbortOnDrop, JoinHandle};
pub use local::{AccessError, LocalKey, Scoped};
pub use maniac_context::preempt::{MAX_RANGES, NotPreemptible, RangeError, no_preempt, register_code};
pub use preemptible::{spawn_preemptible, try_spawn_preemptible};
pub use scope::{Scope, scope};
pub use set::JoinSet;
pub use spawn::SpawnError;
pub use stackful::{spawn_stackful, try_spawn_stackful};
pub use yielding::{Unconstrained, YieldNow, unconstrained, yield_now};

pub(crate) use error::contain;
pub(crate) use glimpse::Glimpse;
pub(crate) use header::TaskRef;

use crate::role::context;
use crate::runtime;
use origin::Origin;
use spawn::NO_RUNTIME;

/// The thread that a task is pinned to. Asked by whoever holds the task's entry or RUNNING, so that it cannot change meanwhile.
#[inline]
pub(crate) fn pinned_to(task: TaskRef) -> Option<u16> {
    state::pinned_thread(task.header().state.load())
}

impl TaskRef {
    /// Makes the queue entry that a step on the state word asks for.
    #[inline]
    pub(crate) fn queue(self, wake: state::Wake) {
        match wake {
            state::Wake::Nothing => {}
            state::Wake::Enqueue => runtime::enqueue(self),
            state::Wake::Forward(thread) => runtime::forward(self, thread),
            state::Wake::Background => runtime::enqueue_background(self),
        }
    }

    /// Where the entry of this task belongs. Asked as [`pinned_to`] is.
    #[inline]
    pub(crate) fn where_to(self) -> state::Wake {
        state::State::where_to(self.header().state.load())
    }

    /// Aborts whatever task is in this slot.
    pub(crate) fn abort(self) {
        self.queue(self.header().state.abort_any());
    }
}

/// Spawns a task that any worker may run; gives a handle to its result.
///
/// During the runtime's shutdown the task is cancelled at once.
///
/// # Panics
/// Outside a runtime, and at the runtime's limit of tasks; [`try_spawn`] gives an error instead.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// let handle = maniac::spawn(async { "done" });
/// assert_eq!(handle.await.unwrap(), "done");
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[inline]
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    or_panic(try_spawn_at(future, Origin::here(None)))
}

/// As [`spawn`], with an error where that panics. The future is dropped then.
///
/// # Errors
/// [`SpawnError`]: outside a runtime, at its limit of tasks, during its shutdown.
///
/// ```
/// # use maniac_runtime as maniac;
/// let error = maniac::task::try_spawn(async {}).unwrap_err();
/// assert!(matches!(error, maniac::runtime::SpawnError::NoRuntime));
/// ```
#[track_caller]
pub fn try_spawn<F>(future: F) -> Result<JoinHandle<F::Output>, SpawnError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    try_spawn_at(future, Origin::here(None))
}

#[inline]
fn try_spawn_at<F>(future: F, origin: Origin) -> Result<JoinHandle<F::Output>, SpawnError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let thread = context::thread().ok_or(SpawnError::NoRuntime)?;
    thread.core().spawn(future, origin)
}

/// Spawns a task that stays on this thread, so that it need not be `Send`.
///
/// The thread is a worker's, or one that runs `block_on`; the task runs whenever that thread runs tasks. (A task that is not pinned can
/// move between threads at its every `.await`.)
///
/// # Panics
/// As [`spawn`].
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// let shared = std::rc::Rc::new(std::cell::Cell::new(1));
/// let same = shared.clone();
/// maniac::spawn_local(async move { same.set(2) }).await.unwrap();
/// assert_eq!(shared.get(), 2);
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    or_panic(try_spawn_local_at(future, Origin::here(None)))
}

/// As [`spawn_local`], with an error where that panics. The future is dropped then.
///
/// # Errors
/// As [`try_spawn`].
///
/// ```
/// # use maniac_runtime as maniac;
/// assert!(maniac::task::try_spawn_local(async {}).is_err(), "outside a runtime");
/// ```
#[track_caller]
pub fn try_spawn_local<F>(future: F) -> Result<JoinHandle<F::Output>, SpawnError>
where
    F: Future + 'static,
    F::Output: 'static,
{
    try_spawn_local_at(future, Origin::here(None))
}

fn try_spawn_local_at<F>(future: F, origin: Origin) -> Result<JoinHandle<F::Output>, SpawnError>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let thread = context::thread().ok_or(SpawnError::NoRuntime)?;
    // SAFETY: [TASK-10] pinned to the calling thread.
    unsafe { thread.core().spawn_pinned(future, origin, 0, Some(thread)) }
}

#[track_caller]
fn or_panic<T>(result: Result<JoinHandle<T>, SpawnError>) -> JoinHandle<T> {
    match result {
        Ok(handle) => handle,
        Err(SpawnError::ShutDown) => JoinHandle::refused(),
        Err(SpawnError::NoRuntime) => panic!("{NO_RUNTIME}"),
        Err(error) => panic!("{error}"),
    }
}

/// The id of the task that this code runs in.
///
/// # Panics
/// Outside a task; see [`try_id`].
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let id = runtime.block_on(runtime.spawn(async { maniac::task::id() })).unwrap();
/// println!("task {id}");
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[must_use]
#[track_caller]
pub fn id() -> Id {
    try_id().expect("this code runs in no task")
}

/// The id of the task that this code runs in, or `None`.
///
/// ```
/// assert!(maniac_runtime::task::try_id().is_none());
/// ```
#[must_use]
pub fn try_id() -> Option<Id> {
    let task = context::task()?;
    Some(Id::new(task.index(), state::generation(task.header().state.load())))
}

/// The name of the task that this code runs in, if it has one.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// let named = maniac::task::Builder::new().name("indexer").spawn(async { maniac::task::name() }).unwrap();
/// assert_eq!(named.await.unwrap().as_deref(), Some("indexer"));
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[must_use]
pub fn name() -> Option<String> {
    with_origin(|origin| origin.name().map(str::to_owned)).flatten()
}

/// Where the task that this code runs in was spawned.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let place = runtime.block_on(runtime.spawn(async { maniac::task::spawned_at() })).unwrap();
/// assert_eq!(place.unwrap().line(), line!() - 1);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[must_use]
pub fn spawned_at() -> Option<&'static std::panic::Location<'static>> {
    with_origin(Origin::location)
}

fn with_origin<R>(f: impl FnOnce(&Origin) -> R) -> Option<R> {
    let task = context::task()?;
    // SAFETY: [TASK-2] the task is being polled on this thread: it is live until the poll that this code runs in has ended.
    let origin = unsafe { task.origin() };
    Some(f(&origin))
}
