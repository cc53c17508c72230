//! Wall-clock time of the wheel's operations. Run with `cargo bench -p maniac-wheel --bench wheel`.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use maniac_wheel::{TIMER_EXPIRY_BUDGET, TimerWheel};

const MILLION: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// What a runtime keeps for a timer: the number of a task, never 0.
type Value = std::num::NonZeroU64;
const VALUE: Value = Value::MIN;

fn main() {
    divan::main();
}

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

/// A wheel with a million timers in the next `span` ns.
fn million(span: u64) -> TimerWheel<Value> {
    let (mut wheel, mut random) = (TimerWheel::new(0), Random(1));
    for _ in 0..MILLION {
        wheel.schedule_timer(1 + random.below(span), VALUE).unwrap();
    }
    wheel
}

/// Where the million pending timers lie, in seconds from now.
const SPANS: [u64; 3] = [1, 60, 36_000];

/// A timer of random length among a million pending ones. 1,000 a sample.
#[divan::bench(args = SPANS)]
fn insert_and_cancel_random(bencher: Bencher<'_, '_>, span: u64) {
    let mut wheel = million(span * SECOND);
    let mut random = Random(2);
    let deadlines: Vec<u64> = (0..1000).map(|_| 1 + random.below(span * SECOND)).collect();
    bencher.counter(ItemsCount::new(1000u32)).bench_local(|| {
        for deadline in &deadlines {
            let id = wheel.schedule_timer(*deadline, VALUE).unwrap();
            black_box(wheel.cancel_timer(black_box(id)));
        }
    });
}

/// A time-out of 30 s that is cancelled at once, as the clock goes on, among a million pending timers. 1,000 a sample.
#[divan::bench(args = SPANS)]
fn insert_and_cancel_timeout(bencher: Bencher<'_, '_>, span: u64) {
    let mut wheel = million(span * SECOND);
    let mut now = 0;
    bencher.counter(ItemsCount::new(1000u32)).bench_local(|| {
        for _ in 0..1000 {
            now += 100;
            let id = wheel.schedule_timer(now + 30 * SECOND, VALUE).unwrap();
            black_box(wheel.cancel_timer(black_box(id)));
        }
    });
}

/// A full wheel turned over: the oldest of a million goes for each new one. 1,000 a sample.
#[divan::bench(args = SPANS)]
fn replace_the_oldest(bencher: Bencher<'_, '_>, span: u64) {
    let (mut wheel, mut random) = (TimerWheel::new(0), Random(1));
    let mut ids: Vec<_> =
        (0..MILLION).map(|_| wheel.schedule_timer(1 + random.below(span * SECOND), VALUE).unwrap()).collect();
    let mut oldest = 0;
    bencher.counter(ItemsCount::new(1000u32)).bench_local(|| {
        for _ in 0..1000 {
            black_box(wheel.cancel_timer(ids[oldest]));
            ids[oldest] = wheel.schedule_timer(1 + random.below(span * SECOND), VALUE).unwrap();
            oldest = (oldest + 1) % MILLION as usize;
        }
    });
}

/// A million inserts into an empty wheel.
#[divan::bench(args = SPANS, sample_count = 10)]
fn insert_million(bencher: Bencher<'_, '_>, span: u64) {
    let mut random = Random(3);
    let deadlines: Vec<u64> = (0..MILLION).map(|_| 1 + random.below(span * SECOND)).collect();
    bencher.counter(ItemsCount::new(MILLION)).bench_local(|| {
        let mut wheel = TimerWheel::new(0);
        for deadline in &deadlines {
            wheel.schedule_timer(*deadline, VALUE).unwrap();
        }
        wheel
    });
}

/// All of a million timers fire, polled each millisecond that has any, in budgets of 4,096.
#[divan::bench(args = SPANS, sample_count = 10)]
fn fire_million(bencher: Bencher<'_, '_>, span: u64) {
    bencher.counter(ItemsCount::new(MILLION)).with_inputs(|| million(span * SECOND)).bench_local_values(
        |mut wheel| {
            let (mut sum, mut fired) = (0, 0);
            while let Some(next) = wheel.next_deadline() {
                let now = (next | 0xF_FFFF).max(wheel.now());
                fired += wheel.poll(now, TIMER_EXPIRY_BUDGET, |_, deadline, _| sum += deadline);
            }
            assert_eq!(fired as u64, MILLION);
            (wheel, sum)
        },
    );
}

/// A million timers of one and the same deadline fire, in budgets of 4,096.
#[divan::bench(args = [1, 60, 36_000], sample_count = 10)]
fn fire_million_at_once(bencher: Bencher<'_, '_>, seconds: u64) {
    let wheel = || {
        let mut wheel = TimerWheel::new(0);
        for _ in 0..MILLION {
            wheel.schedule_timer(seconds * SECOND, VALUE).unwrap();
        }
        wheel
    };
    bencher.counter(ItemsCount::new(MILLION)).with_inputs(wheel).bench_local_values(|mut wheel| {
        let mut fired = 0;
        while !wheel.is_empty() {
            fired += wheel.poll(seconds * SECOND, TIMER_EXPIRY_BUDGET, |_, deadline, _| {
                black_box(deadline);
            });
        }
        assert_eq!(fired as u64, MILLION);
        wheel
    });
}

/// What a worker asks before each sleep, with nothing changed. 1,000 a sample.
#[divan::bench(args = SPANS)]
fn next_deadline(bencher: Bencher<'_, '_>, span: u64) {
    let mut wheel = million(span * SECOND);
    bencher.counter(ItemsCount::new(1000u32)).bench_local(|| {
        for _ in 0..1000 {
            black_box(wheel.next_deadline());
        }
    });
}

/// The earliest of a million timers is cancelled again and again, and the next one asked for: the worst case.
#[divan::bench(args = SPANS, sample_count = 10, sample_size = 1)]
fn next_deadline_after_cancelling_the_first(bencher: Bencher<'_, '_>, span: u64) {
    let wheel = || {
        let (mut wheel, mut random) = (TimerWheel::new(0), Random(1));
        let mut ids: Vec<_> = (0..MILLION)
            .map(|_| {
                let deadline = 1 + random.below(span * SECOND);
                (deadline, wheel.schedule_timer(deadline, VALUE).unwrap())
            })
            .collect();
        ids.sort_unstable();
        (wheel, ids)
    };
    bencher.counter(ItemsCount::new(MILLION)).with_inputs(wheel).bench_local_values(|(mut wheel, ids)| {
        for (deadline, id) in &ids {
            assert_eq!(wheel.next_deadline(), Some(*deadline));
            wheel.cancel_timer(*id);
        }
        wheel
    });
}

/// A poll that finds nothing to do, 1 us later each time. 1,000 a sample.
#[divan::bench(args = SPANS)]
fn poll_nothing(bencher: Bencher<'_, '_>, span: u64) {
    let mut wheel = TimerWheel::new(0);
    wheel.schedule_timer(span * SECOND * 1000, VALUE).ok();
    let mut now = 0;
    bencher.counter(ItemsCount::new(1000u32)).bench_local(|| {
        for _ in 0..1000 {
            now += 1;
            black_box(wheel.poll(now, TIMER_EXPIRY_BUDGET, |_, _, _| ()));
        }
    });
}
