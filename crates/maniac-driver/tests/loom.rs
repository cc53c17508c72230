//! Models of the lock-free protocols: the record's state word, the inbox, the wake-up, shared descriptors, readiness.
//!
//! Each named ordering that a protocol needs is weakened in turn, and the model must then fail.
#![cfg(loom)]
#![allow(missing_docs, reason = "a test program")]

use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use maniac_driver::model::{CANCEL, Kept, Owner, READABLE, START, WAIT, weaken};
use maniac_driver::op::{Mode, Operation, Returned};
use maniac_driver::{Interest, Op, Registration, SharedFd};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// An operation whose payload loom watches, and whose end is counted.
struct Fake {
    payload: UnsafeCell<usize>,
    ends: Arc<AtomicUsize>,
}

impl Fake {
    fn new(ends: &Arc<AtomicUsize>) -> Self {
        Self { payload: UnsafeCell::new(0), ends: ends.clone() }
    }
}

// SAFETY: there is no entry.
unsafe impl Operation for Fake {
    type Output = usize;
    const NAME: &'static str = "fake";
    const MODE: Mode = Mode::Offload;

    fn call(&mut self) -> io::Result<usize> {
        // SAFETY: loom checks that nothing else is at it.
        self.payload.with_mut(|value| unsafe { *value += 1 });
        Ok(1)
    }

    fn finish(self, result: io::Result<Returned>) -> usize {
        self.ends.fetch_add(1, Ordering::Relaxed);
        // SAFETY: loom checks that nothing else is at it.
        self.payload.with(|value| unsafe { *value }) + result.map_or(100, Returned::get)
    }
}

/// A waker that loom can wait for.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(bell.clone());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.0.wait(),
        }
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(if std::env::var_os("MANIAC_DEEP").is_some() { 5 } else { 3 });
    builder.check(model);
}

/// The models that depend on named orderings, by name.
const MODELS: [(&str, fn()); 10] = [
    ("complete_against_poll", complete_against_poll),
    ("complete_against_two_wakers", complete_against_two_wakers),
    ("complete_against_drop", complete_against_drop),
    ("requests_against_drain", requests_against_drain),
    ("pushes_against_take", pushes_against_take),
    ("push_against_take", push_against_take),
    ("notify_against_park", notify_against_park),
    ("unpark_beside_submit", unpark_beside_submit),
    ("drop_against_unwrap", drop_against_unwrap),
    ("drop_against_drop", drop_against_drop),
];

/// `model` holds as it is, and fails when any of `orderings` is relaxed. The latter in processes of their own: a model that
/// fails may fail again while it unwinds, and abort.
fn holds_only_with(model: &str, orderings: &[&str]) {
    let entry = MODELS.iter().find(|(name, _)| *name == model).expect("a model of the table");
    check(entry.1);
    for ordering in orderings {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "weakened", "--ignored", "--nocapture"])
            .envs([("MANIAC_MODEL", model), ("MANIAC_WEAKEN", ordering)])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(&format!("{model} without {ordering}")),
            "the child did not come to it: {text}"
        );
        assert!(!output.status.success(), "{model} holds without {ordering}");
    }
}

#[test]
#[ignore = "run by the tests, with an ordering relaxed; fails then"]
fn weakened() {
    let (model, ordering) = (std::env::var("MANIAC_MODEL").unwrap(), std::env::var("MANIAC_WEAKEN").unwrap());
    let entry = MODELS.iter().find(|(name, _)| *name == model).expect("a model of the table");
    println!("{model} without {ordering}");
    weaken(Some(String::leak(ordering)));
    check(entry.1);
}

fn owner() -> Owner {
    Owner::new(|| ())
}

/// The owner completes while the handle waits.
fn complete_against_poll() {
    let mut owner = owner();
    let ends = Arc::new(AtomicUsize::new(0));
    let (op, kept) = owner.begin(Fake::new(&ends), None);
    let driver = thread::spawn(move || {
        kept.call().unwrap();
        owner.complete(kept, Ok(10));
        owner.done.wake_all();
        owner
    });
    assert_eq!(block_on(op), 11);
    driver.join().unwrap().end();
    assert_eq!(ends.load(Ordering::Relaxed), 1);
}

