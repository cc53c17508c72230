//! Deadlocks among tasks are reported in debug builds, with the tasks' names, and each once.
#![cfg(debug_assertions)]

use maniac::runtime::{Deadlock, Obstacle, Runtime, RuntimeBuilder};
use maniac::sync::TrackedMutex;
use maniac::task::{Builder, JoinHandle};
use maniac::time::{Duration, sleep};
use maniac_runtime as maniac;
use maniac_sync::oneshot;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn runtime(workers: usize) -> (Runtime, Receiver<Deadlock>) {
    let (sender, receiver) = mpsc::channel();
    let builder = RuntimeBuilder::new().worker_count(workers);
    let tell = move |deadlock: &Deadlock| drop(sender.send(deadlock.clone()));
    (builder.on_deadlock(tell).build().unwrap(), receiver)
}

fn spawn<F>(runtime: &Runtime, name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _entered = runtime.handle().enter();
    Builder::new().name(name).spawn(future).unwrap()
}

/// The names of a deadlock's tasks, in order, and what is in their way.
fn circle(deadlock: &Deadlock) -> Vec<(&str, Obstacle)> {
    let mut tasks: Vec<_> =
        deadlock.tasks.iter().map(|task| (task.name.as_deref().unwrap_or("?"), task.obstacle)).collect();
    tasks.sort_by_key(|(name, _)| *name);
    for (name, _) in &tasks {
        assert!(deadlock.to_string().contains(name), "{deadlock}");
    }
    tasks
}

#[test]
fn a_task_that_awaits_itself() {
    let (runtime, told) = runtime(1);
    let (send, receive) = oneshot::channel::<JoinHandle<()>>();
    let handle = spawn(&runtime, "narcissus", async move { receive.await.unwrap().await.unwrap() });
    assert!(send.send(handle).is_ok());
    assert_eq!(circle(&told.recv_timeout(PATIENCE).unwrap()), [("narcissus", Obstacle::End)]);
}

#[test]
fn two_tasks_that_take_two_locks_in_opposite_orders() {
    let (runtime, told) = runtime(2);
    let locks = [(); 2].map(|()| Arc::new(TrackedMutex::new(0)));
    let both = Arc::new(std::sync::Barrier::new(2));
    for (name, first) in [("left", 0), ("right", 1)] {
        let (locks, both) = (locks.clone(), Arc::clone(&both));
        drop(spawn(&runtime, name, async move {
            let _one = locks[first].lock().await;
            both.wait();
            let _other = locks[1 - first].lock().await;
        }));
    }
    let deadlock = told.recv_timeout(PATIENCE).unwrap();
    let [zero, one] = locks.map(|lock| lock.number());
    assert_eq!(circle(&deadlock), [("left", Obstacle::Lock(one)), ("right", Obstacle::Lock(zero))]);
    assert!(deadlock.to_string().contains(&format!("waits for lock {zero}, held by task")), "{deadlock}");
}

#[test]
fn a_task_that_takes_a_lock_twice() {
    let (runtime, told) = runtime(1);
    let lock = Arc::new(TrackedMutex::new(()));
    let number = lock.number();
    drop(spawn(&runtime, "twice", async move {
        let _one = lock.lock().await;
        let _two = lock.lock().await;
    }));
    assert_eq!(circle(&told.recv_timeout(PATIENCE).unwrap()), [("twice", Obstacle::Lock(number))]);
}

/// Two tasks that each wait, by `wait`, for the other's end.
fn each_other(runtime: &Runtime, wait: fn(JoinHandle<()>), coroutines: bool) {
    let mut sends = Vec::new();
    let mut handles = Vec::new();
    for name in ["echo", "ohce"] {
        let (send, receive) = oneshot::channel::<JoinHandle<()>>();
        let _entered = runtime.handle().enter();
        let builder = Builder::new().name(name);
        // SAFETY: the closure holds nothing across its waits that anybody else could want.
        let builder = if coroutines { unsafe { builder.coroutine() } } else { builder };
        let body = move || wait(maniac::sync_await(receive).unwrap());
        handles.push(builder.spawn_stackful(body).unwrap());
        sends.push(send);
    }
    // Each gets the other's.
    for (send, handle) in sends.into_iter().rev().zip(handles) {
        assert!(send.send(handle).is_ok());
    }
}

#[test]
fn two_tasks_that_wait_for_each_other_in_sync_await() {
    for coroutines in [false, true] {
        let (runtime, told) = runtime(2);
        each_other(&runtime, |handle| maniac::sync_await(handle).unwrap(), coroutines);
        let deadlock = told.recv_timeout(PATIENCE).unwrap();
        let names: Vec<_> = circle(&deadlock).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["echo", "ohce"], "{deadlock}");
    }
}

