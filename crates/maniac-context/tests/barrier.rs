//! The asymmetric barrier on the real machine. (The runtime's protocol over it has a loom model.)
#![cfg(not(loom))]

use std::sync::atomic::{AtomicUsize, Ordering};

use maniac_context::membarrier::{Strategy, heavy, light, strategy};

#[test]
fn what_is_reported_is_what_happens() {
    let first = strategy();
    assert_eq!(first, strategy());
    assert_eq!(heavy(), Ok(()));
    if cfg!(all(target_os = "linux", target_arch = "x86_64", not(miri))) {
        assert_eq!(first, Strategy::Asymmetric, "every Linux since 4.14 has it");
    }
}

/// Store buffering: each side stores, passes the barrier and loads what the other stored. At least one must see the
/// other's store.
#[test]
fn one_of_two_sides_sees_the_other() {
    let deep = std::env::var_os("MANIAC_DEEP").is_some();
    let rounds = if deep {
        2_000_000
    } else if cfg!(windows) {
        500
    } else {
        50_000
    };
    let [left, right, left_saw, arrived] = [const { AtomicUsize::new(0) }; 4];
    // Both threads are at the same place: the `n`th meeting.
    let meet = |n: usize| {
        arrived.fetch_add(1, Ordering::AcqRel);
        while arrived.load(Ordering::Acquire) < 2 * n {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=rounds {
                meet(2 * round - 1);
                left.store(round, Ordering::Relaxed);
                light();
                left_saw.store(right.load(Ordering::Relaxed), Ordering::Relaxed);
                meet(2 * round);
            }
        });
        for round in 1..=rounds {
            meet(2 * round - 1);
            right.store(round, Ordering::Relaxed);
            heavy().expect("nobody filters system calls here");
            let right_saw = left.load(Ordering::Relaxed);
            meet(2 * round);
            let left_saw = left_saw.load(Ordering::Relaxed);
            assert!(right_saw == round || left_saw == round, "round {round}: neither saw the other's store");
        }
    });
}
