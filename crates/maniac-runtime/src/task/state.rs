//! The state word of a slot: who may poll a task, who may touch its output, and when its slot is free.
//!
//! One atomic word holds flags, the thread of a pinned task, and the slot's generation. What the flags allow:
//!
//! | flag | set by | means |
//! |---|---|---|
//! | LIVE | spawn | the slot holds a task of this generation |
//! | NOTIFIED | a wake, once | an entry in a queue exists for this task, or (with RUNNING) its runner will make one |
//! | RUNNING | who takes the entry | this thread alone may touch the future |
//! | PINNED | spawn_local, a suspension | only the thread in the word may take the entry |
//! | SUSPENDED | a suspension | a coroutine holds the poll; taking the entry means resuming it |
//! | ABORTED | abort | whoever holds or takes RUNNING drops the future instead of polling it on |
//! | COMPLETE | the runner | the output is written; the future is gone |
//! | HANDLE | spawn | a JoinHandle exists; with COMPLETE it alone may touch the output |
//! | TAKEN | the handle | it took the output and left while the runner was busy with its waker: the runner frees an empty slot |
//! | JOIN_WAKER | the handle | the waker field is set: the runner's once COMPLETE, the handle's otherwise |
//! | COROUTINE | spawn | the task's polls run on coroutines |
//! | BACKGROUND | spawn | its entries, while it is not pinned, go into the queue of tasks that run when nothing else is ready |
//! | PREEMPTIBLE | spawn | its polls run on coroutines that may be left at an arbitrary instruction |
//! | OVERRUNS | the monitor, a poll aside | (a number to 3) how often its polls were overdue, less one for each that was not since it is polled aside, which is from 2 on |
//! | FREEING | who frees | (without LIVE) the slot is on its way to its free list: it may be allocated, but the core not renewed |
//!
//! At most one queue entry exists for a task, since only the step that sets NOTIFIED on a word without RUNNING makes
//! one, and only taking it clears NOTIFIED. A stale entry (a bit that was set late, after a shutdown) finds no NOTIFIED, or RUNNING, and is
//! dropped. A wake always performs a successful AcqRel read-modify-write, also when the task is notified already: what its caller wrote
//! before is visible to the poll that the earlier notification leads to, because that poll's own step reads the word later.
//! (A bare load there loses wake-ups.)

use crate::shim::{AtomicU64, Ordering, ordering, planted};

pub(crate) const RUNNING: u64 = 1 << 0;
pub(crate) const NOTIFIED: u64 = 1 << 1;
pub(crate) const PINNED: u64 = 1 << 2;
pub(crate) const ABORTED: u64 = 1 << 3;
pub(crate) const HANDLE: u64 = 1 << 4;
pub(crate) const COMPLETE: u64 = 1 << 5;
pub(crate) const JOIN_WAKER: u64 = 1 << 6;
pub(crate) const SUSPENDED: u64 = 1 << 7;
pub(crate) const LIVE: u64 = 1 << 8;
/// The task's code bears suspensions: its polls run on coroutines.
pub(crate) const COROUTINE: u64 = 1 << 10;
pub(crate) const TAKEN: u64 = 1 << 9;
/// Without LIVE: see [`State::end_while`].
pub(crate) const FREEING: u64 = 1 << 11;
/// The task runs when nothing else is ready.
pub(crate) const BACKGROUND: u64 = 1 << 12;
/// The task's polls may be left at an arbitrary instruction of registered code.
pub(crate) const PREEMPTIBLE: u64 = 1 << 13;
const OVERRUNS: u64 = 3 << OVERRUNS_SHIFT;
const OVERRUNS_SHIFT: u32 = 14;
/// Two overruns or more.
const ASIDE: u64 = 2 << OVERRUNS_SHIFT;
const THREAD_SHIFT: u32 = 16;
const THREAD_MASK: u64 = 0xffff << THREAD_SHIFT;
const GENERATION_SHIFT: u32 = 32;

/// How often [`State::observe`] looks.
const OBSERVATIONS: u32 = if cfg!(loom) { 2 } else { 8 };

/// What the caller of [`State::wake`] or [`State::abort`] has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Nothing: the task is complete, gone, or in good hands.
    Nothing,
    /// Make the one queue entry, in the ready set.
    Enqueue,
    /// Make the one queue entry, in this thread's inbox.
    Forward(u16),
    /// Make the one queue entry, in the queue of background tasks.
    Background,
}

