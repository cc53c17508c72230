//! Threads that set, take, steal, park and wake each other: each set is seen exactly once, by one thread at a time, and
//! nobody sleeps while there is work (or this test never ends).
#![cfg(not(loom))]

use maniac_signal_tree::{Hand, LeafIndex, Look, Neighbours, SetOutcome, SignalTree, TakeMode, Taken};
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, Thread};

const WORKERS: usize = 5;
const LEAVES: usize = if cfg!(miri) { 3 } else { 12 };
const TASKS: usize = if cfg!(miri) { 6 } else { 300 };

/// A task runs until it has no runs left; each of its runs makes it ready again.
#[derive(Default)]
struct Task {
    left: AtomicU64,
    running: AtomicBool,
    /// Not atomic in spirit: the tree alone orders these accesses.
    runs: AtomicU64,
}

struct Stress {
    tree: SignalTree,
    tasks: HashMap<u32, Task>,
    threads: Vec<OnceLock<Thread>>,
    finished: AtomicUsize,
    /// Half of the wakers run the slot themselves when its worker is parked.
    hints: bool,
}

struct Worker<'a> {
    stress: &'a Stress,
    index: usize,
    own: Hand,
    others: Hand,
    neighbours: Neighbours,
    random: u64,
}

impl Stress {
    fn new(runs: u64, hints: bool) -> Self {
        let tree = SignalTree::new(WORKERS, LEAVES).unwrap();
        for leaf in 0..LEAVES {
            tree.add_leaf(leaf % WORKERS).unwrap();
        }
        let task = |index| (Self::slot(index), Task { left: AtomicU64::new(runs), ..Task::default() });
        Self {
            tree,
            tasks: (0..TASKS).map(task).collect(),
            threads: (0..WORKERS).map(|_| OnceLock::new()).collect(),
            finished: AtomicUsize::new(0),
            hints,
        }
    }

    /// Few words of each leaf, several tasks in each.
    fn slot(task: usize) -> u32 {
        let (leaf, place) = (task % LEAVES, task / LEAVES);
        ((leaf << 12) | ((place % 4 * 21) << 6) | (place * 7 % 64)) as u32
    }

    fn wake(&self, worker: Option<usize>) {
        if let Some(worker) = worker {
            self.threads[worker].wait().unpark();
        }
    }

    fn set(&self, slot: u32) {
        if let SetOutcome::OwnerParked { partition } = self.tree.set(slot) {
            self.wake(self.tree.notify(partition));
        }
    }

    fn is_done(&self) -> bool {
        self.finished.load(Relaxed) == TASKS
    }

    fn finish_one(&self) {
        if self.finished.fetch_add(1, Relaxed) + 1 == TASKS {
            for worker in 0..WORKERS {
                if self.tree.unpark(worker) {
                    self.threads[worker].wait().unpark();
                }
            }
        }
    }
}

impl<'a> Worker<'a> {
    fn new(stress: &'a Stress, index: usize) -> Self {
        let near = [(index + 1) % WORKERS];
        let neighbours = Neighbours::new(index, &[&near, &[0, 1, 2, 3, 4]]).unwrap();
        let random = index as u64 + 1;
        Self { stress, index, own: Hand::new(), others: Hand::new(), neighbours, random }
    }

