//! Cancelling, dropping, forgetting, moving, ending.

use crate::support::{self, Flavour, PATIENCE, Rig, both, errno, open, pair, peek, pipe};
use maniac_driver::op::{Accept, Close, Fsync, PollOnce, ReadAt, Recv, Send};
use maniac_driver::{Completions, Interest, NoOffload, SharedFd, ThreadOps};
use std::sync::Arc;
use std::time::Duration;

pub fn cancels_what_waits(rig: &mut Rig) {
    let (a, b) = pair();
    let op = rig.driver.submit(Recv::new(a.clone(), vec![0; 10], 0));
    rig.glance();
    rig.driver.cancel(&op);
    let (result, buf) = rig.wait(op);
    assert_eq!(errno(result), libc::ECANCELED);
    assert_eq!(buf.capacity(), 10);
    // Before it ever reached the kernel.
    let op = rig.driver.submit(Recv::new(a.clone(), vec![0; 10], 0));
    op.cancel();
    assert_eq!(errno(rig.wait(op).0), libc::ECANCELED);
    assert!(rig.driver.metrics().cancelled >= 2);
    // Nothing was taken.
    rig.run(Send::new(b, "kept", 0)).0.unwrap();
    assert_eq!(rig.run(Recv::new(a, vec![0; 10], 0)).1, b"kept");
}

pub fn cancel_after_completion(rig: &mut Rig) {
    let (a, b) = pair();
    rig.run(Send::new(b, "data", 0)).0.unwrap();
    let op = rig.driver.submit(Recv::new(a, vec![0; 10], 0));
    rig.until(|_| op.is_complete());
    op.cancel();
    rig.driver.cancel(&op);
    rig.glance();
    assert_eq!(rig.wait(op).0.unwrap(), 4);
}

pub fn drop_is_cancel(rig: &mut Rig) {
    let (a, _b) = pair();
    let buf = Arc::new(());
    let mut op = rig.driver.submit(Recv::new(a.clone(), Tracked::new(&buf), 0));
    rig.glance();
    assert!(peek(&mut op).is_pending());
    drop(op);
    rig.until(|driver| driver.in_flight() == 0);
    rig.done.clear_garbage();
    assert_eq!(Arc::strong_count(&buf), 1, "the buffer was not dropped");
    rig.until(|_| true);
    a.try_unwrap().expect("the operation's handle is gone");
}

/// A buffer that tells when it is gone.
struct Tracked {
    bytes: [u8; 64],
    _alive: Arc<()>,
}

impl Tracked {
    fn new(alive: &Arc<()>) -> Self {
        Self { bytes: [0; 64], _alive: alive.clone() }
    }
}

// SAFETY: an array inside of it, alone and initialised.
unsafe impl maniac_driver::buf::RawBufWrite for Tracked {
    fn as_buf_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    fn buf_capacity(&self) -> usize {
        self.bytes.len()
    }

    unsafe fn set_filled(&mut self, _: usize) {}
}

/// A connection accepted for nobody is closed.
pub fn drop_closes_accepted(rig: &mut Rig) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = SharedFd::new(listener.into());
    let op = rig.driver.submit(Accept::new(listener.clone()));
    rig.glance();
    let client = std::net::TcpStream::connect(addr).unwrap();
    rig.until(|_| op.is_complete());
    drop(op);
    rig.glance();
    let client = SharedFd::new(client.into());
    // The end, or a reset: not a hang.
    let (result, _) = rig.run(Recv::new(client, vec![0; 1], 0));
    assert!(matches!(result, Ok(0) | Err(_)));
}

pub fn forget_is_harmless(rig: &mut Rig) {
    let (a, b) = pair();
    let op = rig.driver.submit(Recv::new(a, vec![0; 10], 0));
    rig.glance();
    #[allow(clippy::mem_forget, reason = "what is tested")]
    std::mem::forget(op);
    rig.run(Send::new(b, "data", 0)).0.unwrap();
    rig.until(|driver| driver.in_flight() == 0);
}

