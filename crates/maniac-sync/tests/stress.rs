//! Many threads, for a moment. Numbers are larger with MANIAC_DEEP=1.
#![cfg(not(loom))]
#![allow(missing_docs)]

use maniac_sync::{mpsc, oneshot, spsc};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

fn scale(messages: usize) -> usize {
    match (cfg!(miri), std::env::var_os("MANIAC_DEEP").is_some()) {
        (true, _) => messages / 1_000 + 10,
        (false, false) => messages,
        (false, true) => messages * 50,
    }
}

/// Counts what lives, to find what is lost or dropped twice.
struct Live(Arc<AtomicUsize>, usize, usize);

impl Live {
    fn new(live: &Arc<AtomicUsize>, who: usize, number: usize) -> Self {
        live.fetch_add(1, Relaxed);
        Self(live.clone(), who, number)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Senders of all kinds at once; the receiver waits in all ways in turn.
fn many_senders(capacity: Option<usize>, senders: usize, each: usize) {
    let live = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = capacity.map_or_else(mpsc::unbounded, mpsc::channel);
    let threads: Vec<_> = (0..senders)
        .map(|who| {
            let (sender, live) = (sender.clone(), live.clone());
            thread::spawn(move || {
                for number in 0..each {
                    let message = Live::new(&live, who, number);
                    match (who + number) % 5 {
                        0 => sender.send_blocking(message).ok().unwrap(),
                        1 => pollster::block_on(sender.send(message)).ok().unwrap(),
                        2 => sender.reserve_blocking().unwrap().send(message).ok().unwrap(),
                        3 => pollster::block_on(sender.reserve()).unwrap().send(message).ok().unwrap(),
                        _ => {
                            let mut message = message;
                            while let Err(error) = sender.try_send(message) {
                                message = error.into_inner();
                                thread::yield_now();
                            }
                        }
                    }
                }
            })
        })
        .collect();
    drop(sender);
    let mut next = vec![0; senders];
    let mut buffer = Vec::new();
    'receive: for turn in 0.. {
        match turn % 4 {
            0 => buffer.extend(receiver.recv_blocking()),
            1 => buffer.extend(pollster::block_on(receiver.recv())),
            2 => {
                receiver.recv_many_blocking(&mut buffer, 7);
            }
            _ => match receiver.recv_timeout(Duration::from_micros(1)) {
                Ok(message) => buffer.push(message),
                Err(mpsc::RecvTimeoutError::Timeout) => continue 'receive,
                Err(_) => {}
            },
        }
        if buffer.is_empty() {
            break;
        }
        for Live(_, who, number) in &buffer {
            assert_eq!(*number, next[*who], "sender {who}");
            next[*who] += 1;
        }
        buffer.clear();
    }
    assert_eq!(next, vec![each; senders]);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(live.load(Relaxed), 0);
}

#[test]
fn mpsc_unbounded() {
    many_senders(None, 4, scale(50_000));
}

#[test]
fn mpsc_bounded() {
    many_senders(Some(1), 3, scale(5_000));
    many_senders(Some(3), 4, scale(10_000));
    many_senders(Some(100), 4, scale(50_000));
}

#[test]
fn mpsc_cancelled_sends_lose_no_room() {
    let (sender, mut receiver) = mpsc::channel(2);
    let rounds = scale(20_000);
    let threads: Vec<_> = (0..3_usize)
        .map(|who| {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut sent = 0;
                for round in 0..rounds {
                    sent += usize::from(match (who + round) % 3 {
                        0 => sender.send_deadline_blocking(round, Instant::now()).is_ok(),
                        1 => {
                            let permit = sender.try_reserve();
                            permit.is_ok_and(|permit| round % 2 == 0 && permit.send(round).is_ok())
                        }
                        _ => sender.send_timeout_blocking(round, Duration::from_micros(1)).is_ok(),
                    });
                }
                sent
            })
        })
        .collect();
    drop(sender.clone());
    let weak = sender.downgrade();
    drop(sender);
    let mut received = 0_usize;
    while receiver.recv_blocking().is_some() {
        received += 1;
    }
    let sent: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(received, sent);
    assert!(weak.upgrade().is_none());
}

