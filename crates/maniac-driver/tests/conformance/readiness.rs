//! Readiness: registrations and single polls.

use crate::support::{Flavour, Rig, both, pair, peek, pipe};
use maniac_driver::op::PollOnce;
use maniac_driver::{Interest, Registration, SharedFd, sys};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub fn register(rig: &Rig, fd: &SharedFd) -> Registration {
    Registration::new(fd.clone(), &rig.driver.remote()).unwrap()
}

pub fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pub fn registration_reads(rig: &mut Rig) {
    let (a, b) = pair();
    let reads = register(rig, &a);
    let mut buf = [0; 10];
    assert_eq!(
        reads.try_io(Interest::READABLE, || sys::read(&a, &mut buf)).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert!(!reads.snapshot().is_readable());
    // Known not to be ready: the call is not made.
    let again = reads.try_io(Interest::READABLE, || -> std::io::Result<()> { panic!("called") });
    assert_eq!(again.unwrap_err().kind(), ErrorKind::WouldBlock);
    for round in 0..3 {
        let read = reads.io(Interest::READABLE, || sys::read(&a, &mut buf));
        let write = async {
            sys::write(&b, b"hello").unwrap();
        };
        let (count, ()) = rig.wait(async { both(read, write).await });
        assert_eq!(count.unwrap(), 5, "round {round}");
        assert_eq!(&buf[..5], b"hello");
    }
}

pub fn registration_writes(rig: &mut Rig) {
    let (a, b) = pair();
    let writes = register(rig, &a);
    let chunk = vec![1; 100_000];
    let mut total = 0;
    while let Poll::Ready(count) = writes.poll_io(&mut cx(), Interest::WRITABLE, || sys::write(&a, &chunk)) {
        total += count.unwrap();
    }
    let mut pending = pin!(writes.io(Interest::WRITABLE, || sys::write(&a, &chunk)));
    assert!(pending.as_mut().poll(&mut cx()).is_pending());
    rig.glance();
    let mut drain = vec![0; total];
    let mut drained = 0;
    while drained < total {
        drained += sys::read(&b, &mut drain).unwrap();
    }
    assert!(rig.wait(pending).unwrap() > 0);
}

/// Every waiter of a direction hears of a report.
pub fn several_waiters(rig: &mut Rig) {
    let (a, b) = pair();
    let registration = register(rig, &a);
    let event = registration.snapshot();
    registration.clear_ready(event, Interest::READABLE);
    let mut waiters: Vec<_> = (0..5).map(|_| registration.ready(Interest::READABLE)).collect();
    let polled = &registration;
    rig.wait(async {
        let write = async {
            sys::write(&b, b"x").unwrap();
        };
        let all = async {
            for waiter in &mut waiters {
                assert!(waiter.await.unwrap().is_readable());
            }
            assert!(poll_fn(|cx| polled.poll_ready(cx, Interest::READABLE)).await.unwrap().is_readable());
        };
        both(all, write).await
    });
}

/// Clearing takes back what was seen, and no report that came later.
pub fn tick_keeps_reports(rig: &mut Rig) {
    let (a, b) = pair();
    let registration = register(rig, &a);
    registration.clear_ready(registration.snapshot(), Interest::READABLE);
    sys::write(&b, b"x").unwrap();
    let old = rig.wait(registration.ready(Interest::READABLE)).unwrap();
    registration.clear_ready(old, Interest::READABLE);
    assert!(!registration.snapshot().is_readable());
    let waiting = registration.ready(Interest::READABLE);
    sys::write(&b, b"y").unwrap();
    let new = rig.wait(waiting).unwrap();
    registration.clear_ready(old, Interest::READABLE);
    assert!(registration.snapshot().is_readable(), "an old event cleared a new report");
    registration.clear_ready(new, Interest::READABLE);
    assert!(!registration.snapshot().is_readable());
}

pub fn closed_peer(rig: &mut Rig) {
    let (a, b) = pair();
    let registration = register(rig, &a);
    registration.clear_ready(registration.snapshot(), Interest::READABLE);
    let mut waiting = registration.ready(Interest::READABLE);
    assert!(peek(&mut waiting).is_pending());
    rig.glance();
    drop(b);
    let event = rig.wait(waiting).unwrap();
    assert!(event.is_readable() && event.is_read_closed());
    // The end is not taken back.
    registration.clear_ready(event, Interest::READABLE);
    assert!(registration.snapshot().is_readable());
    assert_eq!(rig.wait(registration.io(Interest::READABLE, || sys::read(&a, &mut [0; 4]))).unwrap(), 0);
}

pub fn dropped_waiters_leave(rig: &mut Rig) {
    let (a, b) = pair();
    let registration = register(rig, &a);
    registration.clear_ready(registration.snapshot(), Interest::READABLE);
    for _ in 0..100 {
        let mut waiting = registration.ready(Interest::READABLE);
        assert!(peek(&mut waiting).is_pending());
    }
    let waiting = registration.ready(Interest::READABLE);
    sys::write(&b, b"x").unwrap();
    rig.wait(waiting).unwrap();
}

/// The number of a closed descriptor is reused, and reports on the new one are not mixed up with the old one's.
pub fn reregisters_after_close(rig: &mut Rig) {
    for round in 0..50 {
        let (a, b) = pair();
        let registration = register(rig, &a);
        let read = registration.io(Interest::READABLE, || sys::read(&a, &mut [0; 4]));
        let write = async {
            sys::write(&b, b"x").unwrap();
        };
        let (count, ()) = rig.wait(both(read, write));
        assert_eq!(count.unwrap(), 1, "round {round}");
    }
}

pub fn poll_once(rig: &mut Rig) {
    let (a, b) = pair();
    assert!(rig.run(PollOnce::new(a.clone(), Interest::WRITABLE)).unwrap().is_writable());
    let mut op = rig.driver.submit(PollOnce::new(a.clone(), Interest::READABLE));
    rig.glance();
    assert!(peek(&mut op).is_pending());
    sys::write(&b, b"x").unwrap();
    let event = rig.wait(op).unwrap();
    assert!(event.is_readable() && !event.is_read_closed());
    drop(b);
    assert!(rig.run(PollOnce::new(a, Interest::READABLE)).unwrap().is_read_closed());
}

pub fn two_registrations_share(rig: &mut Rig) {
    let (a, b) = pair();
    let (one, two) = (register(rig, &a), register(rig, &a));
    one.clear_ready(one.snapshot(), Interest::READABLE);
    assert!(!two.snapshot().is_readable());
    sys::write(&b, b"x").unwrap();
    rig.wait(one.ready(Interest::READABLE)).unwrap();
    assert!(two.snapshot().is_readable());
    drop(one);
    // The state is the descriptor's, not the registration's.
    two.clear_ready(two.snapshot(), Interest::READABLE);
    sys::read(&a, &mut [0; 4]).unwrap();
    sys::write(&b, b"y").unwrap();
    rig.wait(two.ready(Interest::READABLE)).unwrap();
}

/// Nothing is lost over many reports, whoever is first.
pub fn many_reports(rig: &mut Rig) {
    let (reader, writer) = pipe();
    let reads = register(rig, &reader);
    let other = std::thread::spawn(move || {
        for at in 0..2000u32 {
            sys::write(&writer, &at.to_ne_bytes()).unwrap();
        }
    });
    let mut expected = 0u32;
    while expected < 2000 {
        let mut buf = [0; 4];
        let count = rig.wait(reads.io(Interest::READABLE, || sys::read(&reader, &mut buf))).unwrap();
        assert_eq!((count, u32::from_ne_bytes(buf)), (4, expected));
        expected += 1;
    }
    other.join().unwrap();
    assert_eq!(rig.wait(reads.io(Interest::READABLE, || sys::read(&reader, &mut [0; 4]))).unwrap(), 0);
}

/// The last handle of a watched descriptor goes on another thread, and its peer sees the end.
pub fn dropped_elsewhere(rig: &mut Rig) {
    let (a, b) = pair();
    let registration = register(rig, &a);
    drop(a);
    registration.clear_ready(registration.snapshot(), Interest::READABLE);
    assert!(peek(&mut registration.ready(Interest::READABLE)).is_pending());
    rig.glance();
    std::thread::spawn(move || drop(registration)).join().unwrap();
    let peer = register(rig, &b);
    let end = rig.wait(peer.io(Interest::READABLE, || sys::read(&b, &mut [0; 4])));
    assert_eq!(end.unwrap(), 0);
}

/// A regular file is always ready, or cannot be watched: never a hang.
pub fn regular_file(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let registration = register(rig, &file);
    registration.clear_ready(registration.snapshot(), Interest::READABLE);
    match rig.wait(registration.ready(Interest::READABLE)) {
        Ok(event) => assert!(event.is_readable()),
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM)),
    }
}

