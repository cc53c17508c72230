//! The wheel equals a BTreeMap, over millions of random steps from fixed seeds. Each failure names its seed.
//!
//! `MANIAC_DEEP=1` runs a hundred times as many, from seeds that begin at `MANIAC_SEED` (default 1,000).

#![allow(clippy::print_stdout, reason = "a random test names its seed")]

mod support;

use std::collections::HashMap;

use maniac_wheel::TimerWheel;
use support::{Checked, Random};

/// What a run of random steps is like.
#[derive(Clone, Copy, Debug)]
struct Mix {
    /// log2 of the tick.
    shift: u32,
    /// About how many timers are scheduled at once.
    population: usize,
    /// Deadlines lie up to 2^this ns ahead, as a rule.
    ahead: u64,
    /// Polls come up to 2^this ns after each other.
    step: u64,
    /// The highest budget, as a rule.
    budget: u64,
    /// Most deadlines are rounded up to a multiple of this, so that many timers share one.
    round: u64,
    /// How many of 16 timers are cancelled.
    cancels: u64,
    spoke_limit: u32,
}

const COMMON: Mix = Mix {
    shift: 20,
    population: 1_000,
    ahead: 46,
    step: 34,
    budget: 4096,
    round: 1,
    cancels: 8,
    spoke_limit: u32::MAX,
};

const MIXES: &[Mix] = &[
    COMMON,
    // All levels within 2^26 ns: each poll crosses some of them.
    Mix { shift: 0, ahead: 27, step: 16, ..COMMON },
    Mix { shift: 0, ahead: 27, step: 26, population: 3_000, ..COMMON },
    // Tiny budgets: timers are carried over, spokes are left half-way.
    Mix { shift: 0, ahead: 22, step: 14, budget: 3, ..COMMON },
    Mix { shift: 2, ahead: 28, step: 23, budget: 20, round: 1 << 20, population: 5_000, ..COMMON },
    // Few spokes, many timers in each: rankings, segments, compaction.
    Mix { shift: 10, ahead: 36, step: 20, round: 1 << 26, population: 60_000, cancels: 14, ..COMMON },
    Mix { shift: 20, ahead: 33, step: 25, population: 30_000, cancels: 15, ..COMMON },
    // Everything within a few ticks.
    Mix { shift: 20, ahead: 22, step: 19, budget: 50, ..COMMON },
    Mix { shift: 32, ahead: 59, step: 40, ..COMMON },
    // Full spokes.
    Mix { shift: 4, ahead: 31, step: 20, round: 1 << 14, spoke_limit: 3, ..COMMON },
    // Almost nothing.
    Mix { population: 3, cancels: 4, ..COMMON },
];

fn random_deadline(random: &mut Random, checked: &Checked, mix: Mix) -> u64 {
    let now = checked.now;
    let deadline = match random.below(32) {
        0 => now - random.scaled(mix.ahead).min(now),
        1 => now,
        2 => checked.wheel.max_deadline().saturating_add(1).saturating_sub(random.below(3)),
        3 => now + random.scaled(62),
        // The last ns of this tick and the first of a later one.
        4 => (((now >> mix.shift) + 1 + random.scaled(11)) << mix.shift) - random.below(2),
        _ => now + random.scaled(mix.ahead),
    };
    if random.below(4) == 0 { deadline } else { deadline.next_multiple_of(mix.round) }
}

fn step(random: &mut Random, checked: &mut Checked, mix: Mix) {
    let wanted = mix.population as u64;
    match random.below(64) {
        0..28 if random.below(2 * wanted) >= checked.len() as u64 => {
            let deadline = random_deadline(random, checked, mix);
            if random.below(8) == 0 {
                checked.schedule_best_fit(deadline);
            } else {
                checked.schedule(deadline);
            }
        }
        0..52 if random.below(16) < mix.cancels => {
            // The first one as often as any other: that is what makes the wheel look for the next.
            let id = if random.below(4) == 0 { checked.first() } else { checked.any(random) };
            if let Some(id) = id {
                checked.cancel(id);
            }
        }
        0..60 => {
            let now = match random.below(64) {
                0 => checked.now - random.scaled(40).min(checked.now),
                1 => checked.now + random.scaled(u64::from(mix.shift) + 27),
                2 | 3 => checked.wheel.next_deadline().unwrap_or(checked.now),
                4 => checked.wheel.next_deadline().unwrap_or(1).saturating_sub(1),
                _ => checked.now + random.scaled(mix.step),
            };
            let budget = match random.below(16) {
                0 => usize::MAX,
                1 => 0,
                _ => random.below(mix.budget + 1) as usize,
            };
            checked.poll(now, budget);
        }
        60 => checked.cancel_stale(random),
        61 if random.below(2_000) == 0 => checked.clear(),
        62 if random.below(10) == 0 => checked.drain(1 + random.below(mix.budget) as usize),
        63 if random.below(200) == 0 => {
            // A burst goes: all timers but a few are cancelled.
            while checked.len() > mix.population / 50 {
                let id = checked.any(random).unwrap();
                checked.cancel(id);
            }
        }
        _ => checked.check(),
    }
}

fn run(seed: u64, mix: Mix, steps: u64) -> HashMap<&'static str, u64> {
    println!("seed {seed}, {mix:?}");
    let mut random = Random(seed);
    let start = random.scaled(61);
    let wheel = TimerWheel::with_tick(start, 1 << mix.shift).unwrap().with_spoke_limit(mix.spoke_limit);
    let mut checked = Checked::new(wheel);
    for _ in 0..steps {
        // Far past any range there would be nothing left to count with.
        if checked.now > 1 << 62 {
            break;
        }
        step(&mut random, &mut checked, mix);
        if random.below(16) == 0 {
            checked.check();
        }
    }
    // All that is left fires in the end, on time.
    while let Some(next) = checked.wheel.next_deadline() {
        checked.poll(next, 1000);
        checked.drain(1000);
    }
    assert_eq!(checked.len(), 0);
    checked.seen
}

#[test]
fn the_wheel_equals_a_btree_map() {
    let deep = std::env::var_os("MANIAC_DEEP").is_some();
    let first_seed = std::env::var("MANIAC_SEED").ok().map_or(1_000, |seed| seed.parse().unwrap());
    let seeds = if deep { first_seed..first_seed + 100 } else { 1..2 };
    let steps = if cfg!(miri) { 300 } else { 300_000 };
    let mut seen = HashMap::new();
    for seed in seeds {
        for (index, mix) in MIXES.iter().enumerate() {
            for (what, count) in run(seed * 100 + index as u64, *mix, steps) {
                *seen.entry(what).or_default() += count;
            }
        }
    }
    println!("{seen:#?}");
    if !cfg!(miri) {
        for what in [
            "level 0",
            "level 1",
            "level 2",
            "late",
            "beyond range",
            "spoke full",
            "best fit in an earlier spoke",
            "backwards",
            "carried over",
            "half cascaded",
        ] {
            assert!(seen.get(what).is_some_and(|count: &u64| *count > 100), "{what} was hardly tested");
        }
    }
}
