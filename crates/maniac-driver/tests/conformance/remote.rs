//! Threads that do not own the driver.

use crate::support::{PATIENCE, Rig, errno, pair, peek};
use maniac_driver::op::{ReadAt, Recv, Send};
use maniac_driver::{Completions, Interest, Registration, Remote};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on a thread without a driver.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Turns the driver until the other threads are through.
fn drive(rig: &mut Rig, threads: Vec<std::thread::JoinHandle<()>>) {
    let left = Arc::new(AtomicUsize::new(threads.len()));
    let watch: Vec<_> = threads
        .into_iter()
        .map(|thread| {
            let (left, remote) = (left.clone(), rig.driver.remote());
            std::thread::spawn(move || {
                let result = thread.join();
                left.fetch_sub(1, Ordering::SeqCst);
                remote.unpark();
                result.unwrap();
            })
        })
        .collect();
    while left.load(Ordering::SeqCst) > 0 {
        rig.turn();
    }
    watch.into_iter().for_each(|thread| thread.join().unwrap());
}

pub fn submits(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let remote = rig.driver.remote();
    let thread = std::thread::spawn(move || {
        let (result, buf) = block_on(remote.submit(ReadAt::new(file, vec![0; 10], 0)));
        assert_eq!((result.unwrap(), &buf[..]), (5, &b"hello"[..]));
    });
    drive(rig, vec![thread]);
}

pub fn cancels_remotely(rig: &mut Rig) {
    let remote = rig.driver.remote();
    let thread = std::thread::spawn(move || {
        for _ in 0..200 {
            let (a, _b) = pair();
            let op = remote.submit(Recv::new(a, vec![0; 10], 0));
            remote.cancel(&op);
            assert_eq!(errno(block_on(op).0), libc::ECANCELED);
        }
    });
    drive(rig, vec![thread]);
}

/// Each unpark ends a wait.
pub fn unparks(rig: &mut Rig) {
    let unparker = rig.driver.unparker();
    let (ask, asked) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for () in asked {
            unparker.unpark();
        }
    });
    for _ in 0..500 {
        ask.send(()).unwrap();
        // Would wait for ever if the unpark were lost.
        rig.driver.poll(None, &mut rig.done).unwrap();
    }
    drop(ask);
    thread.join().unwrap();
}