/// What the taker of a queue entry has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Drop the entry: it is stale.
    Stale,
    /// Pass the entry on to this thread's inbox.
    Forward(u16),
    /// Poll the future.
    Poll,
    /// Poll the future, on a thread without a role if there is one: its polls take long.
    PollAside,
    /// Poll the future on a coroutine.
    PollOnCoroutine,
    /// Poll the future on a coroutine that may be left at an arbitrary instruction.
    PollPreemptible,
    /// Resume the task's coroutine.
    Resume,
    /// Drop the future: the task is aborted.
    Cancel,
}

/// What is left to do after a poll that did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Nothing: the next wake makes an entry.
    Idle,
    /// Make an entry: the task was woken while it ran.
    Enqueue,
    /// Drop the future: the task was aborted while it ran. RUNNING is still held.
    Cancel,
}

/// What is left to do when the output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// Nobody wants the output: drop it and free the slot.
    Unclaimed,
    /// A handle will fetch the output.
    Claimed,
    /// A handle waits: take the waker out, wake it, then call [`State::join_waker_taken`].
    ClaimedWithWaker,
}

/// What is left to do for a runner that took a complete task's waker out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakerTaken {
    /// Nothing: the handle is still there.
    Claimed,
    /// The handle left without the output: drop it and free the slot.
    Unclaimed,
    /// The handle left with the output: free the slot.
    Emptied,
}

/// What a handle that goes away has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Nothing: the runner frees the slot when it is done.
    LeftToRunner,
    /// The slot is complete and this handle's own: drop the output unless it was taken, then free the slot.
    Free,
}

/// See the module's page.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct State(AtomicU64);

#[inline]
pub(crate) fn generation(word: u64) -> u32 {
    (word >> GENERATION_SHIFT) as u32
}

#[inline]
fn thread(word: u64) -> u16 {
    ((word & THREAD_MASK) >> THREAD_SHIFT) as u16
}

