//! What is made for tokio, in tasks of ours: timers, sockets, tasks; polled by changing threads, dropped half-way.
#![cfg(feature = "tokio-compat-rt")]

use maniac_io::compat::tokio::Reactor;
use maniac_runtime::runtime::{Runtime, RuntimeBuilder};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn runtime() -> Runtime {
    Runtime::new_multi_threaded(2, 4096).unwrap()
}

/// An echo of `rounds` messages on each of `connections` sockets of tokio's, all of it in tasks of ours.
async fn echo(reactor: Reactor, connections: usize, rounds: usize) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = maniac_runtime::spawn(reactor.run(async move {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(maniac_runtime::spawn(reactor.run(async move {
                let mut buf = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut buf).await {
                    stream.write_all(&buf[..count]).await.unwrap();
                }
            })));
        }
    }));
    let clients: Vec<_> = (0..connections)
        .map(|number| {
            maniac_runtime::spawn(reactor.run(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                for round in 0..rounds {
                    let sent = (number * 1000 + round).to_le_bytes();
                    stream.write_all(&sent).await.unwrap();
                    let mut got = [0; 8];
                    stream.read_exact(&mut got).await.unwrap();
                    assert_eq!(got, sent);
                }
            }))
        })
        .collect();
    let mut done = 0;
    for client in clients {
        client.await.unwrap();
        done += 1;
    }
    server.await.unwrap();
    done
}

#[test]
fn sockets_of_tokio_work_in_tasks_of_ours() {
    let reactor = Reactor::start().unwrap();
    assert_eq!(runtime().block_on(reactor.run(echo(reactor, 20, 50))), 20);
}

#[test]
fn a_runtime_whose_threads_are_attached_needs_no_wrapper() {
    let reactor = Reactor::start().unwrap();
    let runtime =
        RuntimeBuilder::new().worker_count(2).on_thread_start(move || reactor.attach()).build().unwrap();
    let task = runtime.spawn(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        // The one that is spawned runs on tokio's own thread.
        let name = tokio::spawn(async { std::thread::current().name().map(str::to_owned) });
        name.await.unwrap()
    });
    assert_eq!(runtime.block_on(task).unwrap().as_deref(), Some("maniac-tokio"));
    let blocking = runtime.handle().spawn_blocking(|| tokio::runtime::Handle::try_current().is_ok());
    assert!(runtime.block_on(blocking).unwrap());
}

#[test]
fn a_thread_that_is_in_a_context_is_not_attached_beyond_it() {
    let reactor = Reactor::start().unwrap();
    let is_inside = || tokio::runtime::Handle::try_current().is_ok();
    std::thread::spawn(move || {
        let entered = reactor.enter();
        reactor.attach();
        drop(entered);
        assert!(!is_inside());
        reactor.attach();
        drop(reactor.enter());
        assert!(is_inside());
    })
    .join()
    .unwrap();
}

#[test]
fn without_the_reactor_there_is_no_context() {
    let task = async { tokio::runtime::Handle::try_current().is_err() };
    let runtime = runtime();
    assert!(runtime.block_on(runtime.spawn(task)).unwrap());
}

#[test]
fn a_future_that_is_dropped_half_way_is_dropped_in_the_context() {
    struct Asks(Arc<AtomicBool>);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.store(tokio::runtime::Handle::try_current().is_ok(), Ordering::Relaxed);
        }
    }
    let inside = Arc::new(AtomicBool::new(false));
    let asks = Asks(Arc::clone(&inside));
    let runtime = runtime();
    let (send, begun) = mpsc::channel();
    let task = runtime.spawn(Reactor::start().unwrap().run(async move {
        let _asks = asks;
        send.send(()).unwrap();
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }));
    begun.recv().unwrap();
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert!(inside.load(Ordering::Relaxed));
}

#[test]
fn one_poll_after_the_other_may_be_on_another_thread() {
    let runtime = runtime();
    let reactor = Reactor::start().unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            runtime.spawn(reactor.run(async {
                for _ in 0..20 {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                    maniac_runtime::task::yield_now().await;
                    assert!(tokio::runtime::Handle::try_current().is_ok());
                }
            }))
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    assert!(tokio::runtime::Handle::try_current().is_err(), "no guard is left on this thread");
}
