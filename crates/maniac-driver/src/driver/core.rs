//! What all backends share: records in flight, free blocks, counters, what is to be collected.

use super::shared::{Shared, cancelled};
use crate::completions::Completions;
use crate::offload::{Job, Offload};
use crate::record::{LocalPool, Phase, RecordRef};
use slab::Slab;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Counters of one driver since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// System calls that submitted or waited: io_uring_enter(2), epoll_wait(2), kevent(2).
    pub enters: u64,
    /// Operations begun.
    pub submitted: u64,
    /// Operations completed, in whatever way.
    pub completed: u64,
    /// Of those, the ones that ended because they were asked to.
    pub cancelled: u64,
    /// Operations handed to threads of the pool.
    pub offloaded: u64,
    /// Operations done by a plain call on the spot.
    pub inline: u64,
    /// Entries given to the ring.
    pub entries: u64,
    /// Operations submitted again, since the thread that had submitted them ended.
    pub resubmitted: u64,
    /// Readiness reports.
    pub reports: u64,
}

/// How many operations a thread has with the kernel. See [`Driver::set_thread`](crate::Driver::set_thread).
#[derive(Debug, Default)]
pub struct ThreadOps {
    count: AtomicUsize,
}

impl ThreadOps {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are now, of all drivers.
    pub fn in_flight(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    #[cfg(maniac_uring)]
    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(maniac_uring)]
    pub(crate) fn remove(&self) {
        self.count.fetch_sub(1, Ordering::Release);
    }
}

/// See the module's documentation.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: LocalPool,
    pub(crate) offload: Arc<dyn Offload>,
    /// Records that wait here: with the kernel, for readiness, or for room in the queue. Those with a thread of the pool are
    /// counted in `shared`.
    records: Slab<RecordRef>,
    /// To be collected by the next poll.
    pub(crate) ready: Completions,
    pub(crate) metrics: Metrics,
    pub(crate) drop_timeout: Duration,
}

impl Core {
    pub(crate) fn new(shared: Arc<Shared>, offload: Arc<dyn Offload>, drop_timeout: Duration) -> Self {
        Self {
            shared,
            pool: LocalPool::default(),
            offload,
            records: Slab::new(),
            ready: Completions::new(),
            metrics: Metrics::default(),
            drop_timeout,
        }
    }

    /// Keeps `record` until it completes, under a key.
    pub(crate) fn keep(&mut self, record: RecordRef, phase: Phase) -> usize {
        record.set_phase(phase);
        let entry = self.records.vacant_entry();
        let key = entry.key();
        record.set_key(key);
        entry.insert(record);
        key
    }

    /// Takes back what was kept.
    pub(crate) fn take(&mut self, key: usize) -> RecordRef {
        self.records.remove(key)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = RecordRef> + '_ {
        self.records.iter().map(|(_, record)| record.clone())
    }

    /// Whether a record waits here.
    pub(crate) fn keeps_any(&self) -> bool {
        !self.records.is_empty()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.records.len() + self.shared.offloaded.load(Ordering::Acquire)
    }

    /// Ends an operation. The record must not be kept (any more).
    pub(crate) fn complete(&mut self, record: RecordRef, result: io::Result<usize>) {
        self.metrics.completed += 1;
        record.set_phase(Phase::Done);
        // SAFETY: [INV-1] a record that the owner has taken out of its keeping (or not put there yet), and that no job and no
        // kernel has, is driven by the owner.
        let outcome = unsafe { record.complete(result) };
        self.ready.note(outcome);
    }

    /// Ends an operation because that was asked for.
    pub(crate) fn complete_cancelled(&mut self, record: RecordRef) {
        self.metrics.cancelled += 1;
        self.complete(record, Err(cancelled()));
    }

    /// A thread of the pool has completed a record with a token.
    pub(crate) fn notify(&mut self, record: &RecordRef) {
        self.ready.tokens.extend(record.token());
    }

    /// Has a thread of the pool make the call.
    pub(crate) fn offload(&mut self, record: RecordRef) {
        self.metrics.offloaded += 1;
        record.set_phase(Phase::Outside);
        if let Err(job) = self.offload.clone().offload(Job::new(record)) {
            let record = job.refused();
            let error = io::Error::new(
                io::ErrorKind::ResourceBusy,
                "no thread of the blocking pool takes this operation",
            );
            self.complete(record, Err(error));
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let elsewhere = self.shared.done_elsewhere.load(Ordering::Relaxed);
        Metrics { completed: self.metrics.completed + elsewhere, ..self.metrics }
    }

    /// Frees the free blocks, and has those that come back later freed at once.
    pub(crate) fn close_pool(&mut self) {
        self.pool.clear();
        for list in &self.shared.returned {
            drop(list.close());
        }
    }

    /// Gives up on what the kernel may still hold: leaks it, and says how many that were.
    pub(crate) fn leak(&mut self) -> usize {
        let records = std::mem::take(&mut self.records);
        let count = records.len();
        for (_, record) in records {
            // The kernel may still write there: the count is never given back, so the memory never is.
            let _leaked = ManuallyDrop::new(record);
        }
        count
    }
}

impl Drop for Core {
    /// There is something left only after a panic in the midst of a driver's end, as a waker's.
    fn drop(&mut self) {
        self.leak();
    }
}
