//! Hand-off in its less usual moments: tasks that are overdue again and again, what was taken and not run, what a demoted poll sets off.
//!
//! As in `preemption.rs` no time is measured, but for one ratio to the same work on plain threads in the same run.
#![cfg(not(any(loom, miri)))]

mod hog;

use hog::{Flag, eventually, hog, one_worker};
use maniac_runtime as maniac;
use maniac_runtime::runtime::{Handle, TaskState};
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{Duration, sleep};

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
