//! One producer, one consumer, on a thread each, neither waiting but for yielding the processor when it cannot go on.

use crate::cases::{Case, Run, timed};
use ringbuf::traits::{Consumer, Producer, Split};
use std::{hint::spin_loop, thread};

/// For when there is nothing to do: spins, and now and then gives the processor away.
fn idle(spins: &mut u32) {
    *spins += 1;
    if spins.is_multiple_of(64) { thread::yield_now() } else { spin_loop() }
}

type M = u64;
/// Values that the peers' rings hold, and ours at most.
const CAPACITY: usize = 16_384;
const CHUNK: usize = 64;

/// `push` and `pop` say how many values they moved.
macro_rules! pair {
    ($make:expr, $push:expr, $pop:expr) => {
        Box::new(|messages: u64| {
            let (mut producer, mut consumer) = $make;
            timed(|| {
                let pushes = thread::spawn(move || {
                    let (mut next, mut spins) = (0, 0);
                    while next < messages {
                        match $push(&mut producer, next) {
                            0 => idle(&mut spins),
                            count => next += count as u64,
                        }
                    }
                });
                let (mut count, mut sum, mut spins) = (0, 0, 0);
                while count < messages {
                    match $pop(&mut consumer, &mut sum) {
                        0 => idle(&mut spins),
                        popped => count += popped as u64,
                    }
                }
                assert!(sum > 0);
                pushes.join().unwrap();
            })
        }) as Run
    };
}

fn chunk(next: u64) -> [u64; CHUNK] {
    std::array::from_fn(|index| next + index as u64)
}

pub fn add(cases: &mut Vec<Case>) {
    cases.push(Case {
        name: "spsc, one by one".into(),
        messages: 10_000_000,
        contestants: vec![
            (
                "maniac-sync",
                pair!(
                    maniac_sync::spsc::SegSpsc::<M, 8>::new().split(),
                    |p: &mut maniac_sync::spsc::Producer<M, 8>, next| usize::from(p.try_push(next).is_ok()),
                    |c: &mut maniac_sync::spsc::Consumer<M, 8>, sum: &mut u64| c.try_pop().map_or(
                        0,
                        |value| {
                            *sum += value;
                            1
                        }
                    )
                ),
            ),
            (
                "maniac-sync, waiting",
                pair!(
                    maniac_sync::spsc::channel::<M, 8>(),
                    |p: &mut maniac_sync::spsc::Sender<M, 8>, next| usize::from(p.try_send(next).is_ok()),
                    |c: &mut maniac_sync::spsc::Receiver<M, 8>, sum: &mut u64| c.try_recv().map_or(
                        0,
                        |value| {
                            *sum += value;
                            1
                        }
                    )
                ),
            ),
            (
                "rtrb",
                pair!(
                    rtrb::RingBuffer::<M>::new(CAPACITY),
                    |p: &mut rtrb::Producer<M>, next| usize::from(p.push(next).is_ok()),
                    |c: &mut rtrb::Consumer<M>, sum: &mut u64| c.pop().map_or(0, |value| {
                        *sum += value;
                        1
                    })
                ),
            ),
            (
                "ringbuf",
                pair!(
                    ringbuf::HeapRb::<M>::new(CAPACITY).split(),
                    |p: &mut ringbuf::HeapProd<M>, next| usize::from(p.try_push(next).is_ok()),
                    |c: &mut ringbuf::HeapCons<M>, sum: &mut u64| c.try_pop().map_or(0, |value| {
                        *sum += value;
                        1
                    })
                ),
            ),
        ],
    });
    cases.push(Case {
        name: format!("spsc, in chunks of {CHUNK}"),
        messages: 20_000_000 / CHUNK as u64 * CHUNK as u64,
        contestants: vec![
            (
                "maniac-sync",
                pair!(
                    maniac_sync::spsc::SegSpsc::<M, 8>::new().split(),
                    |p: &mut maniac_sync::spsc::Producer<M, 8>, next| p.push_slice(&chunk(next)),
                    |c: &mut maniac_sync::spsc::Consumer<M, 8>, sum: &mut u64| {
                        let mut values = [0; CHUNK];
                        let count = c.pop_slice(&mut values);
                        *sum += values[..count].iter().sum::<u64>();
                        count
                    }
                ),
            ),
            (
                "rtrb",
                pair!(
                    rtrb::RingBuffer::<M>::new(CAPACITY),
                    |p: &mut rtrb::Producer<M>, next| p.push_partial_slice(&chunk(next)).0.len(),
                    |c: &mut rtrb::Consumer<M>, sum: &mut u64| {
                        let mut values = [0; CHUNK];
                        let count = c.pop_partial_slice(&mut values).0.len();
                        *sum += values[..count].iter().sum::<u64>();
                        count
                    }
                ),
            ),
            (
                "ringbuf",
                pair!(
                    ringbuf::HeapRb::<M>::new(CAPACITY).split(),
                    |p: &mut ringbuf::HeapProd<M>, next| p.push_slice(&chunk(next)),
                    |c: &mut ringbuf::HeapCons<M>, sum: &mut u64| {
                        let mut values = [0; CHUNK];
                        let count = c.pop_slice(&mut values);
                        *sum += values[..count].iter().sum::<u64>();
                        count
                    }
                ),
            ),
        ],
    });
}
