//! Many producers, one consumer.

use crate::cases::{Case, Run, timed};
use async_executor::Executor;
use pollster::block_on;
use std::{path::Path, process::Command, sync::Arc, thread, time::Duration};

/// Tasks on `threads` threads, sharing one queue; the calling thread is one of them.
fn on_executor(threads: usize, spawn: impl FnOnce(&Arc<Executor<'static>>) -> async_executor::Task<()>) {
    let executor = Arc::new(Executor::new());
    let main = spawn(&executor);
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let helpers: Vec<_> = (1..threads)
        .map(|_| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || block_on(executor.run(async { _ = stopped.recv().await })))
        })
        .collect();
    block_on(executor.run(main));
    drop(stop);
    helpers.into_iter().for_each(|helper| helper.join().unwrap());
}

/// Producers and the consumer as tasks.
macro_rules! tasks {
    ($threads:expr, $producers:expr, $make:expr, $send:expr, $recv:expr) => {
        Box::new(|messages: u64| {
            timed(|| {
                on_executor($threads, |executor| {
                    let (sender, receiver) = $make;
                    for _ in 0..$producers {
                        let sender = sender.clone();
                        let producer = async move {
                            let send = $send;
                            for number in 0..messages / $producers {
                                send(&sender, number).await;
                            }
                        };
                        executor.spawn(producer).detach();
                    }
                    drop(sender);
                    executor.spawn(async move {
                        #[allow(unused_mut)]
                        let mut receiver = receiver;
                        let recv = $recv;
                        let mut count = 0;
                        while recv(&mut receiver).await {
                            count += 1;
                        }
                        assert_eq!(count, messages / $producers * $producers);
                    })
                })
            })
        }) as Run
    };
}

/// Producers on a thread each, the consumer on another; ends given as functions that block.
macro_rules! threads {
    ($producers:expr, $make:expr, $send:expr, $recv:expr) => {
        Box::new(|messages: u64| {
            let (sender, receiver) = $make;
            timed(|| {
                let consumer = thread::spawn(move || {
                    #[allow(unused_mut)]
                    let mut receiver = receiver;
                    let recv = $recv;
                    let mut count = 0;
                    while recv(&mut receiver) {
                        count += 1;
                    }
                    assert_eq!(count, messages / $producers * $producers);
                });
                let producers: Vec<_> = (0..$producers)
                    .map(|_| {
                        let sender = sender.clone();
                        thread::spawn(move || {
                            let send = $send;
                            for number in 0..messages / $producers {
                                send(&sender, number);
                            }
                        })
                    })
                    .collect();
                drop(sender);
                producers.into_iter().for_each(|producer| producer.join().unwrap());
                consumer.join().unwrap();
            })
        }) as Run
    };
}

/// As `threads!`, with a consumer that is a future.
macro_rules! threads_to_task {
    ($producers:expr, $make:expr, $send:expr, $recv:expr) => {
        threads!($producers, $make, $send, |receiver: &mut _| block_on(async { $recv(receiver).await }))
    };
}

type M = u64;
const CAPACITY: usize = 1_024;

macro_rules! tasks_case {
    ($threads:literal, $producers:literal, $messages:expr) => {
        Case {
            name: format!(
                "tasks on {} thread{}, bounded {CAPACITY}, p{}",
                $threads,
                if $threads == 1 { "" } else { "s" },
                $producers
            ),
            messages: $messages,
            contestants: vec![
                (
                    "maniac-sync",
                    tasks!(
                        $threads,
                        $producers,
                        maniac_sync::mpsc::channel::<M>(CAPACITY),
                        async |s: &maniac_sync::mpsc::Sender<M>, n| s.send(n).await.unwrap(),
                        async |r: &mut maniac_sync::mpsc::Receiver<M>| r.recv().await.is_some()
                    ),
                ),
                (
                    "tokio",
                    tasks!(
                        $threads,
                        $producers,
                        tokio::sync::mpsc::channel::<M>(CAPACITY),
                        async |s: &tokio::sync::mpsc::Sender<M>, n| s.send(n).await.unwrap(),
                        async |r: &mut tokio::sync::mpsc::Receiver<M>| r.recv().await.is_some()
                    ),
                ),
                (
                    "crossfire",
                    tasks!(
                        $threads,
                        $producers,
                        crossfire::mpsc::bounded_async::<M>(CAPACITY),
                        async |s: &crossfire::MAsyncTx<crossfire::mpsc::Array<M>>, n| s
                            .send(n)
                            .await
                            .unwrap(),
                        async |r: &mut crossfire::AsyncRx<crossfire::mpsc::Array<M>>| r.recv().await.is_ok()
                    ),
                ),
                (
                    "kanal",
                    tasks!(
                        $threads,
                        $producers,
                        kanal::bounded_async::<M>(CAPACITY),
                        async |s: &kanal::AsyncSender<M>, n| s.send(n).await.unwrap(),
                        async |r: &mut kanal::AsyncReceiver<M>| r.recv().await.is_ok()
                    ),
                ),
                (
                    "flume",
                    tasks!(
                        $threads,
                        $producers,
                        flume::bounded::<M>(CAPACITY),
                        async |s: &flume::Sender<M>, n| s.send_async(n).await.unwrap(),
                        async |r: &mut flume::Receiver<M>| r.recv_async().await.is_ok()
                    ),
                ),
                (
                    "async-channel",
                    tasks!(
                        $threads,
                        $producers,
                        async_channel::bounded::<M>(CAPACITY),
                        async |s: &async_channel::Sender<M>, n| s.send(n).await.unwrap(),
                        async |r: &mut async_channel::Receiver<M>| r.recv().await.is_ok()
                    ),
                ),
            ],
        }
    };
}

