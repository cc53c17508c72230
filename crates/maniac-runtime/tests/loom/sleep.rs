//! Sleeping and waking: nobody sleeps while there is work that nobody else will do.

use crate::park::{AWAKE, Sleeper, Sleepers};
use crate::{LOST, check, check_wide, fails_without, spawn};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};

const SLEEPS: u32 = 2;

/// A sleeper, its work, and whether it was woken. Publishing work is relaxed: the protocol's fences are all there is.
struct Worker {
    sleeper: Sleeper,
    /// What the sleeper sleeps on; 1 when it is known.
    place: AtomicU32,
    woken: AtomicU32,
}

struct Model {
    work: [AtomicU32; 2],
    workers: [Worker; 2],
    sleepers: Sleepers,
}

impl Model {
    fn new() -> Arc<Model> {
        let worker =
            || Worker { sleeper: Sleeper::new(), place: AtomicU32::new(0), woken: AtomicU32::new(0) };
        let work = std::array::from_fn(|_| AtomicU32::new(0));
        Arc::new(Model { work, workers: [worker(), worker()], sleepers: Sleepers::new() })
    }

    /// Goes to sleep as worker `me`, unless there is work; `true`: it sleeps.
    fn sleep(&self, me: usize) -> bool {
        let worker = &self.workers[me];
        worker.place.store(1, Relaxed);
        worker.sleeper.announce(SLEEPS);
        self.sleepers.add(me);
        if self.work.iter().all(|work| work.load(Relaxed) == 0) {
            return true;
        }
        self.wake_up(me);
        false
    }

    fn wake_up(&self, me: usize) {
        self.workers[me].sleeper.awake();
        self.sleepers.remove(me);
    }

    /// Makes work of kind `kind` for worker `home`, and wakes that if it sleeps; else helps it to help.
    fn make_work(&self, kind: usize, home: usize) {
        self.work[kind].store(1, Relaxed);
        let worker = &self.workers[home];
        if worker.sleeper.look() != AWAKE {
            assert_eq!(worker.place.load(Relaxed), 1, "{LOST}: where the worker sleeps");
            worker.woken.store(1, Relaxed);
        } else if let Some(helper) = self.sleepers.claim(home) {
            self.workers[helper].woken.store(1, Relaxed);
        }
    }
}

/// One worker goes to sleep while work is made for it.
fn work_beside_sleep() {
    let model = Model::new();
    let maker = spawn(&model, |model| model.make_work(0, 0));
    let sleeps = model.sleep(0);
    maker.join().unwrap();
    assert!(!sleeps || model.workers[0].woken.load(Relaxed) == 1, "{LOST}: a worker sleeps beside its work");
}

/// The worker sleeps, is woken, runs what there is and sleeps again, while two kinds of work are made.
fn two_works_beside_two_sleeps() {
    let model = Model::new();
    let maker = spawn(&model, |model| {
        model.make_work(0, 0);
        model.make_work(1, 0);
    });
    if !model.sleep(0) {
        for work in &model.work {
            work.store(0, Relaxed);
        }
    } else {
        maker.join().unwrap();
        assert_eq!(model.workers[0].woken.load(Relaxed), 1, "{LOST}: a worker sleeps beside its work");
        return;
    }
    let sleeps = model.sleep(0);
    maker.join().unwrap();
    let left = model.work.iter().any(|work| work.load(Relaxed) == 1);
    assert!(
        !sleeps || !left || model.workers[0].woken.load(Relaxed) == 1,
        "{LOST}: a worker sleeps beside its work"
    );
}

/// Two workers go to sleep, each looking at all work, while work is made for one of them.
fn thief_beside_sleep() {
    let model = Model::new();
    let maker = spawn(&model, |model| model.make_work(0, 0));
    let thief = spawn(&model, |model| {
        if !model.sleep(1) {
            // Stolen.
            model.work[0].store(0, Relaxed);
        }
    });
    let sleeps = model.sleep(0);
    maker.join().unwrap();
    thief.join().unwrap();
    let left = model.work[0].load(Relaxed) == 1;
    let woken = model.workers[0].woken.load(Relaxed) == 1;
    assert!(!sleeps || !left || woken, "{LOST}: all sleep beside work");
}

#[test]
fn nobody_sleeps_beside_work() {
    check(work_beside_sleep);
    check(two_works_beside_two_sleeps);
    check_wide(thief_beside_sleep);
    fails_without(work_beside_sleep, &["park.sleeper", "park.maker", "park.announce", "park.look"]);
}

/// Two helpers are asked for while two workers sleep: at least one is woken, and none by both. (Two who try at once may both find the same
/// sleeper first; help is a hint.)
fn two_claims() {
    let model = Model::new();
    model.sleepers.add(0);
    model.sleepers.add(1);
    let claim = |model: &Model| {
        if let Some(claimed) = model.sleepers.claim(0) {
            model.workers[claimed].woken.fetch_add(1, Relaxed);
        }
    };
    let first = spawn(&model, claim);
    claim(&model);
    first.join().unwrap();
    let woken: Vec<u32> = model.workers.iter().map(|worker| worker.woken.load(Relaxed)).collect();
    assert!(woken == [1, 1] || woken == [1, 0], "{LOST}: claims {woken:?}");
}

#[test]
fn a_sleeper_is_claimed_once() {
    check(two_claims);
}