/// An explicit close waits until no operation uses the descriptor.
pub fn close_waits_for_users(rig: &mut Rig) {
    let (a, b) = pair();
    let op = rig.driver.submit(Recv::new(a.clone(), vec![0; 10], 0));
    rig.glance();
    let mut last = a.clone().unwrap_last();
    assert!(peek(&mut last).is_pending());
    assert!(peek(&mut a.unwrap_last()).is_ready(), "a second closer steps back");
    rig.driver.cancel(&op);
    let ((result, _), fd) = rig.wait(both(op, last));
    assert_eq!(errno(result), libc::ECANCELED);
    rig.run(Close::new(fd.expect("the first closer gets it"))).unwrap();
    assert_eq!(rig.run(Recv::new(b, [0; 1], 0)).0.unwrap(), 0);
}

pub fn tokens_come_once(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let mut seen = Vec::new();
    let ops: Vec<_> = (0..10)
        .map(|token| rig.driver.submit_with_token(ReadAt::new(file.clone(), [0; 5], 0), token))
        .collect();
    let (a, b) = pair();
    let waiting = rig.driver.submit_with_token(Recv::new(a, [0; 5], 0), 10);
    while seen.len() < 10 {
        rig.driver.poll(Some(PATIENCE), &mut rig.done).unwrap();
        seen.extend(rig.done.tokens());
    }
    maniac_driver::sys::write(&b, b"x").unwrap();
    while seen.len() < 11 {
        rig.driver.poll(Some(PATIENCE), &mut rig.done).unwrap();
        seen.extend(rig.done.tokens());
    }
    rig.glance();
    assert_eq!(rig.done.tokens().count(), 0);
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..11));
    assert!(ops.iter().all(maniac_driver::Op::is_complete) && waiting.is_complete());
}

/// The driver goes on on another thread with operations in flight.
pub fn moves_between_threads(rig: &mut Rig) {
    if rig.flavour == Flavour::UringHost {
        return;
    }
    let (a, b) = pair();
    let file = rig.dir.file("a", b"hello");
    let mut recv = rig.driver.submit(Recv::new(a, vec![0; 10], 0));
    let read = rig.driver.submit(ReadAt::new(file, vec![0; 10], 0));
    rig.glance();
    assert!(peek(&mut recv).is_pending());
    let first = std::thread::current();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_ne!(std::thread::current().id(), first.id());
            let send = rig.driver.submit(Send::new(b, "moved", 0));
            let (((received, buf), (read, _)), _) = rig.wait(both(both(recv, read), send));
            assert_eq!((received.unwrap(), &buf[..], read.unwrap()), (5, &b"moved"[..], 5));
        });
    });
}

/// The kernel cancels what an ended thread had submitted: nobody sees that.
pub fn submitting_thread_ends(rig: &mut Rig) {
    if rig.flavour == Flavour::UringHost {
        return;
    }
    let (pairs, registered): (Vec<_>, _) = ((0..20).map(|_| pair()).collect(), pair());
    let registration = maniac_driver::Registration::new(registered.0.clone(), &rig.driver.remote()).unwrap();
    registration.clear_ready(registration.snapshot(), Interest::READABLE);
    let mut ready = registration.ready(Interest::READABLE);
    let mut ops: Vec<_> = std::thread::scope(|scope| {
        let submit = || {
            let driver = &mut rig.driver;
            let ops: Vec<_> =
                pairs.iter().map(|(a, _)| driver.submit(Recv::new(a.clone(), vec![0; 10], 0))).collect();
            assert!(peek(&mut ready).is_pending());
            for _ in 0..3 {
                driver.poll(Some(Duration::ZERO), &mut rig.done).unwrap();
            }
            ops
        };
        scope.spawn(submit).join().unwrap()
    });
    for _ in 0..20 {
        rig.driver.poll(Some(Duration::from_millis(1)), &mut rig.done).unwrap();
    }
    assert!(ops.iter_mut().all(|op| peek(op).is_pending()));
    if rig.flavour.is_ring() {
        assert!(rig.driver.in_flight() == 20);
    }
    for (_, b) in &pairs {
        maniac_driver::sys::write(b, b"still").unwrap();
    }
    for op in ops {
        assert_eq!(rig.wait(op).1, b"still");
    }
    maniac_driver::sys::write(&registered.1, b"x").unwrap();
    rig.wait(ready).unwrap();
}

