//! A slot of the models: the real state word, cells that loom watches for races, and a queue that orders no more than the real ones do.

use crate::LOST;
use crate::state::{Completed, Finish, HANDLE, Release, Start, State, Wake, WakerTaken};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use std::sync::atomic::{AtomicU32 as Count, Ordering::Relaxed};

/// The thread that pinned tasks of the models belong to.
pub(crate) const ME: u16 = 7;

pub(crate) struct Slot {
    pub(crate) state: State,
    /// The thread that the task is pinned to.
    pin: Option<u16>,
    /// The future: what the last poll knew.
    pub(crate) future: UnsafeCell<u32>,
    /// The output, which is `OUTPUT` when it is there.
    pub(crate) output: UnsafeCell<u32>,
    /// The bytes of the join waker. Who owns the waker that they stand for, counters say.
    pub(crate) waker: UnsafeCell<u32>,
    /// What wakers write before they wake.
    pub(crate) data: AtomicU32,
    /// Entries in queues.
    entries: AtomicU32,
    /// How often the slot was freed, the output taken or dropped, wakers made, wakers woken or dropped. Of `std`: no part of the protocol.
    pub(crate) freed: Count,
    pub(crate) outputs: Count,
    pub(crate) wakers_made: Count,
    pub(crate) wakers_gone: Count,
    pub(crate) handle_woken: Count,
    /// Whether the task was aborted before its first poll.
    pub(crate) cancelled: std::sync::atomic::AtomicBool,
}

pub(crate) const OUTPUT: u32 = 42;

// SAFETY: the cells are what the protocols under test guard, and loom watches them.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

impl Slot {
    /// A task just spawned, with its first entry.
    pub(crate) fn new(pin: Option<u16>, flags: u64) -> Slot {
        let slot = Slot {
            state: State::dead(),
            pin,
            future: UnsafeCell::new(0),
            output: UnsafeCell::new(0),
            waker: UnsafeCell::new(0),
            data: AtomicU32::new(0),
            entries: AtomicU32::new(1),
            freed: Count::new(0),
            outputs: Count::new(0),
            wakers_made: Count::new(0),
            wakers_gone: Count::new(0),
            handle_woken: Count::new(0),
            cancelled: false.into(),
        };
        slot.state.begin(1, pin, flags);
        slot
    }

    /// Adds an entry, as every queue does: with Release.
    pub(crate) fn push(&self) {
        self.entries.fetch_add(1, Ordering::Release);
    }

    /// Takes an entry, as every queue does: with Acquire.
    pub(crate) fn pop(&self) -> bool {
        let mut entries = self.entries.load(Ordering::Relaxed);
        while entries != 0 {
            match self.entries.compare_exchange(entries, entries - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => entries = now,
            }
        }
        false
    }

    /// Writes `bit` and wakes the task.
    pub(crate) fn write_and_wake(&self, bit: u32) {
        self.data.fetch_or(bit, Ordering::Relaxed);
        self.follow(self.state.wake(|generation| generation == 1));
    }

    /// Does what a wake or an abort asks for.
    pub(crate) fn follow(&self, wake: Wake) {
        match wake {
            Wake::Nothing => {}
            Wake::Enqueue | Wake::Background => self.push(),
            Wake::Forward(thread) => {
                assert_eq!(thread, ME, "{LOST}: forwarded to a thread that it is not pinned to");
                self.push();
            }
        }
    }

    /// What a poll sees and does to the future.
    pub(crate) fn poll(&self) -> u32 {
        let news = self.data.load(Ordering::Relaxed);
        self.future.with_mut(|known| {
            // SAFETY: only ever called with RUNNING, which is under test.
            let known = unsafe { &mut *known };
            *known |= news;
            *known
        })
    }

    /// What the future knew when it was polled last.
    pub(crate) fn known(&self) -> u32 {
        // SAFETY: called when all threads of the model have ended.
        self.future.with(|known| unsafe { *known })
    }

    /// Runs entries until there are none, or one is another thread's; polls that never finish.
    pub(crate) fn run(&self, me: u16) {
        while self.pop() {
            match self.state.start(me) {
                Start::Stale => {}
                Start::Forward(_) => return self.push(),
                Start::Poll => {
                    assert!(self.pin.is_none_or(|pin| pin == me), "{LOST}: the task's thread");
                    self.poll();
                    match self.state.finish() {
                        Finish::Idle => {}
                        Finish::Enqueue => self.push(),
                        Finish::Cancel => self.complete(),
                    }
                }
                Start::Cancel => {
                    self.poll();
                    self.complete();
                }
                other => unreachable!("{other:?}"),
            }
        }
    }

