//! The scheduler with as many workers as there may be, far more than processors: nothing is lost, nothing runs twice, and placement is even.

use maniac_runtime as maniac;
use maniac_runtime::runtime::{DriverKind, Preemption, Runtime};
use maniac_runtime::task::yield_now;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const WORKERS: usize = 512;

fn runtime(workers: usize) -> Runtime {
    // On readiness: a ring each for so many workers is more memory than some machines lend.
    let driver = if cfg!(unix) { DriverKind::Poll } else { DriverKind::Auto };
    let builder = Runtime::builder().worker_count(workers).driver(driver);
    builder.preemption(Preemption::Off).build().unwrap()
}

/// Tasks from outside and from within, that yield, wake one another and wait for one another, on 512 threads.
#[test]
fn every_task_runs_to_its_end_once_on_512_workers() {
    const FAMILIES: usize = 2_000;
    const CHILDREN: usize = 8;
    let runtime = runtime(WORKERS);
    let runs: Arc<[AtomicU32]> = (0..FAMILIES * CHILDREN).map(|_| AtomicU32::new(0)).collect();
    let polls = Arc::new(AtomicU64::new(0));
    let families: Vec<_> = (0..FAMILIES)
        .map(|family| {
            let (runs, polls) = (runs.clone(), polls.clone());
            runtime.spawn(async move {
                let children: Vec<_> = (0..CHILDREN)
                    .map(|child| {
                        let (runs, polls) = (runs.clone(), polls.clone());
                        maniac::spawn(async move {
                            for _ in 0..child {
                                polls.fetch_add(1, Ordering::Relaxed);
                                yield_now().await;
                            }
                            runs[family * CHILDREN + child].fetch_add(1, Ordering::Relaxed);
                            child
                        })
                    })
                    .collect();
                let mut sum = 0;
                for child in children {
                    sum += child.await.unwrap();
                }
                sum
            })
        })
        .collect();
    let whole: usize = (0..CHILDREN).sum();
    for family in families {
        assert_eq!(runtime.block_on(family).unwrap(), whole);
    }
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    assert_eq!(polls.load(Ordering::Relaxed), (FAMILIES * whole) as u64);
    // A task is counted as complete a moment after its handle has its value.
    while runtime.metrics().live_tasks != 0 {
        std::thread::yield_now();
    }
    assert_eq!(runtime.metrics().workers.len(), WORKERS);
}

/// Slide 17: spawns from outside go round the partitions.
#[test]
fn spawns_from_outside_are_spread_evenly() {
    const SPAWNS: usize = 100_000;
    const PARTITIONS: usize = 7;
    let runtime = runtime(PARTITIONS);
    let tasks: Vec<_> = (0..SPAWNS).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
    let counts = runtime.metrics().workers.iter().map(|worker| worker.placed).collect::<Vec<_>>();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), SPAWNS as u64, "{counts:?}");
    assert!(most - least <= 1, "{counts:?}");
    drop(tasks);
}