pub fn shutdown_ends_all(rig: &mut Rig) {
    let mut rig = Rig::new(rig.flavour);
    let (a, b) = pair();
    let file = rig.dir.file("a", b"hello");
    rig.pool.hold();
    let recv = rig.driver.submit(Recv::new(a.clone(), vec![0; 10], 0));
    let poll = rig.driver.submit(PollOnce::new(a.clone(), Interest::READABLE));
    let fsync = rig.driver.submit(Fsync::new(file));
    let remote = rig.driver.remote();
    let late = remote.submit(Recv::new(b.clone(), vec![0; 10], 0));
    let registration = maniac_driver::Registration::new(b, &remote).unwrap();
    registration.clear_ready(registration.snapshot(), Interest::READABLE);
    let mut ready = registration.ready(Interest::READABLE);
    rig.glance();
    assert!(peek(&mut ready).is_pending());
    rig.glance();
    rig.pool.release();
    let Rig { driver, pool, .. } = rig;
    let start = std::time::Instant::now();
    assert_eq!(driver.shutdown(PATIENCE), 0);
    assert!(start.elapsed() < PATIENCE, "shut down only by its deadline");
    recv.try_take().expect("ended").0.unwrap_err();
    poll.try_take().expect("ended").unwrap_err();
    late.try_take().expect("ended").0.unwrap_err();
    // It may have been in time.
    let _ = fsync.try_take().expect("ended");
    assert!(matches!(peek(&mut ready), std::task::Poll::Ready(Err(_))));
    drop(pool);
    // The descriptor goes to another driver.
    drop(ready);
    let mut rig = Rig::new(Flavour::Poll);
    let again = maniac_driver::Registration::new(registration.fd().clone(), &rig.driver.remote()).unwrap();
    maniac_driver::sys::write(&a, b"x").unwrap();
    let count = rig.wait(again.io(Interest::READABLE, || maniac_driver::sys::read(again.fd(), &mut [0; 4])));
    assert_eq!(count.unwrap(), 1);
}

pub fn drop_with_operations_in_flight(rig: &mut Rig) {
    let mut other = Rig::with(rig.flavour, rig.flavour.config().drop_timeout(PATIENCE));
    let (a, _b) = pair();
    let alive = Arc::new(());
    let kept = other.driver.submit(Recv::new(a.clone(), Tracked::new(&alive), 0));
    let dropped = other.driver.submit(Recv::new(a.clone(), Tracked::new(&alive), 0));
    other.glance();
    drop(dropped);
    let start = std::time::Instant::now();
    drop(other);
    assert!(start.elapsed() < PATIENCE, "dropped only by its deadline");
    let Ok((result, _)) = kept.try_take() else { panic!("not ended with its driver") };
    result.unwrap_err();
    assert_eq!(Arc::strong_count(&alive), 1);
    a.try_unwrap().expect("no operation is left");
}

/// A waker that panics while a driver is dropped: the panic comes out, and what the kernel still has stays its own.
pub fn a_waker_panics_at_the_end(rig: &mut Rig) {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker's own");
        }
    }
    let mut other = Rig::with(rig.flavour, rig.flavour.config().drop_timeout(PATIENCE));
    let waker = std::task::Waker::from(Arc::new(Panics));
    let mut pairs = Vec::new();
    for _ in 0..20 {
        let (a, b) = pair();
        let mut op = other.driver.submit(Recv::new(a, vec![0; 10], 0));
        let polled = std::pin::Pin::new(&mut op).poll(&mut std::task::Context::from_waker(&waker));
        assert!(polled.is_pending());
        pairs.push((op, b));
    }
    other.glance();
    let driver = other.driver;
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(driver))).unwrap_err();
    for (op, b) in pairs {
        drop(op);
        let _ = maniac_driver::sys::write(&b, b"late");
    }
}

