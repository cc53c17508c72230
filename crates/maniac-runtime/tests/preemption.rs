//! Hand-off: a task that never yields keeps its thread, and the others go on without it.
//!
//! No time is measured: a hog computes until the others have done what they are to do, which they can only beside it.
#![cfg(not(any(loom, miri)))]

mod hog;

use hog::{Flag, eventually, hog, hog_until, one_worker, ticker};
use maniac_runtime as maniac;
use maniac_runtime::runtime::{Preemption, Runtime};
use maniac_runtime::task::{JoinHandle, yield_now};
use maniac_runtime::time::{Duration, sleep};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker, ready};
use std::thread;

/// A task of one poll that computes until `done` is set.
fn hog_task(runtime: &Runtime, begun: &Flag, done: &Flag) -> JoinHandle<bool> {
    let (begun, done) = (begun.clone(), done.clone());
    runtime.spawn(async move {
        begun.set();
        hog_until(&done)
    })
}

/// A handle is told before the thread has left the poll.
fn nobody_is_overdue(runtime: &Runtime) {
    eventually("overdue threads end", || runtime.metrics().preemption.overdue_threads == 0);
}

#[test]
fn a_ticker_goes_on_beside_a_hog() {
    for workers in [1, 2] {
        let runtime = Runtime::builder().worker_count(workers).build().unwrap();
        let begun = Flag::default();
        let (task, ticks) = ticker(&runtime, &begun, 10);
        let hogs: Vec<_> = (0..workers)
            .map(|_| {
                let (begun, ticks) = (begun.clone(), Arc::clone(&ticks));
                runtime.spawn(async move {
                    begun.set();
                    hog(|| ticks.load(SeqCst) == 10)
                })
            })
            .collect();
        for hog in hogs {
            assert!(runtime.block_on(hog).unwrap(), "the ticker did not tick beside the hogs");
        }
        runtime.block_on(task).unwrap();
        let preemption = runtime.metrics().preemption;
        assert!(preemption.seized >= 1 && preemption.last_overdue.is_some(), "{preemption:?}");
        nobody_is_overdue(&runtime);
    }
}

#[test]
fn tasks_that_a_hog_spawns_run_beside_it_once_each() {
    let runtime = one_worker().build().unwrap();
    let hog = runtime.spawn(async {
        let ran = Arc::new(AtomicU64::new(0));
        for round in 1..=5 {
            // The first ones are local, the others go the remote path.
            for _ in 0..100 {
                let ran = Arc::clone(&ran);
                drop(maniac::spawn(async move { ran.fetch_add(1, SeqCst) }));
            }
            if !hog(|| ran.load(SeqCst) >= round * 100) {
                return 0;
            }
        }
        ran.load(SeqCst)
    });
    assert_eq!(runtime.block_on(hog).unwrap(), 500);
}

/// A waker is used while its task's poll is demoted, and from a demoted poll; a timer is set in one.
#[test]
fn wakes_and_timers_from_a_demoted_poll_arrive_once() {
    let runtime = one_worker().build().unwrap();
    let told: Arc<Mutex<(u64, Option<Waker>)>> = Arc::default();
    let (slot, polls) = (Arc::clone(&told), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&polls);
    let listener = runtime.spawn(std::future::poll_fn(move |cx| {
        counted.fetch_add(1, SeqCst);
        let mut told = slot.lock().unwrap();
        told.1 = Some(cx.waker().clone());
        if told.0 == 3 { Poll::Ready(()) } else { Poll::Pending }
    }));
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 3);
    let hog = runtime.spawn(async move {
        begun.set();
        assert!(hog(|| ticks.load(SeqCst) == 3), "not demoted");
        for wakes in 1..=3 {
            let waker = {
                let mut told = told.lock().unwrap();
                told.0 += 1;
                told.1.take().unwrap()
            };
            waker.wake();
            assert!(hog(|| polls.load(SeqCst) > wakes), "a wake was lost");
        }
        sleep(Duration::from_millis(2)).await;
        polls.load(SeqCst)
    });
    assert_eq!(runtime.block_on(hog).unwrap(), 4);
    runtime.block_on(listener).unwrap();
    runtime.block_on(task).unwrap();
}

