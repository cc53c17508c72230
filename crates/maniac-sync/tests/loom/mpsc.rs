use crate::{Counted, block_on, model, poll_once};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};
use maniac_sync::mpsc::{self, TryRecvError};

/// Two senders and the receiver, all of them blocking: nothing is lost, doubled or, from one sender, out of order.
pub(crate) fn two_senders(bounded: Option<usize>, each: usize, preemptions: usize) {
    model(preemptions, move || {
        let (sender, mut receiver) = bounded.map_or_else(mpsc::unbounded, mpsc::channel);
        let senders: Vec<_> = [sender.clone(), sender]
            .into_iter()
            .enumerate()
            .map(|(who, sender)| {
                thread::spawn(move || {
                    for number in 0..each {
                        sender.send_blocking(Box::new((who, number))).unwrap();
                    }
                })
            })
            .collect();
        let mut next = [0; 2];
        block_on(async {
            while let Some(message) = receiver.recv().await {
                let (who, number) = *message;
                assert_eq!(number, next[who]);
                next[who] += 1;
            }
        });
        assert_eq!(next, [each; 2]);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

/// One sender that waits for room again and again.
pub(crate) fn one_sender(bounded: Option<usize>, messages: usize, preemptions: usize) {
    model(preemptions, move || {
        let (sender, mut receiver) = bounded.map_or_else(mpsc::unbounded, mpsc::channel);
        let sender = thread::spawn(move || {
            block_on(async {
                for number in 0..messages {
                    sender.send(Box::new(number)).await.unwrap();
                }
            });
        });
        block_on(async {
            for number in 0..messages {
                assert_eq!(receiver.recv().await.as_deref(), Some(&number));
            }
        });
        sender.join().unwrap();
    });
}

/// One sender, several segments: drained ones are used again while the sender goes on.
pub(crate) fn segments(messages: usize, preemptions: usize) {
    model(preemptions, move || {
        let (sender, mut receiver) = mpsc::unbounded();
        let sender = thread::spawn(move || {
            for number in 0..messages {
                sender.try_send(Box::new(number)).unwrap();
            }
        });
        block_on(async {
            for number in 0..messages {
                assert_eq!(receiver.recv().await.as_deref(), Some(&number));
            }
        });
        sender.join().unwrap();
    });
}

/// The receiver starts with a backlog, so that it gives segments back while two senders look for theirs.
pub(crate) fn recycling(preemptions: usize) {
    model(preemptions, || {
        let (sender, mut receiver) = mpsc::unbounded();
        for number in 0..3 {
            sender.try_send(Box::new(number)).unwrap();
        }
        let senders: Vec<_> = [sender.clone(), sender]
            .into_iter()
            .map(|sender| {
                thread::spawn(move || {
                    sender.try_send(Box::new(7)).unwrap();
                })
            })
            .collect();
        let mut sum = 0;
        block_on(async {
            while let Some(number) = receiver.recv().await {
                sum += *number;
            }
        });
        assert_eq!(sum, 3 + 14);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

/// A sender finds its segment while another thread sends enough to move the tail on, and receives enough to give the first
/// segment back.
pub(crate) fn late_sender(preemptions: usize) {
    model(preemptions, || {
        let (sender, mut receiver) = mpsc::unbounded();
        let late = sender.clone();
        let late = thread::spawn(move || late.try_send(Box::new(100)).unwrap());
        for number in 0..5 {
            sender.try_send(Box::new(number)).unwrap();
        }
        let mut sum = 0;
        while let Ok(number) = receiver.try_recv() {
            sum += *number;
        }
        late.join().unwrap();
        while let Ok(number) = receiver.try_recv() {
            sum += *number;
        }
        assert_eq!(sum, 10 + 100);
    });
}

/// The receiver polls with wakers of two tasks in turn while messages come: the last one is woken.
pub(crate) fn changing_waker() {
    model(2, || {
        let (sender, mut receiver) = mpsc::unbounded();
        let sender = thread::spawn(move || {
            sender.try_send(Box::new(1)).unwrap();
            sender.try_send(Box::new(2)).unwrap();
        });
        for number in 1..=2 {
            let mut recv = receiver.recv();
            let found = match poll_once(&mut recv) {
                std::task::Poll::Ready(found) => found,
                std::task::Poll::Pending => block_on(recv),
            };
            assert_eq!(found.as_deref(), Some(&number));
        }
        sender.join().unwrap();
    });
}

/// A send that was given up leaves its room to the one behind it.
pub(crate) fn cancelled_send() {
    model(1, || {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        let second = sender.clone();
        let gives_up = thread::spawn(move || {
            let mut send = sender.send(1);
            let sent = poll_once(&mut send).is_ready();
            drop(send);
            usize::from(sent)
        });
        let waits = thread::spawn(move || second.send_blocking(2).unwrap());
        let mut count = 0;
        block_on(async {
            while receiver.recv().await.is_some() {
                count += 1;
            }
        });
        assert_eq!(count, 2 + gives_up.join().unwrap());
        waits.join().unwrap();
    });
}

/// Room reserved and given back wakes who waits for it.
pub(crate) fn dropped_permit() {
    model(2, || {
        let (sender, mut receiver) = mpsc::channel(1);
        let second = sender.clone();
        let waits = thread::spawn(move || second.send_blocking(1).unwrap());
        if let Ok(permit) = sender.try_reserve() {
            thread::yield_now();
            drop(permit);
        }
        drop(sender);
        assert_eq!(receiver.recv_blocking(), Some(1));
        assert_eq!(receiver.recv_blocking(), None);
        waits.join().unwrap();
    });
}

/// A close races with a send: the message is received or comes back, never both or neither.
pub(crate) fn close_and_send(bounded: Option<usize>) {
    model(2, move || {
        let (sender, mut receiver) = bounded.map_or_else(mpsc::unbounded, mpsc::channel);
        let sender = thread::spawn(move || {
            let first = usize::from(sender.send_blocking(Box::new(1)).is_ok());
            first + usize::from(sender.send_blocking(Box::new(2)).is_ok())
        });
        let mut received = usize::from(receiver.try_recv().is_ok());
        receiver.close();
        while receiver.recv_blocking().is_some() {
            received += 1;
        }
        assert_eq!(sender.join().unwrap(), received);
    });
}

/// A waiting sender learns of the close, by its message and by `closed`.
pub(crate) fn close_wakes() {
    model(2, || {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        let watcher = sender.clone();
        let waits = thread::spawn(move || assert!(sender.send_blocking(1).is_err()));
        let watches = thread::spawn(move || block_on(watcher.closed()));
        drop(receiver);
        waits.join().unwrap();
        watches.join().unwrap();
    });
}

/// The receiver goes while a message comes: it is dropped once, whoever drops it.
pub(crate) fn dropped_receiver() {
    model(2, || {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::unbounded();
        let counted = (Counted(drops.clone()), Counted(drops.clone()));
        let sends = thread::spawn(move || {
            drop(sender.try_send(counted.0));
            drop(sender.try_send(counted.1));
        });
        drop(receiver);
        sends.join().unwrap();
        assert_eq!(drops.load(Relaxed), 2);
    });
}

/// What a sender did before it went is seen by who learns that all are gone.
pub(crate) fn end_is_synchronized() {
    model(2, || {
        let (sender, mut receiver) = mpsc::unbounded::<u8>();
        let second = sender.clone();
        let done = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let theirs = [done.clone(), done.clone()];
        let [first_done, second_done] = theirs;
        let first = thread::spawn(move || {
            first_done.0.store(1, Relaxed);
            drop(sender);
        });
        let second = thread::spawn(move || {
            second_done.1.store(1, Relaxed);
            drop(second);
        });
        loop {
            match receiver.try_recv() {
                Err(TryRecvError::Closed) => break,
                _ => thread::yield_now(),
            }
        }
        assert_eq!((done.0.load(Relaxed), done.1.load(Relaxed)), (1, 1));
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// What the receiver did before it took a message out is seen by the send that takes the message's room.
pub(crate) fn room_is_synchronized() {
    model(2, || {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(0).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let theirs = done.clone();
        let second = sender.clone();
        let check = |sender: mpsc::Sender<i32>, done: Arc<AtomicUsize>| {
            if sender.try_send(1).is_ok() {
                assert_eq!(done.load(Relaxed), 1);
            }
        };
        let second_done = done.clone();
        let first = thread::spawn(move || check(sender, theirs));
        let second = thread::spawn(move || check(second, second_done));
        done.store(1, Relaxed);
        receiver.try_recv().unwrap();
        first.join().unwrap();
        second.join().unwrap();
        drop(receiver);
    });
}

/// Close by the receiver is seen with what was done before it.
pub(crate) fn close_is_synchronized() {
    model(2, || {
        let (sender, mut receiver) = mpsc::unbounded::<u8>();
        let done = Arc::new(AtomicUsize::new(0));
        let theirs = done.clone();
        let sender = thread::spawn(move || {
            if sender.is_closed() {
                assert_eq!(theirs.load(Relaxed), 1);
            }
        });
        done.store(1, Relaxed);
        receiver.close();
        sender.join().unwrap();
    });
}

#[test]
fn mpsc_two_senders_unbounded() {
    two_senders(None, 1, 1);
}

#[test]
fn mpsc_two_senders_bounded() {
    two_senders(Some(1), 1, 1);
}

#[test]
fn mpsc_back_pressure() {
    one_sender(Some(1), 2, 2);
}

#[test]
fn mpsc_segments() {
    segments(3, 2);
}

#[test]
fn mpsc_recycling() {
    recycling(1);
}

#[test]
fn mpsc_late_sender() {
    late_sender(2);
}

#[test]
fn mpsc_changing_waker() {
    changing_waker();
}

#[test]
fn mpsc_cancelled_send() {
    cancelled_send();
}

#[test]
fn mpsc_dropped_permit() {
    dropped_permit();
}

#[test]
fn mpsc_close_and_send() {
    close_and_send(None);
    close_and_send(Some(1));
}

#[test]
fn mpsc_close_wakes() {
    close_wakes();
}

#[test]
fn mpsc_dropped_receiver() {
    dropped_receiver();
}

#[test]
fn mpsc_synchronizes() {
    end_is_synchronized();
    room_is_synchronized();
    close_is_synchronized();
}