#[test]
fn a_completion_is_never_missed() {
    holds_only_with("complete_against_poll", &["record.complete", "record.take", "record.waker"]);
}

/// The handle waits with one waker, then with another.
fn complete_against_two_wakers() {
    let mut owner = owner();
    let ends = Arc::new(AtomicUsize::new(0));
    let (mut op, kept) = owner.begin(Fake::new(&ends), None);
    let driver = thread::spawn(move || {
        kept.call().unwrap();
        owner.complete(kept, Ok(10));
        owner.done.wake_all();
        owner
    });
    let first = Waker::from(Arc::new(Bell(Notify::new())));
    match Pin::new(&mut op).poll(&mut Context::from_waker(&first)) {
        Poll::Ready(output) => assert_eq!(output, 11),
        Poll::Pending => assert_eq!(block_on(op), 11),
    }
    driver.join().unwrap().end();
    assert_eq!(ends.load(Ordering::Relaxed), 1);
}

#[test]
fn wakers_can_be_replaced() {
    holds_only_with("complete_against_two_wakers", &["record.retract"]);
}

/// The handle is dropped, with a waker left, while the owner completes: one of them drops the payload.
fn complete_against_drop() {
    let mut owner = owner();
    let ends = Arc::new(AtomicUsize::new(0));
    let (mut op, kept) = owner.begin(Fake::new(&ends), None);
    let waker = Waker::from(Arc::new(Bell(Notify::new())));
    assert!(Pin::new(&mut op).poll(&mut Context::from_waker(&waker)).is_pending());
    let driver = thread::spawn(move || {
        kept.call().unwrap();
        owner.complete(kept, Ok(10));
        owner.done.wake_all();
        for (kept, requests) in owner.drain() {
            assert!(requests & CANCEL != 0);
            drop(kept);
        }
        owner
    });
    drop(op);
    let mut owner = driver.join().unwrap();
    drop(owner.drain());
    owner.end();
    assert_eq!(ends.load(Ordering::Relaxed), 1, "the payload ends once");
}

#[test]
fn a_dropped_handle_leaves_nothing() {
    holds_only_with("complete_against_drop", &["record.gone", "record.refs"]);
}

/// Two threads ask something of a record while the owner looks: both are heard, and what the one wrote is seen.
fn requests_against_drain() {
    let mut owner = owner();
    let ends = Arc::new(AtomicUsize::new(0));
    let (op, kept) = owner.begin(Fake::new(&ends), None);
    let job = {
        let kept = kept.clone();
        thread::spawn(move || {
            kept.call().unwrap();
            assert!(kept.request(WAIT));
        })
    };
    let cancel = thread::spawn(move || {
        op.cancel();
        op
    });
    let mut seen = 0;
    while seen & (WAIT | CANCEL) != WAIT | CANCEL {
        for (kept, requests) in owner.drain() {
            seen |= requests;
            if requests & WAIT != 0 {
                // As the owner does when it goes on: it touches the payload.
                kept.call().unwrap();
            }
        }
        if seen & (WAIT | CANCEL) != WAIT | CANCEL {
            thread::yield_now();
        }
    }
    job.join().unwrap();
    let op = cancel.join().unwrap();
    owner.complete(kept, Ok(10));
    assert_eq!(op.try_take().ok(), Some(12));
    owner.end();
}

#[test]
fn requests_are_heard() {
    holds_only_with("requests_against_drain", &["record.request", "record.requests"]);
}

/// Two threads put records in while the owner takes them out.
fn pushes_against_take() {
    let mut owner = owner();
    let remote = owner.remote();
    let ends = Arc::new(AtomicUsize::new(0));
    let spawn = |token| {
        let (remote, ends) = (remote.clone(), ends.clone());
        thread::spawn(move || remote.submit_with_token(Fake::new(&ends), token))
    };
    let threads = [spawn(1), spawn(2)];
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        let batch = owner.drain();
        if batch.is_empty() {
            thread::yield_now();
        }
        for (kept, requests) in batch {
            assert_eq!(requests & START, START);
            kept.call().unwrap();
            tokens.push(kept.token().unwrap());
            owner.complete(kept, Ok(10));
        }
    }
    for thread in threads {
        let op: Op<Fake> = thread.join().unwrap();
        assert_eq!(op.try_take().ok(), Some(11));
    }
    tokens.sort_unstable();
    assert_eq!(tokens, [1, 2]);
    owner.end();
}

