use crate::{Counted, block_on, model, poll_once};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};
use maniac_sync::spsc::{self, PopError, SegSpsc};

/// Ends that never wait; under loom a queue has two segments.
pub(crate) fn plain(values: usize) {
    model(2, move || {
        let (mut producer, mut consumer) = SegSpsc::<Box<usize>, 0>::new().split();
        let pushes = thread::spawn(move || {
            for value in 0..values {
                let mut value = Box::new(value);
                while let Err(error) = producer.try_push(value) {
                    value = error.into_inner();
                    thread::yield_now();
                }
            }
        });
        let mut next = 0;
        loop {
            match consumer.try_pop() {
                Ok(value) => {
                    assert_eq!(*value, next);
                    next += 1;
                }
                Err(PopError::Empty) => thread::yield_now(),
                Err(_) => break,
            }
        }
        assert_eq!(next, values);
        pushes.join().unwrap();
    });
}

/// Ends that wait for values and for room.
pub(crate) fn waiting(values: usize, preemptions: usize) {
    model(preemptions, move || {
        let (mut sender, mut receiver) = spsc::channel::<Box<usize>, 0>();
        let sends = thread::spawn(move || {
            block_on(async {
                for value in 0..values {
                    sender.send(Box::new(value)).await.unwrap();
                }
            });
            drop(sender);
        });
        block_on(async {
            for value in 0..values {
                assert_eq!(receiver.recv().await.as_deref(), Some(&value));
            }
            assert!(receiver.recv().await.is_none());
        });
        sends.join().unwrap();
    });
}

/// Waits that are given up and taken up again, with another waker.
pub(crate) fn changing_waker() {
    model(2, || {
        let (mut sender, mut receiver) = spsc::channel::<Box<usize>, 0>();
        let sends = thread::spawn(move || {
            for value in 0..3 {
                let mut send = sender.send(Box::new(value));
                if poll_once(&mut send).is_pending() {
                    block_on(send).unwrap();
                }
            }
        });
        for value in 0..3 {
            let mut recv = receiver.recv();
            let found = match poll_once(&mut recv) {
                std::task::Poll::Ready(found) => found,
                std::task::Poll::Pending => block_on(recv),
            };
            assert_eq!(found.as_deref(), Some(&value));
        }
        sends.join().unwrap();
    });
}

/// The consumer goes while values come, also while the producer waits: each is dropped once.
pub(crate) fn dropped_consumer() {
    model(2, || {
        let drops = Arc::new(AtomicUsize::new(0));
        let (mut sender, mut receiver) = spsc::channel::<Counted, 0>();
        let theirs = drops.clone();
        let sends = thread::spawn(move || {
            for _ in 0..3 {
                drop(sender.send_blocking(Counted(theirs.clone())));
            }
        });
        drop(receiver.try_recv());
        drop(receiver);
        sends.join().unwrap();
        assert_eq!(drops.load(Relaxed), 3);
    });
}

#[test]
fn spsc_plain() {
    plain(3);
}

#[test]
fn spsc_waiting() {
    waiting(4, 2);
}

#[test]
fn spsc_changing_waker() {
    changing_waker();
}

#[test]
fn spsc_dropped_consumer() {
    dropped_consumer();
}
