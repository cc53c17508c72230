//! Hand-off in its less usual moments: tasks that are overdue again and again, what was taken and not run, what a demoted poll sets off.
//!
//! As in `preemption.rs` no time is measured, but for one ratio to the same work on plain threads in the same run.
#![cfg(not(any(loom, miri)))]

mod hog;

use hog::{Flag, eventually, hog, one_worker};
use maniac_runtime as maniac;
use maniac_runtime::runtime::{Handle, Preemption, Runtime, TaskState};
use maniac_runtime::task::{unconstrained, yield_now};
use maniac_runtime::time::{Duration, sleep};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Instant;

/// More rounds than anything here takes.
const ROUNDS: u64 = 100_000;

/// Computes until another task, which is ready, has run; it cannot before this poll's worker goes on without it, unless that is so from the start.
fn until_another_ran() -> bool {
    let ran = Flag::default();
    let done = ran.clone();
    drop(maniac::spawn(async move { done.set() }));
    hog::hog_until(&ran)
}

fn begun_aside() -> u64 {
    Handle::current().metrics().preemption.begun_aside
}

/// Whether the task that calls this is overdue, as a dump sees it.
fn is_overdue() -> bool {
    let me = maniac::task::id();
    let dump = Handle::current().dump();
    dump.tasks
        .iter()
        .any(|task| task.id == me && matches!(task.state, TaskState::Running { overdue: true, .. }))
}

/// Polls that take long, until one of them begins aside; gives in which round that was.
async fn overrun_until_aside() -> u64 {
    for round in 1..ROUNDS {
        yield_now().await;
        let before = begun_aside();
        if before != 0 && is_overdue() {
            return round;
        }
        assert!(until_another_ran(), "not demoted");
    }
    0
}

#[test]
fn a_task_that_was_seized_twice_begins_its_polls_on_another_thread() {
    let runtime = one_worker().build().unwrap();
    let hog = runtime.spawn(async {
        let round = overrun_until_aside().await;
        // Two polls on the worker come first, each of which was seized.
        assert!(round >= 3, "aside in round {round}");
        let preemption = Handle::current().metrics().preemption;
        assert!(preemption.seized >= 2 && preemption.overdue_threads >= 1, "{preemption:?}");
        assert!(until_another_ran(), "the worker waits for a poll that began aside");
        // What it spawns, wakes and arms goes the remote path, and its own wakes lead back to it.
        let value = maniac::spawn(async { 7 }).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        value
    });
    assert_eq!(runtime.block_on(hog).unwrap(), 7);
    eventually("nobody is overdue", || runtime.metrics().preemption.overdue_threads == 0);
}

#[test]
fn a_task_whose_polls_have_become_short_comes_back_to_the_workers() {
    let runtime = one_worker().build().unwrap();
    let task = runtime.spawn(async {
        assert_ne!(overrun_until_aside().await, 0);
        for _ in 0..ROUNDS {
            let before = begun_aside();
            yield_now().await;
            if begun_aside() == before {
                return true;
            }
        }
        false
    });
    assert!(runtime.block_on(task).unwrap(), "its short polls are aside for ever");
}

#[test]
fn an_abort_and_a_panic_aside_reach_the_handle() {
    let runtime = one_worker().build().unwrap();
    let panics = runtime.spawn(async {
        assert_ne!(overrun_until_aside().await, 0);
        std::panic::resume_unwind(Box::new("aside"));
    });
    let error = runtime.block_on(panics).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "aside");
    let (aside, aborted) = (Flag::default(), Flag::default());
    let (begin, go_on) = (aside.clone(), aborted.clone());
    let task = runtime.spawn(async move {
        assert_ne!(overrun_until_aside().await, 0);
        begin.set();
        assert!(hog::hog_until(&go_on));
        std::future::pending::<()>().await;
    });
    eventually("it is aside", || aside.get());
    task.abort();
    aborted.set();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert!(runtime.shutdown_timeout(Duration::from_secs(600)).is_clean());
}

