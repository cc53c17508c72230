//! The runtime as its users see it: spawning, joining, panics, aborts, local tasks, shutdown.

use maniac_runtime as maniac;
use maniac_runtime::runtime::{Runtime, SpawnError};
use maniac_runtime::task::{self, JoinSet};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn runtimes() -> Vec<Runtime> {
    vec![
        Runtime::new_single_threaded().unwrap(),
        Runtime::builder().worker_count(1).build().unwrap(),
        Runtime::builder().worker_count(2).build().unwrap(),
        Runtime::builder().worker_count(7).build().unwrap(),
    ]
}

#[test]
fn block_on_gives_the_value() {
    for runtime in runtimes() {
        assert_eq!(runtime.block_on(async { 42 }), 42);
    }
}

#[test]
fn spawn_and_join() {
    for runtime in runtimes() {
        let sum = runtime.block_on(async {
            let handles: Vec<_> = (0..1000u64).map(|n| maniac::spawn(async move { n })).collect();
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 499_500);
    }
}

#[test]
fn spawn_from_inside_tasks() {
    fn tree(depth: u32) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let left = maniac::spawn(tree(depth - 1));
            let right = maniac::spawn(tree(depth - 1));
            left.await.unwrap() + right.await.unwrap()
        })
    }
    for runtime in runtimes() {
        assert_eq!(runtime.block_on(runtime.spawn(tree(12))).unwrap(), 4096);
    }
}

#[test]
fn large_and_overaligned_futures_are_boxed() {
    #[repr(align(128))]
    struct Aligned([u8; 128]);
    for runtime in runtimes() {
        let large = [7u8; 5000];
        let handle = runtime.spawn(async move {
            task::yield_now().await;
            large.iter().map(|byte| u64::from(*byte)).sum::<u64>()
        });
        assert_eq!(runtime.block_on(handle).unwrap(), 35_000);
        let aligned = Aligned([1; 128]);
        let handle = runtime.spawn(async move {
            task::yield_now().await;
            assert_eq!(std::ptr::from_ref(&aligned).addr() % 128, 0);
            aligned.0.len()
        });
        assert_eq!(runtime.block_on(handle).unwrap(), 128);
    }
}

#[test]
fn a_panic_reaches_the_handle() {
    for runtime in runtimes() {
        let error = runtime.block_on(runtime.spawn(async { panic!("lost my marbles") })).unwrap_err();
        assert!(error.is_panic());
        assert!(error.to_string().contains("lost my marbles"), "{error}");
        // The worker survives.
        assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
    }
}

#[test]
fn a_destructors_panic_reaches_the_handle() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    for runtime in runtimes() {
        let handle = runtime.spawn(async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        });
        handle.abort();
        let error = runtime.block_on(handle).unwrap_err();
        // Aborted before its first poll there was no bomb yet; afterwards its panic is the result.
        assert!(error.is_panic() || error.is_cancelled());
    }
}

#[test]
fn abort_drops_the_future_once() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for runtime in runtimes() {
        let drops = Arc::new(AtomicUsize::new(0));
        let count = Count(drops.clone());
        let handle = runtime.spawn(async move {
            let _count = count;
            std::future::pending::<()>().await;
        });
        handle.abort();
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn dropping_the_handle_detaches_and_abort_on_drop_aborts() {
    for runtime in runtimes() {
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.block_on(async move {
            drop(maniac::spawn(async move {
                task::yield_now().await;
                sender.send("ran").unwrap();
            }));
            for _ in 0..10 {
                task::yield_now().await;
            }
        });
        drop(runtime.handle().enter());
        let aborted = runtime.block_on(async {
            let handle = maniac::spawn(std::future::pending::<()>()).abort_on_drop();
            let abort = handle.abort_handle();
            drop(handle);
            while !abort.is_finished() {
                task::yield_now().await;
            }
            abort.is_finished()
        });
        assert!(aborted);
        drop(runtime);
        let _ = receiver.try_recv();
    }
}

#[test]
fn local_tasks_stay_on_their_thread() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let home = std::thread::current().id();
            let shared = Rc::new(Cell::new(0));
            let handles: Vec<_> = (0..50)
                .map(|_| {
                    let shared = shared.clone();
                    maniac::spawn_local(async move {
                        for _ in 0..10 {
                            assert_eq!(std::thread::current().id(), home);
                            shared.set(shared.get() + 1);
                            task::yield_now().await;
                        }
                    })
                })
                .collect();
            for handle in handles {
                handle.await.unwrap();
            }
            assert_eq!(shared.get(), 500);
        });
        // And from a task on a worker.
        let handle = runtime.spawn(async {
            let local = maniac::spawn_local(async {
                let here = std::thread::current().id();
                let not_send = Rc::new(1);
                task::yield_now().await;
                assert_eq!(std::thread::current().id(), here);
                *not_send
            });
            local.await.unwrap()
        });
        assert_eq!(runtime.block_on(handle).unwrap(), 1);
    }
}

