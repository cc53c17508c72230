//! Records, handles, jobs and buffers without a kernel in the way: what miri can run.
#![cfg(all(unix, feature = "mio", not(loom)))]
#![allow(missing_docs, reason = "a test program")]

use maniac_driver::buf::{AlignedBuf, BufferPool, BufferPoolConfig, PoolBuf, RawBufRead, RawBufWrite, Slice};
use maniac_driver::op::{Mode, Operation, Returned};
use maniac_driver::{Completions, Driver, DriverConfig, DriverKind, Job, Offload, SharedFd};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Jobs wait here until a test runs or drops them.
#[derive(Default)]
struct Held(Mutex<VecDeque<Job>>);

impl Offload for Held {
    fn offload(&self, job: Job) -> Result<(), Job> {
        self.0.lock().unwrap().push_back(job);
        Ok(())
    }
}

impl Held {
    fn take(&self) -> Job {
        self.0.lock().unwrap().pop_front().expect("a job was handed over")
    }
}

/// Fills its buffer the way a system call does: through its address, without a reference to it.
struct Fill<B> {
    buf: B,
    byte: u8,
    alive: Arc<AtomicUsize>,
}

impl<B> Fill<B> {
    fn new(buf: B, byte: u8, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self { buf, byte, alive: alive.clone() }
    }
}

// SAFETY: there is no entry.
unsafe impl<B: RawBufWrite> Operation for Fill<B> {
    type Output = (io::Result<usize>, B);
    const NAME: &'static str = "fill";
    const MODE: Mode = Mode::Offload;
    #[cfg(all(target_os = "linux", feature = "iouring", not(loom)))]
    const OPCODE: u8 = u8::MAX;

    fn call(&mut self) -> io::Result<usize> {
        let len = self.buf.buf_capacity();
        // SAFETY: the buffer vouches for so many bytes.
        unsafe { self.buf.as_buf_mut_ptr().write_bytes(self.byte, len) };
        Ok(len)
    }

    fn finish(mut self, result: io::Result<Returned>) -> Self::Output {
        let result = result.map(Returned::get);
        self.alive.fetch_sub(1, Ordering::SeqCst);
        if let Ok(count) = result {
            // SAFETY: `call` has written so many bytes.
            unsafe { self.buf.set_filled(count) };
        }
        (result, self.buf)
    }
}

struct Bench {
    driver: Driver,
    held: Arc<Held>,
    alive: Arc<AtomicUsize>,
    done: Completions,
}

impl Bench {
    fn new() -> Self {
        let held = Arc::new(Held::default());
        let driver = Driver::new(DriverConfig::new().kind(DriverKind::Poll), held.clone()).unwrap();
        Self { driver, held, alive: Arc::default(), done: Completions::new() }
    }

    fn fill<B: RawBufWrite>(&self, buf: B, byte: u8) -> Fill<B> {
        Fill::new(buf, byte, &self.alive)
    }

    fn turn(&mut self) {
        self.driver.poll(Some(Duration::ZERO), &mut self.done).unwrap();
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }
}

/// Counts its calls.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn inline_buffers_stay_in_their_record() {
    let mut bench = Bench::new();
    let op = bench.fill([0u8; 100], 7);
    let op = bench.driver.submit(op);
    bench.held.take().run();
    let (result, buf) = op.try_take().ok().unwrap();
    assert_eq!((result.unwrap(), buf), (100, [7; 100]));
    // Beyond the pool's classes, and aligned beyond them.
    let op = bench.fill([0u8; 5000], 8);
    let op = bench.driver.submit(op);
    bench.held.take().run();
    assert_eq!(op.try_take().ok().unwrap().1, [8; 5000]);
}

#[test]
fn every_way_a_handle_can_go() {
    let mut bench = Bench::new();
    // Dropped before, between and after.
    for when in 0..3 {
        let op = bench.fill(vec![0; 10], 1);
        let op = bench.driver.submit(op);
        let job = bench.held.take();
        match when {
            0 => {
                drop(op);
                job.run();
            }
            1 => {
                job.run();
                drop(op);
            }
            _ => {
                drop(job);
                let (result, _) = op.try_take().ok().unwrap();
                assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
            }
        }
        bench.turn();
        bench.done.clear_garbage();
        assert_eq!(bench.alive(), 0, "way {when}");
    }
    assert_eq!(bench.driver.in_flight(), 0);
}

