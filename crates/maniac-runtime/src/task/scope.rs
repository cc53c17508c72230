//! [`scope`]: tasks that end with the block that spawned them.

use super::{AbortHandle, JoinHandle};
use maniac_sync::wait::{self, Word};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Runs `body` with a [`Scope`] to spawn tasks into; ends when the body and all those tasks have ended.
///
/// When the scope's future is dropped before, the tasks are aborted. They are `'static` like all tasks, since a future can be forgotten instead
/// of dropped: what they share with the body they own together (`Arc`).
///
/// # Cancel safety
/// Dropping it drops the body and aborts the tasks, without waiting for them.
///
/// ```
/// # use maniac_runtime as maniac;
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(2, 64)?;
/// # runtime.block_on(async {
/// let sum = Arc::new(AtomicU32::new(0));
/// maniac::task::scope(async |scope| {
///     for n in 1..=4 {
///         let sum = sum.clone();
///         drop(scope.spawn(async move { sum.fetch_add(n, Ordering::Relaxed) }));
///     }
/// })
/// .await;
/// assert_eq!(sum.load(Ordering::Relaxed), 10);
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub async fn scope<R>(body: impl AsyncFnOnce(&Scope) -> R) -> R {
    let scope = Scope { shared: Arc::default() };
    let result = body(&scope).await;
    scope.wait().await;
    result
}

/// Where tasks of a [`scope`] are spawned.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// use maniac::task::Scope;
/// use std::{cell::RefCell, rc::Rc};
/// async fn fill(scope: &Scope, into: &Rc<RefCell<Vec<u32>>>) {
///     let (first, second) = (into.clone(), into.clone());
///     scope.spawn_local(async move { first.borrow_mut().push(1) }).await.unwrap();
///     drop(scope.spawn_local(async move { second.borrow_mut().push(2) }));
/// }
/// let numbers = Rc::default();
/// maniac::task::scope(async |scope| fill(scope, &numbers).await).await;
/// assert_eq!(*numbers.borrow(), [1, 2]);
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub struct Scope {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared(Mutex<Tasks>);

#[derive(Default)]
struct Tasks {
    /// The tasks that have not ended, by number; an entry is empty until its task's handle is known.
    running: HashMap<u64, Option<AbortHandle>>,
    next: u64,
    waiting: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a task off the list when its future is gone.
struct Running {
    shared: Arc<Shared>,
    key: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut tasks = self.shared.lock();
        tasks.running.remove(&self.key);
        let waiting = if tasks.running.is_empty() { tasks.waiting.take() } else { None };
        drop(tasks);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl Scope {
    /// Spawns a task that ends before the scope does.
    ///
    /// # Panics
    /// As [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (key, running) = self.enlist();
        let handle = crate::spawn(async move {
            let _running = running;
            future.await
        });
        self.note(key, handle.abort_handle());
        handle
    }

    /// As [`Scope::spawn`], for a task that stays on this thread.
    ///
    /// # Panics
    /// As [`spawn_local`](crate::spawn_local).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (key, running) = self.enlist();
        let handle = crate::spawn_local(async move {
            let _running = running;
            future.await
        });
        self.note(key, handle.abort_handle());
        handle
    }

    fn enlist(&self) -> (u64, Running) {
        let mut tasks = self.shared.lock();
        let key = tasks.next;
        tasks.next += 1;
        tasks.running.insert(key, None);
        drop(tasks);
        (key, Running { shared: Arc::clone(&self.shared), key })
    }

    /// The task may have ended by now; it has no entry then.
    fn note(&self, key: u64, abort: AbortHandle) {
        if let Some(entry) = self.shared.lock().running.get_mut(&key) {
            *entry = Some(abort);
        }
    }

    /// Waits until no task is left.
    async fn wait(&self) {
        std::future::poll_fn(|cx| {
            let mut tasks = self.shared.lock();
            if tasks.running.is_empty() {
                return Poll::Ready(());
            }
            tasks.waiting = Some(cx.waker().clone());
            wait::pending_on(const { &Word::new("the tasks of its scope") })
        })
        .await;
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let aborts: Vec<_> = self.shared.lock().running.values().flatten().cloned().collect();
        aborts.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("running", &self.shared.lock().running.len()).finish_non_exhaustive()
    }
}
