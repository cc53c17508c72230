//! The tree against a plain set of ready slots: whatever is done to both, by one thread, they agree.
#![cfg(not(loom))]

use maniac_signal_tree::{Hand, LeafIndex, Look, Neighbours, SetOutcome, SignalTree, TakeMode, Taken};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PARTITIONS: usize = 5;
const MAX_LEAVES: usize = 130; // three groups

#[derive(Clone, Copy, Debug)]
enum Step {
    AddLeaf(u32),
    Set(u32),
    Clear(u32),
    Take(u32, bool),
    TakeLast(u32),
    Steal(u32, bool),
    /// Puts back what was taken last.
    Restore,
    Reassign(u32, u32),
    /// Parks the worker, or wakes it if it is parked.
    Park(u32),
    Count(u32),
}

/// The tree and what it should hold.
struct Both {
    tree: SignalTree,
    ready: BTreeSet<u32>,
    partitions: Vec<usize>,
    hands: Vec<Hand>,
    neighbours: Vec<Neighbours>,
    parked: BTreeSet<usize>,
    taken: Option<Taken>,
}

impl Both {
    fn new() -> Self {
        let neighbours =
            |worker| Neighbours::new(worker, &[&[(worker + 1) % PARTITIONS], &[0, 1, 2, 3, 4]]).unwrap();
        Self {
            tree: SignalTree::new(PARTITIONS, MAX_LEAVES).unwrap(),
            ready: BTreeSet::new(),
            partitions: Vec::new(),
            hands: vec![Hand::new(); 2 * PARTITIONS],
            neighbours: (0..PARTITIONS).map(neighbours).collect(),
            parked: BTreeSet::new(),
            taken: None,
        }
    }

    fn leaf_of(&self, slot: u32) -> usize {
        LeafIndex::of(slot).get() as usize
    }

    /// The ready slots of each signal word of `partition`.
    fn words(&self, partition: usize) -> BTreeMap<u32, u64> {
        let mut words = BTreeMap::new();
        for slot in self.ready.iter().filter(|slot| self.partitions[self.leaf_of(**slot)] == partition) {
            *words.entry(slot & !63).or_insert(0) |= 1u64 << (slot & 63);
        }
        words
    }

    /// A slot among the leaves there are, which the bits of `seed` choose; few words of each leaf are used.
    fn slot(&self, seed: u32) -> Option<u32> {
        let leaves = self.partitions.len() as u32;
        let word = [0, 1, 7, 63][(seed >> 8 & 3) as usize];
        (leaves != 0).then(|| LeafIndex::of(((seed >> 16) % leaves) << 12).slot(word * 64 + (seed & 63)))
    }

    fn outcome(&self, slot: u32) -> SetOutcome {
        let partition = self.partitions[self.leaf_of(slot)];
        if self.parked.contains(&partition) {
            SetOutcome::OwnerParked { partition }
        } else {
            SetOutcome::OwnerAwake
        }
    }

