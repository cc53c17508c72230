//! Ending a future at a random point, in one of three ways, and counting that.

use crate::support::Random;
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{sleep, timeout};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// What one driver's run has counted.
pub(crate) struct Counts {
    pub(crate) goal: u64,
    ways: [AtomicU64; 3],
    pub(crate) families: Mutex<BTreeMap<&'static str, Family>>,
}

#[derive(Default)]
pub(crate) struct Family {
    pub(crate) cancelled: u64,
    pub(crate) completed: u64,
}

impl Counts {
    pub(crate) fn new(goal: u64) -> Counts {
        Counts { goal, ways: Default::default(), families: Mutex::default() }
    }

    /// Dropped, aborted, timed out.
    pub(crate) fn by_way(&self) -> [u64; 3] {
        [0, 1, 2].map(|way| self.ways[way].load(SeqCst))
    }
}

/// Ends futures at random points.
pub(crate) struct Cutter {
    random: Mutex<Random>,
    counts: Arc<Counts>,
    family: &'static str,
}

/// What is known of a future that is to be cut.
#[derive(Default)]
struct Watch {
    /// It was polled, and waits.
    begun: AtomicBool,
    done: AtomicBool,
}

impl Cutter {
    pub(crate) fn new(seed: u64, counts: &Arc<Counts>) -> Cutter {
        Cutter { random: Mutex::new(Random(seed)), counts: Arc::clone(counts), family: "" }
    }

    pub(crate) fn fork(&self, family: &'static str) -> Cutter {
        Cutter { family, ..Cutter::new(self.random.lock().unwrap().next(), &self.counts) }
    }

    pub(crate) fn again(&self) -> Cutter {
        self.fork(self.family)
    }

    pub(crate) fn is_enough(&self) -> bool {
        self.counts.by_way().iter().sum::<u64>() >= self.counts.goal
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.random.lock().unwrap().below(limit)
    }

    /// A length: mostly small, sometimes more than buffers hold.
    pub(crate) fn len(&self) -> usize {
        let len = if self.below(8) == 0 { self.below(40_000) } else { self.below(300) };
        len as usize + 1
    }

    /// Lets others run, or time pass, for no particular time.
    pub(crate) async fn pause(&self) {
        match self.below(4) {
            0 => {}
            1 | 2 => {
                for _ in 0..self.below(6) {
                    yield_now().await;
                }
            }
            _ => sleep(Duration::from_micros(self.below(300))).await,
        }
    }

    /// Runs `future`, and ends it at a random point, unless it was quicker: then gives what it gave. It is gone when this returns.
    pub(crate) async fn cut<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let watch = Arc::new(Watch::default());
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let watched = watched(future, Arc::clone(&watch), alive);
        let way = self.below(3) as usize;
        let output = match way {
            0 => self.drop_it(watched).await,
            1 => self.abort_it(watched).await,
            _ => timeout(Duration::from_micros(self.below(400)), watched).await.ok(),
        };
        // The other end goes with the future.
        let _ = gone.await;
        let (begun, done) = (watch.begun.load(SeqCst), watch.done.load(SeqCst));
        assert!(done || output.is_none());
        let mut families = self.counts.families.lock().unwrap();
        let family = families.entry(self.family).or_default();
        match (done, begun) {
            (true, _) => family.completed += 1,
            (false, true) => {
                family.cancelled += 1;
                self.counts.ways[way].fetch_add(1, SeqCst);
            }
            // Ended before it had begun: that is no cancellation of an operation.
            (false, false) => {}
        }
        output
    }

    async fn drop_it<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let (mut future, mut pause) = (pin!(future), pin!(self.pause()));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => pause.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    async fn abort_it<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let task = maniac_runtime::spawn(future);
        self.pause().await;
        task.abort();
        match task.await {
            Ok(output) => Some(output),
            Err(error) if error.is_cancelled() => None,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// `future`, which tells `watch` how far it is, and drops `alive` after everything else.
fn watched<T>(
    future: impl Future<Output = T> + Send + 'static,
    watch: Arc<Watch>,
    alive: tokio::sync::oneshot::Sender<()>,
) -> impl Future<Output = T> + Send + 'static {
    let mut future = Box::pin(async move {
        // Declared before the future runs, and so dropped after it.
        let _alive = alive;
        future.await
    });
    poll_fn(move |cx| {
        let poll = future.as_mut().poll(cx);
        let state = if poll.is_ready() { &watch.done } else { &watch.begun };
        state.store(true, SeqCst);
        poll
    })
}