#[test]
fn polls_aside_count_against_the_limit() {
    let runtime = one_worker().max_overdue_threads(1).quantum(Duration::from_micros(50)).build().unwrap();
    let (first, second) = (Flag::default(), Flag::default());
    let done = [first.clone(), second.clone()];
    let tasks: Vec<_> = done
        .into_iter()
        .map(|done| {
            runtime.spawn(async move {
                let mut most = 0;
                while !done.get() {
                    yield_now().await;
                    let overdue = Handle::current().metrics().preemption.overdue_threads;
                    most = most.max(overdue);
                    // Not for long: at the limit it holds the other one up.
                    let ran = Flag::default();
                    let end = ran.clone();
                    drop(maniac::spawn(async move { end.set() }));
                    let mut looks = 0;
                    hog(|| {
                        looks += 1;
                        ran.get() || looks > 1000
                    });
                }
                most
            })
        })
        .collect();
    eventually("some poll begins aside", || runtime.metrics().preemption.begun_aside > 5);
    first.set();
    second.set();
    for task in tasks {
        let most = runtime.block_on(task).unwrap();
        assert!(most <= 1, "{most} threads were overdue");
    }
}

/// The worker takes a whole word of ready tasks; the first that finds others in that batch computes until all of them ran.
#[test]
fn what_was_left_of_a_batch_is_run_by_the_new_owner() {
    const TASKS: u64 = 64;
    for _ in 0..ROUNDS {
        let runtime = one_worker().build().unwrap();
        let (all_there, held) = (Flag::default(), Flag::default());
        let (go_on, holds) = (all_there.clone(), held.clone());
        let holder = runtime.spawn(async move {
            holds.set();
            hog::hog_until(&go_on)
        });
        eventually("the worker is held", || held.get());
        let (ran, hogs, left) = <(Arc<AtomicU64>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (ran, hogs, left) = (Arc::clone(&ran), Arc::clone(&hogs), Arc::clone(&left));
                runtime.spawn(async move {
                    ran.fetch_add(1, SeqCst);
                    let batch = Handle::current().dump().workers[0].batch as u64;
                    if batch != 0 && hogs.fetch_add(1, SeqCst) == 0 {
                        left.store(batch, SeqCst);
                        return hog(|| ran.load(SeqCst) == TASKS);
                    }
                    true
                })
            })
            .collect();
        all_there.set();
        assert!(runtime.block_on(holder).unwrap());
        for task in tasks {
            assert!(runtime.block_on(task).unwrap(), "what was left of the batch waits for the hog");
        }
        assert_eq!(ran.load(SeqCst), TASKS, "each once");
        // Unless the holder was demoted, and its successor ran them one by one as they came.
        if left.load(SeqCst) > 1 {
            return;
        }
    }
    panic!("the worker never took a batch");
}

/// Counts how often it is used.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// It is set in a demoted poll, and comes while that goes on.
#[test]
fn a_timer_of_a_demoted_poll_comes_once() {
    let runtime = one_worker().build().unwrap();
    let wakes = Arc::new(Wakes::default());
    let count = Arc::clone(&wakes);
    let hog = runtime.spawn(async move {
        assert!(until_another_ran(), "not demoted");
        let waker = Waker::from(Arc::clone(&count));
        // Else it yields first, as it was asked to.
        let mut timer = pin!(unconstrained(sleep(Duration::from_millis(2))));
        let set = timer.as_mut().poll(&mut Context::from_waker(&waker));
        set.is_pending() && hog(|| count.0.load(SeqCst) != 0)
    });
    assert!(runtime.block_on(hog).unwrap(), "the timer did not come while the poll went on");
    // Behind it on the wheel.
    runtime.block_on(runtime.spawn(sleep(Duration::from_millis(20)))).unwrap();
    assert_eq!(wakes.0.load(SeqCst), 1);
}

/// An operation that the kernel was given by a thread whose poll was demoted completes after that thread lost its role and left the poll, too.
#[cfg(unix)]
#[test]
fn an_operation_outlives_the_demoted_poll_of_the_thread_that_began_it() {
    use maniac_driver::{SharedFd, op::Recv};
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    let runtime = one_worker().build().unwrap();
    for _ in 0..20 {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let hog = runtime.spawn(async move {
            let operation = Recv::new(SharedFd::new(reader.into()), vec![0_u8; 16], 0);
            let operation = maniac::driver::submit(operation).unwrap();
            let read = maniac::spawn(operation);
            // Now the kernel has it.
            yield_now().await;
            (until_another_ran(), read)
        });
        let (demoted, read) = runtime.block_on(hog).unwrap();
        assert!(demoted);
        eventually("the thread has left the poll", || runtime.metrics().preemption.overdue_threads == 0);
        writer.write_all(b"abc").unwrap();
        let (result, buffer) = runtime.block_on(read).unwrap();
        assert_eq!((result.unwrap(), buffer.as_slice()), (3, b"abc".as_slice()));
    }
}

