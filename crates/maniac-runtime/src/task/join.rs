//! Handles to a task: [`JoinHandle`], [`AbortHandle`], [`AbortOnDrop`].

use super::error::JoinError;
use super::header::TaskRef;
use super::id::Id;
use super::state::{self, COMPLETE, JOIN_WAKER, Release};
use crate::coop;
use crate::role::context;
use maniac_sync::wait::{self, Wait, Word};
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// A task's result to come: a future of `Result<T, JoinError>`.
///
/// Dropping it detaches the task, which runs on; [`JoinHandle::abort_on_drop`] makes a handle whose drop aborts it.
///
/// # Cancel safety
/// Awaiting `&mut handle` is cancel-safe: a result that was not delivered stays with the handle.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let answer = runtime.block_on(async {
///     let handle = maniac::spawn(async { 42 });
///     handle.await
/// });
/// assert_eq!(answer.unwrap(), 42);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[must_use = "dropping a JoinHandle detaches the task; await it, or say `drop(handle)`"]
pub struct JoinHandle<T> {
    inner: Inner,
    /// Output flows to whoever has the handle.
    output: PhantomData<T>,
}

enum Inner {
    /// This handle holds HANDLE of the task.
    Task(TaskRef, Id),
    /// The task never started: its runtime was shutting down.
    Refused(Id),
    /// The result was delivered.
    Done(Id),
}

// SAFETY: [TASK-8] the handle touches the output only by value, as its owner; the task's other parts are shared by atomics.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: [TASK-8] through a shared handle only the state word is reachable.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
impl<T> std::panic::UnwindSafe for JoinHandle<T> {}
impl<T> std::panic::RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// The handle of a task that was begun with HANDLE.
    ///
    /// # Safety
    /// HANDLE of this task is the new handle's, and the task's output is a `Result<T, JoinError>`.
    #[inline]
    pub(crate) unsafe fn new(task: TaskRef, id: Id) -> JoinHandle<T> {
        JoinHandle { inner: Inner::Task(task, id), output: PhantomData }
    }

    pub(crate) fn refused() -> JoinHandle<T> {
        JoinHandle { inner: Inner::Refused(Id::NONE), output: PhantomData }
    }

    /// Asks the task to stop: its future is dropped when it next yields, or at once if it is not running.
    ///
    /// The handle then gives a cancelled [`JoinError`], unless the task was done before.
    pub fn abort(&self) {
        if let Inner::Task(task, id) = self.inner {
            abort(task, id);
        }
    }

    /// Whether the result is there.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// let (send, receive) = maniac_sync::oneshot::channel();
    /// let handle = runtime.spawn(receive);
    /// assert!(!handle.is_finished());
    /// send.send(7).unwrap();
    /// while !handle.is_finished() {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(runtime.block_on(handle).unwrap(), Ok(7));
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.inner {
            Inner::Task(task, _) => task.header().state.load() & COMPLETE != 0,
            Inner::Refused(_) | Inner::Done(_) => true,
        }
    }

    /// Makes a handle whose drop aborts the task.
    pub fn abort_on_drop(self) -> AbortOnDrop<T> {
        AbortOnDrop(self)
    }

    /// A handle that can abort the task but not wait for it.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        match self.inner {
            Inner::Task(task, id) => AbortHandle { task: Some(task), id },
            Inner::Refused(id) | Inner::Done(id) => AbortHandle { task: None, id },
        }
    }

    /// The number of the task's slot, as long as the result was not delivered.
    pub(crate) fn index(&self) -> Option<u32> {
        match self.inner {
            Inner::Task(task, _) => Some(task.index()),
            Inner::Refused(_) | Inner::Done(_) => None,
        }
    }

    /// The task's id, which no other task of the process has at the same time.
    #[must_use]
    pub fn id(&self) -> Id {
        match self.inner {
            Inner::Task(_, id) | Inner::Refused(id) | Inner::Done(id) => id,
        }
    }

    /// Waits for COMPLETE: stores the waker, or finds the task complete.
    fn poll_complete(task: TaskRef, cx: &Context<'_>) -> Poll<()> {
        let state = &task.header().state;
        let word = state.load();
        if word & COMPLETE != 0 {
            return Poll::Ready(());
        }
        if word & JOIN_WAKER != 0 {
            // SAFETY: [TASK-3] this is the handle, and JOIN_WAKER is set.
            if unsafe { task.join_waker_is(cx.waker()) } {
                return Poll::Pending;
            }
            if !state.unset_join_waker() {
                return Poll::Ready(());
            }
            // SAFETY: [TASK-3] JOIN_WAKER was cleared before completion: the waker is the handle's again.
            drop(unsafe { task.take_join_waker() });
        }
        let waker = cx.waker().clone();
        // SAFETY: [TASK-3] this is the handle, and JOIN_WAKER is not set.
        unsafe { task.write_join_waker(waker) };
        if state.set_join_waker() {
            return Poll::Pending;
        }
        // SAFETY: [TASK-3] the waker was never announced, so the runner did not take it.
        drop(unsafe { task.take_join_waker() });
        Poll::Ready(())
    }
}

