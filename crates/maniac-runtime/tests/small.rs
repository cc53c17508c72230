//! All ways of a task's life, on few tasks each: what an interpreter that looks at every access can get through.
//!
//! `npm run deep -- --only miri-maniac-runtime`: there all is threads, atomics and memory, and nothing is assembly. The clock is miri's own, so that
//! a busy machine changes nothing, and a wake-up that is lost shows soon: as a deadlock, or as a runtime that does not end in time.

use maniac_runtime as maniac;
use maniac_runtime::runtime::{Runtime, TaskArenaConfig};
use maniac_runtime::task::{self, JoinSet};
use maniac_runtime::time::{Duration, sleep, timeout};
use std::cell::Cell;
use std::future::poll_fn;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};

/// A runtime that is shut down where it goes, with nothing left. (Dropping a [`Runtime`] waits for as long as it takes.)
struct Ends(Option<Runtime>);

impl Deref for Ends {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take().filter(|_| !std::thread::panicking()) else { return };
        let report = runtime.shutdown_timeout(Duration::from_secs(600));
        assert!(report.is_clean(), "{report:?}");
    }
}

/// With small leaves: a shutdown looks at every slot, and an interpreter takes its time for each.
fn workers(count: usize) -> Ends {
    let leaves = TaskArenaConfig::new(1, 64).unwrap();
    Ends(Some(Runtime::builder().worker_count(count).arena(leaves).build().unwrap()))
}

fn host() -> Ends {
    Ends(Some(Runtime::new_single_threaded().unwrap()))
}