/// A socket counts as hung up until it is connected: that must neither last nor make the driver spin.
pub fn unconnected_socket(rig: &mut Rig) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let fd = SharedFd::new(socket.into());
    let registration = register(rig, &fd);
    registration.clear_ready(registration.snapshot(), Interest::READABLE | Interest::WRITABLE);
    // Watched while unconnected.
    let event = rig.wait(registration.ready(Interest::READABLE)).unwrap();
    assert!(event.is_read_closed());
    rig.run(maniac_driver::op::Connect::new(fd.clone(), addr.into())).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let mut recv = rig.driver.submit(maniac_driver::op::Recv::new(fd.clone(), [0; 8], 0));
    let mut read = pin!(registration.io(Interest::READABLE, || sys::read(&fd, &mut [0; 4])));
    for _ in 0..50 {
        rig.glance();
        assert!(peek(&mut recv).is_pending() && read.as_mut().poll(&mut cx()).is_pending());
    }
    std::io::Write::write_all(&mut server, b"12345678").unwrap();
    let (received, read) = (rig.wait(recv).0.unwrap(), rig.driver.in_flight());
    assert!(received > 0 && read == 0);
}

/// The peer wrote its last, and somebody waits for out-of-band data: told, and not for ever.
pub fn priority_of_half_closed(rig: &mut Rig) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = SharedFd::new(listener.accept().unwrap().0.into());
    let urgent = rig.driver.submit(PollOnce::new(server.clone(), Interest::PRIORITY));
    rig.glance();
    assert!(!urgent.is_complete());
    socket2::SockRef::from(&client).send_out_of_band(b"!").unwrap();
    assert!(rig.wait(urgent).unwrap().is_priority());
    socket2::SockRef::from(&server).recv_out_of_band(&mut [std::mem::MaybeUninit::uninit(); 1]).unwrap();
    let closed = rig.driver.submit(PollOnce::new(server, Interest::PRIORITY));
    rig.glance();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(rig.wait(closed).unwrap().is_read_closed());
}