#[test]
fn a_panic_in_a_demoted_poll_reaches_its_handle() {
    let runtime = one_worker().build().unwrap();
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 3);
    let hog = runtime.spawn(async move {
        begun.set();
        assert!(hog(|| ticks.load(SeqCst) == 3), "not demoted");
        std::panic::panic_any("from a demoted poll");
    });
    let error = runtime.block_on(hog).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "from a demoted poll");
    runtime.block_on(task).unwrap();
    nobody_is_overdue(&runtime);
}

/// Operations that were begun in a poll before it was demoted, and in one after that, complete while it goes on; nobody sees them cancelled.
#[cfg(unix)]
#[test]
fn operations_of_a_demoted_thread_complete() {
    use maniac_driver::{SharedFd, op::Recv};
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    let runtime = one_worker().build().unwrap();
    let (mut writer, reader) = UnixStream::pair().unwrap();
    let (mut second_writer, second_reader) = UnixStream::pair().unwrap();
    let (demoted, first_read) = (Flag::default(), Flag::default());
    let (read, announce, go_on) = (Arc::new(AtomicU64::new(0)), demoted.clone(), first_read.clone());
    let hog = runtime.spawn(async move {
        let receive = |stream: UnixStream, read: Arc<AtomicU64>| {
            let operation = Recv::new(SharedFd::new(stream.into()), vec![0_u8; 16], 0);
            let operation = maniac::driver::submit(operation).unwrap();
            drop(maniac::spawn(async move {
                let (result, buffer) = operation.await;
                assert_eq!((result.unwrap(), buffer.as_slice()), (3, b"abc".as_slice()));
                read.fetch_add(1, SeqCst);
            }));
        };
        // The first one is given to the kernel by this very thread.
        receive(reader, Arc::clone(&read));
        yield_now().await;
        let other = Flag::default();
        let ran = other.clone();
        drop(maniac::spawn(async move {
            sleep(Duration::from_millis(1)).await;
            ran.set();
        }));
        assert!(hog_until(&other), "not demoted");
        announce.set();
        let first = hog(|| read.load(SeqCst) == 1);
        go_on.set();
        receive(second_reader, Arc::clone(&read));
        first && hog(|| read.load(SeqCst) == 2)
    });
    eventually("the hog is demoted", || demoted.get());
    writer.write_all(b"abc").unwrap();
    eventually("the first operation completes", || first_read.get());
    second_writer.write_all(b"abc").unwrap();
    assert!(runtime.block_on(hog).unwrap(), "an operation of a demoted thread did not complete");
}

/// A task that holds a lock is demoted; a second one that wants the lock blocks its thread, and is demoted too; the ticker goes on.
#[test]
fn a_lock_of_a_demoted_owner_holds_up_those_who_want_it_and_nobody_else() {
    let runtime = one_worker().build().unwrap();
    let (lock, locked) = (Arc::new(Mutex::new(0)), Flag::default());
    let (task, ticks) = ticker(&runtime, &locked, 5);
    let (held, begun) = (Arc::clone(&lock), locked.clone());
    let owner = runtime.spawn(async move {
        let mut held = held.lock().unwrap();
        begun.set();
        *held += 1;
        hog(|| ticks.load(SeqCst) == 5)
    });
    let others: Vec<_> = (0..3)
        .map(|_| {
            let (lock, locked) = (Arc::clone(&lock), locked.clone());
            runtime.spawn(async move {
                while !locked.get() {
                    yield_now().await;
                }
                *lock.lock().unwrap() += 1;
            })
        })
        .collect();
    assert!(runtime.block_on(owner).unwrap(), "the ticker waited for the lock's owner");
    for other in others {
        runtime.block_on(other).unwrap();
    }
    runtime.block_on(task).unwrap();
    assert_eq!(*lock.lock().unwrap(), 4);
}

