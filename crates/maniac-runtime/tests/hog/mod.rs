//! What the tests of preemption share: computing without a call into the runtime, flags, and a task that ticks beside.
#![allow(dead_code, reason = "each test program uses a part")]

use maniac_runtime::runtime::{Runtime, RuntimeBuilder};
use maniac_runtime::task::{JoinHandle, yield_now};
use maniac_runtime::time::{Duration, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// So many rounds of arithmetic are minutes: who computes for so long is waiting in vain.
const MINUTES: u64 = 20_000_000_000;

/// Computes until `done` says so. `false`: in vain.
pub(crate) fn hog(mut done: impl FnMut() -> bool) -> bool {
    let mut x = 1_u64;
    for round in 0..MINUTES {
        x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round));
        if round % 1024 == 0 && done() {
            return true;
        }
    }
    false
}

pub(crate) fn hog_until(done: &Flag) -> bool {
    hog(|| done.get())
}

/// A flag that is set once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(crate) fn set(&self) {
        self.0.store(true, SeqCst);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(SeqCst)
    }
}

/// A task that sleeps and counts, `ticks` times, once `begin` is set.
pub(crate) fn ticker(runtime: &Runtime, begin: &Flag, ticks: u64) -> (JoinHandle<()>, Arc<AtomicU64>) {
    let (count, begin) = (Arc::new(AtomicU64::new(0)), begin.clone());
    let counted = Arc::clone(&count);
    let task = runtime.spawn(async move {
        while !begin.get() {
            yield_now().await;
        }
        for _ in 0..ticks {
            sleep(Duration::from_millis(1)).await;
            counted.fetch_add(1, SeqCst);
        }
    });
    (task, count)
}

pub(crate) fn one_worker() -> RuntimeBuilder {
    Runtime::builder().worker_count(1)
}

/// Waits until `condition` holds, on a thread that is no runtime's.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    assert!(
        hog(|| {
            std::thread::yield_now();
            condition()
        }),
        "{what}"
    );
}
