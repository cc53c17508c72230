//! Looking at a slot from outside while its task ends and another one begins there.

use crate::shim::ordering;
use crate::state::{Completed, Start, State, generation};
use crate::{LOST, check, fails_without, spawn};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};

/// A slot with one field of its header beside the state, which says whose it is.
struct Slot {
    state: State,
    field: AtomicU32,
}

impl Slot {
    /// Begins a task, as a spawn does: the header first.
    fn begin(&self, field: u32) {
        self.field.store(field, ordering("glimpse.write", Ordering::Release));
        assert_eq!(self.state.begin(1, None, 0), field);
    }

    /// Looks as a dump does.
    fn look(&self) {
        let seen = self.state.observe(|| Some(self.field.load(ordering("glimpse.read", Ordering::Acquire))));
        if let Some((word, field)) = seen {
            assert_eq!(generation(word), field, "{LOST}: what was seen is not one task's");
        }
    }
}

fn one_task_makes_room_for_another() {
    let slot = Arc::new(Slot { state: State::dead(), field: AtomicU32::new(0) });
    slot.begin(1);
    let runner = spawn(&slot, |slot| {
        assert_eq!(slot.state.start(0), Start::Poll);
        assert_eq!(slot.state.complete(), Completed::Unclaimed);
        slot.state.end();
        slot.begin(2);
    });
    slot.look();
    runner.join().unwrap();
}

#[test]
fn what_is_seen_of_a_slot_is_one_tasks() {
    check(one_task_makes_room_for_another);
    fails_without(one_task_makes_room_for_another, &["glimpse.write", "glimpse.read", "state.look"]);
}
