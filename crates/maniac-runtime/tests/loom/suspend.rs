//! Suspended polls: pinned to their thread, resumed by wakes and aborts alike.

use crate::slot::{ME, Slot};
use crate::state::{ABORTED, Finish, Start};
use crate::{LOST, check_bounded, check_wide, fails_without, spawn};
use loom::sync::Arc;

/// Takes the task's first entry and suspends its poll; then resumes it for each entry, and suspends it again, until none is left.
fn first_run(slot: &Slot) {
    assert!(slot.pop());
    match slot.state.start(ME) {
        Start::Poll => suspend(slot),
        // Aborted before it began: dropped, never suspended.
        Start::Cancel => return slot.cancelled.store(true, std::sync::atomic::Ordering::Relaxed),
        other => unreachable!("{other:?}"),
    }
    later_runs(slot);
}

fn later_runs(slot: &Slot) {
    while slot.pop() {
        match slot.state.start(ME) {
            Start::Stale => {}
            Start::Resume => {
                slot.state.resumed(false);
                suspend(slot);
            }
            other => panic!("{LOST}: the suspension: {other:?}"),
        }
    }
}

/// What a wait does: looks at what it waits for, and at an abort; then suspends.
fn suspend(slot: &Slot) {
    let aborted = if slot.state.load() & ABORTED != 0 { 4 } else { 0 };
    slot.poll();
    // SAFETY: RUNNING is held, which is under test.
    slot.future.with_mut(|known| unsafe { *known |= aborted });
    // An abort that was seen has unwound the stack: it wakes no more.
    match slot.state.suspend(ME, aborted == 0) {
        Finish::Idle => {}
        Finish::Enqueue => slot.push(),
        Finish::Cancel => unreachable!(),
    }
}

/// A suspended poll, a waker and an abort: the poll goes on after each, and sees both.
fn wake_and_abort_beside_suspension() {
    let slot = Arc::new(Slot::new(None, 0));
    let runner = spawn(&slot, first_run);
    let waker = spawn(&slot, |slot| slot.write_and_wake(1));
    slot.follow(slot.state.abort(1));
    runner.join().unwrap();
    waker.join().unwrap();
    if slot.cancelled.load(std::sync::atomic::Ordering::Relaxed) {
        return;
    }
    later_runs(&slot);
    assert_eq!(slot.known(), 5, "{LOST}: the wake or the abort of a suspended poll");
}

fn wake_beside_suspension() {
    let slot = Arc::new(Slot::new(None, 0));
    let runner = spawn(&slot, first_run);
    slot.write_and_wake(1);
    runner.join().unwrap();
    later_runs(&slot);
    assert_eq!(slot.known(), 1, "{LOST}: the wake of a suspended poll");
}

/// Another thread that finds an entry of a pinned task forwards it.
fn pinned_entry_elsewhere() {
    let slot = Arc::new(Slot::new(Some(ME), 0));
    let runner = spawn(&slot, |slot| slot.run(ME));
    let other = spawn(&slot, |slot| {
        if slot.pop() {
            match slot.state.start(ME + 1) {
                Start::Forward(thread) => {
                    assert_eq!(thread, ME);
                    slot.push();
                }
                Start::Stale => {}
                start => panic!("{LOST}: the pin: {start:?}"),
            }
        }
    });
    slot.write_and_wake(1);
    runner.join().unwrap();
    other.join().unwrap();
    slot.run(ME);
    assert_eq!(slot.known(), 1, "{LOST}: the wake of a pinned task");
}

#[test]
fn a_suspended_poll_goes_on_after_each_wake_and_abort() {
    check_wide(wake_and_abort_beside_suspension);
    check_bounded(wake_beside_suspension, 4);
    fails_without(wake_beside_suspension, &["state.wake"]);
}

#[test]
fn a_pinned_task_runs_on_its_thread_alone() {
    check_wide(pinned_entry_elsewhere);
}
