//! Cache lines that move between cores, on a simulated machine: with warm summaries a set and a take of the same word
//! move that word's line and no other.
//!
//! `RUSTFLAGS="--cfg maniac_count" CARGO_TARGET_DIR=target/count cargo test -p maniac-signal-tree --test count`
#![allow(unexpected_cfgs, reason = "maniac_count is this crate's own")]
#![cfg(maniac_count)]

use maniac_signal_tree::{Hand, Look, Neighbours, SignalTree, TakeMode, count};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

/// Who has each line, under a protocol of exclusive and shared lines.
#[derive(Default)]
struct Machine {
    core: usize,
    lines: HashMap<usize, BTreeSet<usize>>,
    moved: BTreeSet<usize>,
    transfers: usize,
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::default();
}

fn access(access: count::Access) {
    MACHINE.with_borrow_mut(|machine| {
        let (core, line) = (machine.core, access.address / 64);
        let holders = machine.lines.entry(line).or_default();
        let has_it = holders.contains(&core) && (!access.writes || holders.len() == 1);
        if access.writes {
            holders.clear();
        }
        holders.insert(core);
        if !has_it {
            machine.transfers += 1;
            machine.moved.insert(line);
        }
    });
}

/// Runs `f` on core `core`: the transfers, and the lines that moved.
fn on<T>(core: usize, f: impl FnOnce() -> T) -> (T, usize, BTreeSet<usize>) {
    MACHINE.with_borrow_mut(|machine| {
        machine.core = core;
        machine.transfers = 0;
        machine.moved.clear();
    });
    let result = f();
    MACHINE.with_borrow_mut(|machine| (result, machine.transfers, std::mem::take(&mut machine.moved)))
}

#[test]
fn a_warm_set_and_take_move_one_line() {
    count::on_access(access);
    let tree = SignalTree::new(2, 1).unwrap();
    let leaf = tree.add_leaf(1).unwrap();
    let mut hand = Hand::new();
    for round in 0..10 {
        let (_, sets, set_lines) = on(0, || tree.set(leaf.slot(777)));
        let (taken, takes, take_lines) = on(1, || tree.take(1, &mut hand, TakeMode::Whole));
        assert!(taken.is_some());
        // The worker spins for more.
        let (nothing, spins, _) = on(1, || tree.take(1, &mut hand, TakeMode::Whole));
        assert!(nothing.is_none());
        if round > 0 {
            assert_eq!((sets, spins), (1, 0));
            // A look and a take.
            assert!(takes <= 2);
            assert_eq!(set_lines, take_lines);
        }
    }
}

#[test]
fn an_idle_search_of_parked_workers_moves_no_line() {
    count::on_access(access);
    const WORKERS: usize = 512;
    let tree = SignalTree::new(WORKERS, WORKERS).unwrap();
    let leaves: Vec<_> = (0..WORKERS).map(|worker| tree.add_leaf(worker).unwrap()).collect();
    for (worker, leaf) in leaves.iter().enumerate().skip(1) {
        let mut hand = Hand::new();
        on(worker, || {
            let _ = tree.set(leaf.slot(0));
            while tree.take_last(worker, &mut hand).is_some() {}
            assert!(tree.prepare_park(worker, Look::Own));
        });
    }
    let neighbours = Neighbours::all(0, WORKERS).unwrap();
    let mut hand = Hand::new();
    let (_, first, _) = on(0, || tree.steal(&neighbours, &mut hand, TakeMode::Half));
    let (_, again, _) = on(0, || tree.steal(&neighbours, &mut hand, TakeMode::Half));
    assert_eq!((first, again), (1, 0), "only the roots are looked at");

    // One of them has work: it is found at once, whichever it is.
    on(300, || _ = tree.set(leaves[300].slot(4095)));
    let (stolen, transfers, _) = on(0, || tree.steal(&neighbours, &mut hand, TakeMode::Half));
    assert_eq!(stolen.unwrap().base(), leaves[300].slot(4032));
    assert!(transfers <= 6, "roots, status, leaf, word (a look and a take): {transfers}");
}