/// Tasks that an interim owner pinned to itself go on when the role has gone home, and that thread is a spare.
#[test]
fn pinned_tasks_of_a_spare_thread_run_while_the_role_is_at_home() {
    let runtime = one_worker().build().unwrap();
    let (begun, pinned, done) = (Flag::default(), Flag::default(), Flag::default());
    let (begin, until) = (begun.clone(), pinned.clone());
    // Holds the home thread while another one has the role.
    let home = runtime.spawn(async move {
        let home = thread::current().id();
        begin.set();
        (hog::hog_until(&until), home)
    });
    eventually("the home thread is held", || begun.get());
    let (set, until) = (pinned.clone(), done.clone());
    let interim = runtime.spawn(async move {
        let here = thread::current().id();
        let ticks = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&ticks);
        let local = maniac::spawn_local(async move {
            while !until.get() {
                sleep(Duration::from_millis(1)).await;
                assert_eq!(thread::current().id(), here, "a pinned task changed its thread");
                count.fetch_add(1, SeqCst);
            }
        });
        set.set();
        (here, ticks, local)
    });
    let (here, ticks, local) = runtime.block_on(interim).unwrap();
    let (held, home) = runtime.block_on(home).unwrap();
    assert!(held && here != home, "no interim owner");
    eventually("the role is at home", || {
        let task = runtime.spawn(async { thread::current().id() });
        runtime.block_on(task).unwrap() == home
    });
    let before = ticks.load(SeqCst);
    eventually("the pinned task goes on", || ticks.load(SeqCst) >= before + 5);
    done.set();
    runtime.block_on(local).unwrap();
}

/// How long it takes, from when an owner locks and begins to compute, until a waiter has its lock.
fn wait_for_lock(spawn: impl Fn(Box<dyn FnOnce() + Send>)) -> Duration {
    // Some tens of milliseconds: most of it after the owner was demoted.
    const WORK: u64 = if cfg!(debug_assertions) { 5_000_000 } else { 30_000_000 };
    let (lock, held) = (Arc::new(Mutex::new(())), Flag::default());
    let (same, holds) = (Arc::clone(&lock), held.clone());
    let (begin, begun) = std::sync::mpsc::channel();
    spawn(Box::new(move || {
        let _guard = same.lock().unwrap();
        begin.send(Instant::now()).unwrap();
        holds.set();
        let mut x = 1_u64;
        for round in 0..WORK {
            x = std::hint::black_box(x.wrapping_mul(31).wrapping_add(round));
        }
    }));
    let (send, ended) = std::sync::mpsc::channel();
    spawn(Box::new(move || {
        assert!(hog::hog_until(&held));
        drop(lock.lock().unwrap());
        send.send(Instant::now()).unwrap();
    }));
    ended.recv().unwrap() - begun.recv().unwrap()
}

/// Beside a computation for each processor, so that whoever lost its share of them would show. The machine has others' work to do, so that the rounds
/// alternate, their medians count, and a verdict may take many of them.
#[test]
fn who_waits_for_the_lock_of_a_demoted_owner_waits_as_long_as_beside_plain_threads() {
    let over = Flag::default();
    let load: Vec<_> = (0..thread::available_parallelism().map_or(1, usize::from))
        .map(|_| {
            let over = over.clone();
            thread::spawn(move || while !hog::hog_until(&over) {})
        })
        .collect();
    let runtime = one_worker().quantum(Duration::from_micros(100)).build().unwrap();
    let (mut demoted, mut plain) = (Vec::new(), Vec::new());
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let mut ratio = f64::MAX;
    for round in 1..=30 {
        demoted.push(wait_for_lock(|work| drop(runtime.spawn(async move { work() }))));
        plain.push(wait_for_lock(|work| drop(thread::spawn(work))));
        ratio = median(&mut demoted).as_secs_f64() / median(&mut plain).as_secs_f64();
        if round >= 7 && ratio <= 1.5 {
            break;
        }
    }
    over.set();
    for load in load {
        load.join().unwrap();
    }
    assert!(ratio <= 1.5, "{ratio} times as long: {demoted:?} {plain:?}");
    assert!(runtime.metrics().preemption.seized >= 1, "nothing was demoted");
}

