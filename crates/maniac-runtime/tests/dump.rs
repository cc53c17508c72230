//! Dumps: what each task says that it does and waits for, the queues, and dumps beside tasks that come and go.

use maniac::runtime::{Dump, Preemption, Runtime, RuntimeBuilder, TaskDump, TaskState, WaitsFor};
use maniac::sync::TrackedMutex;
use maniac::task::{Builder, JoinHandle};
use maniac::time::{Duration, Instant, sleep, sleep_until};
use maniac_runtime as maniac;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn runtime(workers: usize) -> Runtime {
    RuntimeBuilder::new().worker_count(workers).build().unwrap()
}

/// Spawns a named task.
fn named<F>(runtime: &Runtime, name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _entered = runtime.handle().enter();
    Builder::new().name(name).spawn(future).unwrap()
}

fn find<'a>(dump: &'a Dump, name: &str) -> &'a TaskDump {
    let mut found = dump.tasks.iter().filter(|task| task.name.as_deref() == Some(name));
    let task = found.next().unwrap_or_else(|| panic!("{name} is not in\n{dump}"));
    assert!(found.next().is_none(), "{name} is there twice");
    task
}

/// Dumps until the task of this name is as wanted; gives what is asked for of it then, and its line.
fn when<R>(runtime: &Runtime, name: &str, mut look: impl FnMut(&TaskDump) -> Option<R>) -> (R, String) {
    let start = Instant::now();
    loop {
        let dump = runtime.handle().dump();
        if let Some(result) = look(find(&dump, name)) {
            let line = dump.to_string().lines().find(|line| line.contains(name)).unwrap().to_owned();
            return (result, line);
        }
        assert!(start.elapsed() < PATIENCE, "{name} never came to that:\n{dump}");
        std::thread::yield_now();
    }
}

/// What the waiting task of this name waits for, and its line.
fn waits(runtime: &Runtime, name: &str) -> (WaitsFor, String) {
    when(runtime, name, |task| (task.state == TaskState::Waiting).then_some(task.waits_for?))
}

#[test]
fn waiting_tasks_say_what_they_wait_for() {
    let runtime = runtime(2);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let sleeper = named(&runtime, "sleeper", sleep_until(deadline));
    let (waited, line) = waits(&runtime, "sleeper");
    let WaitsFor::Time(until) = waited else { panic!("{waited:?}") };
    assert!(until.duration_since(deadline) < Duration::from_millis(1));
    assert!(line.contains("waiting, for a time 35") && line.contains(file!()), "{line}");

    let id = sleeper.id();
    let joiner = named(&runtime, "joiner", sleeper);
    let (waited, line) = waits(&runtime, "joiner");
    assert_eq!(waited, WaitsFor::Task(id));
    assert!(line.contains(&format!("for task {id}")), "{line}");
    drop(joiner);

    let (sender, mut receiver) = maniac_sync::mpsc::channel::<u32>(1);
    drop(named(&runtime, "receiver", async move { receiver.recv().await }));
    assert_eq!(waits(&runtime, "receiver").0, WaitsFor::Other("a message of a channel"));
    drop(sender);

    let (sender, receiver) = maniac_sync::oneshot::channel::<u32>();
    drop(named(&runtime, "one", receiver));
    assert_eq!(waits(&runtime, "one").0, WaitsFor::Other("the value of a oneshot channel"));
    drop(sender);

    let mutex = Arc::new(TrackedMutex::new(()));
    let same = Arc::clone(&mutex);
    let holder = named(&runtime, "holder", async move {
        let _guard = same.lock().await;
        pending::<()>().await;
    });
    assert_eq!(
        when(&runtime, "holder", |task| (task.state == TaskState::Waiting).then_some(task.waits_for)).0,
        None
    );
    let number = mutex.number();
    drop(named(&runtime, "locker", async move { drop(mutex.lock().await) }));
    assert_eq!(waits(&runtime, "locker").0, WaitsFor::Lock(number));
    holder.abort();

    drop(named(&runtime, "set", async {
        let mut set = maniac::task::JoinSet::new();
        set.spawn(pending::<()>());
        set.join_next().await
    }));
    assert_eq!(waits(&runtime, "set").0, WaitsFor::Other("a task of its JoinSet"));
    drop(named(&runtime, "scope", maniac::task::scope(async |scope| drop(scope.spawn(pending::<()>())))));
    assert_eq!(waits(&runtime, "scope").0, WaitsFor::Other("the tasks of its scope"));
}

#[test]
fn a_task_that_waits_for_several_things_says_so() {
    let runtime = runtime(1);
    let other = runtime.spawn(pending::<()>());
    drop(named(&runtime, "both", async move {
        let (mut other, mut time) = (other, std::pin::pin!(sleep(Duration::from_secs(3600))));
        std::future::poll_fn(|cx| {
            let joined = std::pin::Pin::new(&mut other).poll(cx).map(drop);
            if time.as_mut().poll(cx).is_ready() { std::task::Poll::Ready(()) } else { joined }
        })
        .await;
    }));
    let (waited, line) = waits(&runtime, "both");
    assert!(matches!(waited, WaitsFor::Time(_)), "the last that the poll came to");
    assert!(line.ends_with("and others"), "{line}");
}

