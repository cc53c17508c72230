//! `sync_await`: waiting for a future from code that is not `async`, inside a task.
//!
//! Ready at the first poll costs nothing more than the poll. Else the task's poll is *suspended*: its state word says SUSPENDED and names this thread,
//! so that every wake and an abort come to this thread's inbox, as for any pinned task. What keeps the frames meanwhile is the strategy: the thread
//! itself, which gives its role to a spare one and blocks ([`thread`]), or a coroutine, where the task's code was promised to bear that.

mod error;
mod thread;

pub use error::SyncAwaitError;

use crate::role::{Thread, context};
use crate::task::state::{ABORTED, generation};
use crate::task::{TaskRef, coroutine, waker};
use maniac_sync::wait;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Waits for `future` from code that is not `async`, inside a task. See [`try_sync_await`], which it panics for.
///
/// # Panics
/// Outside a task (use [`try_sync_await`] or [`block_on`](crate::block_on) there), and at the limit of blocked threads (raise
/// [`max_sync_threads`](crate::runtime::RuntimeBuilder::max_sync_threads)).
///
/// # Cancel safety
/// When the task is aborted while it waits, `future` is dropped and the task's stack unwinds from here; inside [`no_unwind`](crate::task::no_unwind)
/// and while panicking it waits to the end.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(2, 64)?;
/// fn callback() -> u32 {
///     // Deep inside code that knows nothing of async:
///     maniac::sync_await(maniac::spawn(async { 42 })).unwrap()
/// }
/// let answer = runtime.block_on(runtime.spawn(async { callback() })).unwrap();
/// assert_eq!(answer, 42);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn sync_await<F: Future>(future: F) -> F::Output {
    match wait_for(future, OnAbort::Finish) {
        Ok(output) => output,
        Err(error) => panic!("sync_await: {error}"),
    }
}

/// Waits for `future` from code that is not `async`, inside a task.
///
/// Unless the task's code was promised to bear coroutines, the task's thread blocks, after it gave its worker role to another thread: other
/// tasks run on, those pinned to this thread wait.
///
/// # Errors
/// [`SyncAwaitError::OffWorker`] outside a task, [`SyncAwaitError::ThreadLimit`] when as many threads block as may, and
/// [`SyncAwaitError::Cancelled`] inside [`no_unwind`](crate::task::no_unwind) when the task is aborted. The future is dropped then.
///
/// # Cancel safety
/// As [`sync_await`].
///
/// ```
/// use maniac_runtime::{SyncAwaitError, try_sync_await};
/// assert!(matches!(try_sync_await(async {}), Err(SyncAwaitError::OffWorker)));
/// ```
pub fn try_sync_await<F: Future>(future: F) -> Result<F::Output, SyncAwaitError> {
    wait_for(future, OnAbort::Error)
}

/// What an abort does to a wait whose frames must not be unwound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnAbort {
    /// Nothing: the wait goes on to its end.
    Finish,
    /// The wait gives [`SyncAwaitError::Cancelled`].
    Error,
}

/// Abort unwinds that a task's code may swallow before it is left to finish.
const SWALLOWED: u32 = 8;

fn wait_for<F: Future>(future: F, on_abort: OnAbort) -> Result<F::Output, SyncAwaitError> {
    let Some((task, thread)) = waiter() else { return Err(SyncAwaitError::OffWorker) };
    let mut future = pin!(future);
    let waker = waker::waker(task, generation(task.header().state.load()));
    let mut cx = Context::from_waker(&waker);
    // Budgets are for what can yield; this cannot.
    let poll = |future: Pin<&mut F>, cx: &mut Context<'_>| crate::coop::exempt(|| future.poll(cx));
    check_abort(task, on_abort)?;
    if let Poll::Ready(output) = poll(future.as_mut(), &mut cx) {
        return Ok(output);
    }
    let strategy = Strategy::choose(task, thread)?;
    loop {
        task.header().waits.store(wait::take());
        strategy.suspend(task);
        // What others noted on this thread meanwhile is theirs.
        wait::clear();
        thread.core().trace_if_asked(task);
        check_abort(task, on_abort)?;
        if let Poll::Ready(output) = poll(future.as_mut(), &mut cx) {
            return Ok(output);
        }
    }
}