/// A pinned task's thread loses its role in a hog's poll; the interim owner then has a hog of its own, which waits for the pinned task.
#[test]
fn pinned_tasks_stay_on_their_thread_and_run_without_its_role() {
    let runtime = one_worker().build().unwrap();
    let (begun, pinned) = (Flag::default(), Flag::default());
    let (task, ticks) = ticker(&runtime, &begun, 3);
    let (start, ran) = (begun.clone(), pinned.clone());
    let first = runtime.spawn(async move {
        let home = thread::current().id();
        let counter = Rc::new(Cell::new(0));
        let local = maniac::spawn_local(async move {
            for _ in 0..50 {
                yield_now().await;
                assert_eq!(thread::current().id(), home, "a pinned task changed its thread");
                counter.set(counter.get() + 1);
            }
            ran.set();
            counter.get()
        });
        start.set();
        let demoted = hog(|| ticks.load(SeqCst) == 3);
        (demoted, local)
    });
    let hog = runtime.spawn(async move {
        while !begun.get() {
            yield_now().await;
        }
        hog_until(&pinned)
    });
    let (demoted, local) = runtime.block_on(first).unwrap();
    assert!(demoted);
    assert!(runtime.block_on(hog).unwrap(), "the pinned task waited for another task's poll");
    assert_eq!(runtime.block_on(local).unwrap(), 50);
    runtime.block_on(task).unwrap();
}

#[test]
fn the_limit_of_overdue_threads_counts_and_recovers() {
    let runtime = one_worker().max_overdue_threads(1).build().unwrap();
    let flags: [Flag; 4] = Default::default();
    let [begun, done, second_begun, second_done] = &flags;
    let first = hog_task(&runtime, begun, done);
    eventually("the first hog runs", || begun.get());
    let second = hog_task(&runtime, second_begun, second_done);
    eventually("the first hog is demoted", || second_begun.get());
    let begin = Flag::default();
    let (task, ticks) = ticker(&runtime, &begin, 1);
    begin.set();
    eventually("the second hog is refused", || runtime.metrics().preemption.refused >= 1);
    assert_eq!(ticks.load(SeqCst), 0);
    done.set();
    assert!(runtime.block_on(first).unwrap());
    eventually("the second hog is demoted in its place", || ticks.load(SeqCst) == 1);
    second_done.set();
    assert!(runtime.block_on(second).unwrap());
    runtime.block_on(task).unwrap();
}

/// A poll of many leaf operations yields when it is asked to, and nothing is seized for it.
#[test]
fn leaf_operations_yield_when_asked() {
    let runtime = one_worker().max_overdue_threads(0).build().unwrap();
    let (begun, done) = (Flag::default(), Flag::default());
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let stop = done.clone();
    let leaves = runtime.spawn(async move {
        begun.set();
        while !stop.get() {
            // Without progress the budget never runs out.
            std::future::poll_fn(|cx| {
                drop(ready!(maniac::coop::poll_proceed(cx)));
                Poll::Ready(())
            })
            .await;
        }
    });
    eventually("the ticker ticks", || ticks.load(SeqCst) == 5);
    done.set();
    runtime.block_on(leaves).unwrap();
    runtime.block_on(task).unwrap();
    let preemption = runtime.metrics().preemption;
    assert!(preemption.asked_to_yield >= 1 && preemption.seized == 0, "{preemption:?}");
}

#[test]
fn nothing_is_done_about_a_hog_behind_which_nothing_waits() {
    let runtime = one_worker().quantum(Duration::from_micros(50)).build().unwrap();
    let (begun, done) = (Flag::default(), Flag::default());
    let hog = hog_task(&runtime, &begun, &done);
    eventually("the hog runs", || begun.get());
    // Time enough for the monitor, and no assertion about how much it is.
    thread::sleep(Duration::from_millis(30));
    done.set();
    assert!(runtime.block_on(hog).unwrap());
    let preemption = runtime.metrics().preemption;
    assert_eq!((preemption.seized, preemption.asked_to_yield), (0, 0));
}

#[test]
fn without_preemption_everybody_waits() {
    let runtime = one_worker().preemption(Preemption::Off).build().unwrap();
    let (begun, done) = (Flag::default(), Flag::default());
    let hog = hog_task(&runtime, &begun, &done);
    eventually("the hog runs", || begun.get());
    let begin = Flag::default();
    begin.set();
    let (task, ticks) = ticker(&runtime, &begin, 1);
    thread::sleep(Duration::from_millis(30));
    assert_eq!(ticks.load(SeqCst), 0);
    done.set();
    assert!(runtime.block_on(hog).unwrap());
    runtime.block_on(task).unwrap();
    assert_eq!(runtime.metrics().preemption.seized, 0);
}