/// Unparks at every moment of going to sleep and waking up: none may be lost.
pub fn unparks_in_a_storm(rig: &mut Rig) {
    let rounds = if crate::support::deep() { 300_000 } else { 10_000 };
    for count in [1, 2] {
        let sent: Arc<[AtomicUsize; 2]> = Arc::default();
        let seen: Arc<[AtomicUsize; 2]> = Arc::default();
        let spawn = |thread: usize| {
            let (unparker, sent, seen) = (rig.driver.unparker(), sent.clone(), seen.clone());
            std::thread::spawn(move || {
                for round in 1..=rounds {
                    sent[thread].store(round, Ordering::SeqCst);
                    unparker.unpark();
                    // At once, so that it meets the owner on its way to sleep.
                    let mut spins = 0u32;
                    while seen[thread].load(Ordering::SeqCst) < round {
                        spins += 1;
                        if spins.is_multiple_of(1000) {
                            std::thread::yield_now();
                        }
                        std::hint::spin_loop();
                    }
                }
            })
        };
        let threads: Vec<_> = (0..count).map(spawn).collect();
        while seen[..count].iter().any(|seen| seen.load(Ordering::SeqCst) < rounds) {
            // Asserts that it was woken.
            rig.turn();
            for (seen, sent) in seen.iter().zip(sent.iter()) {
                seen.store(sent.load(Ordering::SeqCst), Ordering::SeqCst);
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

pub fn unpark_before_wait(rig: &mut Rig) {
    for _ in 0..10 {
        rig.driver.unparker().unpark();
        rig.driver.unparker().unpark();
        rig.driver.poll(None, &mut rig.done).unwrap();
    }
}

pub fn many_threads(rig: &mut Rig) {
    let file = rig.dir.file("a", &(0..=255).collect::<Vec<u8>>());
    let spawn = |thread: u64| {
        let (remote, file) = (rig.driver.remote(), file.clone());
        std::thread::spawn(move || {
            for at in 0..100u64 {
                let at = (at * 7 + thread) % 256;
                let (result, buf) = block_on(remote.submit(ReadAt::new(file.clone(), [0; 1], at)));
                assert_eq!((result.unwrap(), buf[0]), (1, at as u8));
                let (a, b) = pair();
                let recv = remote.submit(Recv::new(a, [0; 1], 0));
                block_on(remote.submit(Send::new(b, [at as u8], 0))).0.unwrap();
                assert_eq!(block_on(recv).1, [at as u8]);
            }
        })
    };
    let threads = (0..4).map(spawn).collect();
    drive(rig, threads);
    assert_eq!(rig.driver.in_flight(), 0);
}

pub fn after_shutdown(rig: &mut Rig) {
    let other = Rig::new(rig.flavour);
    let remote: Remote = other.driver.remote();
    drop(other);
    let (a, _b) = pair();
    let (result, buf) = remote.submit(Recv::new(a, vec![0; 10], 0)).try_take().expect("ended at once");
    assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    assert_eq!(buf.len(), 10);
    assert!(remote.is_closed());
    remote.unpark();
}

/// Handles dropped on other threads, at any moment.
pub fn drops_elsewhere(rig: &mut Rig) {
    let (a, b) = pair();
    for round in 0..200 {
        let mut op = rig.driver.submit(Recv::new(a.clone(), vec![0; 10], 0));
        if round % 2 == 0 {
            assert!(peek(&mut op).is_pending());
        }
        if round % 3 == 0 {
            rig.glance();
        }
        let thread = std::thread::spawn(move || drop(op));
        rig.glance();
        thread.join().unwrap();
    }
    rig.until(|driver| driver.in_flight() == 0);
    drop(b);
    a.try_unwrap().expect("no operation is left");
}

/// Tokens of operations submitted or done on other threads.
pub fn tokens_from_elsewhere(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let remote = rig.driver.remote();
    let threads: Vec<_> = (0..4)
        .map(|at| {
            let (remote, file) = (remote.clone(), file.clone());
            std::thread::spawn(move || remote.submit_with_token(ReadAt::new(file, [0; 5], 0), at))
        })
        .collect();
    let ops: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let mut done = Completions::new();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        rig.driver.poll(Some(PATIENCE), &mut done).unwrap();
        seen.extend(done.tokens());
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3]);
    for op in ops {
        assert_eq!(op.try_take().expect("complete").0.unwrap(), 5);
    }
}

/// One turn as a host makes it: waits for the driver's own descriptor.
fn wait_as_host(rig: &mut Rig) {
    use std::os::fd::{AsFd, AsRawFd};
    if rig.driver.prepare_wait().unwrap() {
        let mut entry = libc::pollfd { fd: rig.driver.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, alive for the call.
        let ready = unsafe { libc::poll(&mut entry, 1, PATIENCE.as_millis() as i32) };
        assert_eq!(ready, 1, "the host waits in vain");
    }
    rig.glance();
}

/// A host that waits hears of what is watched: with data there before it waits, and with data that comes while it does.
pub fn host_hears_of_readiness(rig: &mut Rig) {
    let pairs: Vec<_> = (0..20).map(|_| pair()).collect();
    let watched: Vec<_> =
        pairs.iter().map(|(a, _)| Registration::new(a.clone(), &rig.driver.remote()).unwrap()).collect();
    for round in 0..50 {
        for (registration, (_, b)) in watched.iter().zip(&pairs) {
            registration.clear_ready(registration.snapshot(), Interest::READABLE);
            let mut waiting = registration.ready(Interest::READABLE);
            assert!(peek(&mut waiting).is_pending());
            let b = b.clone();
            let writes = move || maniac_driver::sys::write(&b, b"x").unwrap();
            let other = if round % 2 == 0 {
                writes();
                None
            } else {
                Some(std::thread::spawn(writes))
            };
            while peek(&mut waiting).is_pending() {
                wait_as_host(rig);
            }
            assert_eq!(maniac_driver::sys::read(registration.fd(), &mut [0; 4]).unwrap(), 1);
            other.map(|other| other.join().unwrap());
        }
    }
}

/// A host waits for the driver's descriptor by itself: completions and unparks make it readable.
pub fn host_loop_wait(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let (a, b) = pair();
    let remote = rig.driver.remote();
    for round in 0..50 {
        let read = rig.driver.submit(ReadAt::new(file.clone(), [0; 5], 0));
        let mut recv = rig.driver.submit(Recv::new(a.clone(), [0; 4], 0));
        assert!(peek(&mut recv).is_pending());
        let (remote, b) = (remote.clone(), b.clone());
        let other = std::thread::spawn(move || {
            if round % 2 == 0 {
                let op = remote.submit(Send::new(b, "abcd", 0));
                block_on(op).0.unwrap();
            } else {
                maniac_driver::sys::write(&b, b"abcd").unwrap();
                remote.unpark();
            }
        });
        // A job's end wakes no host: it calls its operation's waker, and here there is none. Nor does a thread's.
        while !recv.is_complete() {
            wait_as_host(rig);
        }
        rig.until(|_| read.is_complete() && other.is_finished());
        other.join().unwrap();
        assert_eq!(recv.try_take().expect("complete").1, *b"abcd");
    }
}
