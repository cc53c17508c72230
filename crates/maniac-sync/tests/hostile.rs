//! Messages whose destructors panic, wakers that panic or call back.
#![cfg(not(loom))]
#![allow(missing_docs)]

use maniac_sync::{mpsc, oneshot, spsc};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
};

/// Counts its drops, and panics in those whose number is divisible by `every`.
struct Bomb(Arc<AtomicUsize>, usize);

impl Drop for Bomb {
    fn drop(&mut self) {
        let number = self.0.fetch_add(1, Relaxed) + 1;
        if number.is_multiple_of(self.1) && !std::thread::panicking() {
            panic!("bomb");
        }
    }
}

fn panics<R>(run: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(run)).is_err()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn destructors_that_panic() {
    let drops = Arc::new(AtomicUsize::new(0));
    let bomb = || Bomb(drops.clone(), 5);
    let (sender, receiver) = mpsc::unbounded();
    for _ in 0..100 {
        assert!(sender.try_send(bomb()).is_ok());
    }
    assert!(panics(|| drop(receiver)));
    assert_eq!(drops.load(Relaxed), 100);
    assert!(sender.is_closed());

    drops.store(0, Relaxed);
    let (mut producer, consumer) = spsc::SegSpsc::<_, 2>::new().split();
    assert_eq!(producer.push_iter((0..100).map(|_| bomb())), 100);
    assert!(panics(|| drop(consumer)));
    assert_eq!(drops.load(Relaxed), 100);

    drops.store(4, Relaxed);
    let (sender, receiver) = oneshot::channel();
    assert!(sender.send(bomb()).is_ok());
    assert!(panics(|| drop(receiver)));
    assert_eq!(drops.load(Relaxed), 5);
}

#[test]
fn iterators_that_panic() {
    let (mut producer, mut consumer) = spsc::SegSpsc::<_, 2>::new().split();
    let values = (0..10).map(|number| if number == 7 { panic!("iterator") } else { number });
    assert!(panics(|| producer.push_iter(values)));
    assert_eq!(consumer.read_chunk(100).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(producer.push_iter([1]), 1);
    assert_eq!(consumer.try_pop(), Ok(1));
}

type Action = Box<dyn FnMut() + Send>;

/// A waker that runs an action when it is woken.
struct Acts(Mutex<Action>);

impl Wake for Acts {
    fn wake(self: Arc<Self>) {
        // Taken out, so that a waker that wakes itself does not block itself.
        let mut action = std::mem::replace(&mut *self.0.lock().unwrap(), Box::new(|| ()));
        action();
    }
}

fn acts(action: impl FnMut() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Acts(Mutex::new(Box::new(action)))))
}

/// A waker that counts.
fn counts(wakes: &Arc<AtomicUsize>) -> Waker {
    let wakes = wakes.clone();
    acts(move || {
        wakes.fetch_add(1, Relaxed);
    })
}

#[test]
fn wakers_that_call_back_into_the_channel() {
    let (sender, mut receiver) = mpsc::channel(2);
    let again = sender.clone();
    let waker = acts(move || {
        again.try_send(2).unwrap();
        assert!(again.try_send(3).is_err());
        drop(again.clone());
    });
    assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(2));

    // A sender's waker that receives, which makes room for the next, whose waker is the same.
    let receiver = Arc::new(Mutex::new(receiver));
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let theirs = receiver.clone();
    let waker = acts(move || {
        let _ = theirs.try_lock().map(|mut receiver| receiver.try_recv());
    });
    let mut first = pin!(sender.send(3));
    let mut second = pin!(sender.send(4));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(receiver.lock().unwrap().try_recv(), Ok(1));
    assert_eq!(poll(first), Poll::Ready(Ok(())));
    let _ = receiver.lock().unwrap().try_recv();
    assert_eq!(poll(second), Poll::Ready(Ok(())));
}