/// A runtime with a hog whose thread was demoted.
fn with_demoted_hog(done: &Flag) -> (Runtime, JoinHandle<bool>) {
    let runtime = one_worker().build().unwrap();
    let begun = Flag::default();
    let (task, _) = ticker(&runtime, &begun, 3);
    let hog = hog_task(&runtime, &begun, done);
    runtime.block_on(task).unwrap();
    assert_eq!(runtime.metrics().preemption.overdue_threads, 1);
    (runtime, hog)
}

#[test]
fn a_shutdown_joins_demoted_threads() {
    let done = Flag::default();
    let (runtime, hog) = with_demoted_hog(&done);
    let handle = runtime.handle().clone();
    let ends = thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(600)));
    eventually("the runtime closes", || handle.try_spawn(async {}).is_err());
    done.set();
    assert!(ends.join().unwrap().is_clean());
    // Aborted, but it came to its end in that very poll.
    drop(hog);
}

#[test]
fn a_shutdown_reports_a_thread_that_stays_overdue() {
    let done = Flag::default();
    let (runtime, hog) = with_demoted_hog(&done);
    let report = runtime.shutdown_timeout(Duration::from_millis(20));
    assert!(report.tasks == 1 && report.threads >= 1, "{report:?}");
    done.set();
    eventually("the hog ends", || hog.is_finished());
}

#[test]
fn a_runtime_is_dropped_on_a_demoted_thread() {
    struct Dropped(Flag);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set();
        }
    }
    let runtime = Arc::new(Mutex::new(Some(one_worker().build().unwrap())));
    let (begun, dropped, ended) = (Flag::default(), Flag::default(), Flag::default());
    let guard = runtime.lock().unwrap();
    let inner = guard.as_ref().unwrap();
    let (task, ticks) = ticker(inner, &begun, 3);
    let value = Dropped(dropped.clone());
    drop(inner.spawn(async move {
        let _value = value;
        std::future::pending::<()>().await;
    }));
    let (own, end) = (Arc::clone(&runtime), ended.clone());
    drop(inner.spawn(async move {
        begun.set();
        assert!(hog(|| ticks.load(SeqCst) == 3), "not demoted");
        drop(own.lock().unwrap().take());
        end.set();
    }));
    drop(guard);
    eventually("the hog ends", || ended.get());
    eventually("the runtime goes down", || dropped.get());
    drop(task);
}

/// `sync_await` in a poll that was demoted before, on its thread and on a coroutine; a nested runtime in a third.
#[test]
fn waits_inside_demoted_polls() {
    for coroutines in [false, true] {
        // SAFETY: the tasks hold no lock and no scoped thread-local across their waits.
        let builder = if coroutines { unsafe { one_worker().coroutines() } } else { one_worker() };
        let runtime = builder.build().unwrap();
        let begun = Flag::default();
        let (task, ticks) = ticker(&runtime, &begun, 3);
        let entered = runtime.handle().enter();
        let waiting = maniac::spawn_stackful(move || {
            begun.set();
            assert!(hog(|| ticks.load(SeqCst) == 3), "not demoted");
            let thread = thread::current().id();
            let answer = maniac::sync_await(maniac::spawn(async {
                sleep(Duration::from_millis(1)).await;
                42
            }));
            assert_eq!(thread::current().id(), thread);
            let inner = Runtime::new_single_threaded().unwrap();
            let nested = inner.block_on(async {
                sleep(Duration::from_millis(1)).await;
                1
            });
            answer.unwrap() + nested
        });
        drop(entered);
        assert_eq!(runtime.block_on(waiting).unwrap(), 43);
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_quantum_out_of_range_is_an_error() {
    for quantum in [Duration::ZERO, Duration::from_micros(19), Duration::from_secs(90_000)] {
        let error = one_worker().quantum(quantum).build().unwrap_err();
        assert!(error.to_string().contains("quantum"), "{error}");
    }
}
