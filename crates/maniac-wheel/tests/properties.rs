//! Any sequence of calls gives what the model gives; a failing one is shrunk to the shortest that proptest finds.
//!
//! `MANIAC_DEEP=1` tries a hundred times as many.

mod support;

use maniac_wheel::TimerWheel;
use proptest::collection::vec;
use proptest::prelude::*;
use support::{Checked, Random};

#[derive(Clone, Debug)]
enum Call {
    Schedule { ahead: u64 },
    Overdue { by: u64 },
    BestFit { ahead: u64 },
    Cancel { which: u64 },
    CancelFirst,
    CancelMost { seed: u64 },
    CancelStale { seed: u64 },
    Poll { step: u64, budget: usize },
    PollAtDeadline { budget: usize },
    Backwards { step: u64 },
    Check,
    Drain { budget: usize },
    Clear,
}

/// Times at every scale that a tick of 1 ns makes the wheel tell apart.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..1 << 10,
        4 => 0_u64..1 << 20,
        3 => 0_u64..1 << 27,
        2 => (0_u64..1 << 7).prop_map(|spokes| spokes << 20),
        2 => (0_u64..1 << 11).prop_map(|spokes| spokes << 10),
        2 => (0_u64..1 << 11).prop_map(|spokes| spokes << 16),
        1 => 0_u64..1 << 40,
    ]
}

fn budget() -> impl Strategy<Value = usize> {
    prop_oneof![0_usize..4, 0_usize..100, Just(usize::MAX)]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        20 => time().prop_map(|ahead| Call::Schedule { ahead }),
        2 => time().prop_map(|by| Call::Overdue { by }),
        2 => time().prop_map(|ahead| Call::BestFit { ahead }),
        8 => any::<u64>().prop_map(|which| Call::Cancel { which }),
        4 => Just(Call::CancelFirst),
        1 => any::<u64>().prop_map(|seed| Call::CancelMost { seed }),
        2 => any::<u64>().prop_map(|seed| Call::CancelStale { seed }),
        8 => (time(), budget()).prop_map(|(step, budget)| Call::Poll { step, budget }),
        4 => budget().prop_map(|budget| Call::PollAtDeadline { budget }),
        1 => time().prop_map(|step| Call::Backwards { step }),
        6 => Just(Call::Check),
        1 => (1_usize..50).prop_map(|budget| Call::Drain { budget }),
        1 => Just(Call::Clear),
    ]
}

fn apply(checked: &mut Checked, call: &Call) {
    match *call {
        Call::Schedule { ahead } => checked.schedule(checked.now + ahead),
        Call::Overdue { by } => checked.schedule(checked.now.saturating_sub(by)),
        Call::BestFit { ahead } => checked.schedule_best_fit(checked.now + ahead),
        Call::Cancel { which } => {
            if let Some(id) = checked.any(&mut Random(which)) {
                checked.cancel(id);
            }
        }
        Call::CancelFirst => {
            if let Some(id) = checked.first() {
                checked.cancel(id);
            }
        }
        Call::CancelMost { seed } => {
            let mut random = Random(seed);
            for _ in 0..checked.len() * 9 / 10 {
                let id = checked.any(&mut random).unwrap();
                checked.cancel(id);
            }
        }
        Call::CancelStale { seed } => checked.cancel_stale(&mut Random(seed)),
        Call::Poll { step, budget } => {
            checked.poll(checked.now + step, budget);
        }
        Call::PollAtDeadline { budget } => {
            if let Some(next) = checked.wheel.next_deadline() {
                checked.poll(next, budget);
            }
        }
        Call::Backwards { step } => {
            checked.poll(checked.now.saturating_sub(step), 10);
        }
        Call::Check => checked.check(),
        Call::Drain { budget } => checked.drain(budget),
        Call::Clear => checked.clear(),
    }
}

fn cases() -> u32 {
    if cfg!(miri) {
        3
    } else if std::env::var_os("MANIAC_DEEP").is_some() {
        10_000
    } else {
        100
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_wheel_equals_its_model(
        start in 0_u64..1 << 50,
        spoke_limit in prop_oneof![4 => Just(u32::MAX), 1 => 1_u32..4],
        calls in vec(call(), 1..if cfg!(miri) { 40 } else { 400 }),
    ) {
        let wheel = TimerWheel::with_tick(start, 1).unwrap().with_spoke_limit(spoke_limit);
        let mut checked = Checked::new(wheel);
        for call in &calls {
            apply(&mut checked, call);
        }
        checked.check();
        checked.poll(u64::MAX, usize::MAX);
        prop_assert_eq!(checked.len(), 0);
        checked.check();
    }
}
