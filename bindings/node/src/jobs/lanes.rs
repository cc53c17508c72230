//! Which threads do jobs, and in which order: as many lanes as there are processors take turns at all batches, a slice of one after
//! a slice of the other, so that a batch of a million inputs keeps no other job waiting. A lane is a blocking job of the runtime's
//! pool while there is work, and nothing otherwise; files have the pool's other threads.

use super::task::{Fault, Output, Stop, Task};
use crate::channel_wake::Post;
use crate::pool;
use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use zeroize::Zeroize as _;

/// A slice ends after so many inputs, or bytes of input; where those do not tell the work, all lanes are to have some until the end.
const SLICE_INPUTS: usize = 32;
const SLICE_BYTES: usize = 1024 * 1024;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of a batch: its results in order, or which input failed and how.
pub(crate) struct Ended {
    pub(crate) id: u32,
    pub(crate) result: Result<Vec<Output>, (usize, Fault)>,
}

/// Inputs, one behind the other.
#[derive(Default)]
pub(crate) struct Inputs {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
    /// Passwords are not left in memory.
    pub(crate) secret: bool,
}

impl Inputs {
    /// The first `count` on their own, and the others.
    pub(crate) fn split(mut self, count: usize) -> Option<(Vec<Vec<u8>>, Self)> {
        if count > self.ends.len() {
            return None;
        }
        let shared = (0..count).map(|index| self.get(index).to_vec()).collect();
        if count > 0 {
            let begin = self.ends[count - 1];
            self.ends.drain(..count);
            self.bytes.drain(..begin);
            self.ends.iter_mut().for_each(|end| *end -= begin);
        }
        Some((shared, self))
    }

    /// All as one input.
    pub(crate) fn joined(mut self) -> Self {
        self.ends = vec![self.bytes.len()];
        self
    }

    fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

struct Progress {
    /// The first input that nobody has taken.
    next: usize,
    left: usize,
    results: Vec<Output>,
    fault: Option<(usize, Fault)>,
}

/// Inputs with which the same is done. Whoever drops it last has answered it, come what may.
pub(crate) struct Batch {
    id: u32,
    task: Task,
    inputs: Inputs,
    stop: Stop,
    progress: Mutex<Progress>,
    post: Arc<Post<Ended>>,
}

impl Batch {
    pub(crate) fn new(id: u32, task: Task, inputs: Inputs, stop: Stop, post: Arc<Post<Ended>>) -> Self {
        let left = inputs.ends.len();
        let mut results = Vec::new();
        results.resize_with(left, Output::default);
        let progress = Mutex::new(Progress { next: 0, left, results, fault: None });
        Self { id, task, inputs, stop, progress, post }
    }

    /// The next slice, and whether there is another after it.
    fn claim(&self) -> (Range<usize>, bool) {
        let mut progress = lock(&self.progress);
        let (start, all) = (progress.next, self.inputs.ends.len());
        let begin = if start == 0 { 0 } else { self.inputs.ends[start - 1] };
        let most = if self.task.is_opaque() {
            ((all - start) / (2 * *MOST)).clamp(1, SLICE_INPUTS)
        } else {
            SLICE_INPUTS
        };
        let mut end = start;
        while end < all
            && end - start < most
            && (end == start || self.inputs.ends[end] - begin <= SLICE_BYTES)
        {
            end += 1;
        }
        progress.next = end;
        (start..end, end < all)
    }

    /// Does a slice. The first fault of a batch ends all of it.
    fn run(&self, slice: Range<usize>) {
        for index in slice {
            let done = catch_unwind(AssertUnwindSafe(|| self.task.run(self.inputs.get(index), &self.stop)));
            let mut progress = lock(&self.progress);
            progress.left -= 1;
            match done.unwrap_or(Err(Fault::Lost)) {
                Ok(output) => progress.results[index] = output,
                Err(fault) => {
                    // What a sibling's fault stopped is no fault of its own.
                    progress.fault.get_or_insert((index, fault));
                    self.stop.set();
                }
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.inputs.secret {
            self.inputs.bytes.zeroize();
        }
        let progress = self.progress.get_mut().unwrap_or_else(PoisonError::into_inner);
        let result = match progress.fault {
            Some(fault) => Err(fault),
            None if progress.left > 0 => Err((0, Fault::Lost)),
            None if self.task.joins() => {
                let bytes =
                    progress.results.iter().flat_map(|output| &output.bytes).copied().collect::<Vec<_>>();
                Ok(vec![bytes.into()])
            }
            None => Ok(mem::take(&mut progress.results)),
        };
        self.post.put(Ended { id: self.id, result });
    }
}

#[derive(Default)]
struct Lanes {
    waiting: VecDeque<Arc<Batch>>,
    running: usize,
}

static LANES: Mutex<Lanes> = Mutex::new(Lanes { waiting: VecDeque::new(), running: 0 });
static MOST: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

/// Has lanes do `batch`.
pub(crate) fn submit(batch: Arc<Batch>) {
    let mut lanes = lock(&LANES);
    lanes.waiting.push_back(batch);
    if lanes.running < *MOST {
        lanes.running += 1;
        drop(lanes);
        let lane = Lane { running: true };
        pool::run(move || lane.work());
    }
}

/// One of the threads at work.
struct Lane {
    running: bool,
}

impl Lane {
    fn work(mut self) {
        while let Some(batch) = self.next() {
            let (slice, more) = batch.claim();
            if more {
                submit(Arc::clone(&batch));
            }
            batch.run(slice);
        }
    }

    fn next(&mut self) -> Option<Arc<Batch>> {
        let mut lanes = lock(&LANES);
        let next = lanes.waiting.pop_front();
        if next.is_none() {
            // Under the lock: whoever submits from now on sees that a lane is missing.
            lanes.running -= 1;
            self.running = false;
        }
        next
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.running {
            return;
        }
        // The system gave no thread. What waits is another lane's, or there is nobody for it.
        let mut lanes = lock(&LANES);
        lanes.running -= 1;
        let lost = if lanes.running == 0 { mem::take(&mut lanes.waiting) } else { VecDeque::new() };
        drop(lanes);
        drop(lost);
    }
}
