//! Who is woken, step by step.
#![cfg(not(loom))]

use maniac_signal_tree::{Hand, LeafIndex, Look, Neighbours, SetOutcome, SignalTree, TakeMode};

/// The worker parks and looks at all others.
fn park(tree: &SignalTree, worker: usize) -> bool {
    let neighbours = Neighbours::all(worker, tree.partitions()).unwrap();
    tree.prepare_park(worker, Look::Also(&neighbours))
}

/// A tree with one leaf a worker; all workers but 0 are parked.
fn sleeping(workers: usize) -> (SignalTree, Vec<LeafIndex>) {
    let tree = SignalTree::new(workers, workers).unwrap();
    let leaves = (0..workers).map(|worker| tree.add_leaf(worker).unwrap()).collect();
    assert!((1..workers).all(|worker| park(&tree, worker)));
    assert_eq!(tree.sleepers(), workers - 1);
    (tree, leaves)
}

/// Sets a slot of each sleeping worker while worker 0 searches.
fn set_all(tree: &SignalTree, leaves: &[LeafIndex]) {
    for (partition, leaf) in leaves.iter().enumerate().skip(1) {
        assert_eq!(tree.set(leaf.slot(0)), SetOutcome::OwnerParked { partition });
        assert_eq!(tree.notify(partition), None, "worker 0 searches");
    }
}

/// Worker `worker` was woken, runs its own work, and passes the demands on.
fn wake_up(tree: &SignalTree, worker: usize) -> Option<usize> {
    assert!(tree.cancel_park(worker), "it was woken as a searcher");
    assert!(tree.take(worker, &mut Hand::new(), TakeMode::Whole).is_some());
    tree.end_search(worker)
}

/// Each of several demands left with one searcher is answered, one wake-up at a time.
#[test]
fn demands_are_passed_on() {
    let (tree, leaves) = sleeping(5);
    assert!(tree.begin_search(0, 1));
    set_all(&tree, &leaves);
    assert_eq!(tree.end_search(0), Some(1));
    for worker in 1..5 {
        assert_eq!(tree.searchers(), 1);
        assert_eq!(wake_up(&tree, worker), (worker < 4).then_some(worker + 1));
    }
    assert_eq!((tree.searchers(), tree.sleepers()), (0, 0));
}

/// The same by a searcher that was about to park.
#[test]
fn demands_keep_a_searcher_awake() {
    let (tree, leaves) = sleeping(4);
    assert!(tree.begin_search(0, 1));
    set_all(&tree, &leaves);
    assert!(!park(&tree, 0));
    let neighbours = Neighbours::all(0, 4).unwrap();
    let stolen = tree.steal(&neighbours, &mut Hand::new(), TakeMode::Half).unwrap();
    assert_eq!(stolen.base(), leaves[1].slot(0));
    assert_eq!(tree.end_search(0), Some(2));
    assert_eq!(wake_up(&tree, 2), Some(3));
    assert_eq!(wake_up(&tree, 3), None);
    assert_eq!((tree.searchers(), tree.sleepers()), (0, 1));
}

/// A demand is void when the work is gone.
#[test]
fn demands_for_nothing_wake_nobody() {
    let (tree, leaves) = sleeping(3);
    assert!(tree.begin_search(0, 1));
    set_all(&tree, &leaves);
    assert!(leaves[1..].iter().all(|leaf| tree.clear(leaf.slot(0))));
    assert!(park(&tree, 0));
    assert_eq!((tree.searchers(), tree.sleepers()), (0, 3));
}

/// Only who asks for a thief gets one; the worker of the partition is awake.
#[test]
fn a_thief_is_woken_on_demand_only() {
    let (tree, leaves) = sleeping(4);
    tree.cancel_park(1);
    assert!(tree.begin_search(0, 1));
    assert_eq!(tree.set(leaves[1].slot(0)), SetOutcome::OwnerAwake);
    assert_eq!((tree.notify(1), tree.end_search(0)), (None, None));

    assert!(tree.begin_search(0, 1));
    assert_eq!(tree.unpark_one(1), None, "worker 0 searches");
    assert_eq!(tree.end_search(0), Some(2));
    assert!(tree.cancel_park(2));
    assert_eq!(tree.end_search(2), None, "one thief was asked for");
}

/// A worker that never steals is woken for its own work, never to steal.
#[test]
fn a_worker_that_stays_at_home_is_no_thief() {
    let tree = SignalTree::new(2, 2).unwrap();
    let home = tree.add_leaf(1).unwrap();
    assert!(tree.prepare_park(1, Look::Own));
    assert_eq!((tree.unpark_one(1), tree.searchers()), (None, 0));
    assert_eq!(tree.set(home.slot(0)), SetOutcome::OwnerParked { partition: 1 });
    assert_eq!(tree.notify(1), Some(1));
    assert_eq!((tree.cancel_park(1), tree.searchers()), (false, 0));
}

/// A worker that stays at home is woken beside a searcher too, which could not do its work; and its work keeps no
/// searcher awake that does not steal from it.
#[test]
fn work_at_home_is_no_searchers_business() {
    let tree = SignalTree::new(3, 3).unwrap();
    let leaves: Vec<_> = (0..3).map(|worker| tree.add_leaf(worker).unwrap()).collect();
    let near = Neighbours::new(0, &[&[1]]).unwrap();
    assert!(tree.prepare_park(2, Look::Own) && tree.begin_search(0, 1));
    assert_eq!(tree.set(leaves[2].slot(0)), SetOutcome::OwnerParked { partition: 2 });
    assert_eq!(tree.notify(2), Some(2));
    assert!(!tree.cancel_park(2), "not to search");
    assert!(tree.prepare_park(0, Look::Also(&near)));
    assert_eq!((tree.searchers(), tree.sleepers()), (0, 1));
}

/// A worker that is claimed while it wakes up for another reason has a search to end.
#[test]
fn a_claim_is_not_forgotten() {
    let (tree, leaves) = sleeping(2);
    let _ = tree.set(leaves[1].slot(0));
    assert_eq!(tree.notify(1), Some(1));
    // Its thread has not been woken yet, but a timer fires.
    assert!(tree.cancel_park(1));
    assert_eq!((tree.searchers(), tree.end_search(1), tree.searchers()), (1, None, 0));
}

#[test]
fn permits_are_kept_and_consumed_at_once() {
    let tree = SignalTree::new(1, 1).unwrap();
    assert!((0..3).all(|_| !tree.unpark(0)), "it is awake");
    assert!(!park(&tree, 0));
    assert!(park(&tree, 0));
    assert!(tree.unpark(0));
    assert!(!tree.unpark(0), "it was claimed");
    assert!(!tree.cancel_park(0), "for a message, not to search");
    assert!(park(&tree, 0));
}

/// A search must be ended before a worker parks that could not answer a demand.
#[test]
fn parking_at_home_needs_the_search_ended() {
    let (tree, leaves) = sleeping(2);
    assert!(tree.begin_search(0, 1));
    set_all(&tree, &leaves);
    assert!(!tree.prepare_park(0, Look::Own));
    assert_eq!(tree.end_search(0), Some(1));
    assert!(tree.prepare_park(0, Look::Own));
}
