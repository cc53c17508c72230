//! Every interleaving of the tree's protocols, and every reordering that their memory orderings allow. Each ordering
//! and each look that the README's proof names is also weakened, and the model must then fail.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p maniac-signal-tree --release --test loom`
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use loom::thread;
use maniac_signal_tree::{
    Hand, LeafIndex, Look, Neighbours, SetOutcome, SignalTree, TakeMode, Taken, shim::weaken,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What every model's failure says: a bit or a wake-up was lost, or a bit's data was not visible.
const LOST: &str = "lost";

/// The slots that models use; results have a bit for each. Words 0, 0, 1, 1 of leaf 0; leaf 1.
const SLOTS: [u32; 5] = [0, 1, 64, 65, 4096];

/// The model holds. At most three preemptions (two with `MANIAC_DEEP` unset, for models of three busy threads) happen
/// in an execution, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
fn check(model: fn()) {
    check_bounded(model, 3);
}

fn check_wide(model: fn()) {
    check_bounded(model, if std::env::var_os("MANIAC_DEEP").is_some() { 3 } else { 2 });
}

fn check_bounded(model: fn(), preemptions: usize) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(model);
}

/// The model holds as it is, and does not with `name` weakened.
fn check_and_weaken(model: fn(), names: &[&'static str]) {
    check(model);
    for name in names {
        weaken(Some(name));
        let result = catch_unwind(AssertUnwindSafe(|| check(model)));
        weaken(None);
        let panic = result.expect_err(&format!("the model does not notice that {name} is weakened"));
        let message =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        assert!(message.is_some_and(|text| text.contains(LOST)), "{name}: {message:?}");
    }
}

/// Worker 1's partition, the searches of it, and a bit of data for each slot.
struct Model {
    tree: SignalTree,
    /// Data that a setter writes before it sets the slot.
    data: [AtomicU64; SLOTS.len()],
    /// Threads that were woken.
    woken: [AtomicBool; 2],
}

impl Model {
    /// Two leaves of partition 1.
    fn new() -> Arc<Self> {
        let tree = SignalTree::new(2, 2).unwrap();
        for _ in 0..2 {
            tree.add_leaf(1).unwrap();
        }
        let data = std::array::from_fn(|_| AtomicU64::new(0));
        Arc::new(Self { tree, data, woken: std::array::from_fn(|_| AtomicBool::new(false)) })
    }

    /// The same after slot 0 was set and taken: the path to its word is still up.
    fn stale() -> Arc<Self> {
        let model = Self::new();
        let _ = model.tree.set(0);
        assert!(model.take().is_some());
        assert!(model.take().is_none() && model.tree.maybe_ready(1));
        model
    }

    fn index(slot: u32) -> usize {
        SLOTS.iter().position(|known| *known == slot).unwrap()
    }

    /// Sets `slot`; wakes its owner if that is parked.
    fn set(&self, slot: u32) {
        if let SetOutcome::OwnerParked { partition } = self.set_only(slot) {
            self.wake(self.tree.notify(partition));
        }
    }

    /// Sets `slot`; if its owner is parked, runs it itself.
    fn set_or_run(&self, slot: u32) {
        if let SetOutcome::OwnerParked { .. } = self.set_only(slot) {
            self.tree.clear(slot);
        }
    }

    fn set_only(&self, slot: u32) -> SetOutcome {
        self.data[Self::index(slot)].fetch_add(1, Relaxed);
        self.tree.set(slot)
    }

    fn wake(&self, worker: Option<usize>) {
        if let Some(worker) = worker {
            self.woken[worker].store(true, Relaxed);
        }
    }

    fn take(&self) -> Option<Taken> {
        self.tree.take(1, &mut Hand::new(), TakeMode::Whole)
    }

    fn take_last(&self) -> Option<Taken> {
        self.tree.take_last(1, &mut Hand::new())
    }

    /// Everything that `by` takes, as bits; each slot's data must be there.
    fn run(&self, by: impl Fn() -> Option<Taken>) -> u64 {
        let mut ran = 0;
        while let Some(taken) = by() {
            let now = self.run_batch(&taken);
            assert_eq!(ran & now, 0, "a slot was taken twice");
            ran |= now;
        }
        ran
    }

    /// The slots of one batch, as bits.
    fn run_batch(&self, taken: &Taken) -> u64 {
        let mut ran = 0;
        for slot in taken.slots() {
            let index = Self::index(slot);
            assert!(self.data[index].load(Relaxed) != 0, "{LOST}: the data of slot {slot}");
            ran |= 1 << index;
        }
        ran
    }

    fn run_last(&self) -> u64 {
        self.run(|| self.take_last())
    }

    /// What worker 0 can steal.
    fn run_stolen(&self) -> u64 {
        self.run(|| self.steal())
    }

    fn steal(&self) -> Option<Taken> {
        self.tree.steal(&Neighbours::all(0, 2).unwrap(), &mut Hand::new(), TakeMode::Half)
    }

    /// The worker looks at both partitions and parks.
    fn park(&self, worker: usize) -> bool {
        self.tree.prepare_park(worker, Look::Also(&Neighbours::all(worker, 2).unwrap()))
    }

    /// Worker 1 parks, and stays parked until it is woken: whether that happened, or it did not park.
    fn is_awake(&self, parked: bool) -> bool {
        !parked || self.woken[1].load(Relaxed)
    }
}

fn spawn(model: &Arc<Model>, f: impl FnOnce(&Model) -> u64 + 'static) -> thread::JoinHandle<u64> {
    let model = Arc::clone(model);
    thread::spawn(move || f(&model))
}

/// All of `sets` were taken once: `ran` by somebody, the rest is found by a steal, which follows root and summaries.
fn assert_all(model: &Model, sets: u64, ran: &[u64]) {
    let mut all = 0;
    for part in ran.iter().copied().chain([model.run_stolen()]) {
        assert_eq!(all & part, 0, "a slot was taken twice");
        all |= part;
    }
    assert_eq!(all, sets, "{LOST}: slots set and slots taken differ");
}

/// A setter beside the worker, which takes and lowers every summary: the setter's word.
fn set_beside_lowered_word() {
    let model = Model::stale();
    let setter = spawn(&model, |model| {
        model.set(1);
        0
    });
    let ran = model.run_last();
    setter.join().unwrap();
    assert_all(&model, 0b00010, &[ran]);
}

/// The same; the setter raises the summary of the leaf.
fn set_beside_lowered_leaf() {
    let model = Model::stale();
    let setter = spawn(&model, |model| {
        model.set(64);
        0
    });
    let ran = model.run_last();
    setter.join().unwrap();
    assert_all(&model, 0b00100, &[ran]);
}

/// The same; the setter raises the group.
fn set_beside_lowered_group() {
    let model = Model::stale();
    let setter = spawn(&model, |model| {
        model.set(4096);
        0
    });
    let ran = model.run_last();
    setter.join().unwrap();
    assert_all(&model, 0b10000, &[ran]);
}

#[test]
fn a_setter_never_trusts_a_summary_that_goes_down() {
    check_and_weaken(set_beside_lowered_word, &["set.word", "take.acquire", "lower.word"]);
    check_and_weaken(set_beside_lowered_leaf, &["raise.summary", "lower.leaf"]);
    check_and_weaken(set_beside_lowered_group, &["raise.group", "lower.group", "raise.status", "lower.root"]);
}

/// A setter beside the worker, which parks at once. `S`: the slot.
fn set_beside_park<const STALE: bool, const SLOT: u32>() {
    let model = if STALE { Model::stale() } else { Model::new() };
    let setter = spawn(&model, |model| {
        model.set(SLOT);
        0
    });
    let parked = model.tree.prepare_park(1, Look::Own);
    setter.join().unwrap();
    let ready = model.tree.is_ready(1);
    assert!(!ready || model.is_awake(parked), "{LOST}: the worker sleeps and there is work");
    assert!(ready, "{LOST}: the slot is not found");
}

#[test]
fn a_worker_never_parks_on_a_bit() {
    check_and_weaken(set_beside_park::<false, 0>, &["park.status", "raise.status"]);
    check_and_weaken(set_beside_park::<true, 4096>, &["park.group", "raise.group"]);
    check_and_weaken(set_beside_park::<true, 64>, &["park.summary", "raise.summary"]);
    check_and_weaken(set_beside_park::<true, 1>, &["park.word", "set.word"]);
}

/// Two setters beside the worker, which parks. The first runs its slot itself rather than wake the worker: the
/// second cannot rely on it.
fn two_setters_beside_park<const STALE: bool, const FIRST: u32, const SECOND: u32>() {
    let model = if STALE { Model::stale() } else { Model::new() };
    let first = spawn(&model, |model| {
        model.set_or_run(FIRST);
        0
    });
    let second = spawn(&model, |model| {
        model.set(SECOND);
        0
    });
    let parked = model.tree.prepare_park(1, Look::Own);
    first.join().unwrap();
    second.join().unwrap();
    let ready = model.tree.is_ready(1);
    assert!(!ready || model.is_awake(parked), "{LOST}: the worker sleeps and there is work");
}

#[test]
fn no_setter_relies_on_another_ones_wake_up() {
    check_and_weaken(two_setters_beside_park::<false, 0, 1>, &["set.link", "link.publish"]);
    check_and_weaken(two_setters_beside_park::<true, 64, 65>, &["set.summary"]);
}

/// The owner takes, a thief takes, a setter sets, summaries go down: each bit is seen once.
fn owner_and_thief_and_setter() {
    let model = Model::stale();
    model.set(64);
    let setter = spawn(&model, |model| {
        model.set(1);
        0
    });
    let thief = spawn(&model, |model| {
        let taken = model.tree.steal_from(1, &mut Hand::new(), TakeMode::Half);
        taken.map_or(0, |taken| model.run_batch(&taken))
    });
    let ran = model.take().map_or(0, |taken| model.run_batch(&taken));
    setter.join().unwrap();
    let stolen = thief.join().unwrap();
    assert_all(&model, 0b00110, &[ran, stolen]);
}

/// The same, one slot being claimed by itself.
fn owner_and_clear_and_setter() {
    let model = Model::stale();
    model.set(1);
    let setter = spawn(&model, |model| {
        model.set(0);
        0
    });
    let claimer = spawn(&model, |model| u64::from(model.tree.clear(1)) << 1);
    let ran = model.take_last().map_or(0, |taken| model.run_batch(&taken));
    setter.join().unwrap();
    let cleared = claimer.join().unwrap();
    assert_all(&model, 0b00011, &[ran, cleared]);
}

/// A thief gives back what it took.
fn restore_beside_owner() {
    let model = Model::new();
    model.set(0);
    model.set(1);
    let thief = spawn(&model, |model| {
        let mut hand = Hand::new();
        let Some(mut taken) = model.tree.steal_from(1, &mut hand, TakeMode::Whole) else { return 0 };
        let ran = 1 << taken.pop().unwrap();
        let _ = model.tree.restore(taken);
        ran
    });
    let ran = model.run_last();
    let stolen = thief.join().unwrap();
    assert_all(&model, 0b00011, &[ran, stolen]);
}

#[test]
fn each_bit_is_taken_once() {
    check_wide(owner_and_thief_and_setter);
    check_wide(owner_and_clear_and_setter);
    check(restore_beside_owner);
}

/// A leaf moves from partition 1 to 0 while slots of it are set and its old worker lowers summaries: afterwards all is
/// found in partition 0.
fn reassign_beside_set<const STALE: bool, const OWNER: bool>() {
    let model = if STALE { Model::stale() } else { Model::new() };
    let setter = spawn(&model, |model| {
        model.set(64);
        0
    });
    let mover = spawn(&model, |model| {
        model.tree.reassign(LeafIndex::of(64), 0).unwrap();
        0
    });
    let ran = if OWNER { model.take_last().map_or(0, |taken| model.run_batch(&taken)) } else { 0 };
    setter.join().unwrap();
    mover.join().unwrap();
    let mut hand = Hand::new();
    let moved = model.run(|| model.tree.take(0, &mut hand.clone(), TakeMode::Whole));
    assert_eq!(ran | moved, 0b00100, "{LOST}: not found in the new partition");
    hand = Hand::new();
    assert!(model.tree.take(1, &mut hand, TakeMode::Whole).is_none(), "left in the old partition");
}

/// The worker that a leaf moves to is parked.
fn reassign_to_parked() {
    let model = Model::new();
    let setter = spawn(&model, |model| {
        model.set(0);
        0
    });
    let mover = spawn(&model, |model| {
        if model.tree.reassign(LeafIndex::of(0), 0).unwrap() {
            model.wake(model.tree.notify(0));
        }
        0
    });
    let parked = model.tree.prepare_park(0, Look::Own);
    setter.join().unwrap();
    mover.join().unwrap();
    assert!(model.tree.is_ready(0), "{LOST}: not found in the new partition");
    assert!(!parked || model.woken[0].load(Relaxed), "{LOST}: the worker sleeps and there is work");
}

#[test]
fn a_leaf_moves_with_its_bits() {
    check(reassign_beside_set::<false, false>);
    check_and_weaken(reassign_beside_set::<true, false>, &["reassign.look"]);
    check_wide(reassign_beside_set::<true, true>);
    check(reassign_to_parked);
}

/// A leaf is added, its slot set by a third thread, and found.
fn add_leaf_beside_take() {
    let model = Model::new();
    model.set(0);
    let tree = Arc::new(SignalTree::new(1, 1).unwrap());
    let index = Arc::new(AtomicU64::new(0));
    let (added, told) = (Arc::clone(&tree), Arc::clone(&index));
    let adder = thread::spawn(move || {
        let leaf = added.add_leaf(0).unwrap();
        told.store(u64::from(leaf.slot(5)) + 1, Release);
    });
    let setter = {
        let tree = Arc::clone(&tree);
        thread::spawn(move || match index.load(Acquire) {
            0 => false,
            slot => tree.set(slot as u32 - 1) == SetOutcome::OwnerAwake,
        })
    };
    let mut hand = Hand::new();
    let early = tree.take_last(0, &mut hand).is_some();
    adder.join().unwrap();
    let set = setter.join().unwrap();
    let late = tree.take_last(0, &mut hand).is_some();
    assert_eq!(u8::from(set), u8::from(early) + u8::from(late), "{LOST}: slots set and taken differ");
}

#[test]
fn a_leaf_can_be_used_once_it_is_added() {
    check(add_leaf_beside_take);
}

/// A message for a worker, which parks.
fn unpark_beside_park() {
    let model = Model::new();
    let sender = spawn(&model, |model| {
        model.data[0].store(1, Relaxed);
        if model.tree.unpark(1) {
            model.wake(Some(1));
        }
        0
    });
    let parked = model.tree.prepare_park(1, Look::Own);
    if !parked {
        // prepare_park has called cancel_park.
        assert_eq!(model.data[0].load(Relaxed), 1, "{LOST}: the permit came before the message");
    }
    sender.join().unwrap();
    assert!(model.is_awake(parked), "{LOST}: the worker sleeps on a message");
    // A permit that came too late to be a reason to stay awake is kept.
    model.tree.cancel_park(1);
    assert!(model.tree.prepare_park(1, Look::Own), "a permit was kept twice");
}

#[test]
fn no_permit_is_lost() {
    check_and_weaken(unpark_beside_park, &["cancel.permits", "unpark.permits"]);
}

/// Worker 0 until it parks or has work: what it ran.
fn search(model: &Model) -> u64 {
    loop {
        if let Some(taken) = model.steal() {
            model.wake(model.tree.end_search(0));
            return model.run_batch(&taken);
        }
        if model.park(0) {
            return 0;
        }
    }
}

/// A setter finds worker 1 parked and worker 0 searching: worker 0 finds the slot, or worker 1 is woken. `BUSY`: worker
/// 0 may find other work first.
fn notify_beside_search<const BUSY: bool>() {
    let model = Model::new();
    assert!(model.park(1));
    if BUSY {
        let _ = model.set_only(4096);
    }
    assert!(model.tree.begin_search(0, 1));
    let setter = spawn(&model, |model| {
        model.set(0);
        0
    });
    let ran = search(&model);
    setter.join().unwrap();
    assert!(ran & 1 != 0 || model.is_awake(true), "{LOST}: all sleep, or do other things, and there is work");
    // What a searcher was counted for was handed on or given back.
    let searching = usize::from(model.is_awake(true));
    assert_eq!(model.tree.searchers(), searching, "a search was lost or kept");
}

/// Two setters wake two workers, one at a time.
fn two_notifies() {
    let model = Model::new();
    let leaf = model.tree.reassign(LeafIndex::of(4096), 0);
    assert_eq!(leaf, Ok(false));
    assert!((0..2).all(|worker| model.park(worker)));
    let first = spawn(&model, |model| {
        model.set(0);
        0
    });
    let second = spawn(&model, |model| {
        model.set(4096);
        0
    });
    first.join().unwrap();
    second.join().unwrap();
    let woken: Vec<usize> = (0..2).filter(|&worker| model.woken[worker].load(Relaxed)).collect();
    assert_eq!(woken.len(), 1, "one wake-up at a time");
    // It finds its own slot, and passes the demand on.
    let worker = woken[0];
    assert!(model.tree.cancel_park(worker));
    assert!(model.tree.take(worker, &mut Hand::new(), TakeMode::Whole).is_some());
    assert_eq!(
        model.tree.end_search(worker),
        Some(1 - worker),
        "{LOST}: the other worker sleeps and has work"
    );
}

/// Two setters leave demands with one searcher, which has other work; each worker woken passes on what is left.
fn two_notifies_beside_search() {
    let tree = Arc::new(SignalTree::new(3, 2).unwrap());
    for worker in [1, 2] {
        tree.add_leaf(worker).unwrap();
        assert!(tree.prepare_park(worker, Look::Also(&Neighbours::all(worker, 3).unwrap())));
    }
    assert!(tree.begin_search(0, 1));
    let setter = |slot| {
        let tree = Arc::clone(&tree);
        thread::spawn(move || match tree.set(slot) {
            SetOutcome::OwnerParked { partition } => tree.notify(partition),
            // Its worker was found for the other one's demand.
            _ => None,
        })
    };
    let setters = [setter(0), setter(4096)];
    let mut woken: Vec<usize> = tree.end_search(0).into_iter().collect();
    woken.extend(setters.into_iter().filter_map(|setter| setter.join().unwrap()));
    assert_eq!(woken.len(), 1, "{LOST}: one wake-up at a time");
    let first = woken[0];
    assert!(tree.cancel_park(first));
    assert!(tree.take(first, &mut Hand::new(), TakeMode::Whole).is_some());
    assert_eq!(tree.end_search(first), Some(3 - first), "{LOST}: the other worker sleeps and has work");
}

#[test]
fn no_wake_up_is_lost_beside_a_searcher() {
    check(two_notifies_beside_search);
    check_and_weaken(notify_beside_search::<false>, &["wake.searching", "leave.searching"]);
    check(notify_beside_search::<true>);
    check(two_notifies);
}

/// Worker 1 has more work than it likes and asks for a thief, while worker 0 parks.
fn unpark_one_beside_park() {
    let model = Model::new();
    let busy = spawn(&model, |model| {
        let _ = model.set_only(0);
        model.wake(model.tree.unpark_one(0));
        0
    });
    let parked = model.park(0);
    busy.join().unwrap();
    assert!(!parked || model.woken[0].load(Relaxed), "{LOST}: a thief was asked for and sleeps");
}

#[test]
fn no_call_for_a_thief_is_lost() {
    check_and_weaken(unpark_one_beside_park, &["claim.stealers", "park.stealers"]);
}
