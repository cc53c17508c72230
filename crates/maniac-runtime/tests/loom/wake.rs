//! The state word: runners, thieves, wakers, aborts, generations.

use crate::slot::{ME, Slot};
use crate::state::{ABORTED, HANDLE};
use crate::{LOST, check, check_wide, fails_without, spawn};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A runner, two wakers; afterwards a thief runs what is left.
fn runner_and_two_wakers() {
    let slot = Arc::new(Slot::new(None, 0));
    let runner = spawn(&slot, |slot| slot.run(1));
    let waker = spawn(&slot, |slot| slot.write_and_wake(1));
    slot.write_and_wake(2);
    runner.join().unwrap();
    waker.join().unwrap();
    slot.run(2);
    assert_eq!(slot.known(), 3, "{LOST}: no poll saw what a waker wrote");
}

/// A runner and one waker: small enough for all orderings.
fn runner_and_waker() {
    let slot = Arc::new(Slot::new(None, 0));
    let runner = spawn(&slot, |slot| slot.run(1));
    slot.write_and_wake(1);
    slot.run(2);
    runner.join().unwrap();
    slot.run(2);
    assert_eq!(slot.known(), 1, "{LOST}: no poll saw what the waker wrote");
}

#[test]
fn after_the_last_wake_a_poll_sees_what_was_written() {
    check_wide(runner_and_two_wakers);
    check(runner_and_waker);
    fails_without(runner_and_waker, &["state.wake", "state.start", "state.finish"]);
}

/// A wake that finds the task notified and only looks: what was written before it may be seen by no poll.
#[test]
fn a_wake_by_a_bare_load_is_noticed() {
    fails_without(runner_and_waker, &["wake.load"]);
}

/// A pinned task's entry in the hands of a thief, its own thread, and a waker.
fn thief_at_a_pinned_task() {
    let slot = Arc::new(Slot::new(Some(ME), 0));
    let thief = spawn(&slot, |slot| slot.run(2));
    let waker = spawn(&slot, |slot| slot.write_and_wake(1));
    slot.run(ME);
    thief.join().unwrap();
    waker.join().unwrap();
    slot.run(ME);
    assert_eq!(slot.known(), 1, "{LOST}: no poll saw what the waker wrote");
}

#[test]
fn a_pinned_task_is_polled_by_its_thread_alone() {
    check_wide(thief_at_a_pinned_task);
}

#[test]
fn a_thief_that_polls_a_pinned_task_is_noticed() {
    fails_without(thief_at_a_pinned_task, &["start.pinned"]);
}

/// A stale entry, a runner, a thief and a waker: one poll at a time, and none lost.
fn stale_entry_thief_and_waker() {
    let slot = Arc::new(Slot::new(None, 0));
    slot.push();
    let runner = spawn(&slot, |slot| slot.run(1));
    let thief = spawn(&slot, |slot| slot.run(2));
    slot.write_and_wake(1);
    runner.join().unwrap();
    thief.join().unwrap();
    slot.run(3);
    assert_eq!(slot.known(), 1, "{LOST}: no poll saw what the waker wrote");
}

#[test]
fn stale_entries_make_no_second_runner() {
    check_wide(stale_entry_thief_and_waker);
    fails_without(stale_entry_thief_and_waker, &["state.wake", "state.start", "state.finish"]);
}

/// An abort: the future is dropped once, and sees what was written before the abort.
fn abort_beside_runner() {
    let slot = Arc::new(Slot::new(None, 0));
    let runner = spawn(&slot, |slot| slot.run(1));
    slot.data.fetch_or(1, Relaxed);
    slot.follow(slot.state.abort(1));
    runner.join().unwrap();
    slot.run(2);
    assert_eq!(slot.outputs.load(std::sync::atomic::Ordering::Relaxed), 1, "{LOST}: the abort");
}

/// Where the abort comes before the poll's end the destructor sees what was written before it.
fn abort_while_running() {
    let slot = Arc::new(Slot::new(None, HANDLE));
    assert!(slot.pop());
    slot.state.start(ME);
    let aborter = spawn(&slot, |slot| {
        slot.data.fetch_or(1, Relaxed);
        slot.follow(slot.state.abort(1));
    });
    let aborted = slot.state.load() & ABORTED != 0;
    let known = slot.poll();
    assert!(!aborted || known == 1, "{LOST}: what was written before the abort");
    slot.complete();
    aborter.join().unwrap();
}

#[test]
fn an_abort_drops_the_future_once() {
    check(abort_beside_runner);
    check(abort_while_running);
    fails_without(abort_while_running, &["state.abort", "state.look"]);
}

/// A slot begins a task while a waker of an earlier generation with the same number wakes it: the waker sees the header.
fn begin_beside_stale_waker() {
    struct Begun {
        slot: crate::state::State,
        header: AtomicU32,
    }
    let begun = Arc::new(Begun { slot: crate::state::State::dead(), header: AtomicU32::new(0) });
    let stale = spawn(&begun, |begun| {
        if begun.slot.wake(|generation| generation == 1) != crate::state::Wake::Nothing {
            unreachable!("the entry is there already");
        }
        if begun.slot.load() & crate::state::LIVE != 0 {
            assert_eq!(begun.header.load(Relaxed), 5, "{LOST}: the header of a live slot");
        }
    });
    begun.header.store(5, Relaxed);
    begun.slot.begin(1, None, 0);
    stale.join().unwrap();
}

#[test]
fn who_sees_a_live_slot_sees_its_header() {
    check(begin_beside_stale_waker);
    fails_without(begin_beside_stale_waker, &["state.begin"]);
}
