//! Instructions per operation, counted by valgrind's callgrind: the same on every run and under any load.
//!
//! `cargo bench -p maniac-runtime --bench instructions` runs itself under callgrind twice for each operation, few times
//! and many times, and prints the difference. It needs `valgrind`.
#![allow(clippy::print_stdout)]

use maniac_runtime::runtime::{Preemption, Runtime};
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{Duration, sleep};
use std::cell::Cell;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::task::{Poll, Waker};

const FEW: usize = 20_000;
const MANY: usize = 120_000;
/// Tasks that are spawned before the first of them is joined.
const BATCH: usize = 10_000;

/// Yields of ten tasks in turn.
async fn yields(count: usize) {
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            maniac_runtime::spawn(async move {
                for _ in 0..count / 10 {
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Tasks that are spawned by the ten thousand and then joined.
async fn spawns_in_batches(count: usize) {
    for _ in 0..count / BATCH {
        let tasks: Vec<_> = (0..BATCH).map(|n| maniac_runtime::spawn(async move { n })).collect();
        for task in tasks {
            black_box(task.await.unwrap());
        }
    }
}

/// Tasks that are spawned and joined one by one.
async fn spawns_one_by_one(count: usize) {
    for n in 0..count {
        black_box(maniac_runtime::spawn(async move { n }).await.unwrap());
    }
}

/// Two tasks that wake each other: half a round trip is one operation.
async fn ping_pong(count: usize) {
    let ball = Rc::new((Cell::new(0_usize), Cell::new(None::<Waker>)));
    let players: Vec<_> = (0..2)
        .map(|player| {
            let ball = ball.clone();
            maniac_runtime::spawn_local(async move {
                poll_fn(|cx| {
                    let (turn, other) = &*ball;
                    if turn.get() >= count {
                        return Poll::Ready(());
                    }
                    if turn.get() % 2 == player {
                        turn.set(turn.get() + 1);
                    }
                    if let Some(other) = other.replace(Some(cx.waker().clone())) {
                        other.wake();
                    }
                    Poll::Pending
                })
                .await;
            })
        })
        .collect();
    drop(players);
    while ball.0.get() < count {
        yield_now().await;
    }
}

/// Wakes of a task that is notified already.
async fn wakes(count: usize) {
    poll_fn(|cx| {
        for _ in 0..count {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(())
    })
    .await;
}

/// Timers that are set and cancelled.
async fn timers(count: usize) {
    for n in 0..count {
        let mut timer = pin!(sleep(Duration::from_millis(10 + (n % 5000) as u64)));
        poll_fn(|cx| {
            assert!(timer.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}

const NAMES: [&str; 6] =
    ["yield", "spawn+join in batches", "spawn+join one by one", "ping-pong, half", "wake again", "timer"];

async fn run(operation: usize, count: usize) {
    match operation {
        0 => yields(count).await,
        1 => spawns_in_batches(count).await,
        2 => spawns_one_by_one(count).await,
        3 => ping_pong(count).await,
        4 => wakes(count).await,
        _ => timers(count).await,
    }
}

/// Where tasks run.
#[derive(Clone, Copy)]
enum Place {
    /// On the thread that started them.
    Host,
    /// On a worker of its own thread, with this kind of preemption.
    Worker(Preemption),
}

const PLACES: [Place; 3] = [Place::Host, Place::Worker(Preemption::Off), Place::Worker(Preemption::HandOff)];

impl Place {
    fn run(self, operation: usize, count: usize) {
        match self {
            Place::Host => {
                let runtime = Runtime::new_single_threaded().unwrap();
                runtime.block_on(async { maniac_runtime::spawn_local(run(operation, count)).await.unwrap() });
            }
            Place::Worker(preemption) => {
                // The monitor is there, but has nothing to look at before the run is over.
                let day = Duration::from_secs(24 * 3600);
                let builder = Runtime::builder().worker_count(1).preemption(preemption);
                let runtime = builder.quantum(day).stall_after(Duration::MAX).build().unwrap();
                let begin = runtime.spawn(async move {
                    maniac_runtime::spawn_local(run(operation, count)).await.unwrap();
                });
                runtime.block_on(begin).unwrap();
            }
        }
    }
}

/// The instructions that this program takes, all in all.
fn count(place: usize, operation: usize, count: usize) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().map_err(|error| error.to_string())?)
        .args([place.to_string(), operation.to_string(), count.to_string()])
        .env("MANIAC_DRIVER", "poll")
        .output()
        .map_err(|error| format!("valgrind does not run ({error})"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .ok_or_else(|| format!("valgrind did not say how many instructions it counted:\n{text}"))
}

/// Instructions for each of the operations.
fn each(place: usize, operation: usize) -> Result<f64, String> {
    let more = count(place, operation, MANY)?.saturating_sub(count(place, operation, FEW)?);
    Ok(more as f64 / (MANY - FEW) as f64)
}

fn report() -> Result<(), String> {
    println!("instructions per operation, on one thread");
    for (operation, name) in NAMES.iter().enumerate() {
        println!("{name:24}{:8.1}", each(0, operation)?);
    }
    println!("a yield on a worker, while nothing is overdue");
    let (off, on) = (each(1, 0)?, each(2, 0)?);
    println!("{:24}{off:8.1}", "Preemption::Off");
    println!("{:24}{on:8.1}", "Preemption::HandOff");
    println!("{:24}{:8.1}", "hand-off adds", on - off);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, place, operation, count] = arguments.as_slice() {
        PLACES[place.parse::<usize>().unwrap()].run(operation.parse().unwrap(), count.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    match report() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("not run: {error}");
            ExitCode::FAILURE
        }
    }
}
