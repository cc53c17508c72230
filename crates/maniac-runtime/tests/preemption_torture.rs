//! Ordinary safe Rust under hand-off at short quanta: allocation, std locks, borrowed thread-locals, printing, panics, spawns, timers, hogs of pure
//! arithmetic. Errors are counted, and there must be none. MANIAC_DEEP=1 runs a minute in all instead of some seconds.
#![cfg(not(any(loom, miri)))]
#![allow(clippy::print_stdout, reason = "printing is among what is tortured")]

use maniac_runtime as maniac;
use maniac_runtime::runtime::Runtime;
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{Duration, sleep};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

thread_local! {
    static WORDS: RefCell<HashMap<u64, String>> = RefCell::default();
}

/// What all tasks share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    errors: AtomicU64,
    spawned: AtomicU64,
    ran: AtomicU64,
    /// Each pair is written under its lock, and equal outside it.
    pairs: [Mutex<(u64, u64)>; 4],
}

impl Shared {
    fn check(&self, holds: bool) {
        if !holds {
            self.errors.fetch_add(1, SeqCst);
        }
    }
}

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// One poll's work: arithmetic alone, or everything that a signal handler must not do.
fn work(shared: &Arc<Shared>, seed: &mut u64, arithmetic: bool) {
    let long = next(seed).is_multiple_of(50);
    if arithmetic && long {
        let mut x = *seed;
        for round in 0..if cfg!(debug_assertions) { 200_000_u64 } else { 2_000_000 } {
            x = black_box(x.wrapping_mul(31).wrapping_add(round));
        }
        return;
    }
    let rounds = if long { 1500 } else { 10 };
    WORDS.with(|words| match words.try_borrow_mut() {
        Err(_) => shared.check(false),
        Ok(mut words) => {
            for round in 0..rounds {
                words.insert(seed.wrapping_add(round) % 512, format!("{seed}-{round}"));
                if words.len() > 400 {
                    words.clear();
                }
            }
        }
    });
    let mut pair = shared.pairs[(*seed % 4) as usize].lock().unwrap();
    shared.check(pair.0 == pair.1);
    pair.0 += 1;
    for _ in 0..rounds {
        drop(black_box(vec![0_u8; 64 + (*seed % 4096) as usize]));
    }
    pair.1 += 1;
    drop(pair);
    if long {
        println!("{seed:x}");
    }
}

async fn torture(shared: Arc<Shared>, mut seed: u64, arithmetic: bool) {
    let inside = AtomicBool::new(false);
    while !shared.stop.load(Relaxed) {
        shared.check(!inside.swap(true, SeqCst));
        let thread = thread::current().id();
        work(&shared, &mut seed, arithmetic);
        for _ in 0..seed % 3 {
            shared.spawned.fetch_add(1, SeqCst);
            let shared = Arc::clone(&shared);
            let panics = seed.is_multiple_of(16);
            let spawned = maniac::spawn(async move {
                shared.ran.fetch_add(1, SeqCst);
                drop(black_box(vec![1_u8; 100]));
                if panics {
                    std::panic::resume_unwind(Box::new("a panic that is meant"));
                }
            });
            drop(spawned);
        }
        shared.check(thread::current().id() == thread);
        shared.check(inside.swap(false, SeqCst));
        match seed % 7 {
            0 => sleep(Duration::from_micros(200)).await,
            1 => {
                // An output, or a panic, comes through once.
                let panics = seed.is_multiple_of(2);
                let inner = maniac::spawn(async move {
                    if panics {
                        std::panic::resume_unwind(Box::new(seed));
                    }
                    seed
                });
                match inner.await {
                    Ok(value) => shared.check(!panics && value == seed),
                    Err(error) => shared.check(panics && error.is_panic()),
                }
            }
            2 => {
                let local = maniac::spawn_local(async move {
                    let home = thread::current().id();
                    yield_now().await;
                    thread::current().id() == home
                });
                // A task of a thread that is about to end may be cancelled: not here.
                shared.check(local.await.is_ok_and(|same| same));
            }
            _ => yield_now().await,
        }
    }
}

fn run(quantum: u64, arithmetic: bool) {
    let deep = std::env::var_os("MANIAC_DEEP").is_some();
    let time = if deep { Duration::from_secs(10) } else { Duration::from_millis(400) };
    let runtime = Runtime::builder().worker_count(2).quantum(Duration::from_micros(quantum)).build().unwrap();
    let shared = Arc::new(Shared::default());
    let tasks: Vec<_> = (0..32)
        .map(|index| runtime.spawn(torture(Arc::clone(&shared), index * 7919 + 1, arithmetic)))
        .collect();
    let begin = Instant::now();
    while begin.elapsed() < time {
        thread::sleep(Duration::from_millis(10));
    }
    shared.stop.store(true, SeqCst);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    // All that was spawned runs, once.
    while shared.ran.load(SeqCst) < shared.spawned.load(SeqCst) {
        thread::yield_now();
    }
    let preemption = runtime.metrics().preemption;
    let report = runtime.shutdown_timeout(Duration::from_secs(600));
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(shared.errors.load(SeqCst), 0);
    assert_eq!(shared.ran.load(SeqCst), shared.spawned.load(SeqCst));
    for pair in &shared.pairs {
        let (before, after) = *pair.lock().unwrap();
        assert_eq!(before, after);
    }
    println!("quantum {quantum} us, arithmetic {arithmetic}: {preemption:?}");
}

#[test]
fn quantum_of_50_us() {
    run(50, false);
    run(50, true);
}

#[test]
fn quantum_of_100_us() {
    run(100, false);
    run(100, true);
}

#[test]
fn quantum_of_300_us() {
    run(300, false);
    run(300, true);
}
