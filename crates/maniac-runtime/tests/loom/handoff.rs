//! Hand-off: a role is taken from a thread in the midst of a poll, and never has two owners.
//!
//! The arbiter is a lock around the owner, as in `role.rs`. What the owner alone may touch is a cell of loom's, which reports two threads that touch it
//! without an order between them; that each change of hands is seen is asserted besides.

use crate::batch::Batch;
use crate::word::PollWord;
use crate::{LOST, check, check_wide, fails_without, spawn};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};

const HOME: u32 = 1;
const SPARE: u32 = 2;

/// A role, and the poll word of its first owner.
struct Role {
    poll: PollWord,
    owner: Mutex<u32>,
    /// The owner-only part: how often it was touched.
    local: UnsafeCell<u32>,
    batch: Batch,
    /// Tasks that ran, by bit.
    ran: AtomicU32,
    /// What the first owner did to the role by the remote path.
    remote: AtomicU32,
}

// SAFETY: `local` is what is under test.
unsafe impl Sync for Role {}
// SAFETY: as above.
unsafe impl Send for Role {}

impl Role {
    fn new() -> Arc<Role> {
        Arc::new(Role {
            poll: PollWord::new(),
            owner: Mutex::new(HOME),
            local: UnsafeCell::new(0),
            batch: Batch::new(),
            ran: AtomicU32::new(0),
            remote: AtomicU32::new(0),
        })
    }

    fn touch(&self) {
        // SAFETY: the caller believes to be the owner, which is under test.
        self.local.with_mut(|touched| unsafe { *touched += 1 });
    }

    /// `Role::still_owned_by` and `Role::still_kept_by`.
    fn still_owned(&self) -> bool {
        let owner = self.owner.lock().unwrap();
        let mine = *owner == HOME;
        if mine {
            self.poll.trust();
        }
        mine
    }

    /// `with_role`: a runtime call from inside a task, with `nested` in its midst.
    fn call(&self, nested: impl FnOnce(&Role)) {
        let Some(found) = self.poll.begin_call() else {
            self.remote.fetch_add(1, Relaxed);
            return;
        };
        if !self.poll.is_doubtful() || self.still_owned() {
            self.touch();
            nested(self);
            self.touch();
        } else {
            self.remote.fetch_add(1, Relaxed);
        }
        self.poll.end_call(found);
    }

    /// `leave_task`: whether the role is still the first owner's.
    fn leave(&self) -> bool {
        !self.poll.leave() || self.still_owned()
    }

    /// `Role::interrupt` that gives the role to the spare thread.
    fn seize(&self) -> bool {
        self.interrupt(true)
    }

    /// `Role::interrupt`, once the owner was seen in a task: whether it was kept out, and then lost the role if that is `wanted`.
    fn interrupt(&self, wanted: bool) -> bool {
        let seen = self.poll.now();
        if seen & 1 == 0 {
            return false;
        }
        let mut owner = self.owner.lock().unwrap();
        if *owner != HOME {
            return false;
        }
        if !self.poll.keep_out(seen) {
            self.poll.trust();
            return false;
        }
        // A glance at what waits there.
        self.touch();
        if wanted {
            *owner = SPARE;
        } else {
            self.poll.trust();
        }
        true
    }

    /// One poll of the first owner, with `inside` as what the task does.
    fn poll(&self, inside: impl FnOnce(&Role)) -> bool {
        self.touch();
        self.poll.enter();
        inside(self);
        self.leave()
    }
}

/// The monitor, which seizes the role if it can, and goes on with it as its new owner. The first owner is the model's main thread: loom then finds what a
/// weakened barrier allows, and not the other way round.
fn monitor(role: &Role) {
    if role.seize() {
        role.touch();
    }
}

/// A poll without a runtime call.
fn seize_beside_a_poll() {
    let role = Role::new();
    let monitor = spawn(&role, monitor);
    if role.poll(|_| ()) {
        role.touch();
    }
    monitor.join().unwrap();
}

/// Two polls: one that was seen is not taken for the other.
fn seize_beside_polls() {
    let role = Role::new();
    let monitor = spawn(&role, monitor);
    if role.poll(|_| ()) && role.poll(|_| ()) {
        role.touch();
    }
    monitor.join().unwrap();
}

/// A poll that calls the runtime, which calls it again from inside.
fn seize_beside_calls() {
    let role = Role::new();
    let monitor = spawn(&role, monitor);
    if role.poll(|role| role.call(|role| role.call(|_| ()))) {
        role.touch();
    }
    monitor.join().unwrap();
    // The nested call always goes the remote path; the outer one if the role is gone.
    let owner = *role.owner.lock().unwrap();
    assert!(owner == SPARE || role.remote.load(Relaxed) == 1, "{LOST}: a call");
}

/// The monitor keeps the owner out, finds nothing that waits there, and lets it go on.
fn glance_beside_a_call() {
    let role = Role::new();
    let monitor = spawn(&role, |role| _ = role.interrupt(false));
    assert!(role.poll(|role| role.call(|_| ())), "{LOST}: a role that nobody took");
    role.touch();
    monitor.join().unwrap();
}

/// Two threads seize at once: one gets it, and the other changes nothing.
fn two_seizures() {
    let role = Role::new();
    let monitors = [spawn(&role, monitor), spawn(&role, monitor)];
    if role.poll(|role| role.call(|_| ())) {
        role.touch();
    }
    for monitor in monitors {
        monitor.join().unwrap();
    }
}

/// The owner took two tasks out of the ready set, and polls the first one on: the second is run by whoever has the role.
fn rest_of_a_batch() {
    let role = Role::new();
    let monitor = spawn(&role, |role| {
        if role.seize() {
            while let Some(index) = role.batch.take() {
                role.ran.fetch_or(1 << index, Relaxed);
            }
        }
    });
    role.batch.fill(0, 0b11);
    let mut kept = Vec::new();
    if crate::shim::planted("batch.local") {
        kept.extend(std::iter::from_fn(|| role.batch.take()));
    }
    while let Some(index) = kept.pop().or_else(|| role.batch.take()) {
        if !role.poll(|role| _ = role.ran.fetch_or(1 << index, Relaxed)) {
            break;
        }
    }
    monitor.join().unwrap();
    assert_eq!(role.ran.load(Relaxed), 0b11, "{LOST}: a task of the batch");
}

#[test]
fn a_role_has_one_owner_when_it_is_seized() {
    check(seize_beside_a_poll);
    check(seize_beside_polls);
    check(seize_beside_calls);
    check(glance_beside_a_call);
    check_wide(two_seizures);
    // Who is let go on without having had doubts takes no lock.
    fails_without(glance_beside_a_call, &["word.trust", "word.doubtful"]);
    fails_without(seize_beside_a_poll, &["word.enter", "word.light", "word.heavy"]);
    // A first look orders what the poll began with; the second one what a call since then did.
    fails_without(seize_beside_calls, &["word.restore", "word.look", "word.light", "word.heavy"]);
}

#[test]
fn a_nested_call_that_restores_an_odd_word_is_noticed() {
    fails_without(seize_beside_calls, &["word.nested"]);
}

#[test]
fn a_role_reference_held_across_a_poll_is_noticed() {
    fails_without(seize_beside_polls, &["role.across"]);
}

#[test]
fn what_is_left_of_a_batch_is_run_by_the_new_owner() {
    check(rest_of_a_batch);
}

#[test]
fn a_batch_in_a_local_variable_is_noticed() {
    fails_without(rest_of_a_batch, &["batch.local"]);
}
