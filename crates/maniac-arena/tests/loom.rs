//! Slots that other threads give back, in every interleaving: none is lost, none is handed out twice, and the next owner sees the last use. What the
//! README's proof names is also weakened, and a model must then fail.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p maniac-arena --release --test loom`
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use maniac_arena::shim::weaken;
use maniac_arena::{Leaf, SizeClass, Slot, SlotPool};
use std::panic::{AssertUnwindSafe, catch_unwind};

const LOST: &str = "lost";

/// A pool of one leaf all of whose slots are in use, and what the slots that matter hold.
struct Model {
    leaf: &'static Leaf,
    contents: [UnsafeCell<u32>; 3],
}

/// Two slots of one word, and one of another.
const POSITIONS: [u32; 3] = [0, 1, 64];

// SAFETY: loom watches the cells; that no two threads touch one at once is under test.
unsafe impl Sync for Model {}
// SAFETY: as above.
unsafe impl Send for Model {}

impl Model {
    fn new() -> (Arc<Model>, SlotPool) {
        let leaf = Leaf::without_memory(SizeClass::SMALLEST);
        let mut pool = SlotPool::new(leaf.class());
        pool.add_leaf(leaf);
        while pool.allocate().is_some() {}
        (Arc::new(Model { leaf, contents: std::array::from_fn(|_| UnsafeCell::new(0)) }), pool)
    }

    fn touch(&self, index: usize) {
        // SAFETY: only who holds the slot calls this, which is under test.
        self.contents[index].with_mut(|content| unsafe { *content += 1 });
    }

    /// The last use of a slot, by a thread that does not own the pool.
    fn use_and_free(&self, index: usize) {
        self.touch(index);
        self.leaf.free_remote(POSITIONS[index]);
    }

    /// Takes what there is, and uses it.
    fn take_all(&self, pool: &mut SlotPool) -> Vec<u32> {
        let take = |slot: Slot| {
            let index = POSITIONS.iter().position(|position| *position == slot.position());
            self.touch(index.expect("only slots that were given back are free"));
            slot.position()
        };
        std::iter::from_fn(|| pool.allocate()).map(take).collect()
    }
}

fn spawn(model: &Arc<Model>, f: impl FnOnce(&Model) + 'static) -> thread::JoinHandle<()> {
    let model = Arc::clone(model);
    thread::spawn(move || f(&model))
}

fn check(model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}

fn fails_without(model: fn(), name: &'static str) {
    weaken(Some(name));
    let result = catch_unwind(AssertUnwindSafe(|| check(model)));
    weaken(None);
    let panic = result.expect_err(&format!("the model does not notice that {name} is weakened"));
    let message =
        panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let expected = message.is_some_and(|text| text.contains(LOST) || text.contains("Causality violation"));
    assert!(expected, "{name}: {message:?}");
}

/// Two threads give slots of one word back, and one of another, while the owner allocates.
fn frees_beside_allocation() {
    let (model, mut pool) = Model::new();
    let first = spawn(&model, |model| {
        model.use_and_free(0);
        model.use_and_free(2);
    });
    let second = spawn(&model, |model| model.use_and_free(1));
    let mut taken = model.take_all(&mut pool);
    first.join().unwrap();
    second.join().unwrap();
    taken.extend(model.take_all(&mut pool));
    taken.sort_unstable();
    assert_eq!(taken, POSITIONS, "{LOST}: a slot, or handed out twice");
    assert!(!model.leaf.has_remote());
}

/// A slot is given back to a word whose bit in the summary is set already, while the owner drains.
fn free_into_a_known_word() {
    let (model, mut pool) = Model::new();
    model.use_and_free(0);
    let other = spawn(&model, |model| model.use_and_free(1));
    let mut taken = model.take_all(&mut pool);
    other.join().unwrap();
    taken.extend(model.take_all(&mut pool));
    taken.sort_unstable();
    assert_eq!(taken, [0, 1], "{LOST}: a slot, or handed out twice");
}

/// A slot goes round: given back, allocated by the owner, and given back again by the other.
fn a_slot_goes_round() {
    let (model, mut pool) = Model::new();
    let other = spawn(&model, |model| model.use_and_free(0));
    let mut round = model.take_all(&mut pool).len();
    let again = (round == 1).then(|| spawn(&model, |model| model.use_and_free(0)));
    round += model.take_all(&mut pool).len();
    other.join().unwrap();
    let freed = 1 + usize::from(again.is_some());
    again.into_iter().for_each(|again| again.join().unwrap());
    round += model.take_all(&mut pool).len();
    assert_eq!(round, freed, "{LOST}: a slot, or handed out twice");
}

#[test]
fn a_slot_that_is_given_back_is_handed_out_once() {
    check(frees_beside_allocation);
    check(a_slot_goes_round);
    check(free_into_a_known_word);
    for name in ["free.slot", "drain.slots"] {
        fails_without(frees_beside_allocation, name);
    }
    fails_without(free_into_a_known_word, "free.summary");
}