macro_rules! threads_case {
    ($name:literal, $producers:literal, $messages:expr,
     $ours:expr, $crossbeam:expr, $flume:expr, $kanal:expr, $crossfire:expr, $async_channel:expr) => {
        Case {
            name: format!("threads, {}, p{}", $name, $producers),
            messages: $messages,
            contestants: vec![
                (
                    "maniac-sync",
                    threads!(
                        $producers,
                        $ours,
                        |s: &maniac_sync::mpsc::Sender<M>, n| s.send_blocking(n).unwrap(),
                        |r: &mut maniac_sync::mpsc::Receiver<M>| r.recv_blocking().is_some()
                    ),
                ),
                (
                    "crossbeam",
                    threads!(
                        $producers,
                        $crossbeam,
                        |s: &crossbeam_channel::Sender<M>, n| s.send(n).unwrap(),
                        |r: &mut crossbeam_channel::Receiver<M>| r.recv().is_ok()
                    ),
                ),
                (
                    "flume",
                    threads!(
                        $producers,
                        $flume,
                        |s: &flume::Sender<M>, n| s.send(n).unwrap(),
                        |r: &mut flume::Receiver<M>| r.recv().is_ok()
                    ),
                ),
                (
                    "kanal",
                    threads!(
                        $producers,
                        $kanal,
                        |s: &kanal::Sender<M>, n| s.send(n).unwrap(),
                        |r: &mut kanal::Receiver<M>| r.recv().is_ok()
                    ),
                ),
                ("crossfire", $crossfire),
                (
                    "async-channel",
                    threads!(
                        $producers,
                        $async_channel,
                        |s: &async_channel::Sender<M>, n| s.send_blocking(n).unwrap(),
                        |r: &mut async_channel::Receiver<M>| r.recv_blocking().is_ok()
                    ),
                ),
            ],
        }
    };
}

macro_rules! bounded_threads_case {
    ($producers:literal, $messages:expr) => {
        threads_case!(
            "bounded 1024",
            $producers,
            $messages,
            maniac_sync::mpsc::channel::<M>(CAPACITY),
            crossbeam_channel::bounded::<M>(CAPACITY),
            flume::bounded::<M>(CAPACITY),
            kanal::bounded::<M>(CAPACITY),
            threads!(
                $producers,
                crossfire::mpsc::bounded_blocking::<M>(CAPACITY),
                |s: &crossfire::MTx<crossfire::mpsc::Array<M>>, n| s.send(n).unwrap(),
                |r: &mut crossfire::Rx<crossfire::mpsc::Array<M>>| r.recv().is_ok()
            ),
            async_channel::bounded::<M>(CAPACITY)
        )
    };
}

macro_rules! unbounded_threads_case {
    ($producers:literal, $messages:expr) => {
        threads_case!(
            "unbounded",
            $producers,
            $messages,
            maniac_sync::mpsc::unbounded::<M>(),
            crossbeam_channel::unbounded::<M>(),
            flume::unbounded::<M>(),
            kanal::unbounded::<M>(),
            threads!(
                $producers,
                crossfire::mpsc::unbounded_blocking::<M>(),
                |s: &crossfire::MTx<crossfire::mpsc::List<M>>, n| s.send(n).unwrap(),
                |r: &mut crossfire::Rx<crossfire::mpsc::List<M>>| r.recv().is_ok()
            ),
            async_channel::unbounded::<M>()
        )
    };
}