/// Two drivers have to do with one descriptor; the one that watches it ends.
pub fn two_drivers_share(rig: &mut Rig) {
    let mut other = Rig::new(rig.flavour);
    let (a, b) = pair();
    let here = register(rig, &a);
    here.clear_ready(here.snapshot(), Interest::READABLE);
    assert!(peek(&mut here.ready(Interest::READABLE)).is_pending());
    rig.glance();
    // Watched by this driver, waited for by an operation of the other.
    let first = other.driver.submit(maniac_driver::op::Recv::new(a.clone(), [0; 4], 0));
    let second = other.driver.submit(maniac_driver::op::Recv::new(a.clone(), [0; 4], 0));
    other.glance();
    sys::write(&b, b"1234").unwrap();
    other.until(|_| {
        rig.glance();
        first.is_complete() || second.is_complete()
    });
    let (ended, left) = if first.is_complete() { (first, second) } else { (second, first) };
    assert_eq!(ended.try_take().expect("complete").1, *b"1234");
    // A third, cancelled from where it is not watched.
    let third = other.driver.submit(maniac_driver::op::Recv::new(a.clone(), [0; 4], 0));
    other.glance();
    third.cancel();
    assert_eq!(crate::support::errno(other.wait(third).0), libc::ECANCELED);
    // This driver ends, and the operation finds another watch.
    drop(std::mem::replace(rig, Rig::new(rig.flavour)));
    other.glance();
    other.glance();
    assert!(!left.is_complete());
    sys::write(&b, b"5678").unwrap();
    assert_eq!(other.wait(left).1, *b"5678");
    // Who waited with the one that ended hears of it, and so does who comes too late.
    assert!(matches!(peek(&mut here.ready(Interest::PRIORITY)), Poll::Ready(Err(_))));
}