#[test]
fn wakers_and_tokens() {
    let mut bench = Bench::new();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let other = Waker::from(Arc::new(Count::default()));
    let op = bench.fill(vec![0; 10], 1);
    let mut op = bench.driver.submit(op);
    for waker in [&other, &waker, &waker] {
        assert!(Pin::new(&mut op).poll(&mut Context::from_waker(waker)).is_pending());
    }
    bench.held.take().run();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(Pin::new(&mut op).poll(&mut Context::from_waker(&waker)).is_ready());
    let op = bench.fill(vec![0; 10], 1);
    let op = bench.driver.submit_with_token(op, 99);
    bench.held.take().run();
    bench.turn();
    assert_eq!(bench.done.tokens().collect::<Vec<_>>(), [99]);
    assert!(op.is_complete());
    // The waker of a dropped handle is dropped with it.
    let before = Arc::strong_count(&count);
    let op = bench.fill(vec![0; 10], 1);
    let mut op = bench.driver.submit(op);
    assert!(Pin::new(&mut op).poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(Arc::strong_count(&count), before + 1);
    drop(op);
    assert_eq!(Arc::strong_count(&count), before);
    drop(bench.held.take());
}

#[test]
fn handles_outlive_their_driver() {
    let mut bench = Bench::new();
    let op = bench.fill(vec![0; 10], 1);
    let complete = bench.driver.submit(op);
    bench.held.take().run();
    let op = bench.fill(vec![0; 10], 2);
    let ended = bench.driver.submit(op);
    let remote = bench.driver.remote();
    let held = bench.held.clone();
    // What a thread of the pool still has is ended when that lets go of it.
    let thread = std::thread::spawn(move || drop(held.take()));
    let alive = bench.alive.clone();
    drop(bench);
    thread.join().unwrap();
    assert_eq!(complete.try_take().ok().unwrap().1, [1; 10]);
    assert!(ended.try_take().ok().unwrap().0.is_err());
    assert!(remote.submit(Fill::new(vec![0; 10], 3, &alive)).is_complete());
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn threads_submit_cancel_and_drop() {
    let mut bench = Bench::new();
    let rounds = if cfg!(miri) { 5 } else { 500 };
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let (remote, alive) = (bench.driver.remote(), bench.alive.clone());
            std::thread::spawn(move || {
                for round in 0..rounds {
                    let op = remote.submit(Fill::new(vec![0; 16], 1, &alive));
                    match (thread + round) % 3 {
                        0 => drop(op),
                        1 => op.cancel(),
                        _ => {
                            while !op.is_complete() && round % 2 == 0 {
                                std::thread::yield_now();
                            }
                        }
                    }
                }
            })
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) || bench.driver.in_flight() > 0 {
        bench.turn();
        loop {
            let job = bench.held.0.lock().unwrap().pop_front();
            match job {
                Some(job) => job.run(),
                None => break,
            }
        }
        std::thread::yield_now();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    bench.turn();
    bench.turn();
    bench.done.clear_garbage();
    assert_eq!(bench.alive(), 0);
}

#[test]
fn panics_of_buffers_reach_the_caller() {
    struct Bomb([u8; 8]);
    // SAFETY: an array inside of it, initialised.
    unsafe impl RawBufWrite for Bomb {
        fn as_buf_mut_ptr(&mut self) -> *mut u8 {
            self.0.as_mut_ptr()
        }

        fn buf_capacity(&self) -> usize {
            8
        }

        unsafe fn set_filled(&mut self, _: usize) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("boom");
            }
        }
    }
    let mut bench = Bench::new();
    let op = bench.fill(Bomb([0; 8]), 1);
    let op = bench.driver.submit(op);
    drop(op);
    let job = bench.held.take();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run())).unwrap_err();
    // The driver goes on.
    let op = bench.fill(vec![0; 4], 2);
    let op = bench.driver.submit(op);
    bench.held.take().run();
    assert_eq!(op.try_take().ok().unwrap().1, [2; 4]);
}

#[test]
fn slices_stay_within() {
    let slice = Slice::new(vec![1, 2, 3, 4], 1..);
    assert_eq!(slice.buf_len(), 3);
    let mut beyond = Slice::new(Vec::<u8>::with_capacity(10), 4..8);
    // Bytes before the range that are not filled cannot be vouched for.
    assert_eq!(beyond.buf_capacity(), 0);
    // SAFETY: nothing is claimed.
    unsafe { beyond.set_filled(0) };
    assert!(beyond.into_inner().is_empty());
    assert_eq!(Slice::new(vec![1, 2], 5..9).buf_len(), 0);
    assert!(
        std::panic::catch_unwind(|| Slice::new(
            vec![0u8],
            (std::ops::Bound::Included(3), std::ops::Bound::Excluded(2))
        ))
        .is_err()
    );
}

#[test]
fn aligned_buffers() {
    assert!(AlignedBuf::new(10, 3).is_none() && AlignedBuf::new(usize::MAX, 4096).is_none());
    let mut buf = AlignedBuf::new(100, 512).unwrap();
    assert_eq!((buf.as_buf_ptr() as usize % 512, buf.capacity(), buf.align()), (0, 512, 512));
    assert_eq!(buf.extend_from_slice(&[1; 600]), 512);
    assert_eq!(buf[511], 1);
    buf.set_len(1);
    buf[0] = 9;
    assert_eq!(&*buf, [9]);
}

fn pool(limit: usize, cache: usize) -> BufferPool {
    BufferPool::new(BufferPoolConfig::new().classes([4096, 8192]).limit(limit).cache(cache))
}