    fn chance(&mut self, of: u64) -> bool {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33).is_multiple_of(of)
    }

    fn run(&mut self) {
        let tree = &self.stress.tree;
        while !self.stress.is_done() {
            if let Some(taken) = self.find() {
                self.stress.wake(tree.end_search(self.index));
                self.run_batch(taken);
            } else if tree.prepare_park(self.index, Look::Also(&self.neighbours)) {
                thread::park();
                tree.cancel_park(self.index);
            }
        }
        self.stress.wake(tree.end_search(self.index));
    }

    fn find(&mut self) -> Option<Taken> {
        let tree = &self.stress.tree;
        let mode = if self.chance(2) { TakeMode::Whole } else { TakeMode::Half };
        if let Some(taken) = tree.take(self.index, &mut self.own, mode) {
            return Some(taken);
        }
        if tree.begin_search(self.index, 2) {
            let stolen = tree.steal(&self.neighbours, &mut self.others, TakeMode::Half);
            if stolen.is_some() {
                return stolen;
            }
        }
        tree.take_last(self.index, &mut self.own)
    }

    fn run_batch(&mut self, mut taken: Taken) {
        while let Some(slot) = taken.pop() {
            self.run_task(slot);
            if self.chance(16) && !taken.is_empty() {
                let base = taken.base();
                if let SetOutcome::OwnerParked { partition } = self.stress.tree.restore(taken) {
                    self.stress.wake(self.stress.tree.notify(partition));
                }
                if self.chance(4) {
                    self.move_leaf(base);
                }
                return;
            }
        }
    }

    fn move_leaf(&mut self, slot: u32) {
        let to = self.random as usize % WORKERS;
        if self.stress.tree.reassign(LeafIndex::of(slot), to).unwrap() {
            self.stress.wake(self.stress.tree.notify(to));
        }
    }

    fn run_task(&mut self, slot: u32) {
        let task = &self.stress.tasks[&slot];
        loop {
            assert!(!task.running.swap(true, Relaxed), "slot {slot} runs twice at once");
            task.runs.store(task.runs.load(Relaxed) + 1, Relaxed);
            let left = task.left.load(Relaxed) - 1;
            task.left.store(left, Relaxed);
            task.running.store(false, Relaxed);
            if left == 0 {
                self.stress.finish_one();
                return;
            }
            match self.stress.tree.set(slot) {
                SetOutcome::AlreadySet => panic!("slot {slot} was set by somebody else"),
                SetOutcome::OwnerAwake => return,
                SetOutcome::OwnerParked { partition } => {
                    if !(self.stress.hints && self.chance(2)) {
                        return self.stress.wake(self.stress.tree.notify(partition));
                    }
                    // Runs it itself, if nobody else has got it by now.
                    if !self.stress.tree.clear(slot) {
                        return;
                    }
                }
            }
        }
    }
}

fn stress(runs: u64, hints: bool) {
    let stress = Stress::new(runs, hints);
    thread::scope(|scope| {
        for index in 0..WORKERS {
            let stress = &stress;
            let worker = scope.spawn(move || Worker::new(stress, index).run());
            stress.threads[index].set(worker.thread().clone()).unwrap();
        }
        scope.spawn(|| (0..TASKS / 2).for_each(|task| stress.set(Stress::slot(task))));
        (TASKS / 2..TASKS).for_each(|task| stress.set(Stress::slot(task)));
    });
    assert_eq!(stress.tasks.len(), TASKS);
    for (slot, task) in &stress.tasks {
        assert_eq!(task.runs.load(Relaxed), runs, "slot {slot}");
    }
    assert_eq!((0..WORKERS).map(|partition| stress.tree.ready_count(partition)).sum::<usize>(), 0);
    assert_eq!((stress.tree.sleepers(), stress.tree.searchers()), (0, 0));
}

fn runs() -> u64 {
    match () {
        () if cfg!(miri) => 10,
        () if std::env::var_os("MANIAC_DEEP").is_some() => 200_000,
        () => 5_000,
    }
}

#[test]
fn each_set_is_seen_once() {
    stress(runs(), false);
}

#[test]
fn each_set_is_seen_once_with_hints() {
    stress(runs(), true);
}

/// Few tasks, so that workers park all the time.
#[test]
fn nobody_sleeps_beside_work() {
    for _ in 0..if cfg!(miri) { 2 } else { 2_000 } {
        stress(3, false);
    }
}

/// Leaves are added while their slots are used.
#[test]
fn leaves_are_added_at_run_time() {
    let leaves = if cfg!(miri) { 4 } else { 2_000 };
    let tree = SignalTree::new(2, leaves).unwrap();
    let taken = thread::scope(|scope| {
        for partition in 0..2 {
            let tree = &tree;
            scope.spawn(move || {
                for _ in 0..leaves / 2 {
                    let _ = tree.set(tree.add_leaf(partition).unwrap().slot(4095));
                }
            });
        }
        let worker = |partition| {
            let (mut hand, mut taken) = (Hand::new(), 0);
            while taken < leaves / 2 {
                taken += tree.take_last(partition, &mut hand).map_or(0, |taken| taken.len());
            }
            taken
        };
        let other = scope.spawn(move || worker(0));
        worker(1) + other.join().unwrap()
    });
    assert_eq!((taken, tree.leaves()), (leaves, leaves));
}