    /// Takes the entry of a task that is done with its first poll: as `poll_in_task` and `complete` of the runtime do.
    pub(crate) fn run_to_end(&self) {
        if self.pop() && matches!(self.state.start(ME), Start::Poll | Start::Cancel) {
            self.poll();
            self.complete();
        }
    }

    pub(crate) fn complete(&self) {
        // SAFETY: RUNNING without COMPLETE, which is under test.
        self.output.with_mut(|output| unsafe { *output = OUTPUT });
        match self.state.complete() {
            Completed::Claimed => {}
            Completed::Unclaimed => self.drop_unclaimed(),
            Completed::ClaimedWithWaker => {
                // SAFETY: COMPLETE with JOIN_WAKER: the runner's.
                let waker = self.waker.with(|waker| unsafe { *waker });
                assert_ne!(waker, 0, "{LOST}: the handle's waker");
                self.handle_woken.fetch_add(1, Relaxed);
                self.wakers_gone.fetch_add(1, Relaxed);
                match self.state.join_waker_taken() {
                    WakerTaken::Claimed => {}
                    WakerTaken::Unclaimed => self.drop_unclaimed(),
                    WakerTaken::Emptied => self.free(),
                }
            }
        }
    }

    fn drop_unclaimed(&self) {
        self.take_output();
        self.free();
    }

    pub(crate) fn take_output(&self) {
        // SAFETY: COMPLETE and the caller's, which is under test.
        let output = self.output.with_mut(|output| unsafe { std::mem::take(&mut *output) });
        assert_eq!(output, OUTPUT, "{LOST}: the output");
        self.outputs.fetch_add(1, Relaxed);
    }

    /// Frees the slot; the next task's handle, and its future, write right into it.
    pub(crate) fn free(&self) {
        assert_eq!(self.freed.fetch_add(1, Relaxed), 0, "{LOST}: the slot was freed twice");
        self.state.end();
        // SAFETY: whether the slot is the caller's is under test.
        self.waker.with_mut(|waker| unsafe { *waker = 99 });
        // SAFETY: as above.
        self.output.with_mut(|output| unsafe { *output = 99 });
        self.state.begin(1, None, HANDLE);
    }

    /// The handle's poll, as `JoinHandle::poll_complete` does it; `true`: complete.
    pub(crate) fn poll_handle(&self, waker: u32) -> bool {
        use crate::state::{COMPLETE, JOIN_WAKER};
        let word = self.state.load();
        if word & COMPLETE != 0 {
            return true;
        }
        if word & JOIN_WAKER != 0 {
            // SAFETY: JOIN_WAKER is set: nobody writes the field.
            if self.waker.with(|stored| unsafe { *stored }) == waker {
                return false;
            }
            if !self.state.unset_join_waker() {
                return true;
            }
            self.take_waker_back();
        }
        // SAFETY: without JOIN_WAKER the field is the handle's.
        self.waker.with_mut(|stored| unsafe { *stored = waker });
        self.wakers_made.fetch_add(1, Relaxed);
        if self.state.set_join_waker() {
            return false;
        }
        self.take_waker_back();
        true
    }

    fn take_waker_back(&self) {
        // SAFETY: the field is the handle's again.
        let waker = self.waker.with(|stored| unsafe { *stored });
        assert!(waker == 1 || waker == 2, "{LOST}: the waker in the field is another's: {waker}");
        self.wakers_gone.fetch_add(1, Relaxed);
    }

    /// The handle took the output and goes.
    pub(crate) fn release_taken(&self) {
        self.take_output();
        if self.state.release_handle(true) == Release::Free {
            self.free();
        }
    }

    /// The handle goes, as `release` of the runtime does it.
    pub(crate) fn release(&self) {
        use crate::state::{COMPLETE, JOIN_WAKER};
        if self.state.load() & (COMPLETE | JOIN_WAKER) == JOIN_WAKER && self.state.unset_join_waker() {
            self.take_waker_back();
        }
        if self.state.release_handle(false) == Release::Free {
            self.take_output();
            self.free();
        }
    }

    /// What must hold once the task is done and its handle gone.
    pub(crate) fn check_end(&self) {
        assert_eq!(self.freed.load(Relaxed), 1, "{LOST}: the slot was not freed");
        assert_eq!(self.outputs.load(Relaxed), 1, "{LOST}: the output was not taken or dropped once");
        let (made, gone) = (self.wakers_made.load(Relaxed), self.wakers_gone.load(Relaxed));
        assert_eq!(made, gone, "{LOST}: a waker was not dropped once");
    }
}
