//! Suspended threads: how the tests ask for them, and what they see of the frames, from within the gate that is called on top of each.

use super::{ARRIVED, DEEPEST, STRIPS, arch, stack_of};
use maniac_context::preempt::{Gate, Refused, Target};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a coroutine's gate says, where the test says nothing about it.
pub(crate) const GATE: Gate = gate;

/// Less than a frame and what is called on top of it, and more than code in which threads are interrupted moves its stack pointer.
const FRAME: usize = 512;

/// Between which addresses gates have run on each known stack.
static LOWEST: [AtomicUsize; 8] = [const { AtomicUsize::new(usize::MAX) }; 8];
static HIGHEST: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];

fn gate(_request: u64) -> bool {
    let here = 0_u8;
    let here = std::hint::black_box(&raw const here);
    let stack = stack_of(here.addr());
    if stack != 0 {
        LOWEST[stack].fetch_min(here.addr(), SeqCst);
        HIGHEST[stack].fetch_max(here.addr(), SeqCst);
        let apart = HIGHEST[stack].load(SeqCst) - LOWEST[stack].load(SeqCst);
        DEEPEST.fetch_max(1 + (apart / FRAME) as u64, SeqCst);
    }
    if STRIPS.load(SeqCst) != 0 {
        // SAFETY: a gate runs on top of a frame.
        unsafe { arch::strip_above(here) };
    }
    true
}

/// There are no handlers to stand before; whether frames are stripped.
pub(crate) fn watch_handler(strips: bool) {
    STRIPS.store(u64::from(strips), SeqCst);
}

/// A word for the calling thread, which is known by its target.
pub(crate) fn thread() -> i32 {
    1
}

/// Asks a thread.
pub(crate) fn send_to(target: &Target, _thread: i32) {
    if target.request(1).is_ok() {
        ARRIVED.fetch_add(1, SeqCst);
    }
}

#[link(name = "kernel32")]
unsafe extern "system" {
    fn GetLastError() -> u32;
    fn SetLastError(error: u32);
}

/// The word in which the system keeps a thread's last error.
pub(crate) fn error() -> i32 {
    // SAFETY: a variable of this thread.
    unsafe { GetLastError() as i32 }
}

/// Sets what [`error`] gives.
pub(crate) fn set_error(error: i32) {
    // SAFETY: as above.
    unsafe { SetLastError(error as u32) };
}

thread_local! {
    /// How often this thread was asked.
    static ARRIVED_HERE: RefCell<Arc<AtomicU64>> = RefCell::default();
}

/// How often the calling thread was asked by [`Ticks`].
pub(crate) fn arrived_here() -> u64 {
    ARRIVED_HERE.with_borrow(|arrived| arrived.load(SeqCst))
}

/// Has the calling thread asked so often, by a thread of its own; until it is dropped.
pub(crate) struct Ticks {
    target: Arc<Target>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticks {
    pub(crate) fn every(nanoseconds: i64) -> Ticks {
        let (target, stop) = (Arc::new(Target::new()), Arc::new(AtomicBool::new(false)));
        target.bind();
        let arrived = ARRIVED_HERE.with_borrow(Arc::clone);
        let (to, until) = (Arc::clone(&target), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !until.load(SeqCst) {
                match to.request(1) {
                    Ok(()) | Err(Refused::Elsewhere) => arrived.fetch_add(1, SeqCst),
                    Err(other) => panic!("{other}"),
                };
                std::thread::sleep(Duration::from_nanos(nanoseconds as u64));
            }
        });
        Ticks { target, stop, thread: Some(thread) }
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap();
        self.target.unbind();
    }
}