#[test]
fn join_set_gives_results_in_the_order_of_completion() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let mut senders = Vec::new();
            for n in 0..3 {
                let (sender, receiver) = std::sync::mpsc::channel::<()>();
                senders.push(sender);
                set.spawn_blocking(move || {
                    let _ = receiver.recv();
                    n
                });
            }
            for n in [2, 0, 1] {
                senders[n].send(()).unwrap();
                assert_eq!(set.join_next().await.unwrap().unwrap(), n);
            }
            set.spawn(std::future::pending());
            set.shutdown().await;
            assert!(set.is_empty());
        });
    }
}

#[test]
fn max_tasks_is_a_limit_and_recovers() {
    let runtime = Runtime::builder().worker_count(1).max_tasks(3).build().unwrap();
    let handles: Vec<_> = (0..3).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
    let error = runtime.handle().try_spawn(async {}).unwrap_err();
    assert!(matches!(error, SpawnError::TooManyTasks(3)), "{error}");
    for handle in handles {
        handle.abort();
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
    }
    assert_eq!(runtime.block_on(runtime.handle().try_spawn(async { 5 }).unwrap()).unwrap(), 5);
}

#[test]
fn unblock_runs_elsewhere_and_resumes_panics() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let here = std::thread::current().id();
            let there = maniac::blocking::unblock(|| std::thread::current().id()).await;
            assert_ne!(here, there);
            let handle = maniac::blocking::spawn_blocking(|| panic!("blocked"));
            assert!(handle.await.unwrap_err().is_panic());
        });
    }
}

#[test]
fn shutdown_drops_what_waits() {
    for runtime in runtimes() {
        let dropped = Arc::new(());
        for _ in 0..100 {
            let alive = dropped.clone();
            drop(runtime.spawn(async move {
                let _alive = alive;
                std::future::pending::<()>().await;
            }));
        }
        let report = runtime.shutdown_timeout(Duration::from_secs(20));
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}

#[test]
fn a_handle_outlives_its_runtime() {
    for runtime in runtimes() {
        let done = runtime.spawn(async { String::from("done") });
        while !done.is_finished() {
            runtime.block_on(task::yield_now());
            std::thread::yield_now();
        }
        let waiting = runtime.spawn(std::future::pending::<()>());
        let handle = runtime.handle().clone();
        drop(runtime);
        let other = Runtime::builder().worker_count(1).build().unwrap();
        assert_eq!(other.block_on(done).unwrap(), "done");
        assert!(other.block_on(waiting).unwrap_err().is_cancelled());
        assert!(matches!(handle.try_spawn(async {}), Err(SpawnError::ShutDown)));
    }
}

#[test]
fn runtimes_come_and_go() {
    for round in 0..200u32 {
        let runtime = Runtime::builder().worker_count(2).build().unwrap();
        assert_eq!(runtime.block_on(runtime.spawn(async move { round })).unwrap(), round);
    }
}

#[test]
fn sync_await_hands_the_role_on() {
    for runtime in runtimes().into_iter().skip(1) {
        let handles: Vec<_> = (0..20u64)
            .map(|n| {
                runtime.spawn(async move {
                    maniac::sync_await(async move {
                        maniac::time::sleep(Duration::from_millis(2)).await;
                        maniac::spawn(async move { n * 2 }).await.unwrap()
                    })
                })
            })
            .collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(runtime.block_on(handle).unwrap(), n as u64 * 2);
        }
    }
}

/// A worker that always has something else to do runs no background task; an idle one does.
#[test]
fn background_tasks_wait_for_the_others() {
    let runtime = Runtime::new_multi_threaded(1, 64).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&order), Arc::clone(&order));
    let tasks = runtime.spawn(async move {
        let background = maniac::task::Builder::new()
            .background()
            .spawn(async move {
                for _ in 0..3 {
                    second.lock().unwrap().push("background");
                    maniac::task::yield_now().await;
                }
            })
            .unwrap();
        let busy = maniac::spawn(async move {
            for _ in 0..500 {
                first.lock().unwrap().push("busy");
                maniac::task::yield_now().await;
            }
        });
        busy.await.unwrap();
        background.await.unwrap();
    });
    runtime.block_on(tasks).unwrap();
    let order = order.lock().unwrap();
    assert_eq!(order.len(), 503);
    assert!(order[500..].iter().all(|who| *who == "background"), "{:?}", &order[490..]);
}