/// Counts how often it is dropped.
#[derive(Clone)]
struct Drops(Arc<AtomicUsize>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Futures and outputs of every size class, those that are boxed among them, each with a place of its own.
#[test]
fn futures_of_all_sizes_come_back_whole() {
    async fn sized<const N: usize>(number: u8) -> [u8; N] {
        let bytes = [number; N];
        task::yield_now().await;
        bytes
    }
    let runtime = workers(2);
    macro_rules! check {
        ($($size:literal)*) => {$({
            let byte = ($size % 251) as u8;
            assert_eq!(runtime.block_on(runtime.spawn(sized::<$size>(byte))).unwrap(), [byte; $size]);
        })*};
    }
    check!(0 1 24 64 200 700 3000 20_000);
}

#[test]
fn tasks_wake_and_join_each_other() {
    let runtime = workers(2);
    let sum = runtime.block_on(async {
        let tasks: Vec<_> = (0..8_u64)
            .map(|n| {
                maniac::spawn(async move {
                    let inner = maniac::spawn(async move {
                        task::yield_now().await;
                        n
                    });
                    inner.await.unwrap() + Box::new(n).wrapping_mul(2)
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, 3 * 28);
}

/// A handle is dropped or aborted, a future panics or its destructor does, in every order: what a task holds goes once.
#[test]
fn what_a_task_holds_goes_once() {
    let runtime = workers(2);
    let drops = Drops(Arc::new(AtomicUsize::new(0)));
    let gone = Arc::clone(&drops.0);
    let held = || Drops(Arc::clone(&gone));
    let (detached, aborted, finished, panics) = (held(), held(), held(), held());
    let (told, heard) = mpsc::channel();
    drop(runtime.spawn(async move {
        let _held = detached;
        told.send(()).unwrap();
    }));
    heard.recv().unwrap();
    let task = runtime.spawn(async move {
        let _held = aborted;
        std::future::pending::<()>().await;
    });
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    // Its output is dropped with its handle.
    let task = runtime.spawn(async move { finished });
    while !task.is_finished() {
        std::thread::yield_now();
    }
    drop(task);
    let task = runtime.spawn(async move {
        let _held = panics;
        panic!("on purpose");
    });
    let panic = runtime.block_on(task).unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    drop(runtime);
    assert_eq!(gone.load(SeqCst), 4);
}

/// Wakers that live longer than their task, and than its runtime.
#[test]
fn stale_wakers_do_nothing() {
    let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let runtime = workers(2);
    for _ in 0..3 {
        let kept = Arc::clone(&kept);
        let task = runtime.spawn(poll_fn(move |cx| {
            let mut kept = kept.lock().unwrap();
            kept.push(cx.waker().clone());
            if kept.len().is_multiple_of(2) {
                return Poll::Ready(kept.len());
            }
            drop(kept);
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        runtime.block_on(task).unwrap();
        // Another task takes the slot before anybody uses the old wakers again.
        runtime.block_on(runtime.spawn(task::yield_now())).unwrap();
    }
    for waker in kept.lock().unwrap().iter() {
        waker.wake_by_ref();
    }
    assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
    drop(runtime);
    kept.lock().unwrap().drain(..).for_each(Waker::wake);
}

#[test]
fn local_tasks_share_what_is_not_shared() {
    let runtime = host();
    let count = Rc::new(Cell::new(0));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let count = Rc::clone(&count);
                maniac::spawn_local(async move {
                    for _ in 0..3 {
                        count.set(count.get() + 1);
                        task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!((count.get(), Rc::strong_count(&count)), (12, 1));
}

#[test]
fn sets_are_joined_or_aborted() {
    let runtime = workers(2);
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for n in 0..6_u32 {
            set.spawn(async move {
                if n % 2 == 0 {
                    std::future::pending::<()>().await;
                }
                n
            });
        }
        let mut sum = 0;
        for _ in 0..3 {
            sum += set.join_next().await.unwrap().unwrap();
        }
        assert_eq!(sum, 9);
    });
}

#[test]
fn timers_fire_and_are_dropped() {
    let runtime = workers(1);
    runtime.block_on(async {
        let early = maniac::spawn(sleep(Duration::from_millis(2)));
        assert!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
        assert_eq!(timeout(Duration::from_secs(3600), async { 5 }).await.unwrap(), 5);
        early.await.unwrap();
    });
}

/// By blocking its thread and handing the role on, from a plain task and from a stackful one.
#[test]
fn a_wait_in_the_midst_of_a_poll() {
    let runtime = workers(1);
    let _entered = runtime.handle().enter();
    let stackful = maniac::spawn_stackful(|| {
        let text = String::from("kept");
        maniac::sync_await(task::yield_now());
        text
    });
    let plain =
        runtime.spawn(async { maniac::sync_await(async { maniac::spawn(async { 2 }).await.unwrap() }) });
    assert_eq!(runtime.block_on(stackful).unwrap(), "kept");
    assert_eq!(runtime.block_on(plain).unwrap(), 2);
}

/// An abort of such a wait unwinds its frames once.
#[test]
fn an_aborted_wait_unwinds() {
    let runtime = workers(1);
    let gone = Arc::new(AtomicUsize::new(0));
    let (held, (told, heard)) = (Drops(Arc::clone(&gone)), mpsc::channel());
    let _entered = runtime.handle().enter();
    let task = maniac::spawn_stackful(move || {
        let _held = held;
        told.send(()).unwrap();
        maniac::sync_await(std::future::pending::<()>());
    });
    heard.recv().unwrap();
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert_eq!(gone.load(SeqCst), 1);
}

#[test]
fn blocking_calls_and_their_panics() {
    let runtime = workers(1);
    let (value, panic) = runtime.block_on(async {
        let value = maniac::blocking::unblock(|| vec![1, 2, 3]).await;
        (value, maniac::blocking::spawn_blocking(|| panic!("blocked")).await)
    });
    assert_eq!(value, [1, 2, 3]);
    assert!(panic.unwrap_err().is_panic());
}

/// A loop of somebody else's drives the runtime.
#[test]
fn a_host_ticks() {
    let runtime = host();
    let task = runtime.spawn(async {
        task::yield_now().await;
        7
    });
    while !task.is_finished() {
        let _ = runtime.tick();
    }
    assert_eq!(runtime.block_on(task).unwrap(), 7);
}

/// What is left at the end is dropped on its way out: futures that wait, locals, and what their destructors spawn.
#[test]
fn shutdown_drops_what_waits() {
    let gone = Arc::new(AtomicUsize::new(0));
    let runtime = workers(2);
    let mut handles = Vec::new();
    for _ in 0..4 {
        let held = Drops(Arc::clone(&gone));
        handles.push(runtime.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        }));
    }
    drop(runtime);
    assert_eq!(gone.load(SeqCst), 4);
    for handle in handles {
        assert!(workers(1).block_on(handle).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_panic_in_block_on_leaves_the_runtime_whole() {
    let runtime = workers(1);
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("outside") })));
    assert!(result.is_err());
    assert_eq!(runtime.block_on(runtime.spawn(async { 3 })).unwrap(), 3);
}
