//! The clock hand: a slot that stays ready is taken within a bounded number of takes, whatever else is ready.
#![cfg(not(loom))]

use maniac_signal_tree::{Hand, Neighbours, SignalTree, TakeMode};
use std::collections::HashMap;

/// Takes again and again, setting at once again what was taken: the longest wait of any slot, in takes.
fn longest_wait(tree: &SignalTree, slots: &[u32], mode: TakeMode, takes: usize) -> usize {
    let mut hand = Hand::new();
    let mut last: HashMap<u32, usize> = slots.iter().map(|slot| (*slot, 0)).collect();
    slots.iter().for_each(|slot| _ = tree.set(*slot));
    let mut longest = 0;
    for now in 1..=takes {
        let taken = tree.take(0, &mut hand, mode).expect("all slots are ready");
        for slot in taken.slots() {
            let before = last.insert(slot, now).expect("a slot of ours");
            longest = longest.max(now - before);
            let _ = tree.set(slot);
        }
    }
    last.values().fold(longest, |longest, last| longest.max(takes - last))
}

/// Slots scattered over words, leaves and groups: (words, slots).
fn scattered(tree: &SignalTree) -> (usize, Vec<u32>) {
    let leaves: Vec<_> = (0..200).map(|_| tree.add_leaf(0).unwrap()).collect();
    let mut slots = Vec::new();
    let words =
        [(0, 0), (0, 63), (1, 5), (63, 0), (63, 63), (64, 0), (64, 1), (130, 17), (199, 62), (199, 63)];
    for (leaf, word) in words {
        slots.extend([0, 1, 2, 30, 62, 63].map(|bit| leaves[leaf].slot(word * 64 + bit)));
    }
    (words.len(), slots)
}

const TAKES: usize = if cfg!(miri) { 50 } else { 10_000 };

#[test]
fn whole_words_come_in_turn() {
    let tree = SignalTree::new(1, 200).unwrap();
    let (words, slots) = scattered(&tree);
    assert_eq!(longest_wait(&tree, &slots, TakeMode::Whole, TAKES), words);
}

#[test]
fn halves_come_in_turn() {
    let tree = SignalTree::new(1, 200).unwrap();
    let (words, slots) = scattered(&tree);
    // 6 bits: 3, 2 and 1 of them at a time.
    assert_eq!(longest_wait(&tree, &slots, TakeMode::Half, TAKES), 3 * words);
}

#[test]
fn a_full_word_in_halves() {
    let tree = SignalTree::new(1, 1).unwrap();
    let leaf = tree.add_leaf(0).unwrap();
    let slots: Vec<u32> = (0..64).map(|bit| leaf.slot(bit)).collect();
    // 32, 16, 8, 4, 2, 1, 1.
    assert_eq!(longest_wait(&tree, &slots, TakeMode::Half, TAKES), 7);
}

/// A thief visits the partitions of a tier in turn.
#[test]
fn victims_come_in_turn() {
    let partitions = 130;
    let tree = SignalTree::new(partitions, partitions).unwrap();
    let leaves: Vec<_> = (0..partitions).map(|partition| tree.add_leaf(partition).unwrap()).collect();
    leaves.iter().for_each(|leaf| _ = tree.set(leaf.slot(3)));
    let neighbours = Neighbours::all(70, partitions).unwrap();
    let mut hand = Hand::new();
    for _ in 0..3 {
        for victim in (0..partitions).filter(|&victim| victim != 70) {
            let taken = tree.steal(&neighbours, &mut hand, TakeMode::Whole).unwrap();
            assert_eq!(taken.base(), leaves[victim].slot(0));
            let _ = tree.restore(taken);
        }
    }
}
