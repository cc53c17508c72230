//! `next`, the batch and the inbox.

use crate::batch::Batch;
use crate::inbox::Inbox;
use crate::next::{NextEnds, NextRing};
use crate::shim::AtomicU32 as Link;
use crate::{LOST, check, check_bounded, check_wide, fails_without, spawn};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::Mutex;

/// A role's `next`, and what stands behind each entry.
struct Ring {
    ring: NextRing,
    headers: [AtomicU32; 4],
    stolen: Mutex<Vec<u32>>,
}

impl Ring {
    fn new() -> Arc<Ring> {
        let headers = std::array::from_fn(|_| AtomicU32::new(0));
        Arc::new(Ring { ring: NextRing::new(), headers, stolen: Mutex::default() })
    }

    fn push(&self, ends: &mut NextEnds, index: u32) {
        self.headers[index as usize].store(1, Relaxed);
        assert!(self.ring.push(ends, index));
    }

    fn steal(&self) {
        if let Some(index) = self.ring.steal() {
            assert_eq!(self.headers[index as usize].load(Relaxed), 1, "{LOST}: what stands behind an entry");
            self.stolen.lock().unwrap().push(index);
        }
    }
}

/// The owner fills and empties while a thief takes twice: each entry goes once, the owner's in order.
fn owner_beside_thief() {
    let ring = Ring::new();
    let thief = spawn(&ring, |ring| {
        ring.steal();
        ring.steal();
    });
    let mut ends = NextEnds::default();
    let mut popped = Vec::new();
    ring.push(&mut ends, 0);
    ring.push(&mut ends, 1);
    popped.extend(ring.ring.pop(&mut ends));
    ring.push(&mut ends, 2);
    popped.extend(ring.ring.pop(&mut ends));
    thief.join().unwrap();
    while let Some(index) = ring.ring.pop(&mut ends) {
        popped.push(index);
    }
    assert!(popped.is_sorted(), "{popped:?} is not in order");
    assert!(!ring.ring.maybe_ready(), "{LOST}: an entry that the owner does not see");
    popped.extend(ring.stolen.lock().unwrap().drain(..));
    popped.sort_unstable();
    assert_eq!(popped, [0, 1, 2], "{LOST}: an entry");
}

/// Two thieves and the owner at one entry.
fn three_at_one_entry() {
    let ring = Ring::new();
    let mut ends = NextEnds::default();
    ring.push(&mut ends, 0);
    let first = spawn(&ring, Ring::steal);
    let second = spawn(&ring, Ring::steal);
    let popped = ring.ring.pop(&mut ends);
    first.join().unwrap();
    second.join().unwrap();
    let stolen = ring.stolen.lock().unwrap().len();
    assert_eq!(stolen + usize::from(popped.is_some()), 1, "{LOST}: an entry, or taken twice");
}

#[test]
fn each_entry_of_next_goes_once() {
    check(owner_beside_thief);
    check(three_at_one_entry);
    fails_without(owner_beside_thief, &["next.push", "next.steal"]);
}

/// A role's batch, and what stands behind each entry: slots 0 to 3 stand for 64 to 67, and for 96 to 99.
struct Taken {
    batch: Batch,
    headers: [AtomicU32; 4],
    stolen: Mutex<Vec<u32>>,
}

impl Taken {
    fn new() -> Arc<Taken> {
        let headers = std::array::from_fn(|_| AtomicU32::new(0));
        Arc::new(Taken { batch: Batch::new(), headers, stolen: Mutex::default() })
    }

    fn fill(&self, first: u32, bits: u64) {
        for slot in (0..64).filter(|bit| bits >> bit & 1 != 0) {
            self.headers[(slot % 32) as usize].store(1, Relaxed);
        }
        self.batch.fill(first, bits);
    }

    fn steal(&self) {
        if let Some(slot) = self.batch.take() {
            let header = self.headers[(slot % 32) as usize].load(Relaxed);
            assert_eq!(header, 1, "{LOST}: what stands behind an entry");
            self.stolen.lock().unwrap().push(slot);
        }
    }
}

/// The owner fills, empties and fills again with other slots of the same places, while a thief takes twice.
fn batch_beside_thief() {
    let taken = Taken::new();
    let thief = spawn(&taken, |taken| {
        taken.steal();
        taken.steal();
    });
    let mut mine = Vec::new();
    taken.fill(64, 0b11);
    while let Some(slot) = taken.batch.take() {
        mine.push(slot);
    }
    taken.fill(128, 0b1 | 0b10 << 32);
    mine.extend(taken.batch.take());
    thief.join().unwrap();
    while let Some(slot) = taken.batch.take() {
        mine.push(slot);
    }
    assert!(taken.batch.is_empty());
    mine.extend(taken.stolen.lock().unwrap().drain(..));
    mine.sort_unstable();
    assert_eq!(mine, [64, 65, 128, 161], "{LOST}: an entry");
}

#[test]
fn each_entry_of_a_batch_goes_once() {
    check(batch_beside_thief);
    fails_without(batch_beside_thief, &["batch.fill", "batch.take"]);
}

/// A thread's inbox, the slots' links, and what stands behind each entry.
struct Mail {
    inbox: Inbox,
    links: [Link; 3],
    headers: [AtomicU32; 3],
}

impl Mail {
    fn new() -> Arc<Mail> {
        let links = std::array::from_fn(|_| Link::new(0));
        let headers = std::array::from_fn(|_| AtomicU32::new(0));
        Arc::new(Mail { inbox: Inbox::new(), links, headers })
    }

    fn push(&self, index: u32) {
        self.headers[index as usize].store(1, Relaxed);
        self.inbox.push(index, &self.links[index as usize]);
    }

    /// Takes all, the oldest first.
    fn take_all(&self) -> Vec<u32> {
        let mut taken = Vec::new();
        self.inbox.take_all(|index| &self.links[index as usize], &mut taken);
        for index in &taken {
            let header = self.headers[*index as usize].load(Relaxed);
            assert_eq!(header, 1, "{LOST}: what stands behind an entry");
        }
        taken.reverse();
        taken
    }
}

/// One thread pushes 0 and 1, another 2, while the owner takes.
fn pushes_beside_take() {
    let inbox = Mail::new();
    let first = spawn(&inbox, |inbox| {
        inbox.push(0);
        inbox.push(1);
    });
    let second = spawn(&inbox, |inbox| inbox.push(2));
    let mut taken = inbox.take_all();
    first.join().unwrap();
    second.join().unwrap();
    taken.extend(inbox.take_all());
    assert!(inbox.inbox.is_empty());
    let place = |of| taken.iter().position(|index| *index == of);
    assert!(place(0) < place(1), "{LOST}: the order of one thread's pushes in {taken:?}");
    taken.sort_unstable();
    assert_eq!(taken, [0, 1, 2], "{LOST}: an entry");
}

/// A slot that was taken is pushed again by another thread, which learned of the take from the state word (here: a lock).
fn push_again() {
    let inbox = Mail::new();
    inbox.push(0);
    let other = spawn(&inbox, |inbox| inbox.push(1));
    let mut taken = inbox.take_all();
    if taken.contains(&0) {
        inbox.push(0);
        taken.retain(|index| *index != 0);
    }
    other.join().unwrap();
    taken.extend(inbox.take_all());
    taken.sort_unstable();
    assert_eq!(taken, [0, 1], "{LOST}: an entry");
}

#[test]
fn each_entry_of_an_inbox_goes_once_and_in_order() {
    check_wide(pushes_beside_take);
    check_bounded(push_again, 4);
    fails_without(pushes_beside_take, &["inbox.push", "inbox.take"]);
}
