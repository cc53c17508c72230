//! The tree's operations by the clock. What gates a change is their instruction counts (`tests/instructions.rs`).
//!
//! `cargo bench -p maniac-signal-tree`
#![allow(missing_docs, reason = "a benchmark")]

use divan::{Bencher, black_box, counter::ItemsCount};
use maniac_signal_tree::{Hand, Look, Neighbours, Placement, SignalTree, TakeMode};

fn main() {
    divan::main();
}

const LEAVES: [usize; 3] = [1, 64, 245];

fn tree(leaves: usize) -> (SignalTree, u32) {
    let tree = SignalTree::new(4, leaves).unwrap();
    let last = (0..leaves).map(|_| tree.add_leaf(1).unwrap()).last().unwrap();
    (tree, last.slot(777))
}

/// A task that wakes itself: the only runnable one.
#[divan::bench(args = LEAVES)]
fn set_and_take(bencher: Bencher<'_, '_>, leaves: usize) {
    let (tree, slot) = tree(leaves);
    let mut hand = Hand::new();
    bencher.bench_local(|| {
        let _ = tree.set(black_box(slot));
        tree.take(1, &mut hand, TakeMode::Whole)
    });
}

/// The 64 tasks of a word, taken at once: a task's share.
#[divan::bench(args = LEAVES)]
fn set_and_take_a_word(bencher: Bencher<'_, '_>, leaves: usize) {
    let (tree, slot) = tree(leaves);
    let mut hand = Hand::new();
    bencher.counter(ItemsCount::new(64u32)).bench_local(|| {
        for bit in 0..64 {
            let _ = tree.set(black_box((slot & !63) | bit));
        }
        tree.take(1, &mut hand, TakeMode::Whole)
    });
}

/// A task in each leaf: a task's share.
#[divan::bench(args = LEAVES)]
fn set_and_take_of_each_leaf(bencher: Bencher<'_, '_>, leaves: usize) {
    let (tree, _) = tree(leaves);
    let mut hand = Hand::new();
    bencher.counter(ItemsCount::new(leaves)).bench_local(|| {
        for leaf in 0..leaves as u32 {
            let _ = tree.set(black_box((leaf << 12) | 777));
        }
        for _ in 0..leaves {
            let _ = black_box(tree.take(1, &mut hand, TakeMode::Whole));
        }
    });
}

/// A set by another worker, found by a thief.
#[divan::bench(args = LEAVES)]
fn set_and_steal(bencher: Bencher<'_, '_>, leaves: usize) {
    let (tree, slot) = tree(leaves);
    let neighbours = Neighbours::all(0, 4).unwrap();
    let mut hand = Hand::new();
    bencher.bench_local(|| {
        let _ = tree.set(black_box(slot));
        tree.steal(&neighbours, &mut hand, TakeMode::Half)
    });
}

/// A worker parks with nothing to do and is woken by a set.
#[divan::bench(args = LEAVES)]
fn park_and_wake(bencher: Bencher<'_, '_>, leaves: usize) {
    let (tree, slot) = tree(leaves);
    let neighbours = Neighbours::all(1, 4).unwrap();
    let mut hand = Hand::new();
    bencher.bench_local(|| {
        assert!(tree.take_last(1, &mut hand).is_none() && tree.prepare_park(1, Look::Also(&neighbours)));
        let _ = tree.set(black_box(slot));
        assert_eq!(tree.notify(1), Some(1));
        tree.cancel_park(1);
        let taken = tree.take(1, &mut hand, TakeMode::Whole);
        tree.end_search(1);
        taken
    });
}

#[divan::bench]
fn place(bencher: Bencher<'_, '_>) {
    let placement = Placement::new();
    bencher.bench_local(|| placement.next(black_box(7)));
}