/// One thread puts in, so that nothing but the push hands the record over.
fn push_against_take() {
    let mut owner = owner();
    let ends = Arc::new(AtomicUsize::new(0));
    let (op, kept) = owner.begin(Fake::new(&ends), None);
    let pusher = thread::spawn(move || {
        let again = kept.clone();
        kept.call().unwrap();
        drop(kept);
        assert!(again.request(START));
        drop(again);
    });
    let kept: Kept = loop {
        match owner.drain().pop() {
            Some((kept, _)) => break kept,
            None => thread::yield_now(),
        }
    };
    kept.call().unwrap();
    owner.complete(kept, Ok(10));
    pusher.join().unwrap();
    assert_eq!(op.try_take().ok(), Some(12));
    owner.end();
}

#[test]
fn the_inbox_hands_over() {
    holds_only_with("pushes_against_take", &["inbox.push", "inbox.take"]);
    holds_only_with("push_against_take", &[]);
}

/// A submission against the driver's end: it is either found in the closed inbox or refused.
#[test]
fn a_closed_inbox_loses_nothing() {
    check(|| {
        let mut owner = owner();
        let remote = owner.remote();
        let ends = Arc::new(AtomicUsize::new(0));
        let submit = {
            let ends = ends.clone();
            thread::spawn(move || remote.submit(Fake::new(&ends)))
        };
        for (kept, _) in owner.close() {
            owner.complete(kept, Err(io::ErrorKind::NotConnected.into()));
        }
        let op = submit.join().unwrap();
        assert_eq!(op.try_take().ok(), Some(100), "ended, one way or the other");
        owner.end();
    });
}

/// A job gives its record back while another thread asks for its end and the driver goes: it ends once, whoever's request
/// found the inbox closed.
#[test]
fn a_closed_inbox_loses_no_request() {
    check(|| {
        let mut owner = owner();
        let ends = Arc::new(AtomicUsize::new(0));
        let (op, kept) = owner.begin(Fake::new(&ends), None);
        let job = thread::spawn(move || {
            kept.call().unwrap();
            // False: the job still has it.
            if kept.request(WAIT) { None } else { Some(kept) }
        });
        let cancel = thread::spawn(move || {
            op.cancel();
            op
        });
        for (kept, requests) in owner.close() {
            if requests & WAIT != 0 {
                owner.complete(kept, Err(io::ErrorKind::NotConnected.into()));
            }
        }
        if let Some(kept) = job.join().unwrap() {
            owner.complete(kept, Err(io::ErrorKind::NotConnected.into()));
        }
        let op = cancel.join().unwrap();
        assert_eq!(op.try_take().ok(), Some(101), "ended, one way or the other");
        owner.end();
    });
}

/// A thread publishes and notifies while the owner goes to sleep: it does not sleep on.
fn notify_against_park() {
    let bell = Arc::new(Notify::new());
    let ring = bell.clone();
    let mut owner = Owner::new(move || ring.notify());
    let (remote, ends) = (owner.remote(), Arc::new(AtomicUsize::new(0)));
    let submit = thread::spawn(move || remote.submit(Fake::new(&ends)));
    let kept = loop {
        if let Some((kept, _)) = owner.drain().pop() {
            break kept;
        }
        if owner.park() {
            bell.wait();
        }
        owner.consume();
    };
    owner.complete(kept, Ok(10));
    assert_eq!(submit.join().unwrap().try_take().ok(), Some(10));
    owner.end();
}

