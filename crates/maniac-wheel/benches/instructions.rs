//! Instructions per operation, counted by valgrind's callgrind: the same on every run and every machine of a kind.
//!
//! `cargo bench -p maniac-wheel --bench instructions` runs itself under callgrind twice for each operation, with and
//! without the operations themselves, and prints the difference. It needs `valgrind`.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::process::{Command, ExitCode};

use maniac_wheel::{TIMER_EXPIRY_BUDGET, TimerId, TimerWheel};

const SECOND: u64 = 1_000_000_000;
/// Timers pending while an operation is measured, and operations measured.
const PENDING: u64 = 1_000_000;
const OPERATIONS: u64 = 100_000;

type Value = std::num::NonZeroU64;
type Wheel = TimerWheel<Value>;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

fn fill(count: u64, span: u64) -> (Wheel, Vec<TimerId>) {
    let (mut wheel, mut random) = (TimerWheel::new(0), Random(1));
    let ids = (0..count).map(|_| wheel.schedule_timer(1 + random.below(span), Value::MIN).unwrap()).collect();
    (wheel, ids)
}

#[inline(never)]
fn insert(wheel: &mut Wheel, deadlines: &[u64]) {
    for deadline in deadlines {
        black_box(wheel.schedule_timer(*deadline, Value::MIN).unwrap());
    }
}

#[inline(never)]
fn cancel(wheel: &mut Wheel, ids: &[TimerId]) {
    for id in ids {
        black_box(wheel.cancel_timer(*id));
    }
}

#[inline(never)]
fn insert_and_cancel(wheel: &mut Wheel, deadlines: &[u64]) {
    for deadline in deadlines {
        let id = wheel.schedule_timer(*deadline, Value::MIN).unwrap();
        black_box(wheel.cancel_timer(black_box(id)));
    }
}

#[inline(never)]
fn fire(wheel: &mut Wheel) {
    while let Some(next) = wheel.next_deadline() {
        let now = (next | 0xF_FFFF).max(wheel.now());
        wheel.poll(now, TIMER_EXPIRY_BUDGET, |_, deadline, _| {
            black_box(deadline);
        });
    }
}

#[inline(never)]
fn next_deadline(wheel: &mut Wheel) {
    for _ in 0..OPERATIONS {
        black_box(wheel.next_deadline());
    }
}

#[inline(never)]
fn poll_nothing(wheel: &mut Wheel) {
    for now in 0..OPERATIONS {
        black_box(wheel.poll(now, TIMER_EXPIRY_BUDGET, |_, _, _| ()));
    }
}

/// The operations: their name and how to run them on timers within a span.
type Run = fn(span: u64, measured: bool) -> Wheel;
const TABLE: &[(&str, Run)] = &[
    ("insert", |span, measured| {
        let (mut wheel, mut random) = (fill(PENDING, span).0, Random(2));
        let deadlines: Vec<_> = (0..OPERATIONS).map(|_| 1 + random.below(span)).collect();
        if measured {
            insert(&mut wheel, &deadlines);
        }
        wheel
    }),
    ("cancel", |span, measured| {
        let (mut wheel, ids) = fill(PENDING, span);
        if measured {
            cancel(&mut wheel, &ids[..OPERATIONS as usize]);
        }
        wheel
    }),
    ("insert + cancel", |span, measured| {
        let (mut wheel, mut random) = (fill(PENDING, span).0, Random(2));
        let deadlines: Vec<_> = (0..OPERATIONS).map(|_| 1 + random.below(span)).collect();
        if measured {
            insert_and_cancel(&mut wheel, &deadlines);
        }
        wheel
    }),
    ("fire", |span, measured| {
        let (mut wheel, _) = fill(OPERATIONS, span);
        if measured {
            fire(&mut wheel);
        }
        wheel
    }),
    ("next_deadline", |span, measured| {
        let (mut wheel, _) = fill(PENDING, span);
        if measured {
            next_deadline(&mut wheel);
        }
        wheel
    }),
    ("poll, nothing due", |span, measured| {
        let mut wheel = TimerWheel::new(0);
        wheel.schedule_timer(span, Value::MIN).unwrap();
        if measured {
            poll_nothing(&mut wheel);
        }
        wheel
    }),
];

const SPANS: [u64; 3] = [1, 60, 36_000];

/// The instructions that this program takes for one operation, all in all.
fn count(operation: usize, span: u64, measured: bool) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().map_err(|error| error.to_string())?)
        .args([&operation.to_string(), &span.to_string(), &measured.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not run ({error})"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .ok_or_else(|| format!("valgrind did not say how many instructions it counted:\n{text}"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, operation, span, measured] = arguments.as_slice() {
        let (operation, span): (usize, u64) = (operation.parse().unwrap(), span.parse().unwrap());
        // Dropping the wheel is no part of any operation.
        Box::leak(Box::new(TABLE[operation].1(span * SECOND, measured == "true")));
        return ExitCode::SUCCESS;
    }
    println!("instructions per operation; timers lie within 1 s, 60 s, 10 h");
    for (index, (name, _)) in TABLE.iter().enumerate() {
        print!("{name:20}");
        for span in SPANS {
            let counted = count(index, span, true).and_then(|all| Ok(all - count(index, span, false)?));
            match counted {
                Ok(instructions) => print!("{:8.1}", instructions as f64 / OPERATIONS as f64),
                Err(error) => {
                    println!(" not run: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
        println!();
    }
    ExitCode::SUCCESS
}
