//! [`JoinSet`]: many tasks, their results in the order of completion.

use super::{AbortHandle, Id, JoinError, JoinHandle};
use maniac_sync::wait::{self, Word};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Tasks whose results are taken in the order of their completion. Dropping the set aborts those that are left.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(2, 64)?;
/// # runtime.block_on(async {
/// let mut set = maniac::task::JoinSet::new();
/// for n in 0..4 {
///     set.spawn(async move { n });
/// }
/// let mut sum = 0;
/// while let Some(result) = set.join_next().await {
///     sum += result.unwrap();
/// }
/// assert_eq!(sum, 6);
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub struct JoinSet<T> {
    entries: slab::Slab<Entry<T>>,
    shared: Arc<Shared>,
}

struct Entry<T> {
    handle: JoinHandle<T>,
    waker: Waker,
}

/// What the entries' wakers and the set share: which entries to look at, and whom to tell.
#[derive(Default)]
struct Shared(Mutex<Woken>);

#[derive(Default)]
struct Woken {
    keys: VecDeque<usize>,
    waiting: Option<Waker>,
}

/// Wakes the set for one entry. A key that is reused after a stale wake is looked at in vain once.
struct EntryWaker {
    shared: Arc<Shared>,
    key: usize,
}

impl Wake for EntryWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut woken = self.shared.lock();
        woken.keys.push_back(self.key);
        let waiting = woken.waiting.take();
        drop(woken);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Woken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> JoinSet<T> {
        JoinSet { entries: slab::Slab::new(), shared: Arc::default() }
    }

    /// How many tasks are in the set, finished ones whose results were not taken included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Spawns a task into the set.
    ///
    /// # Panics
    /// As [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.insert(crate::spawn(future))
    }

    /// Spawns a task that stays on this thread into the set.
    ///
    /// # Panics
    /// As [`spawn_local`](crate::spawn_local).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        self.insert(crate::spawn_local(future))
    }

    /// Runs a closure on the blocking pool, as a task of the set.
    ///
    /// # Panics
    /// As [`spawn_blocking`](crate::blocking::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.insert(crate::blocking::spawn_blocking(f))
    }

    /// Puts a task into the set.
    pub fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let entry = self.entries.vacant_entry();
        let key = entry.key();
        let waker = Waker::from(Arc::new(EntryWaker { shared: Arc::clone(&self.shared), key }));
        entry.insert(Entry { handle, waker });
        // Looked at once, so that the task knows whom to wake.
        self.shared.lock().keys.push_back(key);
        abort
    }

    /// The next task's result; `None` when the set is empty.
    ///
    /// # Cancel safety
    /// Cancel-safe: no result is lost.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        std::future::poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`JoinSet::join_next`], with the task's id.
    ///
    /// # Cancel safety
    /// Cancel-safe: no result is lost.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// # runtime.block_on(async {
    /// let mut set = maniac::task::JoinSet::new();
    /// assert!(set.is_empty());
    /// let square = set.spawn_blocking(|| 7 * 7);
    /// let (id, result) = set.join_next_with_id().await.unwrap();
    /// assert_eq!((id, result.unwrap()), (square.id(), 49));
    /// # });
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        std::future::poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// All results, in the order of completion.
    ///
    /// # Panics
    /// Goes on with a task's panic; the tasks left are aborted then.
    ///
    /// # Cancel safety
    /// Not cancel-safe: dropping it aborts what is left and drops the results so far.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// # runtime.block_on(async {
    /// let mut set = maniac::task::JoinSet::new();
    /// let one = std::rc::Rc::new(1);
    /// set.spawn_local(async move { *one });
    /// set.insert(maniac::spawn(async { 2 }));
    /// assert_eq!(set.len(), 2);
    /// assert_eq!(set.join_all().await.iter().sum::<i32>(), 3);
    /// # });
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result.map_err(JoinError::try_into_panic) {
                Ok(value) => results.push(value),
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                Err(Err(error)) => panic!("{error}"),
            }
        }
        results
    }

    /// The poll form of [`JoinSet::join_next`].
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// # runtime.block_on(async {
    /// use std::task::{Context, Poll, Waker};
    /// let mut set = maniac::task::JoinSet::<()>::new();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(None)), "the set is empty");
    /// set.spawn(std::future::pending());
    /// assert!(set.poll_join_next(&mut cx).is_pending());
    /// # });
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(cx).map(|next| next.map(|(_, result)| result))
    }

    fn poll_join_next_with_id(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        if self.entries.is_empty() {
            return Poll::Ready(None);
        }
        loop {
            let mut woken = self.shared.lock();
            let Some(key) = woken.keys.pop_front() else {
                if !woken.waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    woken.waiting = Some(cx.waker().clone());
                }
                return wait::pending_on(const { &Word::new("a task of its JoinSet") });
            };
            drop(woken);
            let Some(entry) = self.entries.get_mut(key) else { continue };
            let result = crate::coop::exempt(|| {
                Pin::new(&mut entry.handle).poll(&mut Context::from_waker(&entry.waker))
            });
            if let Poll::Ready(result) = result {
                let id = self.entries.remove(key).handle.id();
                return Poll::Ready(Some((id, result)));
            }
        }
    }

    /// Aborts all tasks of the set; their results are still taken by [`JoinSet::join_next`].
    pub fn abort_all(&mut self) {
        self.entries.iter().for_each(|(_, entry)| entry.handle.abort());
    }

    /// Aborts all tasks and waits until they are gone.
    ///
    /// # Cancel safety
    /// Cancel-safe: the tasks are aborted at once, and those not waited for stay in the set.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// # runtime.block_on(async {
    /// let mut set = maniac::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.abort_all();
    /// assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// set.spawn(std::future::pending::<()>());
    /// set.shutdown().await; // the same, and nobody asks for the results
    /// assert!(set.is_empty());
    /// # });
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Takes all tasks out of the set; they run on.
    ///
    /// ```
    /// # use maniac_runtime as maniac;
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// # runtime.block_on(async {
    /// let (send, receive) = maniac_sync::oneshot::channel();
    /// let mut set = maniac::task::JoinSet::new();
    /// set.spawn(async move { send.send(7) });
    /// set.detach_all();
    /// assert_eq!(receive.await, Ok(7), "the task ran on");
    /// # });
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub fn detach_all(&mut self) {
        self.entries.clear();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
