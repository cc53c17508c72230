//! A pool against a set: several leaves, slots given back by the owner and by other threads, in random order.
#![cfg(not(loom))]

use maniac_arena::{Arena, ArenaOptions, SizeClass, Slot, SlotPool};
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Allocate(usize),
    /// Give the n-th slot in use back.
    FreeLocal(usize),
    /// Give some slots back, each from one of three threads.
    FreeRemote(Vec<usize>),
    AddLeaf,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..100).prop_map(Step::Allocate),
        3 => any::<usize>().prop_map(Step::FreeLocal),
        2 => prop::collection::vec(any::<usize>(), 0..40).prop_map(Step::FreeRemote),
        1 => Just(Step::AddLeaf),
    ];
    prop::collection::vec(step, 0..if cfg!(miri) { 12 } else { 60 })
}

/// The slots in use, and the pool.
struct Model {
    arena: Arena,
    pool: SlotPool,
    used: HashMap<u32, Slot>,
    leaves: usize,
}

const PER_LEAF: usize = 128;

impl Model {
    fn new() -> Model {
        let class = SizeClass::for_size(100).unwrap();
        let mut options = ArenaOptions::new();
        options.slots_per_leaf = PER_LEAF as u32;
        Model {
            arena: Arena::new(options).unwrap(),
            pool: SlotPool::new(class),
            used: HashMap::new(),
            leaves: 0,
        }
    }

    fn take_nth(&mut self, n: usize) -> Option<Slot> {
        let mut keys: Vec<u32> = self.used.keys().copied().collect();
        keys.sort_unstable();
        let key = *keys.get(n.checked_rem(keys.len())?)?;
        self.used.remove(&key)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Allocate(count) => {
                for _ in 0..count {
                    match self.pool.allocate() {
                        Some(slot) => {
                            let before = self.used.insert(slot.index(), slot);
                            assert!(before.is_none(), "slot {} was handed out twice", slot.index());
                        }
                        None => {
                            assert_eq!(self.used.len(), self.leaves * PER_LEAF, "a free slot was not found");
                            break;
                        }
                    }
                }
            }
            Step::FreeLocal(n) => {
                if let Some(slot) = self.take_nth(n) {
                    self.pool.free_local(slot);
                }
            }
            Step::FreeRemote(which) => {
                let slots: Vec<Slot> = which.into_iter().filter_map(|n| self.take_nth(n)).collect();
                std::thread::scope(|scope| {
                    for part in slots.chunks(slots.len().div_ceil(3).max(1)) {
                        scope.spawn(|| part.iter().for_each(|slot| slot.leaf().free_remote(slot.position())));
                    }
                });
            }
            Step::AddLeaf => {
                self.pool.add_leaf(self.arena.acquire_leaf(self.pool.class(), 0).unwrap());
                self.leaves += 1;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 64 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_pool_is_a_set_of_free_slots(steps in steps()) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        // All that is free comes out, once each.
        model.step(Step::Allocate(usize::MAX));
        prop_assert_eq!(model.used.len(), model.leaves * PER_LEAF);
        prop_assert_eq!(model.pool.free_count(), 0);
    }
}