#[test]
fn background_tasks_are_woken_aborted_and_shut_down() {
    for runtime in runtimes() {
        let builder = || maniac::task::Builder::new().background();
        let _entered = runtime.handle().enter();
        let sleeper = builder().spawn(maniac::time::sleep(maniac::time::Duration::from_millis(2))).unwrap();
        runtime.block_on(sleeper).unwrap();
        let waits = builder().spawn(std::future::pending::<()>()).unwrap();
        waits.abort();
        assert!(runtime.block_on(waits).unwrap_err().is_cancelled());
        let local = builder().spawn_local(async { 3 }).unwrap();
        assert_eq!(runtime.block_on(local).unwrap(), 3);
        drop(builder().spawn(std::future::pending::<()>()).unwrap());
        drop(builder().spawn(async { maniac::task::yield_now().await }).unwrap());
    }
}

/// Tasks that wait behind a poll that ends only when they have run: in `next`, in what the worker took out of its ready set, in the
/// ready set itself.
#[test]
fn other_workers_fetch_what_waits_behind_a_long_poll() {
    for waiting in [1, 2, 20, 200] {
        let runtime = Runtime::new_multi_threaded(2, 1024).unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let long = {
            let ran = Arc::clone(&ran);
            runtime.spawn(async move {
                for _ in 0..waiting {
                    let ran = Arc::clone(&ran);
                    drop(maniac::spawn(async move {
                        // In the middle of the others, one that does not end before they have.
                        let place = ran.fetch_add(1, Ordering::SeqCst);
                        while place == waiting / 2 && ran.load(Ordering::SeqCst) < waiting {
                            std::thread::yield_now();
                        }
                    }));
                }
                while waiting < 20 && ran.load(Ordering::SeqCst) < waiting {
                    std::thread::yield_now();
                }
            })
        };
        runtime.block_on(long).unwrap();
        while ran.load(Ordering::SeqCst) < waiting {
            std::thread::yield_now();
        }
    }
}

/// Its entries come back into the thread's inbox again and again; those of the others lie in the ready set. On one thread the count is the same each time.
#[test]
fn a_local_task_that_yields_for_ever_leaves_the_others_their_turn() {
    let runtime = Runtime::new_single_threaded().unwrap();
    let yields = runtime.block_on(async {
        let (yields, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (count, end) = (Rc::clone(&yields), Rc::clone(&done));
        let local = maniac::spawn_local(async move {
            while !end.get() {
                count.set(count.get() + 1);
                task::yield_now().await;
            }
        });
        let others: Vec<_> = (0..1000).map(|n| maniac::spawn(async move { n })).collect();
        for (n, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap(), n);
        }
        done.set(true);
        local.await.unwrap();
        yields.get()
    });
    assert!(yields < 5000, "it was polled {yields} times while 1,000 tasks waited");
}

/// A runtime may get the memory of an earlier one of the same options; its counts are its own.
#[test]
fn a_new_runtime_counts_from_zero() {
    let build = || Runtime::builder().worker_count(1).thread_name("counts-from-zero").build().unwrap();
    let first = build();
    let memory = format!("{:?}", first.handle());
    for _ in 0..10 {
        first.block_on(first.spawn(async { maniac::spawn(async {}).await.unwrap() })).unwrap();
    }
    let metrics = first.metrics();
    assert!(metrics.workers[0].placed == 10 && metrics.workers[0].spawned == 10, "{metrics:?}");
    assert!(first.shutdown_timeout(Duration::from_secs(600)).is_clean());
    let second = build();
    assert_eq!(format!("{:?}", second.handle()), memory, "the same memory");
    let metrics = second.metrics();
    let worker = metrics.workers[0];
    assert_eq!((worker.placed, worker.spawned, worker.completed, worker.polls), (0, 0, 0, 0), "{metrics:?}");
    assert_eq!((metrics.live_tasks, metrics.stalls, metrics.preemption.seized), (0, 0, 0));
    second.block_on(second.spawn(async {})).unwrap();
    assert_eq!(second.metrics().workers[0].placed, 1);
}
