//! Where an abort's unwind may go and where it may not: scoped thread-locals, `catch_unwind`, foreign frames, destructors. What ends
//! the process is shown in a process of its own.
#![cfg(not(miri))]

use maniac_runtime as maniac;
use maniac_runtime::SyncAwaitError;
use maniac_runtime::runtime::Runtime;
use maniac_runtime::task::{JoinHandle, no_unwind};
use maniac_runtime::time::{Duration, sleep};
use std::cell::Cell;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

scoped_tls::scoped_thread_local!(static WORD: Cell<u32>);

fn threads() -> Runtime {
    Runtime::builder().worker_count(2).build().unwrap()
}

fn coroutines() -> Runtime {
    // SAFETY: the tests' tasks hold no lock and no scoped thread-local across their waits.
    unsafe { Runtime::builder().worker_count(2).coroutines() }.build().unwrap()
}

/// Two tasks on one worker each set a scoped thread-local, wait inside, and end in the order in which they began: not last in,
/// first out. On one thread the second would leave the first's pointer behind, to a frame that is gone; each has a thread of its own.
#[test]
fn scoped_thread_locals_end_in_any_order() {
    let runtime = Runtime::builder().worker_count(1).build().unwrap();
    let _entered = runtime.handle().enter();
    let tasks: Vec<JoinHandle<()>> = (0..50_u32)
        .map(|n| {
            maniac::spawn_stackful(move || {
                let word = Cell::new(n);
                WORD.set(&word, || {
                    for step in 0..4 {
                        maniac::sync_await(sleep(Duration::from_millis(u64::from((n * 7 + step) % 5))));
                        WORD.with(|word| {
                            assert_eq!(word.get(), n + step);
                            word.set(n + step + 1);
                        });
                    }
                    let inner = Cell::new(1000 + n);
                    WORD.set(&inner, || {
                        maniac::sync_await(sleep(Duration::from_millis(1)));
                        WORD.with(|word| assert_eq!(word.get(), 1000 + n));
                    });
                    WORD.with(|word| assert_eq!(word.get(), n + 4));
                });
                assert!(!WORD.is_set());
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
}

/// The same in an order that is certain: three tasks on one worker, each begins in the midst of the scopes of those before it, and they
/// end in the order in which they began.
#[test]
fn scoped_thread_locals_end_first_in_first_out() {
    let runtime = Runtime::builder().worker_count(1).build().unwrap();
    let _entered = runtime.handle().enter();
    let (told, heard) = mpsc::channel();
    let begin = |n: u32| {
        let (go_on, wait) = mpsc::channel::<()>();
        let told = told.clone();
        let task = maniac::spawn_stackful(move || {
            let (outer, inner) = (Cell::new(n), Cell::new(n + 100));
            WORD.set(&outer, || {
                WORD.set(&inner, || {
                    told.send(n).unwrap();
                    maniac::sync_await(async move {
                        while wait.try_recv().is_err() {
                            maniac::task::yield_now().await;
                        }
                    });
                    assert_eq!(WORD.with(Cell::get), n + 100);
                });
                assert_eq!(WORD.with(Cell::get), n);
            });
            assert!(!WORD.is_set());
            told.send(n + 10).unwrap();
        });
        assert_eq!(heard.recv(), Ok(n), "it is inside its scopes");
        (go_on, task)
    };
    let tasks = [0, 1, 2].map(begin);
    for (n, (go_on, task)) in (0..).zip(tasks) {
        go_on.send(()).unwrap();
        assert_eq!(heard.recv(), Ok(n + 10), "it has left them");
        runtime.block_on(task).unwrap();
    }
}

/// The unmarked way out of a task inside somebody's `catch_unwind`: destructors run once, and the task counts as cancelled.
#[test]
fn an_abort_under_catch_unwind_drops_once() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for runtime in [threads(), coroutines()] {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        let _entered = runtime.handle().enter();
        let inner = Arc::clone(&drops);
        let task = maniac::spawn_stackful(move || {
            let _outer = Count(Arc::clone(&inner));
            let caught = std::panic::catch_unwind(|| {
                let _inside = Count(Arc::clone(&inner));
                sender.send(()).unwrap();
                maniac::sync_await(std::future::pending::<()>());
            });
            assert!(caught.is_err(), "the wait has no end");
            // Sticky: the next wait throws again.
            maniac::sync_await(std::future::pending::<()>());
        });
        receiver.recv().unwrap();
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(drops.load(Ordering::SeqCst), 2);
    }
}

extern "C" fn marked(channel: &mpsc::Sender<()>) -> i32 {
    no_unwind(|| {
        channel.send(()).unwrap();
        match maniac::try_sync_await(std::future::pending::<()>()) {
            Err(SyncAwaitError::Cancelled) => -1,
            _ => 0,
        }
    })
}

extern "C" fn unmarked(channel: &mpsc::Sender<()>) -> i32 {
    channel.send(()).unwrap();
    maniac::sync_await(std::future::pending::<()>());
    0
}

/// Runs `callback` in a task, under its wait aborts the task, and gives what became of the task.
fn abort_inside(runtime: &Runtime, callback: extern "C" fn(&mpsc::Sender<()>) -> i32) -> Option<i32> {
    let (sender, receiver) = mpsc::channel();
    let _entered = runtime.handle().enter();
    let task = maniac::spawn_stackful(move || callback(&sender));
    receiver.recv().unwrap();
    task.abort();
    runtime.block_on(task).ok()
}

#[test]
fn marked_foreign_frames_see_an_error() {
    for runtime in [threads(), coroutines()] {
        assert_eq!(abort_inside(&runtime, marked), Some(-1));
    }
}

#[test]
fn an_unmarked_foreign_frame_ends_the_process() {
    if told("unmarked threads") {
        abort_inside(&threads(), unmarked);
        return;
    }
    if told("unmarked coroutines") {
        abort_inside(&coroutines(), unmarked);
        return;
    }
    for what in ["unmarked threads", "unmarked coroutines"] {
        let output = child("an_unmarked_foreign_frame_ends_the_process", what);
        assert_aborted(&output, "cannot unwind");
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        assert!(!std::thread::panicking(), "a destructor's panic during the unwind");
    }
}

#[test]
fn a_panic_that_leaves_a_destructor_during_the_unwind_ends_the_process() {
    for (what, runtime) in
        [("destructor threads", threads as fn() -> Runtime), ("destructor coroutines", coroutines)]
    {
        if !told(what) {
            continue;
        }
        let runtime = runtime();
        let (sender, receiver) = mpsc::channel();
        let _entered = runtime.handle().enter();
        let task = maniac::spawn_stackful(move || {
            let _last = PanicsInDrop;
            sender.send(()).unwrap();
            maniac::sync_await(std::future::pending::<()>());
        });
        receiver.recv().unwrap();
        task.abort();
        drop(runtime.block_on(task));
        return;
    }
    for what in ["destructor threads", "destructor coroutines"] {
        let output = child("a_panic_that_leaves_a_destructor_during_the_unwind_ends_the_process", what);
        assert_aborted(&output, "a destructor's panic during the unwind");
    }
}

const TOLD: &str = "MANIAC_TEST_UNWINDING";

/// Whether this is the process that shall do it.
fn told(what: &str) -> bool {
    std::env::var(TOLD).is_ok_and(|told| told == what)
}

/// Runs the test `name` in a process of its own, which is told to do `what`.
fn child(name: &str, what: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(TOLD, what)
        .output()
        .unwrap()
}

fn assert_aborted(output: &Output, message: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it went on: {said}");
    assert!(said.contains(message), "{said}");
    #[cfg(unix)]
    assert!(
        std::os::unix::process::ExitStatusExt::signal(&output.status).is_some(),
        "it did not abort: {:?}: {said}",
        output.status
    );
}