pub fn abandons(rig: &mut Rig) {
    let (a, _b) = pair();
    for _ in 0..100 {
        let op = rig.driver.submit(Recv::new(a.clone(), vec![0; 10], 0));
        rig.driver.abandon(op);
        let op = rig.driver.submit(Recv::new(a.clone(), vec![0; 10], 0));
        rig.glance();
        rig.driver.abandon(op);
    }
    rig.until(|driver| driver.in_flight() == 0);
}

pub fn cancel_all_ends(rig: &mut Rig) {
    let (a, _b) = pair();
    let ops: Vec<_> = (0..300).map(|_| rig.driver.submit(Recv::new(a.clone(), [0; 10], 0))).collect();
    rig.glance();
    rig.driver.cancel_all();
    rig.until(|driver| driver.in_flight() == 0);
    for op in ops {
        assert_eq!(errno(op.try_take().expect("ended").0), libc::ECANCELED);
    }
}

/// What would need a thread, and gets none, says so.
pub fn offload_refused(rig: &mut Rig) {
    let mut driver = open(rig.flavour.config(), Arc::new(NoOffload));
    let file = rig.dir.file("a", b"hello");
    // Once for the file's mount: a thread finds out that a ring may read there.
    rig.run(ReadAt::new(file.clone(), vec![0; 10], 0)).0.unwrap();
    let op = driver.submit(ReadAt::new(file, vec![0; 10], 0));
    let mut done = Completions::new();
    while !op.is_complete() {
        driver.poll(Some(PATIENCE), &mut done).unwrap();
    }
    let (result, buf) = op.try_take().expect("complete");
    if rig.flavour.in_ring() && !support::is_bare() {
        assert_eq!(result.unwrap(), 5);
    } else {
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
        assert_eq!(buf.len(), 10);
    }
}

pub fn zero_timeout_never_waits(rig: &mut Rig) {
    let (reader, _writer) = pipe();
    let mut op = rig.driver.submit(PollOnce::new(reader, Interest::READABLE));
    for _ in 0..100 {
        rig.glance();
    }
    assert!(peek(&mut op).is_pending());
}

pub fn timeouts_end_the_wait(rig: &mut Rig) {
    let (reader, _writer) = pipe();
    let mut op = rig.driver.submit(PollOnce::new(reader, Interest::READABLE));
    for timeout in [1, 100, 1_000, 1_500, 2_000] {
        let timeout = Duration::from_micros(timeout);
        // The first turns may end early, for what the driver itself has to do.
        let start = std::time::Instant::now();
        while start.elapsed() < timeout {
            rig.driver.poll(Some(timeout), &mut rig.done).unwrap();
        }
        assert!(peek(&mut op).is_pending());
    }
}

/// A warm driver takes its records from the pool: their memory comes back whoever drops them.
pub fn pool_of_records_is_reused(rig: &mut Rig) {
    let (a, b) = pair();
    let thread = Arc::new(ThreadOps::new());
    rig.driver.set_thread(Some(thread.clone()));
    for round in 0..1000u32 {
        let op = rig.driver.submit(Recv::new(a.clone(), [0; 4], 0));
        rig.glance();
        maniac_driver::sys::write(&b, &round.to_ne_bytes()).unwrap();
        let (result, buf) = rig.wait(op);
        assert_eq!((result.unwrap(), u32::from_ne_bytes(buf)), (4, round));
    }
    assert_eq!(rig.driver.in_flight(), 0);
    assert_eq!(thread.in_flight(), 0);
    let waiting = rig.driver.submit(Recv::new(a, [0; 4], 0));
    rig.glance();
    assert_eq!(thread.in_flight(), usize::from(rig.flavour.is_ring()));
    rig.driver.abandon(waiting);
    rig.until(|driver| driver.in_flight() == 0);
    assert_eq!(thread.in_flight(), 0);
}
