//! Tasks, timers and channels: slide 27's rows but for preemption.

use crate::{median, quantile, row, system};
use maniac_runtime::runtime::Runtime;
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{Duration, Instant, Sleep, sleep};
use maniac_sync::mpsc;
use std::future::{pending, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::Poll;

const COUNT: usize = 200_000;
const SOME: usize = 1_000;
const MANY: usize = 1_000_000;

pub(crate) fn runtime(workers: usize) -> Runtime {
    Runtime::builder().worker_count(workers).build().expect("a runtime")
}

fn run<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(runtime.spawn(work)).expect("it does not panic")
}

/// Nanoseconds for each of `count`.
fn each(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Millions a second.
fn millions(nanos: f64) -> String {
    format!("{:.1} M/s ({nanos:.1} ns each)", 1000.0 / nanos)
}

pub(crate) fn report() {
    let runtime = runtime(1);
    // First, while memory is new.
    let bytes = task(&runtime);
    row("task spawn and join, a worker", "100 M/s", "", &millions(spawn_and_join(&runtime)));
    row(
        "MPSC channel, 1,024 places, between two tasks of a worker",
        "50 M/s",
        "",
        &millions(messages(&runtime)),
    );
    let [few, many] = [SOME, MANY].map(|pending| timer(&runtime, pending));
    row(
        "timer set and cancelled",
        "O(1)",
        "",
        &format!("{few:.0} ns among {SOME} others, {many:.0} among {MANY}"),
    );
    row("ready to polled: `yield_now`, ten tasks", "100–500 ns", "", &format!("{:.1} ns", yields(&runtime)));
    let (notified, idle) = wakes(&runtime);
    row(
        "waker: of a task that is notified already, of one that waits",
        "50–200 ns",
        "",
        &format!("{notified:.1} ns, {idle:.1} ns"),
    );
    let mut late = lateness(&runtime);
    let [half, most] = [0.5, 0.99].map(|part| quantile(&mut late, part));
    row("timer of 1 ms, late by, p50 and p99", "±1050 us", "", &format!("{half:.0} us, {most:.0} us"));
    row("task that waits, beside its future", "1 KiB", "", &format!("{bytes:.0} bytes"));
    row("worker that sleeps, memory in use", "1–16 MiB", "", &format!("{:.0} KiB", worker() / 1024.0));
    #[cfg(target_env = "gnu")]
    row("empty channel", "0", "", &channel());
}

fn spawn_and_join(runtime: &Runtime) -> f64 {
    median(|| {
        each(COUNT, || {
            run(runtime, async {
                for _ in 0..COUNT / 10_000 {
                    let tasks: Vec<_> =
                        (0..10_000).map(|n| maniac_runtime::spawn(async move { n })).collect();
                    for task in tasks {
                        black_box(task.await.expect("it does not panic"));
                    }
                }
            });
        })
    })
}

fn messages(runtime: &Runtime) -> f64 {
    median(|| {
        each(10 * COUNT, || {
            run(runtime, async {
                let (sender, mut receiver) = mpsc::channel(1024);
                let sending = maniac_runtime::spawn(async move {
                    for n in 0..10 * COUNT {
                        sender.send(n).await.expect("it is open");
                    }
                });
                while let Some(n) = receiver.recv().await {
                    black_box(n);
                }
                sending.await.expect("it does not panic");
            });
        })
    })
}

/// A timer, polled once.
async fn set(timer: &mut Pin<&mut Sleep>) {
    poll_fn(|cx| {
        assert!(timer.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

fn timer(runtime: &Runtime, pending: usize) -> f64 {
    run(runtime, async move {
        let mut others: Vec<_> =
            (0..pending).map(|n| Box::pin(sleep(Duration::from_secs(600 + n as u64 % 3600)))).collect();
        for other in &mut others {
            set(&mut other.as_mut()).await;
        }
        let mut rounds = Vec::new();
        for _ in 0..7 {
            let start = Instant::now();
            for n in 0..COUNT {
                set(&mut pin!(sleep(Duration::from_millis(10_000 + n as u64 % 5_000)))).await;
            }
            rounds.push(start.elapsed().as_nanos() as f64 / COUNT as f64);
        }
        quantile(&mut rounds, 0.5)
    })
}

fn yields(runtime: &Runtime) -> f64 {
    median(|| {
        each(COUNT, || {
            run(runtime, async {
                let tasks: Vec<_> = (0..10)
                    .map(|_| {
                        maniac_runtime::spawn(async {
                            for _ in 0..COUNT / 10 {
                                yield_now().await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("it does not panic");
                }
            });
        })
    })
}

/// Of a task that is notified already, and of tasks that wait.
fn wakes(runtime: &Runtime) -> (f64, f64) {
    let notified = run(runtime, async {
        let mut rounds: Vec<_> = Vec::new();
        for _ in 0..7 {
            rounds.push(
                poll_fn(|cx| Poll::Ready(each(COUNT, || (0..COUNT).for_each(|_| cx.waker().wake_by_ref()))))
                    .await,
            );
        }
        quantile(&mut rounds, 0.5)
    });
    let idle = run(runtime, async {
        let (sender, mut wakers) = mpsc::unbounded();
        for _ in 0..COUNT {
            let sender = sender.clone();
            let mut woken = false;
            drop(maniac_runtime::spawn(poll_fn(move |cx| {
                if std::mem::replace(&mut woken, true) {
                    return Poll::Ready(());
                }
                assert!(sender.try_send(cx.waker().clone()).is_ok(), "its other end is open");
                Poll::Pending
            })));
        }
        drop(sender);
        let mut waiting = Vec::with_capacity(COUNT);
        while waiting.len() < COUNT {
            waiting.extend(wakers.recv().await);
        }
        each(COUNT, || waiting.into_iter().for_each(std::task::Waker::wake))
    });
    (notified, idle)
}

/// In microseconds.
fn lateness(runtime: &Runtime) -> Vec<f64> {
    run(runtime, async {
        let mut late = Vec::new();
        for _ in 0..1_000 {
            let due = Instant::now() + Duration::from_millis(1);
            sleep(Duration::from_millis(1)).await;
            late.push(due.elapsed().as_nanos() as f64 / 1e3);
        }
        late
    })
}

/// Bytes of a task whose future is 8.
fn task(runtime: &Runtime) -> f64 {
    run(runtime, async {
        maniac_runtime::spawn(async {}).await.expect("it does not panic");
        let before = system::resident();
        let tasks: Vec<_> = (0..COUNT as u64)
            .map(|n| {
                maniac_runtime::spawn(async move {
                    pending::<()>().await;
                    black_box(n);
                })
            })
            .collect();
        yield_now().await;
        let handles = size_of_val(&tasks[..]) as f64;
        let bytes = (system::resident() - before - handles) / COUNT as f64 - 8.0;
        tasks.iter().for_each(maniac_runtime::task::JoinHandle::abort);
        bytes
    })
}

fn worker() -> f64 {
    const MORE: usize = 16;
    let used = |workers| {
        let before = system::resident();
        let runtime = runtime(workers);
        run(&runtime, async { sleep(Duration::from_millis(100)).await });
        system::resident() - before
    };
    // What the first of all sets up once.
    used(1);
    (used(1 + MORE) - used(1)) / MORE as f64
}

/// Bytes when it is made, and when it is empty again.
#[cfg(target_env = "gnu")]
fn channel() -> String {
    let before = system::allocated();
    let ends = mpsc::channel::<u64>(1024);
    let made = system::allocated() - before;
    drop(ends);
    format!("{made:.0} bytes: what its ends share")
}
