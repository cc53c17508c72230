//! Instructions per operation, counted by callgrind: the same on every run and under any load. Where valgrind is not
//! installed, nothing is counted and the test says so.
#![cfg(not(any(loom, miri)))]

use maniac_signal_tree::{Hand, LeafIndex, SignalTree, TakeMode};
use std::hint::black_box;
use std::process::Command;

/// The environment variable that makes the test binary run one scenario instead: `NAME;LEAVES;ITERATIONS`.
const SCENARIO: &str = "MANIAC_COUNT_SCENARIO";

/// Iterations over which an operation is counted.
const ITERATIONS: u64 = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

struct Bench {
    tree: SignalTree,
    last: LeafIndex,
    hand: Hand,
}

impl Bench {
    fn new(leaves: usize) -> Self {
        let tree = SignalTree::new(4, 256).unwrap();
        let last = (0..leaves).map(|_| tree.add_leaf(1).unwrap()).last().unwrap();
        Self { tree, last, hand: Hand::new() }
    }

    fn run(&mut self, name: &str, iterations: u64) {
        let slot = self.last.slot(777);
        let _ = self.tree.set(slot);
        let Self { tree, hand, .. } = self;
        let set = || _ = black_box(tree.set(black_box(slot)));
        let mut take = |mode| _ = black_box(tree.take(black_box(1), hand, mode));
        let repeat = |f: &mut dyn FnMut()| (0..iterations).for_each(|_| f());
        match name {
            EMPTY => repeat(&mut || _ = black_box(slot)),
            CLEAR => repeat(&mut || _ = black_box(tree.clear(black_box(slot)))),
            CLEAR_AND_SET => repeat(&mut || {
                black_box(tree.clear(black_box(slot)));
                set();
            }),
            TAKE_AND_SET => repeat(&mut || {
                take(TakeMode::Whole);
                set();
            }),
            TAKE_HALF_AND_SET => repeat(&mut || {
                take(TakeMode::Half);
                set();
            }),
            TAKE_NOTHING => {
                take(TakeMode::Whole);
                repeat(&mut || take(TakeMode::Whole));
            }
            TAKE_LOWER_AND_SET => repeat(&mut || {
                let _ = black_box(tree.take_last(black_box(1), hand));
                let _ = black_box(tree.take_last(black_box(1), hand));
                set();
            }),
            other => panic!("no such scenario: {other}"),
        }
    }
}

const EMPTY: &str = "an empty loop";
const CLEAR: &str = "clear of a slot that is not set";
const CLEAR_AND_SET: &str = "clear and set";
const TAKE_AND_SET: &str = "take of the only ready slot, and set";
const TAKE_HALF_AND_SET: &str = "the same, taking half";
const TAKE_NOTHING: &str = "take of nothing under warm summaries";
const TAKE_LOWER_AND_SET: &str = "take, lowering of all summaries, and set";

/// Not a test of its own: what the others run under callgrind.
#[test]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let parts: Vec<&str> = scenario.split(';').collect();
    Bench::new(parts[1].parse().unwrap()).run(parts[0], parts[2].parse().unwrap());
}

/// Instructions that the whole process runs.
fn total(name: &str, leaves: usize, iterations: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "scenario", "--test-threads=1"])
        .env(SCENARIO, format!("{name};{leaves};{iterations}"))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let line = text.lines().find(|line| line.contains("Collected")).unwrap_or_else(|| panic!("{text}"));
    Some(line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Instructions per iteration of each scenario, the loop's own apart.
fn count(leaves: usize) -> Option<Vec<(&'static str, f64)>> {
    let start = total(EMPTY, leaves, 0)?;
    let per_iteration =
        |name| Some((total(name, leaves, ITERATIONS)? as f64 - start as f64) / ITERATIONS as f64);
    let empty = per_iteration(EMPTY)?;
    [CLEAR, CLEAR_AND_SET, TAKE_AND_SET, TAKE_HALF_AND_SET, TAKE_NOTHING, TAKE_LOWER_AND_SET]
        .into_iter()
        .map(|name| Some((name, per_iteration(name)? - empty)))
        .collect()
}

/// The ready slot is found in as many instructions among 245 leaves as under one. In a release build no operation
/// takes more instructions than it did when this was written, plus a third.
#[test]
fn the_number_of_leaves_costs_nothing() {
    let (Some(one), Some(many)) = (count(1), count(245)) else {
        println!("not run: valgrind is not installed");
        return;
    };
    let limits = [40.0, 96.0, 196.0, 300.0, 160.0, 850.0];
    for (((name, one), (_, many)), limit) in one.into_iter().zip(many).zip(limits) {
        println!("{name}: {one:.1} instructions under 1 leaf, {many:.1} under 245");
        assert!((many - one).abs() <= 0.05 * one, "{name}");
        assert!(cfg!(debug_assertions) || one <= limit, "{name}: more than {limit}");
    }
}
