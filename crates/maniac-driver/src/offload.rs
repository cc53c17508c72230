//! Operations that block: run by threads of the caller's.

use crate::driver::shared::{Shared, cancelled, complete_elsewhere};
use crate::record::{CANCEL, RecordRef, WAIT};
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Threads that may block, provided by the runtime.
///
/// ```
/// use maniac_driver::{Job, Offload};
/// /// A thread for each job.
/// struct Threads;
/// impl Offload for Threads {
///     fn offload(&self, job: Job) -> Result<(), Job> {
///         std::thread::spawn(move || job.run());
///         Ok(())
///     }
/// }
/// ```
pub trait Offload: Send + Sync {
    /// Runs `job` on some other thread, soon.
    ///
    /// # Errors
    ///
    /// Gives the job back if no thread will ever take it; its operation then ends with `ResourceBusy`. A pool that is merely
    /// busy queues the job: the queue is as long as there are operations in flight at most.
    fn offload(&self, job: Job) -> Result<(), Job>;
}

/// No threads: operations that would need one end with `ResourceBusy`. So do reads and writes of regular files, on a ring too until something in the process
/// has learnt, on a thread, that no program serves their file system (FUSE).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOffload;

impl Offload for NoOffload {
    fn offload(&self, job: Job) -> Result<(), Job> {
        Err(job)
    }
}

/// A thread for each job: for tools and tests. A runtime has a pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadPerJob;

impl Offload for ThreadPerJob {
    fn offload(&self, job: Job) -> Result<(), Job> {
        // A closure that no thread takes is dropped, and ends the operation as cancelled.
        let _detached = std::thread::Builder::new().name("maniac-job".into()).spawn(move || job.run());
        Ok(())
    }
}

/// A blocking system call to be made. Dropping it ends its operation as cancelled.
pub struct Job {
    record: ManuallyDrop<RecordRef>,
}

impl Job {
    /// The job drives `record` from now on.
    pub(crate) fn new(record: RecordRef) -> Self {
        record.shared().offloaded.fetch_add(1, Ordering::Relaxed);
        Self { record: ManuallyDrop::new(record) }
    }

    /// What it does, such as `"fsync"`.
    pub fn name(&self) -> &'static str {
        self.record.vtable().name
    }

    /// Makes the call and completes the operation; its waker is called on this thread.
    pub fn run(self) {
        let record = self.into_record();
        if record.flags() & CANCEL != 0 || record.shared().closing.load(Ordering::Relaxed) {
            return finish(record, Err(cancelled()));
        }
        // SAFETY: [INV-1] a job drives its record: the driver does not touch it until told.
        let result = unsafe { record.call() };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let shared = record.shared().clone();
                // SAFETY: [INV-1] as above.
                let waits = unsafe { record.wait_for() }.is_some();
                if waits && record.request(WAIT) {
                    leave(&shared);
                } else {
                    finish(record, Err(error));
                }
            }
            result => finish(record, result),
        }
    }

    /// No thread takes it: gives the record back to the driver's owner.
    pub(crate) fn refused(self) -> RecordRef {
        let record = self.into_record();
        record.shared().offloaded.fetch_sub(1, Ordering::Release);
        record
    }

    /// Takes the record back: the caller drives it.
    fn into_record(self) -> RecordRef {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: [INV-1] `this` is never dropped, and the record is taken once.
        unsafe { ManuallyDrop::take(&mut this.record) }
    }
}

/// Completes the record of a job and counts it.
fn finish(record: RecordRef, result: io::Result<usize>) {
    let shared = record.shared().clone();
    shared.done_elsewhere.fetch_add(1, Ordering::Relaxed);
    // SAFETY: [INV-1] the job drove the record, and ends here.
    unsafe { complete_elsewhere(record, result) };
    leave(&shared);
}

/// One job less; at shutdown the owner waits for that.
fn leave(shared: &Arc<Shared>) {
    shared.offloaded.fetch_sub(1, Ordering::Release);
    if shared.closing.load(Ordering::Relaxed) {
        shared.notify();
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // SAFETY: [INV-1] a job that is dropped was not run; its record is taken once.
        let record = unsafe { ManuallyDrop::take(&mut self.record) };
        finish(record, Err(cancelled()));
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.name()).finish()
    }
}
