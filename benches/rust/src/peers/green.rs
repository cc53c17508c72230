//! may: stackful coroutines. Its interface is not async, so that the programs are written anew for it.

use crate::hog;
use may::coroutine;
use may::net::{TcpListener, UdpSocket};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub const NAME: &str = "may";

/// May has one scheduler a process: its workers are set once.
pub fn start(workers: usize) {
    may::config().set_workers(workers).set_stack_size(0x1000);
}

/// As `start` on one worker, with as many stacks in stock as `spawn_join` has tasks at once.
pub fn start_with_stacks() {
    may::config().set_pool_capacity(10_000);
    start(1);
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> coroutine::JoinHandle<T> {
    // SAFETY: the coroutines here use no thread-locals and little stack.
    unsafe { coroutine::spawn(work) }
}

pub fn spawn_join(count: usize) {
    let outer = spawn(move || {
        for _ in 0..count / 10_000 {
            let handles: Vec<_> = (0..10_000_usize).map(|n| spawn(move || n)).collect();
            for handle in handles {
                std::hint::black_box(handle.join().unwrap());
            }
        }
    });
    outer.join().unwrap();
}

pub fn yields(count: usize) {
    let handles: Vec<_> = (0..10)
        .map(|_| {
            spawn(move || {
                for _ in 0..count / 10 {
                    coroutine::yield_now();
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
}

/// Leaves `count` coroutines waiting.
pub fn park(count: usize) {
    let parked = Arc::new(AtomicUsize::new(0));
    for _ in 0..count {
        let parked = Arc::clone(&parked);
        drop(spawn(move || {
            parked.fetch_add(1, Ordering::Relaxed);
            coroutine::park();
        }));
    }
    while parked.load(Ordering::Relaxed) < count {
        std::thread::yield_now();
    }
}

/// As the other runtimes' `ticker`.
pub fn ticker(hogs: usize) -> Vec<f64> {
    let outer = spawn(move || {
        let mut ticks = hog::Ticks::start(hogs);
        for _ in 0..hogs {
            drop(spawn(ticks.hog()));
        }
        while ticks.go_on() {
            if let Some(wait) = ticks.until_next() {
                coroutine::sleep(wait);
            }
            ticks.note();
        }
        ticks.late
    });
    outer.join().unwrap()
}

fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    listener
}

/// Says where it listens, and answers each connection in a coroutine; with a hog as the other runtimes' `echo`.
pub fn echo(hog_after: Option<usize>) {
    let listener = listen();
    for accepted in 1.. {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        drop(spawn(move || {
            let mut buf = [0; 1024];
            while let Ok(count @ 1..) = stream.read(&mut buf) {
                stream.write_all(&buf[..count]).unwrap();
            }
        }));
        if hog_after == Some(accepted) {
            drop(spawn(hog::for_ever));
        }
    }
}

/// Sends each connection a byte, and closes it.
pub fn answer_once() {
    let listener = listen();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        drop(spawn(move || stream.write_all(&[7]).unwrap()));
    }
}

/// Sends each datagram back.
pub fn echo_datagrams() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    println!("{}", socket.local_addr().unwrap());
    let mut buf = [0; 1024];
    loop {
        let (count, from) = socket.recv_from(&mut buf).unwrap();
        socket.send_to(&buf[..count], from).unwrap();
    }
}