#[test]
fn wakers_that_poll_at_once() {
    // Polls the receiver from within the wake, with another waker, and so leaves that one for the next message.
    let (sender, receiver) = mpsc::unbounded();
    let receiver = Arc::new(Mutex::new(receiver));
    let wakes = Arc::new(AtomicUsize::new(0));
    let (inner, counted) = (receiver.clone(), wakes.clone());
    let waker = acts(move || {
        let next = counts(&counted);
        let mut receiver = inner.lock().unwrap();
        let mut context = Context::from_waker(&next);
        assert_eq!(receiver.poll_recv(&mut context), Poll::Ready(Some(1)));
        assert!(receiver.poll_recv(&mut context).is_pending());
    });
    assert!(receiver.lock().unwrap().poll_recv(&mut Context::from_waker(&waker)).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(wakes.load(Relaxed), 0);
    sender.try_send(2).unwrap();
    assert_eq!(wakes.load(Relaxed), 1);
}

#[test]
fn wakers_that_panic_when_woken() {
    let bad = || acts(|| panic!("waker"));
    let (sender, mut receiver) = mpsc::channel(1);
    assert!(receiver.poll_recv(&mut Context::from_waker(&bad())).is_pending());
    assert!(panics(|| sender.try_send(1)));
    // The message was sent before; the next waker is woken as ever.
    assert_eq!(receiver.try_recv(), Ok(1));
    let woken = Arc::new(AtomicUsize::new(0));
    let good = counts(&woken);
    assert!(receiver.poll_recv(&mut Context::from_waker(&good)).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!(woken.load(Relaxed), 1);

    // Waiting senders: the others are woken although one panics.
    let good = counts(&woken);
    let mut first = pin!(sender.send(3));
    let mut second = pin!(sender.send(4));
    assert!(first.as_mut().poll(&mut Context::from_waker(&bad())).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&good)).is_pending());
    assert!(panics(|| receiver.close()));
    assert_eq!(woken.load(Relaxed), 2);
    assert!(matches!(poll(first), Poll::Ready(Err(_))));
    assert!(matches!(poll(second), Poll::Ready(Err(_))));

    let (sender, mut receiver) = oneshot::channel();
    assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&bad())).is_pending());
    assert!(panics(|| sender.send(1)));
    assert_eq!(receiver.try_recv(), Ok(1));

    let (mut sender, mut receiver) = spsc::channel::<u8, 0>();
    assert!(receiver.poll_recv(&mut Context::from_waker(&bad())).is_pending());
    assert!(panics(|| sender.try_send(1)));
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn wakers_that_panic_when_an_end_is_dropped() {
    let bad = || acts(|| panic!("waker"));
    let drops = Arc::new(AtomicUsize::new(0));
    let bomb = || Bomb(drops.clone(), usize::MAX);
    let (sender, receiver) = mpsc::channel(3);
    for _ in 0..3 {
        assert!(sender.try_send(bomb()).is_ok());
    }
    let mut waits = Box::pin(sender.send(bomb()));
    assert!(waits.as_mut().poll(&mut Context::from_waker(&bad())).is_pending());
    assert!(panics(|| drop(receiver)));
    assert_eq!(drops.load(Relaxed), 3);
    drop(waits);
    assert_eq!(drops.load(Relaxed), 4);

    let (mut sender, receiver) = spsc::channel::<_, 0>();
    while sender.poll_ready(&mut Context::from_waker(&bad())).is_ready() {
        assert!(sender.try_send(bomb()).is_ok());
    }
    assert!(panics(|| drop(receiver)));
    drop(sender);
    assert_eq!(drops.load(Relaxed), 4 + 64);

    let (mut sender, receiver) = oneshot::channel::<Bomb>();
    assert!(sender.poll_closed(&mut Context::from_waker(&bad())).is_pending());
    assert!(panics(|| drop(receiver)));
    assert!(sender.send(bomb()).is_err());
    assert_eq!(drops.load(Relaxed), 4 + 64 + 1);
}

/// A waker that panics when cloned or dropped, as its data says.
fn fragile(clones: bool, drops: bool) -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            assert!(data as usize & 1 == 0, "clone");
            RawWaker::new(data, &TABLE)
        },
        |_| (),
        |_| (),
        |data| assert!(data as usize & 2 == 0 || std::thread::panicking(), "drop"),
    );
    let data = usize::from(clones) | usize::from(drops) << 1;
    // SAFETY: the functions use no memory.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::without_provenance(data), &TABLE)) }
}

#[test]
fn wakers_that_panic_when_cloned_or_dropped() {
    let bad_clone = fragile(true, false);
    let bad_drop = std::mem::ManuallyDrop::new(fragile(false, true));
    let (sender, mut receiver) = mpsc::channel(1);
    assert!(panics(|| receiver.poll_recv(&mut Context::from_waker(&bad_clone))));
    assert!(receiver.poll_recv(&mut Context::from_waker(&bad_drop)).is_pending());
    // Replacing it drops it.
    assert!(panics(|| receiver.poll_recv(&mut Context::from_waker(Waker::noop()))));
    assert!(receiver.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
    sender.try_send(1).unwrap();

    let mut send = Box::pin(sender.send(2));
    assert!(panics(|| send.as_mut().poll(&mut Context::from_waker(&bad_clone))));
    assert!(send.as_mut().poll(&mut Context::from_waker(&bad_drop)).is_pending());
    assert!(panics(|| drop(send)));
    assert_eq!(receiver.try_recv(), Ok(1));
    sender.try_send(3).unwrap();
    assert_eq!(receiver.try_recv(), Ok(3));
    assert!(receiver.poll_recv(&mut Context::from_waker(&bad_drop)).is_pending());
    assert!(panics(|| drop(receiver)));
    assert!(sender.is_closed());
}

#[test]
fn messages_that_hold_their_own_channel() {
    // A sender in its own channel would keep it alive for ever, did the receiver not drop what is in it.
    struct Held(#[allow(dead_code)] mpsc::Sender<Held>, Arc<AtomicUsize>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.1.fetch_add(1, Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::unbounded();
    assert!(sender.try_send(Held(sender.clone(), drops.clone())).is_ok());
    drop(receiver);
    assert_eq!(drops.load(Relaxed), 1);
}
