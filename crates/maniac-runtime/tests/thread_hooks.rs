//! The hooks of threads: which threads call them, when, and what a panic in them does.

use maniac_runtime::runtime::{Runtime, RuntimeBuilder};
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{ThreadId, current};
use std::time::Duration;

/// Who waits for so long waits in vain.
const HANGS: Duration = Duration::from_secs(60);

thread_local!(static STARTED: Cell<u32> = const { Cell::new(0) });

/// Threads that have begun and not ended, and all that ever began.
#[derive(Debug, Default)]
struct Seen {
    alive: HashSet<ThreadId>,
    ever: usize,
}

fn watched() -> (Arc<Mutex<Seen>>, RuntimeBuilder) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (starts, stops) = (Arc::clone(&seen), Arc::clone(&seen));
    let builder = RuntimeBuilder::new()
        .on_thread_start(move || {
            STARTED.set(STARTED.get() + 1);
            let mut seen = starts.lock().unwrap();
            seen.ever += 1;
            assert!(seen.alive.insert(current().id()));
        })
        .on_thread_stop(move || assert!(stops.lock().unwrap().alive.remove(&current().id())));
    (seen, builder)
}

#[test]
fn each_thread_that_runs_work_is_told_once_and_ends_told() {
    let (seen, builder) = watched();
    let runtime = builder.worker_count(2).build().unwrap();
    for _ in 0..64 {
        assert_eq!(runtime.block_on(runtime.spawn(async { STARTED.get() })).unwrap(), 1);
        assert_eq!(runtime.block_on(runtime.handle().spawn_blocking(|| STARTED.get())).unwrap(), 1);
    }
    assert_eq!(STARTED.get(), 0, "a thread of the program's is none of the runtime's");
    let ever = seen.lock().unwrap().ever;
    assert!(ever >= 2, "{ever} threads were told");
    drop(runtime);
    assert!(seen.lock().unwrap().alive.is_empty());
}

#[test]
fn a_thread_that_takes_a_role_over_is_told() {
    let (_seen, builder) = watched();
    let runtime = builder.worker_count(1).quantum(Duration::from_micros(100)).build().unwrap();
    let (send, receive) = mpsc::channel();
    // Holds the only worker up until another thread has run the task below.
    let hog = runtime.spawn(async move { receive.recv().unwrap() });
    let other = runtime.spawn(async move { send.send((STARTED.get(), current().id())).unwrap() });
    runtime.block_on(other).unwrap();
    assert_eq!(runtime.block_on(hog).unwrap().0, 1);
}

#[test]
fn a_pinned_task_is_dropped_before_its_thread_stops() {
    struct OnDrop(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("dropped");
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let (stops, drops) = (Arc::clone(&log), Arc::clone(&log));
    let runtime = RuntimeBuilder::new()
        .worker_count(1)
        .on_thread_stop(move || stops.lock().unwrap().push("stopped"))
        .build()
        .unwrap();
    let task = runtime.spawn(async move {
        let kept = OnDrop(drops);
        drop(maniac_runtime::spawn_local(async move {
            let _kept = kept;
            std::future::pending::<()>().await;
        }));
    });
    runtime.block_on(task).unwrap();
    drop(runtime);
    assert_eq!(log.lock().unwrap().first(), Some(&"dropped"));
    assert!(log.lock().unwrap().contains(&"stopped"));
}

#[test]
fn a_panic_in_a_hook_is_contained() {
    let runtime = RuntimeBuilder::new()
        .worker_count(1)
        .on_thread_start(|| panic!("a hook that panics"))
        .on_thread_stop(|| panic!("another one"))
        .build()
        .unwrap();
    assert_eq!(runtime.block_on(runtime.spawn(async { 42 })).unwrap(), 42);
    assert_eq!(runtime.block_on(runtime.handle().spawn_blocking(|| 42)).unwrap(), 42);
}

/// Such as that of a blocking thread, which ends when it has been idle for long.
#[test]
fn a_stop_hook_may_drop_the_runtime() {
    let place = Arc::new(Mutex::new(None));
    let (send, dropped) = mpsc::channel();
    let taken = Arc::clone(&place);
    // No thread ends before the runtime is in its place.
    let mut runtime = place.lock().unwrap();
    let built = RuntimeBuilder::new()
        .worker_count(1)
        .blocking_idle_timeout(Duration::from_millis(1))
        .on_thread_stop(move || {
            let runtime: Option<Runtime> = taken.lock().unwrap().take();
            let first = runtime.is_some();
            drop(runtime);
            if first {
                send.send(()).unwrap();
            }
        })
        .build()
        .unwrap();
    built.block_on(built.handle().spawn_blocking(|| ())).unwrap();
    *runtime = Some(built);
    drop(runtime);
    assert_eq!(dropped.recv_timeout(HANGS), Ok(()), "the shutdown waits for the thread that it runs on");
}