#[test]
fn mpsc_room_survives_cancelling() {
    let (sender, mut receiver) = mpsc::channel(2);
    let stop = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (sender, stop) = (sender.clone(), stop.clone());
            thread::spawn(move || {
                while stop.load(Relaxed) == 0 {
                    let _ = sender.send_timeout_blocking(1, Duration::from_micros(1));
                }
            })
        })
        .collect();
    for _ in 0..scale(5_000) {
        receiver.recv_blocking().unwrap();
    }
    stop.store(1, Relaxed);
    // Whoever waits is let through or times out; then all of the room must be there.
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    while receiver.try_recv().is_ok() {}
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert!(sender.try_send(3).is_err());
}

#[test]
fn mpsc_close_while_sending() {
    for _ in 0..scale(300) {
        let live = Arc::new(AtomicUsize::new(0));
        let (sender, mut receiver) = mpsc::channel(4);
        let threads: Vec<_> = (0..2)
            .map(|who| {
                let (sender, live) = (sender.clone(), live.clone());
                thread::spawn(move || {
                    (0..).take_while(|n| sender.send_blocking(Live::new(&live, who, *n)).is_ok()).count()
                })
            })
            .collect();
        let mut received = usize::from(receiver.recv_blocking().is_some());
        receiver.close();
        received += receiver.iter_blocking().count();
        let sent: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(sent, received);
        assert_eq!(live.load(Relaxed), 0);
    }
}

fn spsc_waiting<const P: u32>(values: usize) {
    let (mut sender, mut receiver) = spsc::channel::<Box<usize>, P>();
    let sends = thread::spawn(move || {
        for value in 0..values {
            match value % 3 {
                0 => sender.send_blocking(Box::new(value)).ok().unwrap(),
                1 => pollster::block_on(sender.send(Box::new(value))).ok().unwrap(),
                _ => {
                    if sender.send_iter([Box::new(value)]) == 0 {
                        sender.send_blocking(Box::new(value)).ok().unwrap();
                    }
                }
            }
        }
    });
    for value in 0..values {
        let received =
            if value % 2 == 0 { receiver.recv_blocking() } else { pollster::block_on(receiver.recv()) };
        assert_eq!(received.as_deref(), Some(&value));
    }
    assert!(receiver.recv_blocking().is_none());
    sends.join().unwrap();
}

#[test]
fn spsc_ends_that_wait() {
    spsc_waiting::<0>(scale(50_000));
    spsc_waiting::<3>(scale(100_000));
}

#[test]
fn spsc_plain_ends() {
    let (mut producer, mut consumer) = spsc::SegSpsc::<u64, 4>::new().split();
    let values = scale(500_000) as u64;
    let pushes = thread::spawn(move || {
        let mut next = 0;
        while next < values {
            let slice: Vec<_> = (next..values).take(50).collect();
            let pushed = producer.push_slice(&slice) as u64;
            next += pushed;
            if pushed == 0 {
                thread::yield_now();
            }
        }
    });
    let mut next = 0;
    let mut slice = [0; 37];
    while next < values {
        let popped = consumer.pop_slice(&mut slice);
        for value in &slice[..popped] {
            assert_eq!(*value, next);
            next += 1;
        }
        if popped == 0 {
            thread::yield_now();
        }
    }
    pushes.join().unwrap();
}

#[test]
fn oneshots() {
    for round in 0..scale(20_000) {
        let (sender, receiver) = oneshot::channel();
        let sends = thread::scope(|scope| {
            let sends = scope.spawn(move || sender.send(Box::new(round)).is_ok());
            match round % 3 {
                0 => assert_eq!(receiver.recv_blocking().as_deref(), Ok(&round)),
                1 => assert_eq!(pollster::block_on(receiver).as_deref(), Ok(&round)),
                _ => drop(receiver),
            }
            sends.join().unwrap()
        });
        assert!(sends || round % 3 == 2);
    }
}