/// A wait that keeps the thread is no computation: at the limit of one, others can still be demoted meanwhile, whether the poll that waits began aside or was
/// demoted itself.
#[test]
fn a_poll_that_blocks_its_thread_is_overdue_no_more() {
    for aside in [true, false] {
        let runtime = one_worker().max_overdue_threads(1).build().unwrap();
        let waits = Flag::default();
        let begins = waits.clone();
        let (send, receive) = maniac_sync::oneshot::channel::<()>();
        let blocked = runtime.spawn(async move {
            if aside {
                assert_ne!(overrun_until_aside().await, 0);
            } else {
                assert!(until_another_ran(), "not demoted");
            }
            begins.set();
            maniac::sync_await(receive).unwrap();
        });
        eventually("it waits", || waits.get());
        eventually("nobody is overdue", || runtime.metrics().preemption.overdue_threads == 0);
        let hog = runtime.spawn(async { until_another_ran() });
        assert!(runtime.block_on(hog).unwrap(), "not demoted, aside: {aside}");
        send.send(()).unwrap();
        runtime.block_on(blocked).unwrap();
        eventually("nobody is overdue in the end", || runtime.metrics().preemption.overdue_threads == 0);
    }
}

/// Its shape is no other test's, so that the second has the core of the first.
#[test]
fn a_runtime_knows_nothing_of_the_polls_of_the_one_before() {
    let build = || one_worker().quantum(Duration::from_micros(123)).build().unwrap();
    let first = build();
    assert!(first.block_on(first.spawn(async { until_another_ran() })).unwrap(), "not demoted");
    assert!(first.metrics().preemption.last_overdue.is_some());
    assert!(first.shutdown_timeout(Duration::from_secs(600)).is_clean());
    assert_eq!(build().metrics().preemption.last_overdue, None);
}

#[test]
fn the_monitor_rests_while_all_sleep() {
    let runtime = one_worker().build().unwrap();
    let looks = || runtime.metrics().monitor_looks;
    for _ in 0..3 {
        // While something runs it looks, whether it rested before or not.
        let before = looks();
        let handle = runtime.handle().clone();
        let watched = runtime.spawn(async move { hog(|| handle.metrics().monitor_looks >= before + 3) });
        assert!(runtime.block_on(watched).unwrap(), "nobody watches the workers");
        // A second after the last sign of life, it should. Were it to look on, it would do so more than a hundred times in each of these half seconds.
        eventually("the monitor rests", || {
            let before = looks();
            thread::sleep(Duration::from_millis(500));
            looks() == before
        });
    }
}

/// A task that becomes ready alone behind a long poll, just as the other worker runs out of work, is that one's before it sleeps, out of which the monitor
/// would have to wake it.
#[test]
fn a_lone_task_behind_a_long_poll_is_not_slept_on() {
    if thread::available_parallelism().is_ok_and(|processors| processors.get() < 2) {
        return;
    }
    let runtime = Runtime::builder().worker_count(2).preemption(Preemption::Off).build().unwrap();
    // In which of the last rounds nobody slept, one bit for each: a busy machine takes the processor away now and then.
    let mut awake = 0_u32;
    for _ in 0..300 {
        // So that looking on before a sleep has long been in vain.
        for _ in 0..400 {
            runtime.block_on(runtime.spawn(async {})).unwrap();
        }
        let (here, there, spawned) = (Flag::default(), Flag::default(), Flag::default());
        let (together, done) = (here.clone(), spawned.clone());
        let meets = there.clone();
        let other = runtime.spawn(async move {
            meets.set();
            hog::hog_until(&together) && hog::hog_until(&done)
        });
        let handle = runtime.handle().clone();
        let long = runtime.spawn(async move {
            here.set();
            assert!(hog::hog_until(&there), "the two are on one worker");
            // A poll that the other worker has not seen go on yet.
            yield_now().await;
            let parks = move || handle.metrics().workers.iter().map(|worker| worker.parks).sum::<u64>();
            let before = parks();
            let (awake, ran) = (Flag::default(), Flag::default());
            let (none, lone) = (awake.clone(), ran.clone());
            drop(maniac::spawn(async move {
                if parks() == before {
                    none.set();
                }
                lone.set();
            }));
            spawned.set();
            assert!(hog::hog_until(&ran));
            awake.get()
        });
        awake = awake << 1 | u32::from(runtime.block_on(long).unwrap());
        assert!(runtime.block_on(other).unwrap());
        if awake.count_ones() >= 16 {
            return;
        }
    }
    panic!("the lone task is slept on");
}