    /// Somebody searching `partitions` got `taken`.
    fn took(&mut self, taken: Option<Taken>, partitions: &[usize], mode: TakeMode) {
        let Some(taken) = taken else {
            let left = partitions.iter().find(|partition| !self.words(**partition).is_empty());
            assert_eq!(left, None, "nothing was found in a partition that has ready slots");
            return;
        };
        let partition = self.partitions[self.leaf_of(taken.base())];
        assert!(partitions.contains(&partition), "taken from partition {partition}");
        let word = self.words(partition).get(&taken.base()).copied().unwrap_or(0);
        assert_eq!(taken.bits() & !word, 0, "slots were taken that were not ready");
        match mode {
            TakeMode::Whole => assert_eq!(taken.bits(), word),
            TakeMode::Half => {
                assert!((1..=word.count_ones().div_ceil(2)).contains(&taken.bits().count_ones()));
            }
        }
        for slot in taken.slots() {
            self.ready.remove(&slot);
        }
        self.taken = Some(taken);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::AddLeaf(seed) => {
                let partition = seed as usize % PARTITIONS;
                let added = self.tree.add_leaf(partition);
                assert_eq!(added.is_ok(), self.partitions.len() < MAX_LEAVES);
                if added.is_ok() {
                    self.partitions.push(partition);
                }
            }
            Step::Set(seed) => {
                let Some(slot) = self.slot(seed) else { return };
                let expected =
                    if self.ready.insert(slot) { self.outcome(slot) } else { SetOutcome::AlreadySet };
                assert_eq!(self.tree.set(slot), expected);
            }
            Step::Clear(seed) => {
                let Some(slot) = self.slot(seed) else { return };
                assert_eq!(self.tree.clear(slot), self.ready.remove(&slot));
            }
            Step::Take(seed, half) => {
                let (partition, mode) = (seed as usize % PARTITIONS, mode(half));
                let taken = self.tree.take(partition, &mut self.hands[partition], mode);
                self.took(taken, &[partition], mode);
            }
            Step::TakeLast(seed) => {
                let partition = seed as usize % PARTITIONS;
                let taken = self.tree.take_last(partition, &mut self.hands[partition]);
                assert!(taken.is_some() || !self.tree.maybe_ready(partition));
                self.took(taken, &[partition], TakeMode::Whole);
            }
            Step::Steal(seed, half) => {
                let (thief, mode) = (seed as usize % PARTITIONS, mode(half));
                let taken =
                    self.tree.steal(&self.neighbours[thief], &mut self.hands[PARTITIONS + thief], mode);
                let others: Vec<usize> = (0..PARTITIONS).filter(|&other| other != thief).collect();
                // The nearest neighbour comes first.
                let near = (thief + 1) % PARTITIONS;
                if let Some(taken) = &taken
                    && !self.words(near).is_empty()
                {
                    assert_eq!(self.partitions[self.leaf_of(taken.base())], near);
                }
                self.took(taken, &others, mode);
            }
            Step::Restore => {
                let Some(taken) = self.taken.take() else { return };
                let fresh = taken.slots().filter(|slot| self.ready.insert(*slot)).count();
                let expected = if fresh == 0 { SetOutcome::AlreadySet } else { self.outcome(taken.base()) };
                assert_eq!(self.tree.restore(taken), expected);
            }
            Step::Reassign(seed, partition) => self.reassign(seed, partition as usize % PARTITIONS),
            Step::Park(seed) => self.park(seed as usize % PARTITIONS),
            Step::Count(seed) => self.count(seed as usize % PARTITIONS),
        }
    }

    fn reassign(&mut self, seed: u32, partition: usize) {
        if self.partitions.is_empty() {
            return;
        }
        let leaf = seed as usize % self.partitions.len();
        let moved = self.partitions[leaf] != partition;
        let has_bits = self.ready.iter().any(|slot| self.leaf_of(*slot) == leaf);
        let index = LeafIndex::of((leaf as u32) << 12);
        assert_eq!(self.tree.reassign(index, partition), Ok(moved && has_bits));
        self.partitions[leaf] = partition;
        assert_eq!(self.tree.leaf_partition(index), Ok(partition));
    }

    fn park(&mut self, worker: usize) {
        if self.parked.remove(&worker) {
            assert!(!self.tree.cancel_park(worker), "nobody asked worker {worker} to search");
            return;
        }
        let parks = self.words(worker).is_empty();
        assert_eq!(self.tree.prepare_park(worker, Look::Own), parks);
        if parks {
            self.parked.insert(worker);
        }
        assert_eq!(self.tree.sleepers(), self.parked.len());
    }

    fn count(&self, partition: usize) {
        let words = self.words(partition);
        let count: u32 = words.values().map(|word| word.count_ones()).sum();
        assert_eq!(self.tree.ready_count(partition), count as usize);
        assert_eq!(self.tree.is_ready(partition), count != 0);
        assert!(count == 0 || self.tree.maybe_ready(partition));
        let others = self.ready.len() - count as usize;
        assert_eq!(self.tree.any_ready_except(partition), others != 0);
    }
}

fn mode(half: bool) -> TakeMode {
    if half { TakeMode::Half } else { TakeMode::Whole }
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => any::<u32>().prop_map(Step::AddLeaf),
        8 => any::<u32>().prop_map(Step::Set),
        2 => any::<u32>().prop_map(Step::Clear),
        4 => any::<(u32, bool)>().prop_map(|(partition, half)| Step::Take(partition, half)),
        2 => any::<u32>().prop_map(Step::TakeLast),
        3 => any::<(u32, bool)>().prop_map(|(thief, half)| Step::Steal(thief, half)),
        1 => Just(Step::Restore),
        1 => any::<(u32, u32)>().prop_map(|(leaf, partition)| Step::Reassign(leaf, partition)),
        1 => any::<u32>().prop_map(Step::Park),
        2 => any::<u32>().prop_map(Step::Count),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tree_is_a_set(steps in prop::collection::vec(steps(), 1..if cfg!(miri) { 40 } else { 400 })) {
        let mut both = Both::new();
        for step in steps {
            both.step(step);
        }
    }
}

/// A small generator of numbers (xorshift64*), so that a run is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    fn step(&mut self) -> Step {
        let (seed, half) = (self.next(), self.next() & 1 == 0);
        match self.next() % 100 {
            0 => Step::AddLeaf(seed),
            1..=36 => Step::Set(seed),
            37..=44 => Step::Clear(seed),
            45..=66 => Step::Take(seed, half),
            67..=76 => Step::TakeLast(seed),
            77..=88 => Step::Steal(seed, half),
            89..=91 => Step::Restore,
            92..=93 => Step::Reassign(seed, self.next()),
            94..=97 => Step::Park(seed),
            _ => Step::Count(seed),
        }
    }
}

/// Millions of steps. `MANIAC_SEED` repeats a run, `MANIAC_DEEP` makes it longer.
#[test]
fn tree_stays_a_set() {
    let entropy = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    let seed = std::env::var("MANIAC_SEED").map_or_else(|_| entropy() | 1, |seed| seed.parse().unwrap());
    println!("MANIAC_SEED={seed}");
    let steps = match () {
        () if cfg!(miri) => 300,
        () if std::env::var_os("MANIAC_DEEP").is_some() => 50_000_000,
        () => 2_000_000,
    };
    let mut random = Random(seed);
    let mut both = Both::new();
    for _ in 0..steps {
        both.step(random.step());
    }
}