impl State {
    #[cfg(loom)]
    pub(crate) fn dead() -> State {
        State(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn load(&self) -> u64 {
        self.0.load(ordering("state.look", Ordering::Acquire))
    }

    /// Reads what else the slot holds, until the task in it has not changed meanwhile; gives that task's word, and what was read. `None`: there is no task, or
    /// `read` finds none. Of a task whose word changes all the time, the two may be of two moments.
    ///
    /// What `read` loads was stored with Release, and is loaded with Acquire: who reads what a later task left sees here that the earlier one is gone.
    pub(crate) fn observe<R>(&self, mut read: impl FnMut() -> Option<R>) -> Option<(u64, R)> {
        for left in (0..OBSERVATIONS).rev() {
            let before = self.load();
            if before & LIVE == 0 {
                return None;
            }
            let seen = read();
            let word = self.load();
            let same_task = generation(word) == generation(before) && word & LIVE != 0;
            if let Some(seen) = seen
                && same_task
                && (word == before || left == 0)
            {
                return Some((word, seen));
            }
        }
        None
    }

    /// Starts a task in a free slot that this thread allocated; returns its generation. `first` is the generation of a
    /// slot that was never used. The task is NOTIFIED: the caller makes the entry.
    /// `flags` are HANDLE, COROUTINE, PREEMPTIBLE and BACKGROUND where they apply. With `pin` it belongs to that thread.
    #[inline]
    pub(crate) fn begin(&self, first: u32, pin: Option<u16>, flags: u64) -> u32 {
        let old = self.0.load(Ordering::Relaxed);
        debug_assert_eq!(old & (LIVE | RUNNING | NOTIFIED), 0, "the slot is in use");
        let generation = if old == 0 { first } else { generation(old) };
        debug_assert_eq!(flags & !(HANDLE | COROUTINE | PREEMPTIBLE | BACKGROUND), 0);
        let mut new = u64::from(generation) << GENERATION_SHIFT | LIVE | NOTIFIED | flags;
        if let Some(thread) = pin {
            new |= PINNED | u64::from(thread) << THREAD_SHIFT;
        }
        // Release: a stale waker of a wrapped generation that wakes this task must see its header.
        self.0.store(new, ordering("state.begin", Ordering::Release));
        generation
    }

    /// Ends a task: the slot may be allocated again after this. The caller is the only one left with a claim.
    #[inline]
    pub(crate) fn end(&self) {
        self.0.store(self.next_generation(), ordering("state.end", Ordering::Release));
    }

    /// As [`State::end`], on a thread that may outlive the core's runtime: `free` puts the slot on its free list. Until that is done the
    /// slot says FREEING, which keeps the core from being renewed (and the slot from being freed into the core's next life), though not the
    /// slot from being allocated again.
    #[inline]
    pub(crate) fn end_while(&self, free: impl FnOnce()) {
        let ended = self.next_generation();
        // Relaxed: who allocates the slot is ordered behind this by the free list, who renews the core by the step below.
        self.0.store(ended | FREEING, Ordering::Relaxed);
        free();
        // Fails if the slot is in use again.
        let success = ordering("state.freed", Ordering::Release);
        let _ = self.0.compare_exchange(ended | FREEING, ended, success, Ordering::Relaxed);
    }

    /// The word of the free slot that this complete task leaves.
    #[inline]
    fn next_generation(&self) -> u64 {
        let old = self.0.load(Ordering::Relaxed);
        debug_assert_ne!(old & COMPLETE, 0);
        u64::from(generation(old).wrapping_add(1).max(1)) << GENERATION_SHIFT
    }

    /// Whether anybody may still touch this slot, or its place in the free lists. With `false` its memory is the caller's, if nothing is
    /// spawned any more.
    pub(crate) fn is_claimed(&self) -> bool {
        self.load() & (LIVE | FREEING) != 0
    }

    /// Replaces the word by what `step` makes of it, unless that is `None`.
    #[inline]
    fn update<R>(&self, success: Ordering, mut step: impl FnMut(u64) -> (Option<u64>, R)) -> R {
        // Acquire also where nothing is replaced: COMPLETE seen here gives the output to the handle.
        let seen = ordering("state.load", Ordering::Acquire);
        let mut old = self.0.load(seen);
        loop {
            let (new, result) = step(old);
            let Some(new) = new else { return result };
            match self.0.compare_exchange_weak(old, new, success, seen) {
                Ok(_) => return result,
                Err(now) => old = now,
            }
        }
    }

    /// A wake of the task of the generation that `same` recognises.
    #[inline]
    pub(crate) fn wake(&self, same: impl Fn(u32) -> bool) -> Wake {
        self.update(ordering("state.wake", Ordering::AcqRel), |old| {
            if old & (LIVE | COMPLETE) != LIVE || !same(generation(old)) {
                return (None, Wake::Nothing);
            }
            if planted("wake.load") && old & NOTIFIED != 0 {
                return (None, Wake::Nothing);
            }
            if old & (NOTIFIED | RUNNING) != 0 {
                return (Some(old | NOTIFIED), Wake::Nothing);
            }
            (Some(old | NOTIFIED), Self::where_to(old))
        })
    }

    /// Where the entry of a task with this word belongs. An aborted one is in nobody's way: its entry only ends it.
    #[inline]
    pub(crate) fn where_to(word: u64) -> Wake {
        if word & PINNED != 0 {
            Wake::Forward(thread(word))
        } else if word & (BACKGROUND | ABORTED) == BACKGROUND {
            Wake::Background
        } else {
            Wake::Enqueue
        }
    }

    /// An abort of the task of this generation.
    pub(crate) fn abort(&self, of: u32) -> Wake {
        self.update(ordering("state.abort", Ordering::AcqRel), |old| {
            if old & (LIVE | COMPLETE | ABORTED) != LIVE || generation(old) != of {
                return (None, Wake::Nothing);
            }
            if old & (NOTIFIED | RUNNING) != 0 {
                return (Some(old | ABORTED), Wake::Nothing);
            }
            (Some(old | ABORTED | NOTIFIED), Self::where_to(old | ABORTED))
        })
    }

    /// An abort of whatever task is here.
    pub(crate) fn abort_any(&self) -> Wake {
        let word = self.load();
        if word & (LIVE | COMPLETE | ABORTED) == LIVE { self.abort(generation(word)) } else { Wake::Nothing }
    }

    /// Takes the queue entry of this task, on `me`, the thread that holds it.
    #[inline]
    pub(crate) fn start(&self, me: u16) -> Start {
        const UNUSUAL: u64 = RUNNING | COMPLETE | SUSPENDED | ABORTED | COROUTINE | PREEMPTIBLE | ASIDE;
        // Nearly always the task may simply be polled; one attempt for that, which costs a few instructions.
        let seen = ordering("state.load", Ordering::Acquire);
        let old = self.0.load(seen);
        let success = ordering("state.start", Ordering::AcqRel);
        if old & (LIVE | NOTIFIED | UNUSUAL) == LIVE | NOTIFIED
            && (old & PINNED == 0 || thread(old) == me)
            && self.0.compare_exchange(old, old ^ (NOTIFIED | RUNNING), success, seen).is_ok()
        {
            return Start::Poll;
        }
        self.start_unusual(me)
    }

    #[inline(never)]
    fn start_unusual(&self, me: u16) -> Start {
        self.update(ordering("state.start", Ordering::AcqRel), |old| {
            if old & (LIVE | NOTIFIED | RUNNING | COMPLETE) != LIVE | NOTIFIED {
                return (None, Start::Stale);
            }
            if old & PINNED != 0 && thread(old) != me && !planted("start.pinned") {
                return (None, Start::Forward(thread(old)));
            }
            let running = old & !NOTIFIED | RUNNING;
            if old & SUSPENDED != 0 {
                // The coroutine decides what an abort means, so it goes on in any case.
                return (Some(running), Start::Resume);
            }
            let start = match old & (ABORTED | COROUTINE | PREEMPTIBLE) {
                0 if old & ASIDE != 0 && old & PINNED == 0 => Start::PollAside,
                0 => Start::Poll,
                COROUTINE => Start::PollOnCoroutine,
                PREEMPTIBLE => Start::PollPreemptible,
                _ => Start::Cancel,
            };
            (Some(running), start)
        })
    }

    /// The poll returned without an output.
    #[inline]
    pub(crate) fn finish(&self) -> Finish {
        let seen = ordering("state.load", Ordering::Acquire);
        let old = self.0.load(seen);
        let success = ordering("state.finish", Ordering::AcqRel);
        // One attempt for what is usual, as in `start`.
        if old & ABORTED == 0 && self.0.compare_exchange(old, old & !RUNNING, success, seen).is_ok() {
            return if old & NOTIFIED == 0 { Finish::Idle } else { Finish::Enqueue };
        }
        self.finish_unusual()
    }

    #[cold]
    fn finish_unusual(&self) -> Finish {
        self.update(ordering("state.finish", Ordering::AcqRel), |old| {
            debug_assert_eq!(old & (LIVE | RUNNING | COMPLETE), LIVE | RUNNING);
            if old & ABORTED != 0 {
                return (None, Finish::Cancel);
            }
            let finish = if old & NOTIFIED == 0 { Finish::Idle } else { Finish::Enqueue };
            (Some(old & !RUNNING), finish)
        })
    }

    /// A poll of this task was overdue. Whose it was the caller cannot know for sure, and it does no harm: the next ones show.
    #[cfg_attr(loom, expect(dead_code, reason = "the models know no time"))]
    pub(crate) fn overran(&self) {
        // Relaxed, as below: nothing depends on it but the place of the next poll.
        self.update(Ordering::Relaxed, |old| {
            let counts = old & (LIVE | COMPLETE) == LIVE && old & OVERRUNS != OVERRUNS;
            (counts.then_some(old.wrapping_add(1 << OVERRUNS_SHIFT)), ())
        });
    }

    /// A poll of the task of this generation was not overdue, aside as it was.
    #[cfg_attr(loom, expect(dead_code, reason = "the models know no time"))]
    pub(crate) fn kept_short(&self, of: u32) {
        self.update(Ordering::Relaxed, |old| {
            let counts = old & (LIVE | COMPLETE) == LIVE && generation(old) == of && old & ASIDE != 0;
            (counts.then_some(old.wrapping_sub(1 << OVERRUNS_SHIFT)), ())
        });
    }

    /// The poll is suspended in a coroutine of thread `me`. Never [`Finish::Cancel`]: an aborted task gets an entry, so that it is
    /// resumed and can unwind.
    pub(crate) fn suspend(&self, me: u16, abort_wakes: bool) -> Finish {
        // Relaxed: what the poll did until here stays on this thread, where it is resumed; a wake's writes are acquired by `start`, through
        // this read-modify-write.
        self.update(Ordering::Relaxed, |old| {
            debug_assert_eq!(old & (LIVE | RUNNING | COMPLETE), LIVE | RUNNING);
            let pinned = old & !(RUNNING | THREAD_MASK) | PINNED | SUSPENDED | u64::from(me) << THREAD_SHIFT;
            if old & NOTIFIED != 0 || abort_wakes && old & ABORTED != 0 {
                return (Some(pinned | NOTIFIED), Finish::Enqueue);
            }
            (Some(pinned), Finish::Idle)
        })
    }

    /// The poll was preempted on thread `me`: suspended, and ready to go on. The caller makes the entry.
    #[cfg_attr(loom, expect(dead_code, reason = "the models preempt nothing"))]
    pub(crate) fn preempted(&self, me: u16) {
        // Relaxed: as a suspension.
        self.update(Ordering::Relaxed, |old| {
            debug_assert_eq!(old & (LIVE | RUNNING | COMPLETE), LIVE | RUNNING);
            let pinned = old & !(RUNNING | THREAD_MASK) | PINNED | SUSPENDED | u64::from(me) << THREAD_SHIFT;
            (Some(pinned | NOTIFIED), ())
        });
    }

    /// A suspended task that was resumed runs on; `local`: it stays pinned, as it was before.
    pub(crate) fn resumed(&self, local: bool) {
        let clear = if local { SUSPENDED } else { SUSPENDED | PINNED | THREAD_MASK };
        // Relaxed: `start` has acquired, `finish` or `complete` will release.
        let old = self.0.fetch_and(!clear, Ordering::Relaxed);
        debug_assert_eq!(old & (LIVE | RUNNING | SUSPENDED), LIVE | RUNNING | SUSPENDED);
    }

    /// The output is written and the future gone; RUNNING ends.
    #[inline]
    pub(crate) fn complete(&self) -> Completed {
        // RUNNING is set and COMPLETE is not, and nobody else changes either: an xor swaps them in one instruction.
        let old = self.0.fetch_xor(RUNNING | COMPLETE, ordering("state.complete", Ordering::AcqRel));
        debug_assert_eq!(old & (LIVE | RUNNING | COMPLETE), LIVE | RUNNING);
        if old & HANDLE == 0 {
            Completed::Unclaimed
        } else if old & JOIN_WAKER == 0 {
            Completed::Claimed
        } else {
            Completed::ClaimedWithWaker
        }
    }

    /// The runner took the waker out of a complete task; what is left for it to do.
    pub(crate) fn join_waker_taken(&self) -> WakerTaken {
        let old = self.0.fetch_and(!JOIN_WAKER, ordering("state.taken", Ordering::AcqRel));
        if old & HANDLE != 0 {
            WakerTaken::Claimed
        } else if old & TAKEN == 0 {
            WakerTaken::Unclaimed
        } else {
            WakerTaken::Emptied
        }
    }

    /// The handle stored a waker. `false`: the task completed meanwhile, and the waker field is still the handle's.
    pub(crate) fn set_join_waker(&self) -> bool {
        self.update(ordering("state.set_join_waker", Ordering::AcqRel), |old| {
            debug_assert_eq!(old & JOIN_WAKER, 0);
            if old & COMPLETE == 0 { (Some(old | JOIN_WAKER), true) } else { (None, false) }
        })
    }

    /// The handle wants its waker back. `false`: the task completed meanwhile, and the runner has the waker.
    pub(crate) fn unset_join_waker(&self) -> bool {
        // Relaxed: the waker in the field is what this handle wrote, and nobody else touched it.
        self.update(Ordering::Relaxed, |old| {
            if old & COMPLETE == 0 { (Some(old & !JOIN_WAKER), true) } else { (None, false) }
        })
    }

    /// The handle goes away; `taken`: it took the output. Before COMPLETE its waker must be unset: with HANDLE gone the runner may
    /// free the slot at once, and the waker's field is the next task's.
    #[inline]
    pub(crate) fn release_handle(&self, taken: bool) -> Release {
        self.update(ordering("state.release", Ordering::AcqRel), |old| {
            if old & COMPLETE != 0 {
                return if old & JOIN_WAKER == 0 {
                    (None, Release::Free)
                } else {
                    let emptied = if taken { TAKEN } else { 0 };
                    (Some(old & !HANDLE | emptied), Release::LeftToRunner)
                };
            }
            debug_assert_eq!(old & JOIN_WAKER, 0, "the handle takes its waker back before it goes");
            (Some(old & !HANDLE), Release::LeftToRunner)
        })
    }
}

/// The thread in the word of a pinned task.
#[inline]
pub(crate) fn pinned_thread(word: u64) -> Option<u16> {
    (word & PINNED != 0).then(|| thread(word))
}
