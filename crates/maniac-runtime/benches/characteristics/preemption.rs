//! What preemption costs: each of its aims, and the switch beside hand-off.

use crate::system::Thread;
use crate::{hogs, quantile, row};
use maniac_runtime::runtime::{Preemption, Runtime, RuntimeBuilder};
use maniac_runtime::task::{self, JoinHandle, yield_now};
use maniac_runtime::time::{Duration, Instant, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

const KINDS: [(Preemption, &str); 2] =
    [(Preemption::HandOff, "hand-off"), (Preemption::HandOffAndSwitch, "switch")];
const ROUNDS: usize = 300;
const TICK: Duration = Duration::from_millis(1);

/// Of one worker.
fn builder(preemption: Preemption) -> RuntimeBuilder {
    hogs::register();
    Runtime::builder().worker_count(1).preemption(preemption).thread_name("bench")
}

fn runtime(preemption: Preemption) -> Runtime {
    builder(preemption).build().expect("a runtime")
}

/// Spawns a computation that the runtime may leave, if it is of that kind.
fn spawn<T: Send + 'static>(runtime: &Runtime, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let _entered = runtime.handle().enter();
    // SAFETY: [local] while registered code runs here, nothing is held but atomics and values of the task's own; nothing waits.
    unsafe { task::spawn_preemptible(f) }
}

pub(crate) fn report() {
    let Switches { mut left, mut refused } = switches();
    let [half, most] = [0.5, 0.99].map(|part| quantile(&mut left, part));
    let signal = quantile(&mut refused, 0.5);
    row(
        "switch: sent by the computation itself; out, another task, and back; processor time, p50, p99",
        "1–5 us",
        "5 us",
        &format!("{half:.1} us, {most:.1} us; {signal:.1} us of it are the signal's: sent and refused"),
    );
    for (kind, name) in KINDS {
        let mut seen = seen_to_next(kind);
        let [half, most] = [0.5, 0.99].map(|part| quantile(&mut seen, part));
        row(
            &format!("{name}: overdue seen to next task, p50, p99"),
            "",
            "40 us",
            &format!("{half:.1} us, {most:.1} us"),
        );
    }
    monitor();
    for (kind, name) in KINDS {
        let Ticks { mut late, seized, switched } = ticks(kind);
        let [half, most, worst] = [0.5, 0.99, 1.0].map(|part| quantile(&mut late, part) / 1e3);
        row(
            &format!("{name}: tick of 1 ms beside a computation, one worker; late p50, p99, worst"),
            "",
            "0.1, 0.2, 10 ms",
            &format!("{half:.2}, {most:.2}, {worst:.2} ms; {seized} hand-offs, {switched} switches"),
        );
    }
}

/// Processor time in microseconds, of each time.
struct Switches {
    /// From the sending of a signal to the going on of the computation that was left, another task's poll between.
    left: Vec<f64>,
    /// From the sending of a signal to the return of its handler, which refuses.
    refused: Vec<f64>,
}

/// The computation sends the signals itself: what it takes to bring one to another processor is not the switch's.
fn switches() -> Switches {
    let runtime = runtime(Preemption::HandOffAndSwitch);
    let switches = spawn(&runtime, || {
        let mut readings: Vec<f64> = (0..1_000).map(|_| hogs::readings() as f64).collect();
        let readings = quantile(&mut readings, 0.5);
        let time = |nanos| (nanos as f64 - readings) / 1e3;
        let (mut signal, mut word) = (hogs::Signal::new(), 1);
        let turns = Arc::new(AtomicU64::new(0));
        let mut left = || {
            let turn = Arc::clone(&turns);
            drop(maniac_runtime::spawn(async move { turn.fetch_add(1, Relaxed) }));
            let time;
            (word, time) = hogs::leave(&mut signal, &turns, word);
            time
        };
        let left = (0..ROUNDS).map(|_| time(left())).collect();
        let refused = (0..ROUNDS).map(|_| time(hogs::refused(&mut signal))).collect();
        Switches { left, refused }
    });
    let switches = runtime.block_on(switches).expect("it does not panic");
    let counts = runtime.metrics().preemption;
    assert!(counts.switched as usize >= ROUNDS, "not by a switch: {counts:?}");
    switches
}

