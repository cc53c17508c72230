//! What an operation costs, in CPU time of this thread: `cargo bench -p maniac-driver --bench ops`.
//!
//! Each line is the median of several rounds. The plain system call stands beside it as the floor.
#![cfg_attr(not(all(target_os = "linux", feature = "iouring", feature = "mio")), allow(unused))]
#![allow(missing_docs, clippy::print_stdout, reason = "a program that prints figures")]

#[cfg(all(target_os = "linux", feature = "iouring", feature = "mio"))]
mod linux {
    use maniac_driver::op::{Inline, ReadAt, Recv, Send, StatFile, try_inline};
    use maniac_driver::{
        Completions, Driver, DriverConfig, DriverKind, Interest, Op, Registration, SharedFd, ThreadPerJob,
        sys,
    };
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    /// CPU time of this thread in nanoseconds.
    fn cpu() -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure is alive for the call.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    fn report(name: &str, count: u64, mut round: impl FnMut(u64)) {
        // Only what the command line names, if it names something.
        let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            return;
        }
        round(count / 10);
        let mut times: Vec<u64> = (0..7)
            .map(|_| {
                let start = cpu();
                round(count);
                (cpu() - start) / count
            })
            .collect();
        times.sort_unstable();
        println!("{name:55} {:>7} ns", times[3]);
    }

    fn driver(kind: DriverKind) -> Driver {
        Driver::new(DriverConfig::new().kind(kind), Arc::new(ThreadPerJob)).unwrap()
    }

    pub(crate) fn main() {
        let path = std::env::temp_dir().join(format!("maniac-driver-bench-{}", std::process::id()));
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let file = SharedFd::new(std::fs::File::open(&path).unwrap().into());
        std::fs::remove_file(&path).unwrap();
        reads(&file);
        for kind in [DriverKind::Uring, DriverKind::Poll] {
            sockets(kind);
        }
    }

    fn reads(file: &SharedFd) {
        let mut buf = vec![0; 4096];
        report("read 4 KiB: pread", 200_000, |count| {
            let plain = std::fs::File::from(file_of(file));
            for at in 0..count {
                std::os::unix::fs::FileExt::read_at(&plain, &mut buf, at % 200 * 4096).unwrap();
            }
        });
        report("read 4 KiB: try_inline", 200_000, |count| {
            let mut buf = Vec::with_capacity(4096);
            for at in 0..count {
                let Inline::Done((result, back)) =
                    try_inline(ReadAt::new(file.clone(), buf, at % 200 * 4096))
                else {
                    panic!("not cached")
                };
                assert_eq!(result.unwrap(), 4096);
                buf = back;
            }
        });
        report("stat: try_inline", 200_000, |count| {
            for _ in 0..count {
                let Inline::Done(stat) = try_inline(StatFile::new(file.clone())) else {
                    panic!("not inline")
                };
                stat.unwrap();
            }
        });
        for depth in [1, 32] {
            raw_ring(file, depth);
            let mut driver = driver(DriverKind::Uring);
            let mut done = Completions::new();
            report(&format!("read 4 KiB: ring, depth {depth}, tokens"), 100_000, |count| {
                let mut ops: Vec<Option<Op<ReadAt<Vec<u8>>>>> =
                    (0..depth)
                        .map(|at| {
                            Some(driver.submit_with_token(
                                ReadAt::new(file.clone(), Vec::with_capacity(4096), 0),
                                at,
                            ))
                        })
                        .collect();
                let mut left = count;
                while left > 0 {
                    driver.poll(None, &mut done).unwrap();
                    for token in done.tokens() {
                        let op = ops[token as usize].take().unwrap();
                        let (result, buf) = op.try_take().unwrap();
                        assert_eq!(result.unwrap(), 4096);
                        left = left.saturating_sub(1);
                        let op = ReadAt::new(file.clone(), buf, left % 200 * 4096);
                        ops[token as usize] = Some(driver.submit_with_token(op, token));
                    }
                }
                drop(ops);
                while driver.in_flight() > 0 {
                    driver.poll(None, &mut done).unwrap();
                    done.tokens();
                    done.clear_garbage();
                }
            });
        }
    }

    /// The same without this crate: the floor.
    fn raw_ring(file: &SharedFd, depth: u64) {
        use io_uring::{IoUring, opcode, types};
        use std::os::fd::AsRawFd;
        let mut ring: IoUring =
            IoUring::builder().setup_coop_taskrun().setup_taskrun_flag().build(128).unwrap();
        let mut bufs = vec![[0u8; 4096]; depth as usize];
        report(&format!("read 4 KiB: raw ring, depth {depth}"), 100_000, |count| {
            let mut push = |ring: &mut IoUring, slot: u64, at: u64| {
                let buf = bufs[slot as usize].as_mut_ptr();
                let entry = opcode::Read::new(types::Fd(file.as_raw_fd()), buf, 4096).offset(at % 200 * 4096);
                // SAFETY: the buffers outlive the ring's use of them, for each round waits for all.
                unsafe { ring.submission().push(&entry.build().user_data(slot)) }.unwrap();
            };
            (0..depth).for_each(|slot| push(&mut ring, slot, slot));
            let (mut left, mut out) = (count, depth);
            let mut done = Vec::new();
            while out > 0 {
                ring.submit_and_wait(1).unwrap();
                done.extend(ring.completion().map(|entry| entry.user_data()));
                for slot in done.drain(..) {
                    out -= 1;
                    if left > 0 {
                        left -= 1;
                        out += 1;
                        push(&mut ring, slot, left);
                    }
                }
            }
        });
    }

    fn file_of(file: &SharedFd) -> std::os::fd::OwnedFd {
        file.descriptor().try_clone().unwrap()
    }

    const PAIRS: usize = 64;
    type Pairs = Vec<(SharedFd, SharedFd)>;

    /// Messages over socket pairs, both ends on this thread, all pairs in turn.
    fn sockets(kind: DriverKind) {
        let pair = |_| {
            let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
            (SharedFd::new(a.into()), SharedFd::new(b.into()))
        };
        let pairs: Pairs = (0..PAIRS).map(pair).collect();
        by_registration(kind, &pairs, &mut driver(kind));
        let pairs: Pairs = (0..PAIRS).map(pair).collect();
        by_operations(kind, &pairs, &mut driver(kind));
    }

    fn by_registration(kind: DriverKind, pairs: &Pairs, driver: &mut Driver) {
        let mut done = Completions::new();
        let registrations: Vec<_> =
            pairs.iter().map(|(a, _)| Registration::new(a.clone(), &driver.remote()).unwrap()).collect();
        let waker = Waker::noop();
        report(&format!("message by registration, {kind}, 64 pairs"), 200_000, |count| {
            let mut buf = [0; 64];
            let mut cx = Context::from_waker(waker);
            for _ in 0..count / PAIRS as u64 {
                for registration in &registrations {
                    let fd = registration.fd();
                    assert!(
                        registration
                            .poll_io(&mut cx, Interest::READABLE, || sys::read(fd, &mut buf))
                            .is_pending()
                    );
                }
                for (_, b) in pairs {
                    sys::write(b, &[1; 64]).unwrap();
                }
                let mut left = PAIRS;
                let mut got = [false; PAIRS];
                while left > 0 {
                    driver.poll(None, &mut done).unwrap();
                    done.wake_all();
                    for (at, registration) in
                        registrations.iter().enumerate().filter(|&(at, _)| !got[at]).collect::<Vec<_>>()
                    {
                        let fd = registration.fd();
                        if let Poll::Ready(result) =
                            registration.poll_io(&mut cx, Interest::READABLE, || sys::read(fd, &mut buf))
                        {
                            assert_eq!(result.unwrap(), 64);
                            got[at] = true;
                            left -= 1;
                        }
                    }
                }
            }
        });
    }

    fn by_operations(kind: DriverKind, pairs: &Pairs, driver: &mut Driver) {
        let mut done = Completions::new();
        report(&format!("message by operations (recv, send), {kind}, 64 pairs"), 200_000, |count| {
            let mut left = count;
            let mut recvs: HashMap<u64, Op<Recv<[u8; 64]>>> = HashMap::new();
            let mut sends = HashMap::new();
            for (at, (a, b)) in pairs.iter().enumerate() {
                recvs
                    .insert(at as u64, driver.submit_with_token(Recv::new(a.clone(), [0; 64], 0), at as u64));
                let token = at as u64 + 1000;
                sends.insert(token, driver.submit_with_token(Send::new(b.clone(), [1; 64], 0), token));
            }
            while left > 0 {
                driver.poll(Some(Duration::from_secs(1)), &mut done).unwrap();
                for token in done.tokens() {
                    if token >= 1000 {
                        sends.remove(&token).unwrap().try_take().unwrap().0.unwrap();
                        let b = &pairs[token as usize - 1000].1;
                        sends
                            .insert(token, driver.submit_with_token(Send::new(b.clone(), [1; 64], 0), token));
                    } else {
                        recvs.remove(&token).unwrap().try_take().unwrap().0.unwrap();
                        left = left.saturating_sub(1);
                        let a = &pairs[token as usize].0;
                        recvs
                            .insert(token, driver.submit_with_token(Recv::new(a.clone(), [0; 64], 0), token));
                    }
                }
            }
            drop((recvs, sends));
            while driver.in_flight() > 0 {
                driver.poll(Some(Duration::ZERO), &mut done).unwrap();
                done.tokens();
                done.clear_garbage();
            }
        });
    }
}

fn main() {
    #[cfg(all(target_os = "linux", feature = "iouring", feature = "mio"))]
    linux::main();
}
