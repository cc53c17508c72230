use crate::{Counted, block_on, model, poll_once};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};
use maniac_sync::oneshot;

pub(crate) fn send_and_wait() {
    model(3, || {
        let (sender, mut receiver) = oneshot::channel();
        let sends = thread::spawn(move || sender.send(Box::new(1)).unwrap());
        // The first waker is replaced by another one while it may be woken.
        let found = match poll_once(&mut receiver) {
            std::task::Poll::Ready(found) => found,
            std::task::Poll::Pending => block_on(receiver),
        };
        assert_eq!(found.as_deref(), Ok(&1));
        sends.join().unwrap();
    });
}

pub(crate) fn drop_and_wait() {
    model(3, || {
        let (sender, receiver) = oneshot::channel::<Box<u8>>();
        let done = Arc::new(AtomicUsize::new(0));
        let theirs = done.clone();
        let drops = thread::spawn(move || {
            theirs.store(1, Relaxed);
            drop(sender);
        });
        assert!(receiver.recv_blocking().is_err());
        assert_eq!(done.load(Relaxed), 1);
        drops.join().unwrap();
    });
}

pub(crate) fn close_and_send() {
    model(3, || {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, mut receiver) = oneshot::channel();
        let counted = Counted(drops.clone());
        let sends = thread::spawn(move || sender.send(counted).is_ok());
        receiver.close();
        let received = receiver.try_recv().is_ok();
        let sent = sends.join().unwrap();
        assert_eq!(received, sent);
        assert_eq!(drops.load(Relaxed), 1);
    });
}

pub(crate) fn drop_and_send() {
    model(3, || {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = oneshot::channel();
        let counted = Counted(drops.clone());
        let sends = thread::spawn(move || drop(sender.send(counted)));
        drop(receiver);
        sends.join().unwrap();
        assert_eq!(drops.load(Relaxed), 1);
    });
}

pub(crate) fn sender_waits() {
    model(3, || {
        let (mut sender, receiver) = oneshot::channel::<Box<u8>>();
        let done = Arc::new(AtomicUsize::new(0));
        let theirs = done.clone();
        let drops = thread::spawn(move || {
            theirs.store(1, Relaxed);
            drop(receiver);
        });
        if poll_once(&mut sender.closed()).is_pending() {
            block_on(sender.closed());
        }
        assert_eq!(done.load(Relaxed), 1);
        assert!(sender.is_closed());
        drops.join().unwrap();
    });
}

#[test]
fn oneshot_send_and_wait() {
    send_and_wait();
}

#[test]
fn oneshot_drop_and_wait() {
    drop_and_wait();
}

#[test]
fn oneshot_close_and_send() {
    close_and_send();
}

#[test]
fn oneshot_drop_and_send() {
    drop_and_send();
}

#[test]
fn oneshot_sender_waits() {
    sender_waits();
}