#[cfg(target_os = "linux")]
#[test]
fn operations_are_named() {
    use maniac_driver::SharedFd;
    use maniac_driver::op::Read;
    let runtime = runtime(1);
    let (read, write) = std::io::pipe().unwrap();
    let pipe = SharedFd::new(read.into());
    drop(named(&runtime, "reader", async move {
        maniac::driver::submit(Read::new(pipe, vec![0; 1])).unwrap().await.0
    }));
    assert_eq!(waits(&runtime, "reader").0, WaitsFor::Operation("read"));
    drop(write);
}

#[test]
fn states() {
    let runtime = runtime(2);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let hog = named(&runtime, "hog", async move {
        while !stopped.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    let running = |task: &TaskDump| match task.state {
        TaskState::Running { thread, .. } => thread,
        _ => None,
    };
    let (_, line) = when(&runtime, "hog", running);
    assert!(line.contains("running on thread"), "{line}");
    stop.store(true, Ordering::Relaxed);
    let (_, line) = when(&runtime, "hog", |task| (task.state == TaskState::Complete).then_some(()));
    assert!(line.contains("result not taken"), "{line}");
    runtime.block_on(hog).unwrap();
    assert!(runtime.handle().dump().tasks.is_empty(), "{}", runtime.handle().dump());

    let local = runtime.spawn(async {
        let name = Builder::new().name("local");
        drop(name.spawn_local(pending::<()>()).unwrap());
    });
    runtime.block_on(local).unwrap();
    let pinned = |task: &TaskDump| task.pinned_to.filter(|_| task.state == TaskState::Waiting);
    let (_, line) = when(&runtime, "local", pinned);
    assert!(line.contains("pinned to thread"), "{line}");
}

#[test]
fn blocking_work_and_who_waits_for_it() {
    let runtime = runtime(1);
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let work = {
        let _entered = runtime.handle().enter();
        Builder::new().name("work").spawn_blocking(move || ended.recv().is_err()).unwrap()
    };
    when(&runtime, "work", |task| {
        matches!(task.state, TaskState::Running { thread: Some(_), .. }).then_some(())
    });
    let id = work.id();
    drop(named(&runtime, "waiter", work));
    assert_eq!(waits(&runtime, "waiter").0, WaitsFor::Task(id));
    assert_eq!(runtime.handle().dump().blocking.threads, 1);
    drop(end);
}

#[test]
fn a_host_loop_has_dumps_too() {
    let runtime = Runtime::new_single_threaded().unwrap();
    drop(named(&runtime, "sleeper", sleep(Duration::from_secs(3600))));
    assert_eq!(find(&runtime.handle().dump(), "sleeper").state, TaskState::Ready);
    while runtime.tick() {}
    assert!(matches!(waits(&runtime, "sleeper").0, WaitsFor::Time(_)));
    assert!(runtime.handle().dump().workers[0].thread.is_none(), "nobody drives it now");
}

#[test]
fn a_wait_in_sync_await_blocks_a_thread_or_lies_on_a_coroutine() {
    let runtime = runtime(2);
    let blocker = named(&runtime, "blocker", async { maniac::sync_await(sleep(Duration::from_secs(3600))) });
    let suspended = |blocking: bool| {
        move |task: &TaskDump| {
            let state = matches!(task.state, TaskState::Suspended { blocks, .. } if blocks == blocking);
            state.then_some(task.waits_for?)
        }
    };
    assert!(matches!(when(&runtime, "blocker", suspended(true)).0, WaitsFor::Time(_)));
    blocker.abort();
    let coroutine = {
        let _entered = runtime.handle().enter();
        // SAFETY: the closure holds nothing across its wait.
        let builder = unsafe { Builder::new().name("coroutine").coroutine() };
        builder.spawn_stackful(|| maniac::sync_await(sleep(Duration::from_secs(3600)))).unwrap()
    };
    assert!(matches!(when(&runtime, "coroutine", suspended(false)).0, WaitsFor::Time(_)));
    coroutine.abort();
}

#[inline(never)]
fn far_down_in_the_stack() {
    maniac::sync_await(pending::<()>());
    // Not the end, or an optimised build jumps there and leaves no frame.
    std::hint::black_box(());
}

/// Each in a runtime of its own: the one could block the thread that the other is suspended on.
#[test]
fn who_waits_in_sync_await_leaves_a_backtrace_when_asked() {
    for coroutine in [false, true] {
        let runtime = runtime(2);
        let _entered = runtime.handle().enter();
        let builder = Builder::new().name("deep");
        // SAFETY: the closure holds nothing across its wait.
        let builder = if coroutine { unsafe { builder.coroutine() } } else { builder };
        let task = builder.spawn_stackful(far_down_in_the_stack).unwrap();
        let suspended = |task: &TaskDump| match task.state {
            TaskState::Suspended { blocks, .. } => Some(blocks),
            _ => None,
        };
        assert_eq!(when(&runtime, "deep", suspended).0, !coroutine);
        let dump = runtime.handle().dump_with_backtraces(PATIENCE);
        let trace = find(&dump, "deep").backtrace.as_ref().expect("it was asked for").to_string();
        assert!(trace.contains("far_down_in_the_stack"), "{trace}");
        assert!(dump.to_string().contains("far_down_in_the_stack"));
        assert!(find(&runtime.handle().dump(), "deep").backtrace.is_none(), "nobody asked");
        // It waits on, and can be aborted.
        when(&runtime, "deep", suspended);
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn queues_are_counted() {
    let runtime = RuntimeBuilder::new().worker_count(1).preemption(Preemption::Off).build().unwrap();
    let counted = runtime.spawn(async {
        let spawned: Vec<_> = (0..20).map(|_| maniac::spawn(async {})).collect();
        let _pinned = maniac::spawn_local(async {});
        let _late = Builder::new().background().spawn(async {}).unwrap();
        let dump = maniac::runtime::Handle::current().dump();
        assert_eq!(dump.tasks.iter().filter(|task| task.state == TaskState::Ready).count(), 22, "{dump}");
        for handle in spawned {
            handle.await.unwrap();
        }
        dump
    });
    let dump = runtime.block_on(counted).unwrap();
    let worker = dump.workers[0];
    assert_eq!(worker.next + worker.batch + worker.ready, 20);
    assert_eq!((worker.inbox, dump.background, dump.workers.len()), (1, 1, 1));
    assert!(worker.next > 0 && worker.ready > 0 && worker.thread.is_some() && !worker.asleep);
}

#[test]
fn dumps_beside_tasks_that_come_and_go_list_who_stays() {
    const TASKS: usize = 100_000;
    let runtime = runtime(2);
    let stays = named(&runtime, "stays", pending::<()>());
    let made = Arc::new(AtomicUsize::new(0));
    let churns: Vec<_> = (0..4)
        .map(|_| {
            let made = Arc::clone(&made);
            runtime.spawn(async move {
                while made.fetch_add(1, Ordering::Relaxed) < TASKS {
                    let name = format!("name-{}", made.load(Ordering::Relaxed));
                    let child = Builder::new().name(name).spawn(maniac::task::yield_now()).unwrap();
                    // Every other one without a handle: its slot is freed where it ran.
                    if made.load(Ordering::Relaxed).is_multiple_of(2) {
                        drop(child);
                    } else {
                        child.await.unwrap();
                    }
                }
            })
        })
        .collect();
    let mut dumps = 0;
    while !churns.iter().all(JoinHandle::is_finished) || dumps < 10 {
        let dump = runtime.handle().dump();
        assert_eq!(find(&dump, "stays").id, stays.id());
        for task in &dump.tasks {
            let name = task.name.as_deref().unwrap_or("stays");
            assert!(name == "stays" || name[5..].parse::<usize>().is_ok(), "{name}");
            assert_eq!(task.spawned_at.file(), file!());
        }
        dumps += 1;
    }
    stays.abort();
}

#[test]
fn a_runtime_that_is_gone_has_no_tasks() {
    let runtime = runtime(1);
    let handle = runtime.handle().clone();
    drop(runtime.spawn(pending::<()>()));
    drop(runtime);
    assert!(handle.dump().tasks.is_empty());
    // Its core may serve another one by now, which is none of the handle's business.
    let next = self::runtime(1);
    let task = named(&next, "of the next", pending::<()>());
    assert!(handle.dump().tasks.is_empty());
    task.abort();
}

/// Whoever shuts a runtime down ends that one's work that has not begun, on its own thread; to others it runs what it did before.
#[test]
fn a_task_that_shuts_another_runtime_down_is_still_seen_to_run() {
    let outer = runtime(1);
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let task = named(&outer, "outer", async move {
        let inner = RuntimeBuilder::new().worker_count(1).blocking_max_threads(1).build().unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        let first = inner.handle().spawn_blocking(move || (begun.send(()), ended.recv()));
        begins.recv().unwrap();
        let second = inner.handle().spawn_blocking(|| ());
        let report = inner.shutdown_timeout(Duration::from_millis(1));
        let cancelled = second.is_finished();
        drop((first, second));
        (report.blocking_threads, cancelled, maniac::runtime::Handle::current().dump())
    });
    let (busy, cancelled, dump) = outer.block_on(task).unwrap();
    assert_eq!((busy, cancelled), (1, true));
    let state = find(&dump, "outer").state;
    assert!(matches!(state, TaskState::Running { thread: Some(_), .. }), "{state:?}");
    drop(end);
}
