//! A warm driver allocates nothing for an operation, and what threads submit does not pile up.
#![cfg(all(target_os = "linux", feature = "iouring", feature = "mio", not(any(loom, miri))))]
#![allow(missing_docs, unreachable_pub, reason = "a test program")]

mod support;

use maniac_driver::op::{Operation, ReadAt, Recv, Send};
use maniac_driver::{Completions, Driver};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use support::{Flavour, PATIENCE, Rig, pair};

/// Counts calls by thread (libtest's own threads allocate meanwhile), and bytes.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}
static BYTES: AtomicI64 = AtomicI64::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes are of the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Turns the driver until `token` comes.
fn until(driver: &mut Driver, done: &mut Completions, token: u64) {
    loop {
        driver.poll(Some(PATIENCE), done).unwrap();
        if done.tokens().any(|seen| seen == token) {
            return;
        }
    }
}

fn one<T: Operation>(driver: &mut Driver, done: &mut Completions, op: T) -> T::Output {
    let op = driver.submit_with_token(op, 7);
    until(driver, done, 7);
    op.try_take().unwrap_or_else(|_| panic!("its token came"))
}

fn allocated_by(round: &mut dyn FnMut()) -> u64 {
    (0..100).for_each(|_| round());
    let before = CALLS.get();
    (0..1000).for_each(|_| round());
    CALLS.get() - before
}

#[test]
fn a_warm_uring_driver_allocates_nothing() {
    warm_allocates_nothing(&[Flavour::Uring, Flavour::UringTiny]);
}

#[test]
fn a_warm_poll_driver_allocates_nothing() {
    warm_allocates_nothing(&[Flavour::Poll]);
}

fn warm_allocates_nothing(flavours: &[Flavour]) {
    let _alone = ALONE.lock();
    for &flavour in flavours {
        let mut rig = Rig::new(flavour);
        let file = rig.dir.file("a", &[1; 4096]);
        let (a, b) = pair();
        let mut done = Completions::new();
        let driver = &mut rig.driver;
        if flavour.is_ring() {
            let mut buf = Some(vec![0; 4096]);
            let reads = allocated_by(&mut || {
                let (result, back) =
                    one(driver, &mut done, ReadAt::new(file.clone(), buf.take().unwrap(), 0));
                assert_eq!(result.unwrap(), 4096);
                buf = Some(back);
            });
            assert_eq!(reads, 0, "{flavour:?}");
        }
        let messages = allocated_by(&mut || {
            let recv = driver.submit_with_token(Recv::new(a.clone(), [0; 64], 0), 1);
            one(driver, &mut done, Send::new(b.clone(), [1; 64], 0)).0.unwrap();
            while !recv.is_complete() {
                driver.poll(Some(PATIENCE), &mut done).unwrap();
            }
            assert_eq!(recv.try_take().unwrap().0.unwrap(), 64);
            done.tokens();
        });
        assert_eq!(messages, 0, "{flavour:?}");
    }
}

#[test]
fn remote_submissions_to_uring_do_not_pile_up() {
    remote_submissions_do_not_pile_up(Flavour::Uring);
}

#[test]
fn remote_submissions_to_poll_do_not_pile_up() {
    remote_submissions_do_not_pile_up(Flavour::Poll);
}

fn remote_submissions_do_not_pile_up(flavour: Flavour) {
    let _alone = ALONE.lock();
    let mut rig = Rig::new(flavour);
    let (a, b) = pair();
    let remote = rig.driver.remote();
    let mut done = Completions::new();
    let mut round = || {
        let op = remote.submit_with_token(Send::new(b.clone(), [1; 64], 0), 1);
        until(&mut rig.driver, &mut done, 1);
        op.try_take().unwrap().0.unwrap();
        assert_eq!(maniac_driver::sys::read(&a, &mut [0; 64]).unwrap(), 64);
    };
    (0..100).for_each(|_| round());
    let before = BYTES.load(Ordering::Relaxed);
    (0..10_000).for_each(|_| round());
    let grown = BYTES.load(Ordering::Relaxed) - before;
    assert!(grown < 10_000, "{flavour:?}: {grown} bytes more after 10,000 operations");
}
