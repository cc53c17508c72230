//! Every register of a preempted coroutine comes back, at 20,000 arbitrary instructions and more; a frame from which something is missing is noticed; and
//! signals do not nest, however fast they come. `MANIAC_PREEMPTIONS` sets another number, `MANIAC_TICK` how many nanoseconds lie between two signals (an emulated machine
//! does nothing else if they come too fast).
#![cfg(all(preemption, not(any(target_os = "macos", maniac_asan))))]
#![allow(clippy::print_stdout, reason = "a test reports what it saw")]

mod support;
mod torture;

use maniac_context::coroutine::Outcome;
use maniac_context::preempt::{Preemptible, Target};
use maniac_context::stack::StackPool;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use torture::{Context, Random, arch};

const COROUTINES: usize = 4;

/// What the scheduler's thread and the others know.
#[derive(Default)]
struct Shared {
    thread: AtomicI32,
    target: Target,
    stop: AtomicBool,
    preempted: AtomicU64,
    rounds: AtomicU64,
    changed: Mutex<BTreeMap<&'static str, u64>>,
    control: AtomicU64,
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn wanted() -> u64 {
    number("MANIAC_PREEMPTIONS", 20_000)
}

/// The registers that are compared: how many bytes of each kind.
fn patterned() -> String {
    let mut bytes = BTreeMap::<_, usize>::new();
    for class in arch::classes() {
        *bytes.entry(class.name).or_default() += class.bytes.len();
    }
    let kinds: Vec<_> = bytes.iter().map(|(name, bytes)| format!("{name} ({bytes} bytes)")).collect();
    kinds.join(", ")
}

/// Fills, runs and compares, until it is told to stop.
fn compute(shared: &Shared, seed: u64) {
    let (mut context, mut random) = (Context::new(), Random(seed));
    let classes = arch::classes();
    while !shared.stop.load(SeqCst) {
        context.fill(&mut random);
        arch::run(&mut context, 2_000 + random.next() % 200_000);
        shared.rounds.fetch_add(1, SeqCst);
        for name in context.changed(&classes) {
            *shared.changed.lock().unwrap().entry(name).or_default() += 1;
        }
    }
}

/// The scheduler: goes from one coroutine to the next whenever one is preempted.
fn schedule(shared: &Arc<Shared>) {
    let pool = StackPool::new(Default::default()).unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut junk = Context::new();
    arch::set_control();
    let control = arch::control();
    shared.target.bind();
    let _ticks = torture::Ticks::every(number("MANIAC_TICK", 50_000) as i64);
    let mut running = Vec::new();
    for number in 1..=COROUTINES {
        let stack = pool.get().unwrap();
        torture::know_stack(number, stack.base_address());
        // SAFETY: the gate does nothing.
        let mut coroutine = unsafe { Preemptible::<(), (), ()>::new(stack, torture::GATE) }.unwrap();
        let (shared_too, seed) = (Arc::clone(shared), random.next());
        // SAFETY: the closure does not suspend itself; registered code runs in it where it holds nothing.
        let step = unsafe { coroutine.start(move |_| compute(&shared_too, seed)) };
        assert!(step.is_none(), "it ended before it was told to");
        running.push(coroutine);
        shared.preempted.fetch_add(1, SeqCst);
    }
    while !running.is_empty() {
        running.retain_mut(|coroutine| {
            // The scheduler's own code in the registered range, on its own stack, with other patterns: not interrupted, and nothing is left of it.
            junk.fill(&mut random);
            arch::run(&mut junk, 10);
            arch::set_control();
            let step = coroutine.resume_preempted();
            if step.is_none() {
                shared.preempted.fetch_add(1, SeqCst);
                shared.control.fetch_add(u64::from(arch::control() != control), SeqCst);
            }
            match step {
                None => true,
                Some(Outcome::Finished(())) => false,
                Some(other) => panic!("{other:?}"),
            }
        });
    }
    shared.target.unbind();
}

/// Preempts the four until it happened `count` times; `request` asks the thread.
fn torture(count: u64, request: impl Fn(&Shared)) -> Arc<Shared> {
    torture::register_code();
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    let scheduler = std::thread::spawn(move || {
        theirs.thread.store(torture::thread(), SeqCst);
        schedule(&theirs);
    });
    let mut seen = None;
    while !scheduler.is_finished() {
        // Asked again only when it went on: a thread that is suspended for each request would do nothing else.
        let now = Some(shared.preempted.load(SeqCst) + shared.rounds.load(SeqCst));
        if shared.thread.load(SeqCst) != 0 && !shared.stop.load(SeqCst) && seen != now {
            seen = now;
            request(&shared);
        }
        if shared.preempted.load(SeqCst) >= count {
            shared.stop.store(true, SeqCst);
        }
        std::thread::yield_now();
    }
    scheduler.join().unwrap();
    println!(
        "{} preemptions in {} rounds with patterns in {}; changed: {:?}",
        shared.preempted.load(SeqCst),
        shared.rounds.load(SeqCst),
        patterned(),
        shared.changed.lock().unwrap()
    );
    assert!(shared.preempted.load(SeqCst) >= count);
    assert_eq!(shared.control.load(SeqCst), 0, "the scheduler's control words are the coroutine's");
    shared
}

#[test]
fn every_register_comes_back() {
    maniac_context::preempt::install().unwrap();
    let shared = torture(wanted(), |shared| {
        let _ = shared.target.request(1);
    });
    assert_eq!(*shared.changed.lock().unwrap(), BTreeMap::new());
}

fn child_storm() {
    torture::watch_handler(false);
    let shared = torture(wanted() / 10, |shared| {
        for _ in 0..50 {
            torture::send_to(&shared.target, shared.thread.load(SeqCst));
        }
    });
    assert!(torture::ARRIVED.load(SeqCst) > shared.preempted.load(SeqCst) / 2);
    assert_eq!(torture::DEEPEST.load(SeqCst), 1, "frames lie on each other");
    assert_eq!(*shared.changed.lock().unwrap(), BTreeMap::new());
}

fn child_strip() {
    torture::watch_handler(true);
    let shared = torture(wanted() / 40, |shared| {
        torture::send_to(&shared.target, shared.thread.load(SeqCst));
    });
    assert_ne!(*shared.changed.lock().unwrap(), BTreeMap::new(), "missing registers went unnoticed");
}

#[test]
fn child() {
    match std::env::var("MANIAC_CHILD").as_deref() {
        Ok("storm") => child_storm(),
        Ok("strip") => child_strip(),
        _ => {}
    }
}

/// Runs a scenario, and says what it said.
fn in_child(scenario: &str) {
    let output = support::run(scenario);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| line.contains(" preemptions in ")).for_each(|line| println!("{line}"));
    assert!(output.status.success());
}

#[test]
fn a_storm_of_signals_puts_one_frame_on_a_stack() {
    in_child("storm");
}

#[test]
fn a_frame_that_saves_less_is_noticed() {
    in_child("strip");
}