/// A driver ends without delay just as another has found the descriptor of one of its operations ready: that ends once.
pub fn ends_as_another_reports(rig: &mut Rig) {
    let mut other = Rig::new(rig.flavour);
    let (a, b) = pair();
    let here = register(rig, &a);
    here.clear_ready(here.snapshot(), Interest::READABLE);
    assert!(peek(&mut here.ready(Interest::READABLE)).is_pending());
    rig.glance();
    let op = other.driver.submit(maniac_driver::op::Recv::new(a.clone(), [0; 4], 0));
    other.glance();
    sys::write(&b, b"1234").unwrap();
    if !rig.flavour.in_ring() {
        // In the ring the data is received, and so may never be reported.
        rig.until(|_| here.snapshot().is_readable());
    }
    let leaked = other.driver.shutdown(std::time::Duration::ZERO);
    match op.try_take() {
        Ok((result, _)) => assert!(leaked == 0 && (result.is_err() || result.is_ok_and(|count| count == 4))),
        // The kernel was not asked for it any more.
        Err(op) => assert!(leaked == 1 && rig.flavour.is_ring(), "{op:?} was lost"),
    }
}

/// One waits to read and one to write; each hears of its own direction.
pub fn waits_both_ways(rig: &mut Rig) {
    let (a, b) = pair();
    let registration = register(rig, &a);
    let chunk = vec![1; 100_000];
    let mut total = 0;
    while let Poll::Ready(count) =
        registration.poll_io(&mut cx(), Interest::WRITABLE, || sys::write(&a, &chunk))
    {
        total += count.unwrap();
    }
    let mut buf = [0; 4];
    let mut read = pin!(registration.io(Interest::READABLE, || sys::read(&a, &mut buf)));
    assert!(read.as_mut().poll(&mut cx()).is_pending());
    let mut write = pin!(registration.io(Interest::WRITABLE, || sys::write(&a, &chunk)));
    assert!(write.as_mut().poll(&mut cx()).is_pending());
    rig.glance();
    sys::write(&b, b"x").unwrap();
    assert_eq!(rig.wait(read).unwrap(), 1);
    let mut drain = vec![0; total];
    let mut drained = 0;
    while drained < total {
        drained += sys::read(&b, &mut drain).unwrap();
    }
    assert!(rig.wait(write).unwrap() > 0);
}

/// A wait ends by a report, by its time and by an unpark, whether the ring has an operation meanwhile or not. Without one the ring is asked nothing.
pub fn waits_end(rig: &mut Rig) {
    let (a, b) = pair();
    let reads = register(rig, &a);
    let (silent, _other) = pair();
    // Watched from now on.
    assert!(reads.poll_io(&mut cx(), Interest::READABLE, || sys::read(&a, &mut [0; 1])).is_pending());
    rig.glance();
    let mut begun = None;
    for with_operation in [false, true, false] {
        if with_operation {
            begun = Some(rig.driver.submit(PollOnce::new(silent.clone(), Interest::READABLE)));
        } else if let Some(op) = begun.take() {
            rig.driver.abandon(op);
            rig.until(|driver| driver.in_flight() == 0);
        }
        let before = rig.driver.metrics().entries;
        for round in 0..20 {
            let mut buf = [0; 1];
            let read = reads.io(Interest::READABLE, || sys::read(&a, &mut buf));
            let writer = b.clone();
            let write = std::thread::spawn(move || sys::write(&writer, b"x").unwrap());
            assert_eq!(rig.wait(read).unwrap(), 1, "round {round}");
            write.join().unwrap();
            rig.driver.poll(Some(std::time::Duration::from_micros(300)), &mut rig.done).unwrap();
            let remote = rig.driver.remote();
            let unpark = std::thread::spawn(move || remote.unpark());
            rig.turn();
            unpark.join().unwrap();
        }
        // Where the kernel has the call, and no fault says otherwise.
        let has_call = std::env::var_os("MANIAC_RING_FAULTS").is_none_or(|faults| faults != "old")
            && matches!(rig.flavour, Flavour::Uring | Flavour::UringHost | Flavour::UringBare);
        if has_call && !with_operation {
            assert_eq!(rig.driver.metrics().entries, before, "nothing for the ring");
        }
    }
    // For who counts what the ring did.
    rig.run(PollOnce::new(a, Interest::WRITABLE)).unwrap();
}