macro_rules! to_task_case {
    ($producers:literal, $messages:expr) => {
        Case {
            name: format!("threads to a task, bounded {CAPACITY}, p{}", $producers),
            messages: $messages,
            contestants: vec![
                (
                    "maniac-sync",
                    threads_to_task!(
                        $producers,
                        maniac_sync::mpsc::channel::<M>(CAPACITY),
                        |s: &maniac_sync::mpsc::Sender<M>, n| s.send_blocking(n).unwrap(),
                        async |r: &mut maniac_sync::mpsc::Receiver<M>| r.recv().await.is_some()
                    ),
                ),
                (
                    "tokio",
                    threads_to_task!(
                        $producers,
                        tokio::sync::mpsc::channel::<M>(CAPACITY),
                        |s: &tokio::sync::mpsc::Sender<M>, n| s.blocking_send(n).unwrap(),
                        async |r: &mut tokio::sync::mpsc::Receiver<M>| r.recv().await.is_some()
                    ),
                ),
                (
                    "crossfire",
                    threads_to_task!(
                        $producers,
                        crossfire::mpsc::bounded_blocking_async::<M>(CAPACITY),
                        |s: &crossfire::MTx<crossfire::mpsc::Array<M>>, n| s.send(n).unwrap(),
                        async |r: &mut crossfire::AsyncRx<crossfire::mpsc::Array<M>>| r.recv().await.is_ok()
                    ),
                ),
                (
                    "kanal",
                    threads_to_task!(
                        $producers,
                        {
                            let (sender, receiver) = kanal::bounded::<M>(CAPACITY);
                            (sender, receiver.to_async())
                        },
                        |s: &kanal::Sender<M>, n| s.send(n).unwrap(),
                        async |r: &mut kanal::AsyncReceiver<M>| r.recv().await.is_ok()
                    ),
                ),
                (
                    "flume",
                    threads_to_task!(
                        $producers,
                        flume::bounded::<M>(CAPACITY),
                        |s: &flume::Sender<M>, n| s.send(n).unwrap(),
                        async |r: &mut flume::Receiver<M>| r.recv_async().await.is_ok()
                    ),
                ),
                (
                    "async-channel",
                    threads_to_task!(
                        $producers,
                        async_channel::bounded::<M>(CAPACITY),
                        |s: &async_channel::Sender<M>, n| s.send_blocking(n).unwrap(),
                        async |r: &mut async_channel::Receiver<M>| r.recv().await.is_ok()
                    ),
                ),
            ],
        }
    };
}

/// Goroutines, in a process of their own that says how many nanoseconds they took.
fn goroutines(program: &Path, threads: usize, producers: usize) -> (&'static str, Run) {
    let program = program.to_owned();
    let run = move |messages: u64| {
        let mut command = Command::new(&program);
        command.args(["mpsc", &producers.to_string(), &messages.to_string()]);
        let output = command.env("GOMAXPROCS", threads.to_string()).output().expect("Go's program");
        let nanos = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
        Duration::from_nanos(nanos)
    };
    ("go", Box::new(run))
}

/// A case of tasks, with Go's channel where Go is.
macro_rules! tasks_case_and_go {
    ($go:expr, $threads:literal, $producers:literal, $messages:expr) => {{
        let mut case = tasks_case!($threads, $producers, $messages);
        case.contestants.extend($go.map(|program| goroutines(program, $threads, $producers)));
        case
    }};
}

pub fn add(cases: &mut Vec<Case>, go: Option<&Path>) {
    cases.push(tasks_case_and_go!(go, 1, 1, 1_000_000));
    cases.push(tasks_case_and_go!(go, 1, 4, 1_000_000));
    cases.push(tasks_case_and_go!(go, 1, 16, 1_000_000));
    cases.push(tasks_case_and_go!(go, 2, 1, 1_000_000));
    cases.push(tasks_case_and_go!(go, 2, 4, 1_000_000));
    cases.push(tasks_case_and_go!(go, 2, 16, 1_000_000));
    cases.push(to_task_case!(1, 500_000));
    cases.push(to_task_case!(4, 500_000));
    cases.push(to_task_case!(16, 500_000));
    cases.push(bounded_threads_case!(1, 500_000));
    cases.push(bounded_threads_case!(4, 500_000));
    cases.push(bounded_threads_case!(16, 500_000));
    cases.push(unbounded_threads_case!(1, 1_000_000));
    cases.push(unbounded_threads_case!(4, 1_000_000));
    cases.push(unbounded_threads_case!(16, 1_000_000));
}
