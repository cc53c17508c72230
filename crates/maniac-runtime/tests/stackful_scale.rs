//! 100,000 stackful tasks wait at once, each on a stack of its own. One process, one test: it measures the process.
//!
//! Where guards cost mappings (before Linux 6.13) there are fewer stacks; that limit is a typed error, which
//! maniac-context's test `mapping_limit` shows, and a task beyond it waits by blocking a thread.
#![cfg(all(target_os = "linux", not(any(loom, miri, maniac_asan))))]
#![allow(clippy::print_stderr, reason = "the figures are worth reading")]

use maniac_context::stack::{Guard, StackPool, StackPoolConfig};
use maniac_runtime::runtime::Runtime;
use maniac_runtime::{spawn_stackful, sync_await};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

const TASKS: usize = 100_000;
const STACK: usize = 64 << 10;

/// Lets nobody through until it is opened.
struct Gate {
    open: AtomicBool,
    waiting: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
}

/// Waits for the gate.
struct Pass<'a> {
    gate: &'a Gate,
    counted: bool,
}

impl Future for Pass<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let gate = self.gate;
        let mut wakers = gate.wakers.lock().unwrap();
        if gate.open.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        wakers.push(cx.waker().clone());
        if !std::mem::replace(&mut self.counted, true) {
            gate.waiting.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Pending
    }
}

/// Some frames deep, so that what comes back is what went in.
fn descend(gate: &Gate, number: usize, depth: usize) -> usize {
    let frame = [number; 4];
    let below = if depth == 0 {
        sync_await(Pass { gate, counted: false });
        0
    } else {
        descend(gate, number, depth - 1)
    };
    assert_eq!(std::hint::black_box(frame), [number; 4]);
    below + number
}

fn guards_cost_no_mapping() -> bool {
    let pool = StackPool::new(StackPoolConfig::new().stack_size(STACK)).unwrap();
    let _stack = pool.get().unwrap();
    pool.stats().guard == Some(Guard::Install)
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_hundred_thousand_stackful_tasks_wait_at_once() {
    if !guards_cost_no_mapping() {
        eprintln!("not run: this kernel has no MADV_GUARD_INSTALL");
        return;
    }
    let builder = Runtime::builder().worker_count(2).stack_size(STACK);
    // SAFETY: the tasks hold no locks and no thread-locals across their waits.
    let runtime = unsafe { builder.coroutines() }.build().unwrap();
    let gate = Arc::new(Gate {
        open: AtomicBool::new(false),
        waiting: AtomicUsize::new(0),
        wakers: Mutex::new(Vec::with_capacity(TASKS)),
    });
    let before = (resident(), mappings());
    let entered = runtime.handle().enter();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let gate = Arc::clone(&gate);
            spawn_stackful(move || descend(&gate, number, 3))
        })
        .collect();
    drop(entered);
    while gate.waiting.load(Ordering::Relaxed) < TASKS {
        std::thread::yield_now();
    }
    let after = (resident(), mappings());
    let more = after.1.saturating_sub(before.1);
    eprintln!("{} bytes a waiting stackful task, {more} more mappings", (after.0 - before.0) / TASKS);
    assert!(more < 200, "{more} more mappings");
    // Were any of them blocking a thread, there would be thousands.
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert!(threads < 20, "{threads} threads");
    let wakers = {
        let mut wakers = gate.wakers.lock().unwrap();
        gate.open.store(true, Ordering::Relaxed);
        std::mem::take(&mut *wakers)
    };
    wakers.into_iter().for_each(Waker::wake);
    runtime.block_on(async {
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), number * 4);
        }
    });
}