/// From the look that finds a poll overdue to the first task that runs because of it, in microseconds; of each time.
fn seen_to_next(kind: Preemption) -> Vec<f64> {
    let runtime = runtime(kind);
    let mut all = Vec::new();
    while all.len() < ROUNDS {
        let before = runtime.metrics().preemption;
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let ticker = runtime.spawn(async move {
            sleep(TICK).await;
            let now = Instant::now();
            stops.store(true, Relaxed);
            now
        });
        let hog = spawn(&runtime, move || hogs::compute(&stop));
        let ran = runtime.block_on(async move {
            hog.await.expect("it does not panic");
            ticker.await.expect("it does not panic")
        });
        let after = runtime.metrics().preemption;
        // Refused or delayed once, and by hand-off then, is another matter.
        let once = after.seized + after.switched == before.seized + before.switched + 1
            && after.switches_refused == before.switches_refused;
        if let Some(seen) = after.last_overdue.filter(|_| once) {
            all.push(ran.duration_since(seen).as_nanos() as f64 / 1e3);
        }
    }
    all
}

const WATCHED: Duration = Duration::from_secs(3);

/// Prints what part of a processor a thread takes, and how often it wakes up.
fn watch(thread: &Thread, what: &str, aim: &str) {
    let (start, cpu, sleeps) = (Instant::now(), thread.cpu(), thread.sleeps());
    std::thread::sleep(WATCHED);
    let seconds = start.elapsed().as_secs_f64();
    let part = (thread.cpu() - cpu).as_secs_f64() / seconds * 100.0;
    let wakes = (thread.sleeps() - sleeps) as f64 / seconds;
    row(what, "", aim, &format!("{part:.2} %, {wakes:.0} wake-ups a second"));
}

/// What the monitor costs while a worker is busy, with short polls and with a long one, and while all sleep.
fn monitor() {
    // The threads of the runtimes before may still be about to end.
    let runtime = builder(Preemption::HandOff).thread_name("watch").build().expect("a runtime");
    let monitor = Thread::named("watch-monitor");
    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..10)
        .map(|_| {
            let stop = Arc::clone(&stop);
            runtime.spawn(async move {
                while !stop.load(Relaxed) {
                    yield_now().await;
                }
            })
        })
        .collect();
    watch(&monitor, "monitor: part of a processor beside a worker busy with short polls", "0.5 %");
    floor();
    stop.store(true, Relaxed);
    runtime.block_on(async {
        for task in busy {
            task.await.expect("it does not panic");
        }
    });
    let stop = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stop);
    let hog = runtime.spawn(async move { hogs::compute(&stops) });
    watch(&monitor, "monitor: beside a computation behind which nothing waits", "0.5 %");
    stop.store(true, Relaxed);
    runtime.block_on(hog).expect("it does not panic");
    // It rests a second after the last sign of life.
    std::thread::sleep(Duration::from_millis(1500));
    watch(&monitor, "monitor: while all sleep", "0 wake-ups");
}

/// What the machine takes for a thread's waking up as often as the monitor, to do nothing.
fn floor() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sleeper = std::thread::Builder::new().name("watch-nothing".into());
        let slept = sleeper.spawn_scoped(scope, || {
            while !stop.load(Relaxed) {
                std::thread::sleep(TICK * 2);
            }
        });
        slept.expect("a thread");
        watch(&Thread::named("watch-nothing"), "a thread that sleeps 2 ms and does nothing, then", "");
        stop.store(true, Relaxed);
    });
}

struct Ticks {
    /// In microseconds.
    late: Vec<f64>,
    seized: u64,
    switched: u64,
}

/// A tick of a millisecond beside a computation of half a second, four times.
fn ticks(kind: Preemption) -> Ticks {
    let runtime = runtime(kind);
    let before = runtime.metrics().preemption;
    let mut all = Vec::new();
    for _ in 0..4 {
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let ticker = runtime.spawn(async move {
            let start = Instant::now();
            let late = async |tick: u32| {
                let due = start + TICK * tick;
                maniac_runtime::time::sleep_until(due).await;
                due.elapsed().as_nanos() as f64 / 1e3
            };
            let mut all = Vec::new();
            for tick in 1..=500 {
                all.push(late(tick).await);
            }
            stops.store(true, Relaxed);
            all
        });
        let hog = spawn(&runtime, move || hogs::compute(&stop));
        all.extend(runtime.block_on(ticker).expect("it does not panic"));
        runtime.block_on(hog).expect("it does not panic");
    }
    let after = runtime.metrics().preemption;
    Ticks { late: all, seized: after.seized - before.seized, switched: after.switched - before.switched }
}
