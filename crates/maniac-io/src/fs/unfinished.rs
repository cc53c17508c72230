//! What dropped futures have left with the kernel. A write that was dropped may still happen; whoever writes next to the same
//! open file, or the same stream, waits for it here first, so that it can neither overtake nor be overtaken.

use maniac_driver::Op;
use maniac_driver::op::Operation;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

/// A piece of work that ends by itself, what remains to be noted then, and an error that somebody must hear.
type Job = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// The unfinished work of one open file or stream. Nothing is allocated before something is dropped.
#[derive(Default)]
pub(crate) struct Unfinished {
    shared: OnceLock<Arc<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// As many as were dropped since the last write that was not. Polled under the lock: they are this crate's own, and
    /// none comes back here.
    jobs: Mutex<Vec<Job>>,
    /// Who waits for all of them.
    waiting: Mutex<Vec<Waker>>,
    /// The first error since somebody was told.
    failure: Mutex<Option<io::Error>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        let waiting = mem::take(&mut *lock(&self.waiting));
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    /// Drops the jobs that are done; true if that were all.
    fn reap(self: &Arc<Self>) -> bool {
        // One waker for all who wait: each job knows only the last that it was polled with.
        let waker = Waker::from(Arc::clone(self));
        let mut cx = Context::from_waker(&waker);
        let mut jobs = lock(&self.jobs);
        jobs.retain_mut(|job| match job.as_mut().poll(&mut cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                lock(&self.failure).get_or_insert(error);
                false
            }
        });
        jobs.is_empty()
    }
}

impl Unfinished {
    /// Takes over what a dropped future leaves.
    pub(crate) fn push(&self, job: impl Future<Output = io::Result<()>> + Send + 'static) {
        let shared = self.shared.get_or_init(Arc::default);
        lock(&shared.jobs).push(Box::pin(job));
        // Those that are done need not be kept until somebody writes.
        shared.reap();
    }

    /// Has both take over one piece of work: whoever waits at either waits for it.
    fn push_to_both(both: [&Self; 2], job: impl Future<Output = io::Result<()>> + Send + 'static) {
        // Neither waits for all of the other's: two such pieces, one each way, would wait in a circle.
        let common = Arc::new(Self::default());
        common.push(job);
        for unfinished in both {
            let common = Arc::clone(&common);
            unfinished.push(async move { common.settle().await });
        }
    }

    /// Ready when nothing is unfinished.
    ///
    /// # Errors
    ///
    /// That of a job, told once.
    pub(crate) fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(shared) = self.shared.get() else { return Poll::Ready(Ok(())) };
        // First in the list, then a look: a job that ends in between wakes this one too.
        let mut waiting = lock(&shared.waiting);
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        drop(waiting);
        if !shared.reap() {
            return Poll::Pending;
        }
        Poll::Ready(lock(&shared.failure).take().map_or(Ok(()), Err))
    }

    /// Whether nothing is unfinished.
    pub(crate) fn is_settled(&self) -> bool {
        self.shared.get().is_none_or(Shared::reap)
    }

    /// Waits until nothing is unfinished.
    ///
    /// # Errors
    ///
    /// As for [`poll_settled`](Self::poll_settled).
    #[inline]
    pub(crate) async fn settle(&self) -> io::Result<()> {
        match self.shared.get() {
            None => Ok(()),
            Some(_) => poll_fn(|cx| self.poll_settled(cx)).await,
        }
    }
}

impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.shared.get().map_or(0, |shared| lock(&shared.jobs).len());
        f.debug_struct("Unfinished").field("jobs", &jobs).finish()
    }
}

/// An operation that changes a file. Dropped, it is cancelled, and handed to the file's [`Unfinished`].
pub(crate) struct Change<
    'a,
    T: Operation,
    F: FnOnce(T::Output) + Send + 'static = fn(<T as Operation>::Output),
> {
    /// Present until done; what to note of an outcome that nobody waits for any more.
    op: Option<(Op<T>, F)>,
    unfinished: &'a Unfinished,
    /// Of another file that the operation concerns.
    other: Option<&'a Unfinished>,
}

impl<'a, T: Operation> Change<'a, T> {
    pub(crate) fn new(op: Op<T>, unfinished: &'a Unfinished) -> Self {
        Self::noting(op, unfinished, drop)
    }
}

impl<'a, T: Operation, F: FnOnce(T::Output) + Send + 'static> Change<'a, T, F> {
    /// `note` is called with the outcome if the future was dropped.
    pub(crate) fn noting(op: Op<T>, unfinished: &'a Unfinished, note: F) -> Self {
        Self { op: Some((op, note)), unfinished, other: None }
    }

    /// As [`noting`](Self::noting), for an operation between two files.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_both(op: Op<T>, [one, other]: [&'a Unfinished; 2], note: F) -> Self {
        Self { op: Some((op, note)), unfinished: one, other: Some(other) }
    }
}

impl<T: Operation, F: FnOnce(T::Output) + Send + 'static> Unpin for Change<'_, T, F> {}

impl<T: Operation, F: FnOnce(T::Output) + Send + 'static> Future for Change<'_, T, F> {
    type Output = T::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let (op, _) = self.op.as_mut().expect("polled after completion");
        let output = ready!(Pin::new(op).poll(cx));
        self.op = None;
        Poll::Ready(output)
    }
}

impl<T: Operation, F: FnOnce(T::Output) + Send + 'static> Drop for Change<'_, T, F> {
    fn drop(&mut self) {
        if let Some((op, note)) = self.op.take() {
            op.cancel();
            let job = async move {
                note(op.await);
                Ok(())
            };
            match self.other {
                None => self.unfinished.push(job),
                Some(other) => Unfinished::push_to_both([self.unfinished, other], job),
            }
        }
    }
}