fn poll_acquire(
    future: &mut (impl Future<Output = io::Result<PoolBuf>> + Unpin),
) -> Poll<io::Result<PoolBuf>> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_pool_pushes_back() {
    let pool = pool(8192, 8192);
    assert_eq!(pool.try_acquire(8193).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let (one, two) = (pool.try_acquire(1).unwrap(), pool.try_acquire(4096).unwrap());
    assert_eq!(pool.try_acquire(1).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let (mut large, mut small) = (pool.acquire(8192), pool.acquire(1));
    assert!(poll_acquire(&mut large).is_pending() && poll_acquire(&mut small).is_pending());
    drop(one);
    // First come, first served: what is there goes to nobody else.
    assert!(poll_acquire(&mut small).is_pending() && pool.try_acquire(1).is_err());
    drop(two);
    let Poll::Ready(Ok(buf)) = poll_acquire(&mut large) else { panic!("the pool is empty") };
    assert_eq!(buf.capacity(), 8192);
    drop(large);
    drop(buf);
    assert!(poll_acquire(&mut small).is_ready());
    assert_eq!(pool.stats().waiting, 0);
}

#[test]
fn who_stops_waiting_lets_the_next_go_on() {
    let pool = pool(4096, 0);
    let held = pool.try_acquire(1).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let (mut first, mut second) = (pool.acquire(1), pool.acquire(1));
    assert!(poll_acquire(&mut first).is_pending());
    assert!(Pin::new(&mut second).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(held);
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    drop(first);
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(poll_acquire(&mut second).is_ready());
    assert_eq!(pool.stats().cached_bytes, 0);
}

/// Who waits to be the last is woken by its own waker, which is taken out for that: nobody's code runs amid the descriptor's lock.
#[test]
fn the_last_ones_waker_is_taken_out() {
    /// Uses the descriptor that it is called about.
    struct User(Mutex<Option<SharedFd>>, AtomicUsize);
    impl Wake for User {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
            drop(self.0.lock().unwrap().take());
        }
    }
    let fd = SharedFd::new(std::io::pipe().unwrap().0.into());
    let user = Arc::new(User(Mutex::new(Some(fd.clone())), AtomicUsize::new(0)));
    let other = fd.clone();
    let mut last = fd.unwrap_last();
    let waker = Waker::from(user.clone());
    assert!(Pin::new(&mut last).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&user), 2, "the future's");
    drop(other.clone());
    assert_eq!((Arc::strong_count(&user), user.1.load(Ordering::SeqCst)), (1, 1), "taken out and called");
    assert!(
        Pin::new(&mut other.clone().unwrap_last()).poll(&mut Context::from_waker(Waker::noop())).is_ready(),
        "still the first"
    );
    assert!(Pin::new(&mut last).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(other);
    assert!(matches!(
        Pin::new(&mut last).poll(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(Some(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 200 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// The pool against a plain count.
    #[test]
    fn a_pool_keeps_its_limit(steps in prop::collection::vec((0usize..10_000, any::<bool>()), 1..60)) {
        let (limit, cache) = (40_000, 16_384);
        let pool = pool(limit, cache);
        let mut lent: Vec<PoolBuf> = Vec::new();
        for (len, give) in steps {
            let used: usize = lent.iter().map(PoolBuf::capacity).sum();
            if give {
                if !lent.is_empty() {
                    lent.swap_remove(len % lent.len());
                }
            } else {
                let size = if len <= 4096 { 4096 } else { 8192 };
                match pool.try_acquire(len) {
                    Ok(mut buf) => {
                        prop_assert!(buf.capacity() == size && buf.is_empty() && used + size <= limit);
                        buf.extend_from_slice(&[1; 10_000]);
                        lent.push(buf);
                    }
                    Err(error) if len > 8192 => prop_assert_eq!(error.kind(), io::ErrorKind::InvalidInput),
                    Err(_) => prop_assert!(used + size > limit),
                }
            }
            let stats = pool.stats();
            prop_assert_eq!(stats.lent, lent.len());
            prop_assert_eq!(stats.lent_bytes, lent.iter().map(PoolBuf::capacity).sum::<usize>());
            prop_assert!(stats.cached_bytes <= cache);
        }
    }

    /// A slice of a Vec reads and fills what the standard library's slices would.
    #[test]
    fn slices_are_slices(bytes in prop::collection::vec(any::<u8>(), 0..50), begin in 0usize..60, len in 0usize..60) {
        let end = begin + len;
        let slice = Slice::new(bytes.clone(), begin..end);
        let expected = &bytes[begin.min(bytes.len())..end.min(bytes.len())];
        // SAFETY: the slice vouches for so many bytes.
        let seen = unsafe { std::slice::from_raw_parts(slice.as_buf_ptr(), slice.buf_len()) };
        prop_assert_eq!(seen, expected);
        let mut slice = Slice::new(bytes.clone(), begin..end);
        let room = slice.buf_capacity();
        // SAFETY: the slice vouches for so many bytes.
        unsafe { slice.as_buf_mut_ptr().write_bytes(7, room) };
        // SAFETY: just written.
        unsafe { slice.set_filled(room) };
        let mut expected = bytes.clone();
        if begin <= expected.len() {
            expected.resize(expected.len().max(begin + room), 0);
            expected[begin..begin + room].fill(7);
        }
        prop_assert_eq!(slice.into_inner(), expected);
    }
}
