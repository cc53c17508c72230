//! Waiting without `.await`: both strategies, aborts, frames that must not be unwound.

use maniac_runtime as maniac;
use maniac_runtime::SyncAwaitError;
use maniac_runtime::runtime::{Runtime, RuntimeBuilder};
use maniac_runtime::task::{self, no_unwind};
use maniac_runtime::time::{Duration, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn runtimes() -> Vec<(&'static str, Runtime)> {
    // SAFETY: the tests' tasks hold no locks and no thread-locals across their waits.
    let coroutines = |builder: RuntimeBuilder| unsafe { builder.coroutines() };
    vec![
        ("threads", Runtime::builder().worker_count(2).build().unwrap()),
        ("coroutines, 1 worker", coroutines(Runtime::builder().worker_count(1)).build().unwrap()),
        ("coroutines, 3 workers", coroutines(Runtime::builder().worker_count(3)).build().unwrap()),
    ]
}

struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn deep_frames_wait() {
    fn descend(depth: u32) -> u32 {
        let frame = [depth; 16];
        if depth == 0 {
            maniac::sync_await(sleep(Duration::from_millis(1)));
            return 0;
        }
        let below = descend(depth - 1);
        maniac::sync_await(task::yield_now());
        assert_eq!(frame, [depth; 16]);
        below + 1
    }
    for (name, runtime) in runtimes() {
        let _entered = runtime.handle().enter();
        let tasks: Vec<_> = (0..20).map(|_| maniac::spawn_stackful(|| descend(100))).collect();
        for task in tasks {
            assert_eq!(runtime.block_on(task).unwrap(), 100, "{name}");
        }
    }
}

#[test]
fn ready_futures_do_not_suspend() {
    for (_, runtime) in runtimes() {
        let task = runtime.spawn(async {
            let here = std::thread::current().id();
            for n in 0..1000 {
                assert_eq!(maniac::sync_await(async move { n }), n);
            }
            assert_eq!(std::thread::current().id(), here);
        });
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_suspended_task_stays_on_its_thread() {
    for (name, runtime) in runtimes() {
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                runtime.spawn(async {
                    for _ in 0..20 {
                        let here = std::thread::current().id();
                        maniac::sync_await(async {
                            maniac::spawn(async {}).await.unwrap();
                            task::yield_now().await;
                        });
                        assert_eq!(std::thread::current().id(), here);
                        task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn an_abort_unwinds_and_drops_once() {
    for (name, runtime) in runtimes() {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = std::sync::mpsc::channel();
        let count = Count(drops.clone());
        let _entered = runtime.handle().enter();
        let task = maniac::spawn_stackful(move || {
            let _count = count;
            sender.send(()).unwrap();
            maniac::sync_await(std::future::pending::<()>());
        });
        receiver.recv().unwrap();
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled(), "{name}");
        assert_eq!(drops.load(Ordering::SeqCst), 1, "{name}");
    }
}

#[test]
fn a_swallowed_abort_is_thrown_again_and_gives_up_in_the_end() {
    for (name, runtime) in runtimes() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let _entered = runtime.handle().enter();
        let task = maniac::spawn_stackful(move || {
            sender.send(()).unwrap();
            let mut swallowed = 0;
            for n in 0..100 {
                let wait = std::panic::catch_unwind(|| {
                    maniac::sync_await(async move {
                        if n == 0 {
                            sleep(Duration::from_secs(3600)).await;
                        }
                    });
                });
                swallowed += u32::from(wait.is_err());
            }
            swallowed
        });
        receiver.recv().unwrap();
        task.abort();
        let result = runtime.block_on(task);
        assert_eq!(result.ok(), Some(8), "{name}: swallowed eight times, then left to finish");
    }
}

#[test]
fn inside_no_unwind_an_abort_is_an_error() {
    extern "C" fn callback(context: *mut std::sync::mpsc::Sender<()>) -> i32 {
        // SAFETY: the caller passes a pointer to its own sender.
        let sender = unsafe { &*context };
        no_unwind(|| {
            sender.send(()).unwrap();
            match maniac::try_sync_await(std::future::pending::<()>()) {
                Err(SyncAwaitError::Cancelled) => -1,
                _ => 0,
            }
        })
    }
    for (name, runtime) in runtimes() {
        let (mut sender, receiver) = std::sync::mpsc::channel();
        let _entered = runtime.handle().enter();
        let task = maniac::spawn_stackful(move || callback(&raw mut sender));
        receiver.recv().unwrap();
        task.abort();
        assert_eq!(runtime.block_on(task).unwrap(), -1, "{name}");
    }
}

#[test]
fn panics_come_out_and_waits_in_destructors_work() {
    struct WaitsInDrop(Arc<AtomicUsize>);
    impl Drop for WaitsInDrop {
        fn drop(&mut self) {
            maniac::sync_await(sleep(Duration::from_millis(1)));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for (name, runtime) in runtimes() {
        let drops = Arc::new(AtomicUsize::new(0));
        let guard = WaitsInDrop(drops.clone());
        let _entered = runtime.handle().enter();
        let task = maniac::spawn_stackful(move || {
            let _guard = guard;
            maniac::sync_await(task::yield_now());
            panic!("on a stack of its own");
        });
        let error = runtime.block_on(task).unwrap_err();
        assert!(error.is_panic(), "{name}");
        assert_eq!(drops.load(Ordering::SeqCst), 1, "{name}");
    }
}

#[test]
fn off_worker_is_an_error_and_limits_are_errors() {
    assert_eq!(maniac::try_sync_await(async {}), Err(SyncAwaitError::OffWorker));
    let runtime = Runtime::builder().worker_count(1).max_sync_threads(2).build().unwrap();
    let _entered = runtime.handle().enter();
    let (sender, receiver) = std::sync::mpsc::channel();
    let blocked: Vec<_> = (0..2)
        .map(|_| {
            let sender = sender.clone();
            maniac::spawn_stackful(move || {
                maniac::sync_await(async {
                    sender.send(()).unwrap();
                    std::future::pending::<()>().await;
                });
            })
        })
        .collect();
    receiver.recv().unwrap();
    receiver.recv().unwrap();
    let third = maniac::spawn_stackful(|| maniac::try_sync_await(std::future::pending::<()>()));
    // The two count as soon as they wait, which is just after they sent.
    let result = runtime.block_on(async {
        let third = maniac::time::timeout(Duration::from_secs(20), third).await;
        third.map(Result::unwrap)
    });
    assert!(matches!(result, Ok(Err(SyncAwaitError::ThreadLimit(2)))), "{result:?}");
    for task in blocked {
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn many_parked_stackful_tasks() {
    // SAFETY: the tasks hold nothing across their waits.
    let runtime = unsafe { Runtime::builder().worker_count(2).coroutines() }.build().unwrap();
    let _entered = runtime.handle().enter();
    let gate = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..5000)
        .map(|n| {
            let gate = gate.clone();
            maniac::spawn_stackful(move || {
                gate.fetch_add(1, Ordering::SeqCst);
                maniac::sync_await(std::future::pending::<()>());
                n
            })
        })
        .collect();
    while gate.load(Ordering::SeqCst) < 5000 {
        std::thread::yield_now();
    }
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn shutdown_unwinds_suspended_stacks() {
    for (name, runtime) in runtimes() {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = std::sync::mpsc::channel();
        let entered = runtime.handle().enter();
        for _ in 0..10 {
            let (count, sender) = (Count(drops.clone()), sender.clone());
            drop(maniac::spawn_stackful(move || {
                let _count = count;
                sender.send(()).unwrap();
                maniac::sync_await(std::future::pending::<()>());
            }));
        }
        for _ in 0..10 {
            receiver.recv().unwrap();
        }
        drop(entered);
        let report = runtime.shutdown_timeout(Duration::from_secs(20));
        assert!(report.is_clean(), "{name}: {report:?}");
        assert_eq!(drops.load(Ordering::SeqCst), 10, "{name}");
    }
}

/// Stacks of which the system gives none: tasks run on their threads' own stacks then, and wait by blocking them, as far as the limit goes.
#[test]
#[cfg(target_pointer_width = "64")]
fn beyond_the_stacks_that_there_are_waits_block_threads_and_the_limit_says_so() {
    let builder = Runtime::builder().worker_count(1).stack_size(1 << 45).max_sync_threads(2);
    // SAFETY: the tasks hold nothing across their waits.
    let runtime = unsafe { builder.coroutines() }.build().unwrap();
    let _entered = runtime.handle().enter();
    let stops: Vec<_> = (0..2)
        .map(|_| {
            let (stop, stopped) = maniac_sync::oneshot::channel::<()>();
            let (waits, waiting) = std::sync::mpsc::channel();
            let task = maniac::spawn_stackful(move || {
                let thread = std::thread::current().id();
                let result = maniac::sync_await(async move {
                    waits.send(()).unwrap();
                    stopped.await
                });
                result.is_ok() && std::thread::current().id() == thread
            });
            waiting.recv().unwrap();
            (stop, task)
        })
        .collect();
    let blocked = || {
        let dump = runtime.handle().dump();
        let blocks = |task: &&maniac::runtime::TaskDump| {
            matches!(task.state, maniac::runtime::TaskState::Suspended { blocks: true, .. })
        };
        dump.tasks.iter().filter(blocks).count()
    };
    while blocked() != 2 {
        std::thread::yield_now();
    }
    let third = maniac::spawn_stackful(|| maniac::try_sync_await(std::future::pending::<()>()));
    let error = runtime.block_on(third).unwrap().unwrap_err();
    assert_eq!(error, SyncAwaitError::ThreadLimit(2));
    assert!(error.to_string().contains("max_sync_threads"), "{error}");
    let fourth = maniac::spawn_stackful(|| maniac::sync_await(std::future::pending::<()>()));
    let panic = runtime.block_on(fourth).unwrap_err().into_panic();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("max_sync_threads"), "{text}");
    for (stop, task) in stops {
        stop.send(()).unwrap();
        assert!(runtime.block_on(task).unwrap());
    }
}
