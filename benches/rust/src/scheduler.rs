//! Spawning, yielding, waking, timers.

use crate::measure::{Entry, Options, bench, cpu, wall};
use crate::peers::{compio, executor, go, green, maniac, monoio, tokio};
use std::rc::Rc;

/// An entry for a runtime of `workers` workers: `round(&runtime)`.
macro_rules! entry {
    ($peer:ident, $workers:expr, |$runtime:ident| $round:expr) => {{
        let $runtime = Rc::new($peer::start($workers));
        Entry { name: $peer::NAME, round: Box::new(move || $round) }
    }};
}

/// The same bench on all runtimes whose tasks can move.
macro_rules! movable {
    ($workers:expr, $module:ident, |$runtime:ident| $round:expr) => {
        vec![
            {
                use maniac as $module;
                entry!(maniac, $workers, |$runtime| $round)
            },
            {
                use tokio as $module;
                entry!(tokio, $workers, |$runtime| $round)
            },
            {
                use executor as $module;
                entry!(executor, $workers, |$runtime| $round)
            },
        ]
    };
}

/// As `movable`, and those whose tasks stay on their thread.
macro_rules! with_local {
    ($module:ident, |$runtime:ident| $round:expr) => {{
        let mut entries = movable!(1, $module, |$runtime| $round);
        entries.push({
            use monoio as $module;
            entry!(monoio, 1, |$runtime| $round)
        });
        if compio::runs() {
            entries.push({
                use compio as $module;
                entry!(compio, 1, |$runtime| $round)
            });
        }
        entries
    }};
}

/// May's coroutines, on one worker: a second number of workers in the same process is not to be had.
fn may(round: impl FnMut() -> f64 + 'static) -> Entry {
    green::start_with_stacks();
    Entry { name: green::NAME, round: Box::new(round) }
}

const SPAWNS: usize = 200_000;
const YIELDS: usize = 1_000_000;
const ROUND_TRIPS: usize = 200_000;
const TIMERS: usize = 200_000;
const PENDING: usize = 1_000_000;

pub fn run(options: &Options) {
    spawning(options);
    switching(options);
    timing(options);
}

fn spawning(options: &Options) {
    let group = "tasks";
    bench(options, group, "spawn+join, 1 worker", "ns", || {
        let mut entries =
            with_local!(peer, |runtime| wall(SPAWNS, || peer::run(&runtime, peer::spawn_join(SPAWNS))));
        entries.push(may(|| wall(SPAWNS / 10, || green::spawn_join(SPAWNS / 10))));
        entries.extend(go::entry(1, format!("spawn-join {SPAWNS}")));
        entries
    });
    bench(options, group, "spawn+join, 2 workers", "ns", || {
        let mut entries =
            movable!(2, peer, |runtime| wall(SPAWNS, || peer::run(&runtime, peer::spawn_join(SPAWNS))));
        entries.extend(go::entry(2, format!("spawn-join {SPAWNS}")));
        entries
    });
    for workers in [1, 2] {
        let name =
            format!("spawn from outside, then join, {workers} worker{}", if workers == 1 { "" } else { "s" });
        bench(options, group, &name, "ns", || {
            movable!(workers, peer, |runtime| wall(SPAWNS, || {
                let handles: Vec<_> =
                    (0..SPAWNS).map(|n| peer::spawn_on(&runtime, async move { n })).collect();
                peer::run(&runtime, async move {
                    for handle in handles {
                        std::hint::black_box(peer::join(handle).await);
                    }
                });
            }))
        });
    }
}

fn switching(options: &Options) {
    let group = "switching";
    bench(options, group, "yield, 10 tasks, 1 worker", "ns", || {
        let mut entries =
            with_local!(peer, |runtime| wall(YIELDS, || peer::run(&runtime, peer::yields(YIELDS))));
        entries.push(may(|| wall(YIELDS, || green::yields(YIELDS))));
        entries.extend(go::entry(1, format!("yields {YIELDS}")));
        entries
    });
    bench(options, group, "yield, 10 tasks, 2 workers", "ns", || {
        let mut entries =
            movable!(2, peer, |runtime| wall(YIELDS, || peer::run(&runtime, peer::yields(YIELDS))));
        entries.extend(go::entry(2, format!("yields {YIELDS}")));
        entries
    });
    for workers in [1, 2] {
        let name =
            format!("ping-pong, {workers} worker{}, a round trip", if workers == 1 { "" } else { "s" });
        bench(options, group, &name, "ns", || {
            let mut entries = if workers == 1 {
                with_local!(peer, |runtime| wall(ROUND_TRIPS, || peer::run(
                    &runtime,
                    peer::ping_pong(ROUND_TRIPS)
                )))
            } else {
                movable!(2, peer, |runtime| wall(ROUND_TRIPS, || peer::run(
                    &runtime,
                    peer::ping_pong(ROUND_TRIPS)
                )))
            };
            entries.extend(go::entry(workers, format!("ping-pong {ROUND_TRIPS}")));
            entries
        });
    }
    bench(options, group, "wake of a task that is notified already", "ns", || {
        with_local!(peer, |runtime| wall(YIELDS, || peer::run(&runtime, peer::wakes(YIELDS))))
    });
}

fn timing(options: &Options) {
    let group = "timers";
    bench(options, group, "set and cancel, 1,000,000 pending", "ns", || {
        let mut entries =
            with_local!(peer, |runtime| peer::run(&runtime, peer::timer_churn(PENDING, TIMERS)));
        entries.extend(go::entry(1, format!("timer-churn {PENDING} {TIMERS}")));
        entries
    });
    bench(options, group, "task that sleeps up to 0.2 s, 200,000 at once", "ns of CPU", || {
        let mut entries =
            with_local!(peer, |runtime| cpu(TIMERS, || peer::run(&runtime, peer::timers_fire(TIMERS))));
        entries.extend(go::entry(1, format!("timers-fire {TIMERS}")));
        entries
    });
}
