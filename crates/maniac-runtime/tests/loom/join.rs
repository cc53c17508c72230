//! The handle against the runner: output, waker and slot, each taken, dropped or freed once; and the renewal of slots.

use crate::slot::Slot;
use crate::state::HANDLE;
use crate::{LOST, check, check_wide, fails_without, spawn};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A task that completes, beside whatever its handle does.
fn beside_handle(handle: impl FnOnce(&Slot)) -> Arc<Slot> {
    let slot = Arc::new(Slot::new(None, HANDLE));
    let runner = spawn(&slot, Slot::run_to_end);
    handle(&slot);
    runner.join().unwrap();
    slot
}

fn poll_once_and_take_or_drop() {
    beside_handle(|slot| if slot.poll_handle(1) { slot.release_taken() } else { slot.release() }).check_end();
}

/// The second poll brings another waker.
fn poll_twice_and_take_or_drop() {
    beside_handle(|slot| {
        if slot.poll_handle(1) || slot.poll_handle(2) { slot.release_taken() } else { slot.release() }
    })
    .check_end();
}

/// The second poll brings the same waker.
fn poll_again() {
    beside_handle(|slot| {
        if slot.poll_handle(1) || slot.poll_handle(1) { slot.release_taken() } else { slot.release() }
    })
    .check_end();
}

fn drop_only() {
    beside_handle(Slot::release).check_end();
}

/// A handle that waits is woken, and then gets the output.
fn wait() {
    let slot = Arc::new(Slot::new(None, HANDLE));
    let runner = spawn(&slot, Slot::run_to_end);
    let done = slot.poll_handle(1);
    runner.join().unwrap();
    if !done {
        assert_eq!(slot.handle_woken.load(Relaxed), 1, "{LOST}: the handle's wake-up");
        assert!(slot.poll_handle(1), "{LOST}: woken and not complete");
    }
    slot.release_taken();
    slot.check_end();
}

/// The handle is dropped and the task aborted by others, while a runner takes its entry.
fn abort_beside_drop() {
    let slot = Arc::new(Slot::new(None, HANDLE));
    let runner = spawn(&slot, Slot::run_to_end);
    let handle = spawn(&slot, |slot| {
        slot.poll_handle(1);
        slot.release();
    });
    slot.follow(slot.state.abort(1));
    runner.join().unwrap();
    handle.join().unwrap();
    slot.check_end();
}

#[test]
fn output_waker_and_slot_go_once() {
    check(poll_once_and_take_or_drop);
    check(poll_twice_and_take_or_drop);
    check(poll_again);
    check(drop_only);
    check(wait);
    check_wide(abort_beside_drop);
    fails_without(
        poll_once_and_take_or_drop,
        &["state.load", "state.look", "state.complete", "state.set_join_waker", "state.taken"],
    );
    fails_without(poll_twice_and_take_or_drop, &["state.release"]);
}

/// A slot that was freed by a thread of the user's own, and its memory, which whoever renews the core makes new.
struct Renewed {
    slot: Slot,
    /// Stands for the payload, and for the slot's bit in the free list.
    payload: UnsafeCell<u32>,
    list: UnsafeCell<u32>,
}

// SAFETY: the cells are what the protocol under test guards, and loom watches them.
unsafe impl Sync for Renewed {}
// SAFETY: as above.
unsafe impl Send for Renewed {}

fn renew_beside_free<const REMOTE: bool>() {
    let slot = Slot::new(None, HANDLE);
    slot.run_to_end();
    let renewed = Arc::new(Renewed { slot, payload: UnsafeCell::new(1), list: UnsafeCell::new(0) });
    let freeing = spawn(&renewed, |renewed| {
        // SAFETY: the slot is LIVE and this thread's.
        renewed.payload.with_mut(|payload| unsafe { *payload = 0 });
        // SAFETY: FREEING or LIVE keeps others away, which is under test.
        let free = || renewed.list.with_mut(|list| unsafe { *list = 1 });
        if REMOTE {
            renewed.slot.state.end_while(free);
        } else {
            renewed.slot.state.end();
        }
    });
    if !renewed.slot.state.is_claimed() {
        // SAFETY: nobody has a claim, which is under test.
        renewed.payload.with_mut(|payload| unsafe { *payload = 7 });
        // SAFETY: as above.
        renewed.list.with_mut(|list| unsafe { *list = 7 });
    }
    freeing.join().unwrap();
}

#[test]
fn no_slot_is_renewed_on_its_way_to_its_free_list() {
    check(renew_beside_free::<true>);
    check(renew_beside_free::<false>);
    fails_without(renew_beside_free::<true>, &["state.freed", "state.look"]);
    fails_without(renew_beside_free::<false>, &["state.end"]);
}