/// The task that runs here, and the thread that polls it; not where that is its runtime's own code, which cannot wait: in the midst of a runtime
/// call (in which a user's code may be called, such as a buffer's), or where the task is dropped by a thread that is in no runtime of it.
fn waiter() -> Option<(TaskRef, &'static Thread)> {
    let (task, thread) = (context::task()?, context::runner()?);
    (thread.core().number() == task.core() && !thread.in_bracket()).then_some((task, thread))
}

/// How a wait keeps its frames.
enum Strategy {
    Coroutine { local: bool },
    Thread(thread::Waiting),
}

impl Strategy {
    fn choose(task: TaskRef, thread: &'static Thread) -> Result<Strategy, SyncAwaitError> {
        if coroutine::may_suspend() {
            return Ok(Strategy::Coroutine { local: crate::task::pinned_to(task).is_some() });
        }
        thread::Waiting::begin(task, thread).map(Strategy::Thread)
    }

    fn suspend(&self, task: TaskRef) {
        match self {
            Strategy::Coroutine { local } => {
                // Whoever resumes this coroutine took the task's entry.
                if coroutine::suspend() {
                    task.header().state.resumed(*local);
                }
            }
            Strategy::Thread(waiting) => waiting.suspend(),
        }
    }
}

/// Acts on an abort: unwinds, or gives an error, or does nothing, as the frames here bear it.
fn check_abort(task: TaskRef, on_abort: OnAbort) -> Result<(), SyncAwaitError> {
    if task.header().state.load() & ABORTED == 0 || std::thread::panicking() {
        return Ok(());
    }
    if context::no_unwind_depth() > 0 || cfg!(panic = "abort") {
        return if on_abort == OnAbort::Error { Err(SyncAwaitError::Cancelled) } else { Ok(()) };
    }
    if context::count_unwind() > SWALLOWED {
        return Ok(());
    }
    // Unwinds to the poll's root, which gives a cancelled result.
    maniac_context::coroutine::throw_abort();
}

/// A `block_on` inside a task of the same runtime.
#[track_caller]
pub(crate) fn nested_block_on<F: Future>(future: F) -> F::Output {
    sync_await(future)
}

/// Runs `f` with every `sync_await` in it blocking the thread, never suspending a coroutine: for code that holds a lock of its thread, or
/// a scoped thread-local, across it.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(2, 64)?;
/// let task = runtime.spawn(async { maniac::on_thread(|| maniac::sync_await(async { 1 })) });
/// assert_eq!(runtime.block_on(task).unwrap(), 1);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn on_thread<R>(f: impl FnOnce() -> R) -> R {
    struct Leave(u32);
    impl Drop for Leave {
        fn drop(&mut self) {
            context::set_on_thread_depth(self.0);
        }
    }
    let _leave = Leave(context::on_thread_depth());
    context::set_on_thread_depth(context::on_thread_depth() + 1);
    f()
}

/// Marks frames that must not be unwound, such as a foreign library's that called back into Rust: inside, an abort never unwinds, and
/// [`try_sync_await`](crate::try_sync_await) gives [`SyncAwaitError::Cancelled`] instead.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(2, 64)?;
/// extern "C" fn callback() -> i32 {
///     maniac::task::no_unwind(|| match maniac::try_sync_await(async { 7 }) {
///         Ok(value) => value,
///         Err(_) => -1, // tell the library to stop
///     })
/// }
/// assert_eq!(runtime.block_on(runtime.spawn(async { callback() })).unwrap(), 7);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn no_unwind<R>(f: impl FnOnce() -> R) -> R {
    struct Leave(u32);
    impl Drop for Leave {
        fn drop(&mut self) {
            context::set_no_unwind_depth(self.0);
        }
    }
    let _leave = Leave(context::no_unwind_depth());
    context::set_no_unwind_depth(context::no_unwind_depth() + 1);
    f()
}