/// A thread sets a flag that the owner's caller looks at, and unparks; another puts a record into the inbox. The owner turns as
/// [`Driver::poll`](maniac_driver::Driver::poll) does: whatever the inbox holds, the unpark ends a wait or keeps it from starting.
fn unpark_beside_submit() {
    let bell = Arc::new(Notify::new());
    let ring = bell.clone();
    let mut owner = Owner::new(move || ring.notify());
    let (remote, ends) = (owner.remote(), Arc::new(AtomicUsize::new(0)));
    let submit = thread::spawn(move || remote.submit(Fake::new(&ends)));
    let flag = Arc::new(AtomicUsize::new(0));
    let (remote, raised) = (owner.remote(), flag.clone());
    let unpark = thread::spawn(move || {
        raised.store(1, Ordering::Relaxed);
        remote.unpark();
    });
    let mut kept = None;
    while kept.is_none() || flag.load(Ordering::Relaxed) == 0 {
        kept = owner.drain().pop().map(|(kept, _)| kept).or(kept);
        if owner.park() {
            bell.wait();
        }
        owner.consume();
        kept = owner.drain().pop().map(|(kept, _)| kept).or(kept);
    }
    owner.complete(kept.expect("the loop ends with it"), Ok(10));
    assert_eq!(submit.join().unwrap().try_take().ok(), Some(10));
    unpark.join().unwrap();
    owner.end();
}

#[test]
fn no_unpark_is_swallowed_by_the_inbox() {
    holds_only_with("unpark_beside_submit", &["unpark.notify", "unpark.consume"]);
}

#[test]
fn no_wake_up_is_lost() {
    holds_only_with("notify_against_park", &["unpark.notify", "unpark.consume"]);
}

/// Several unparks ring once for each wait.
#[test]
fn unparks_ring_once() {
    check(|| {
        let rings = Arc::new(AtomicUsize::new(0));
        let count = rings.clone();
        let owner = Owner::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let parked = owner.park();
        assert!(parked);
        let spawn = |remote: maniac_driver::Remote| thread::spawn(move || remote.unpark());
        let threads = [spawn(owner.remote()), spawn(owner.remote())];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert!(owner.consume() && !owner.consume());
        owner.end();
    });
}

fn descriptor() -> SharedFd {
    SharedFd::new(std::fs::File::open("/dev/null").unwrap().into())
}

/// One handle is used and dropped on another thread while this one waits to be the last.
fn drop_against_unwrap() {
    let fd = descriptor();
    let other = fd.clone();
    let user = thread::spawn(move || {
        let _ = other.descriptor();
        drop(other);
    });
    assert!(block_on(fd.unwrap_last()).is_some());
    user.join().unwrap();
}

/// Two handles go at once: one of them closes.
fn drop_against_drop() {
    let fd = descriptor();
    let other = fd.clone();
    let user = thread::spawn(move || {
        let _ = other.descriptor();
        drop(other);
    });
    let _ = fd.descriptor();
    drop(fd);
    user.join().unwrap();
}

#[test]
fn the_last_handle_has_the_descriptor() {
    holds_only_with("drop_against_drop", &["fd.drop"]);
    holds_only_with("drop_against_unwrap", &["fd.drop", "fd.unwrap"]);
}

/// A report comes while one finds that it would block and waits: the report is seen, now or by waking.
#[test]
fn no_report_is_lost() {
    check(|| {
        let mut owner = owner();
        let registration = Registration::new(descriptor(), &owner.remote()).unwrap();
        let available = Arc::new(AtomicUsize::new(0));
        let kernel = {
            let (registration, available) = (registration.clone(), available.clone());
            thread::spawn(move || {
                available.swap(1, Ordering::Release);
                owner.report(&registration, READABLE);
                owner.done.wake_all();
                owner
            })
        };
        let read = || match available.swap(0, Ordering::Acquire) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        };
        block_on(registration.io(Interest::READABLE, read)).unwrap();
        let owner = kernel.join().unwrap();
        drop(registration);
        owner.end();
    });
}

/// The same for two that wait: a report wakes both.
#[test]
fn a_report_wakes_all() {
    check(|| {
        let mut owner = owner();
        let registration = Registration::new(descriptor(), &owner.remote()).unwrap();
        registration.clear_ready(registration.snapshot(), Interest::READABLE);
        let other = {
            let registration = registration.clone();
            thread::spawn(move || block_on(registration.ready(Interest::READABLE)).unwrap())
        };
        let kernel = {
            let registration = registration.clone();
            thread::spawn(move || {
                owner.report(&registration, READABLE);
                owner.done.wake_all();
                owner
            })
        };
        block_on(registration.ready(Interest::READABLE)).unwrap();
        other.join().unwrap();
        let owner = kernel.join().unwrap();
        drop(registration);
        owner.end();
    });
}