fn abort(task: TaskRef, id: Id) {
    task.queue(task.header().state.abort(id.generation()));
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (task, id) = match self.inner {
            Inner::Task(task, id) => (task, id),
            Inner::Refused(id) => {
                self.inner = Inner::Done(id);
                return Poll::Ready(Err(JoinError::cancelled()));
            }
            Inner::Done(_) => panic!("JoinHandle polled after it gave its result"),
        };
        let budget = ready!(coop::poll_proceed(cx));
        if Self::poll_complete(task, cx).is_pending() {
            wait::note(waits_for(task, id));
            return Poll::Pending;
        }
        budget.made_progress();
        self.inner = Inner::Done(id);
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: [TASK-2] the slot is live: this handle holds HANDLE.
        let vtable = unsafe { task.vtable() };
        // SAFETY: [TASK-7] COMPLETE was seen with Acquire; this is the handle, and it takes the output once (`Done`).
        unsafe { (vtable.take_output)(task, output.as_mut_ptr().cast()) };
        // SAFETY: [TASK-7] just written, with the type that `new`'s caller promised.
        let output = unsafe { output.assume_init() };
        release(task, true);
        Poll::Ready(output)
    }
}

/// What a task waits for that awaits this handle.
fn waits_for(task: TaskRef, id: Id) -> Wait {
    static FOREIGN: Word = Word::new("a task of another runtime");
    let same = context::task().is_some_and(|own| own.core() == task.core());
    if same { Wait::task(id.to_number()) } else { Wait::on(&FOREIGN) }
}

/// Gives HANDLE up, and frees the slot if that was the last claim.
fn release(task: TaskRef, taken: bool) {
    // Back before HANDLE goes (the slot may be another task's right after that); dropped last, since that is foreign code.
    let _waker = if taken { None } else { take_waker_back(task) };
    match task.header().state.release_handle(taken) {
        Release::LeftToRunner => {}
        Release::Free => {
            // The slot is freed also when the output's destructor panics.
            let _free = FreeOnDrop(task);
            if !taken {
                // SAFETY: [TASK-2] complete and this handle's: live until `end`.
                let vtable = unsafe { task.vtable() };
                // SAFETY: [TASK-7] the output is the handle's and was not taken.
                unsafe { (vtable.drop_output)(task) };
            }
        }
    }
}

/// Takes the waker that this handle stored back out of an unfinished task.
fn take_waker_back(task: TaskRef) -> Option<Waker> {
    let state = &task.header().state;
    if state.load() & (COMPLETE | JOIN_WAKER) != JOIN_WAKER || !state.unset_join_waker() {
        return None;
    }
    // SAFETY: [TASK-3] JOIN_WAKER was cleared before completion: the waker is the handle's again, which holds HANDLE.
    Some(unsafe { task.take_join_waker() })
}

struct FreeOnDrop(TaskRef);

impl Drop for FreeOnDrop {
    fn drop(&mut self) {
        // SAFETY: [TASK-9] made by the last claim only, and the output is gone (or its destructor panicked half-way).
        unsafe { crate::task::spawn::free_task(self.0) };
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Inner::Task(task, _) = self.inner {
            release(task, false);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).field("finished", &self.is_finished()).finish()
    }
}

/// Aborts a task, without the right to its result. Cheap to clone; outlives the task without holding anything.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let handle = runtime.spawn(std::future::pending::<()>());
/// let abort = handle.abort_handle();
/// assert!(abort.id() == handle.id() && !abort.is_finished());
/// abort.abort();
/// assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
/// assert!(abort.is_finished());
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AbortHandle {
    task: Option<TaskRef>,
    id: Id,
}

impl AbortHandle {
    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        if let Some(task) = self.task {
            abort(task, self.id);
        }
    }

    /// Whether the task is done, or gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_none_or(|task| {
            let word = task.header().state.load();
            word & COMPLETE != 0 || word & state::LIVE == 0 || state::generation(word) != self.id.generation()
        })
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }
}

/// A [`JoinHandle`] whose drop aborts the task.
///
/// # Cancel safety
/// As [`JoinHandle`]; dropping it half-way aborts the task.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let owned = runtime.spawn(std::future::pending::<()>()).abort_on_drop();
/// let watch = owned.abort_handle();
/// drop(owned);
/// while !watch.is_finished() {
///     std::thread::yield_now();
/// }
/// let kept = runtime.spawn(async { 7 }).abort_on_drop().detach();
/// assert_eq!(runtime.block_on(kept).unwrap(), 7);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[must_use = "dropping this handle aborts the task"]
#[derive(Debug)]
pub struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    /// The plain handle again, whose drop detaches.
    pub fn detach(self) -> JoinHandle<T> {
        let mut this = std::mem::ManuallyDrop::new(self);
        let id = this.0.id();
        JoinHandle { inner: std::mem::replace(&mut this.0.inner, Inner::Done(id)), output: PhantomData }
    }
}

impl<T> Deref for AbortOnDrop<T> {
    type Target = JoinHandle<T>;

    fn deref(&self) -> &JoinHandle<T> {
        &self.0
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
