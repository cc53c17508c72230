//! Uses of the runtime that are rare, safe, and must do no harm: several runtimes at once in one task, threads that end early.
#![cfg(not(loom))]

use maniac_runtime as maniac;
use maniac_runtime::runtime::Runtime;
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{Duration, sleep};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

fn both_strategies(test: fn(Runtime)) {
    test(Runtime::builder().worker_count(2).build().unwrap());
    let builder = Runtime::builder().worker_count(2);
    // SAFETY: the tasks of these tests hold no lock and no scoped thread-local across their waits.
    test(unsafe { builder.coroutines() }.build().unwrap());
}

#[test]
fn a_task_waits_while_it_is_in_another_runtime() {
    both_strategies(|runtime| {
        let other = Runtime::new_multi_threaded(3, 64).unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let other = other.handle().clone();
                runtime.spawn(async move {
                    let home = thread::current().id();
                    let entered = other.enter();
                    let there = maniac::sync_await(async {
                        maniac::spawn(async move {
                            sleep(Duration::from_millis(1)).await;
                            n
                        })
                        .await
                    });
                    assert_eq!(thread::current().id(), home, "the stack moved");
                    drop(entered);
                    let here = maniac::sync_await(maniac::spawn(async move { n })).unwrap();
                    there.unwrap() + here
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(runtime.block_on(task).unwrap(), 2 * n);
        }
    });
}

#[test]
fn a_task_that_never_leaves_another_runtime_does_no_harm() {
    both_strategies(|runtime| {
        let other = Runtime::new_multi_threaded(1, 64).unwrap();
        for _ in 0..4 {
            let other = other.handle().clone();
            let forgetful = runtime.spawn(async move {
                let _ = std::mem::ManuallyDrop::new(other.enter());
            });
            runtime.block_on(forgetful).unwrap();
        }
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                runtime.spawn(async {
                    maniac::sync_await(sleep(Duration::from_millis(1)));
                    maniac::runtime::Handle::current()
                })
            })
            .collect();
        for task in tasks {
            let handle = runtime.block_on(task).unwrap();
            assert_eq!(format!("{handle:?}"), format!("{:?}", runtime.handle()));
        }
    });
}

#[test]
fn block_on_another_runtime_inside_a_task() {
    both_strategies(|runtime| {
        // Driven by whoever blocks on it: its tasks run inside a task of the first.
        let host = Arc::new(Runtime::new_single_threaded().unwrap());
        let inner = host.clone();
        let task = runtime.spawn(async move {
            inner.block_on(async {
                let waits = maniac::spawn(async { maniac::try_sync_await(yield_now()).is_ok() });
                waits.await.unwrap()
            })
        });
        assert!(!runtime.block_on(task).unwrap(), "a host's loop was blocked");
    });
}

/// Notes where it was made, and that it was dropped there.
struct Here(thread::ThreadId, Arc<AtomicU32>, #[expect(dead_code, reason = "makes it not Send")] Rc<()>);

impl Here {
    fn new(dropped: &Arc<AtomicU32>) -> Here {
        Here(thread::current().id(), dropped.clone(), Rc::new(()))
    }

    fn check(&self) {
        assert_eq!(thread::current().id(), self.0, "a local task is on another thread");
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if thread::current().id() == self.0 {
            self.1.fetch_add(1, SeqCst);
        }
    }
}

#[test]
fn local_tasks_of_a_blocking_thread_end_with_it() {
    let runtime = Runtime::builder().worker_count(1).build().unwrap();
    let dropped = Arc::new(AtomicU32::new(0));
    let seen = dropped.clone();
    let work = runtime.handle().spawn_blocking(move || {
        let here = Here::new(&seen);
        drop(maniac::spawn_local(async move {
            loop {
                sleep(Duration::from_millis(1)).await;
                here.check();
            }
        }));
    });
    runtime.block_on(work).unwrap();
    let report = runtime.shutdown_timeout(Duration::from_secs(60));
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(dropped.load(SeqCst), 1);
}

#[test]
fn a_thread_that_ends_drops_its_local_tasks() {
    both_strategies(|runtime| {
        let dropped = Arc::new(AtomicU32::new(0));
        for round in 1..=8 {
            let (handle, dropped) = (runtime.handle().clone(), dropped.clone());
            let seen = dropped.clone();
            thread::spawn(move || {
                let _entered = handle.enter();
                let here = Here::new(&dropped);
                let started = Rc::new(Cell::new(false));
                let start = started.clone();
                drop(maniac::spawn_local(async move {
                    start.set(true);
                    std::future::pending::<()>().await;
                    here.check();
                }));
                handle.block_on(async {
                    while !started.get() {
                        yield_now().await;
                    }
                });
            })
            .join()
            .unwrap();
            assert_eq!(seen.load(SeqCst), round);
        }
    });
}

/// A coroutine that is suspended on a thread of the user's own unwinds there when that ends.
#[test]
fn a_thread_that_ends_unwinds_its_suspended_coroutines() {
    let builder = Runtime::builder().worker_count(1);
    // SAFETY: the tasks of this test hold no lock and no scoped thread-local across their waits.
    let runtime = unsafe { builder.coroutines() }.build().unwrap();
    let dropped = Arc::new(AtomicU32::new(0));
    for round in 1..=8 {
        let (handle, dropped) = (runtime.handle().clone(), dropped.clone());
        let seen = dropped.clone();
        thread::spawn(move || {
            let _entered = handle.enter();
            let started = Rc::new(Cell::new(false));
            let start = started.clone();
            drop(maniac::spawn_local(async move {
                let _here = Here::new(&dropped);
                start.set(true);
                maniac::sync_await(std::future::pending::<()>());
            }));
            handle.block_on(async {
                while !started.get() {
                    yield_now().await;
                }
            });
        })
        .join()
        .unwrap();
        assert_eq!(seen.load(SeqCst), round);
    }
}

/// Panics when it is dropped, with a payload that does so again.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 && !thread::panicking() {
            std::panic::panic_any(Bomb(self.0 - 1));
        }
    }
}

#[test]
fn payloads_that_panic_when_dropped_end_no_worker() {
    let runtime = Runtime::new_multi_threaded(1, 64).unwrap();
    for depth in 1..4 {
        // It ends when its handle is gone, so that the worker drops its output.
        let detached = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&detached);
        drop(runtime.spawn(async move {
            while seen.load(SeqCst) == 0 {
                yield_now().await;
            }
            Bomb(depth)
        }));
        detached.store(1, SeqCst);
    }
    assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
}
