//! What is allocated, counted: nothing while a channel is empty, beyond what its handles share.
#![cfg(not(loom))]
#![allow(missing_docs)]

use maniac_sync::{mpsc, oneshot, spsc};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    task::{Context, Waker},
};

thread_local! {
    static COUNT: Cell<(usize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(allocations: usize, bytes: isize) {
    let _ = COUNT.try_with(|count| {
        let (all, live) = count.get();
        count.set((all + allocations, live + bytes));
    });
}

// SAFETY: it passes all on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `run` makes, and how many bytes more are live after it.
fn counted<R>(run: impl FnOnce() -> R) -> (usize, isize, R) {
    let before = COUNT.get();
    let result = run();
    let after = COUNT.get();
    (after.0 - before.0, after.1 - before.1, result)
}

#[test]
fn mpsc_allocates_its_handles_only() {
    for capacity in [Some(1), Some(1_000_000), None] {
        let (allocations, _, (sender, mut receiver)) =
            counted(|| capacity.map_or_else(mpsc::unbounded::<[u64; 8]>, mpsc::channel));
        assert_eq!(allocations, 1, "the state that the handles share");
        let (allocations, bytes, ()) = counted(|| {
            let mut context = Context::from_waker(Waker::noop());
            let second = sender.clone();
            assert!(receiver.poll_recv(&mut context).is_pending());
            assert!(receiver.try_recv().is_err());
            drop(second.try_reserve().unwrap());
            drop((second.downgrade(), second));
        });
        assert_eq!((allocations, bytes), (0, 0), "clones, waiting and reserving");
        let (allocations, ..) = counted(|| sender.try_send([0; 8]).unwrap());
        assert_eq!(allocations, 1, "the first segment");
    }
}

#[test]
fn mpsc_gives_segments_back() {
    let messages = if cfg!(miri) { 3_000 } else { 100_000 };
    let (sender, mut receiver) = mpsc::unbounded::<[u64; 8]>();
    let (_, backlog, ()) = counted(|| (0..messages).for_each(|_| sender.try_send([0; 8]).unwrap()));
    assert!(backlog >= messages * 64);
    let (_, drained, count) = counted(|| {
        let mut buffer = Vec::with_capacity(4096);
        let mut count = 0;
        while receiver.try_recv_many(&mut buffer, 4096) != 0 {
            count += buffer.len();
            buffer.clear();
        }
        count
    });
    assert_eq!(count as isize, messages);
    let left = backlog + drained;
    assert!(left <= 4 * 18 * 1024, "{left} bytes are left of {backlog}");
}

#[test]
#[cfg_attr(miri, ignore = "too many messages")]
fn mpsc_steady_use_allocates_nothing() {
    let (sender, mut receiver) = mpsc::channel::<u64>(1_024);
    let mut round = || {
        for number in 0..1_024 {
            sender.try_send(number).unwrap();
        }
        for number in 0..1_024 {
            assert_eq!(receiver.try_recv(), Ok(number));
        }
    };
    (0..20).for_each(|_| round());
    let (allocations, ..) = counted(|| (0..100).for_each(|_| round()));
    assert_eq!(allocations, 0, "in 100 rounds of 1,024 messages");
}

#[test]
#[cfg_attr(miri, ignore = "too many values")]
fn spsc_allocates_its_handles_only() {
    let (allocations, _, (mut sender, mut receiver)) = counted(spsc::channel::<u64, 12>);
    assert_eq!(allocations, 1, "the state that the ends share");
    let (allocations, ..) = counted(|| {
        let mut context = Context::from_waker(Waker::noop());
        assert!(receiver.poll_recv(&mut context).is_pending());
        assert!(sender.poll_ready(&mut context).is_ready());
    });
    assert_eq!(allocations, 1, "asking for room makes the first segment, waiting makes nothing");
    let (_, most, ()) = counted(|| {
        assert_eq!(sender.send_iter(0..100_000), 100_000);
    });
    let (_, back, sum) = counted(|| receiver.read_chunk(usize::MAX).count());
    assert_eq!(sum, 100_000);
    assert!(most + back <= 3 * 4096 * 8, "{} bytes are left of {most}", most + back);
}

#[test]
fn oneshot_allocates_once() {
    let (allocations, bytes, ()) = counted(|| {
        let (sender, mut receiver) = oneshot::channel::<[u64; 8]>();
        let mut context = Context::from_waker(Waker::noop());
        assert!(std::pin::Pin::new(&mut receiver).poll(&mut context).is_pending());
        sender.send([1; 8]).unwrap();
        assert_eq!(receiver.recv_blocking(), Ok([1; 8]));
    });
    assert_eq!((allocations, bytes), (1, 0));
}