#[test]
fn a_ring_of_tasks_is_reported_once() {
    const RING: usize = 16;
    let (runtime, told) = runtime(2);
    let (mut sends, receives): (Vec<_>, Vec<_>) =
        (0..RING).map(|_| oneshot::channel::<JoinHandle<()>>()).unzip();
    let handles: Vec<_> = receives
        .into_iter()
        .enumerate()
        .map(|(at, receive)| {
            spawn(&runtime, &format!("ring-{at}"), async move { receive.await.unwrap().await.unwrap() })
        })
        .collect();
    let aborts: Vec<_> = handles.iter().map(JoinHandle::abort_handle).collect();
    // Each gets its neighbour's.
    sends.rotate_left(1);
    for (send, handle) in sends.into_iter().zip(handles) {
        assert!(send.send(handle).is_ok());
    }
    assert_eq!(circle(&told.recv_timeout(PATIENCE).unwrap()).len(), RING);
    // Aborting one frees the whole ring, which takes its time: nothing more is told meanwhile.
    aborts[0].abort();
    for abort in &aborts {
        while !abort.is_finished() {
            std::thread::yield_now();
        }
    }
    assert!(told.try_recv().is_err());
}

#[test]
fn a_task_that_blocks_its_thread_on_one_of_that_thread() {
    let (runtime, told) = runtime(2);
    drop(spawn(&runtime, "blocker", async {
        let local = Builder::new().name("local").spawn_local(async {}).unwrap();
        maniac::sync_await(local).unwrap();
    }));
    let deadlock = told.recv_timeout(PATIENCE).unwrap();
    let found = circle(&deadlock);
    assert_eq!(found[0], ("blocker", Obstacle::End));
    assert!(matches!(found[1], ("local", Obstacle::Thread(_))), "{deadlock}");
    assert!(deadlock.to_string().contains("alone, which task"), "{deadlock}");
}

#[test]
fn a_task_that_blocks_its_thread_on_one_that_awaits_one_of_that_thread() {
    let (runtime, told) = runtime(2);
    drop(spawn(&runtime, "blocker", async {
        let local = Builder::new().name("local").spawn_local(async {}).unwrap();
        let between = async move { local.await.unwrap() };
        let between = Builder::new().name("between").spawn(between).unwrap();
        maniac::sync_await(between).unwrap();
    }));
    let deadlock = told.recv_timeout(PATIENCE).unwrap();
    let found = circle(&deadlock);
    assert_eq!((found[0], found[1]), (("between", Obstacle::End), ("blocker", Obstacle::End)));
    assert!(matches!(found[2], ("local", Obstacle::Thread(_))), "{deadlock}");
}

#[test]
fn who_can_go_on_is_not_accused() {
    let (runtime, told) = runtime(2);
    // A chain that ends.
    let end = runtime.spawn(async { sleep(Duration::from_millis(5)).await });
    let middle = runtime.spawn(async move { end.await.unwrap() });
    runtime.block_on(runtime.spawn(async move { maniac::sync_await(middle).unwrap() })).unwrap();
    // A circle with a way out: a time-out beside the handle.
    let (send, receive) = oneshot::channel::<JoinHandle<()>>();
    let careful = runtime.spawn(async move {
        let own = receive.await.unwrap();
        assert!(maniac::time::timeout(Duration::from_millis(5), own).await.is_err());
    });
    let done = careful.abort_handle();
    assert!(send.send(careful).is_ok());
    while !done.is_finished() {
        std::thread::yield_now();
    }
    // Two locks in one order, by many.
    let locks = [(); 2].map(|()| Arc::new(TrackedMutex::new(0)));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let locks = locks.clone();
            runtime.spawn(async move {
                for _ in 0..20 {
                    let mut one = locks[0].lock().await;
                    maniac::task::yield_now().await;
                    *locks[1].lock().await += 1;
                    *one += 1;
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    assert_eq!(*runtime.block_on(locks[1].lock()), 64 * 20);
    // A local task that its own blocking neighbour does not wait for.
    let wait = runtime.spawn(async {
        let local = maniac::spawn_local(async { 7 });
        maniac::sync_await(sleep(Duration::from_millis(1)));
        local.await.unwrap()
    });
    assert_eq!(runtime.block_on(wait).unwrap(), 7);
    let accused = told.try_iter().map(|deadlock| deadlock.to_string()).collect::<String>();
    assert_eq!(accused, "");
}
