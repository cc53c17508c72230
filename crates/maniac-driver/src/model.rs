//! What the loom models of `tests/loom.rs` reach of this crate's inside. Exists under `--cfg loom` only.
#![allow(missing_docs, missing_debug_implementations, reason = "no part of the interface")]

use crate::completions::Completions;
use crate::driver::shared::{Remote, Shared};
use crate::op::Operation;
use crate::ready::Registration;
use crate::record::{Block, Op, RecordRef};
use crate::unpark::Bell;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;

pub const READABLE: u32 = crate::ready::READABLE;
pub const CANCEL: u32 = crate::record::CANCEL;
pub const START: u32 = crate::record::START;
pub const WAIT: u32 = crate::record::WAIT;

/// Makes the ordering called `name` relaxed; `None` restores all.
pub fn weaken(name: Option<&'static str>) {
    crate::shim::weaken(name);
}

/// A driver's owner without a backend. Dropped without [`end`](Owner::end), as a failing model does, it leaks its shared part:
/// loom does not see the count in `std`'s Arc, and would report that as a second failure.
pub struct Owner {
    shared: ManuallyDrop<Arc<Shared>>,
    pub done: Completions,
}

/// A record as the driver keeps it.
pub struct Kept(RecordRef);

impl Owner {
    /// An owner whose waits `ring` ends.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared::new(Bell::Fake(Box::new(ring))));
        Self { shared: ManuallyDrop::new(shared), done: Completions::new() }
    }

    pub fn remote(&self) -> Remote {
        Remote::new(Arc::clone(&self.shared))
    }

    /// A handle, and the record as if the driver had begun it.
    pub fn begin<T: Operation>(&self, op: T, token: Option<u64>) -> (Op<T>, Kept) {
        let block = Block::single::<T>(Arc::clone(&self.shared));
        let record = RecordRef::new(block, op, token);
        (Op::new(record.clone()), Kept(record))
    }

    /// All records in the inbox, and what is asked of each.
    pub fn drain(&mut self) -> Vec<(Kept, u32)> {
        let look = |record: RecordRef| {
            let requests = record.take_requests();
            (Kept(record), requests)
        };
        self.shared.inbox.take_all().map(look).collect()
    }

    pub fn complete(&mut self, kept: Kept, result: io::Result<usize>) {
        // SAFETY: [INV-1] the model completes each record once, from where it is driven.
        let outcome = unsafe { kept.0.complete(result) };
        self.done.note(outcome);
    }

    /// See `ParkWord::park`.
    pub fn park(&self) -> bool {
        self.shared.park.park()
    }

    /// See `ParkWord::consume`.
    pub fn consume(&self) -> bool {
        self.shared.park.consume()
    }

    /// Closes the inbox, as a driver's end does.
    pub fn close(&mut self) -> Vec<(Kept, u32)> {
        let look = |record: RecordRef| {
            let requests = record.take_requests();
            (Kept(record), requests)
        };
        self.shared.inbox.close().map(look).collect()
    }

    /// Closes the lists of free blocks, which hold counts of what they lie in, and lets go of the shared part.
    pub fn end(self) {
        let shared = ManuallyDrop::into_inner(self.shared);
        for list in &shared.returned {
            drop(list.close());
        }
        drop(shared.ios.close());
    }

    /// A report of the kernel's.
    pub fn report(&mut self, registration: &Registration, bits: u32) {
        registration.state().report(bits, &mut self.done, &mut Vec::new());
    }
}

impl Kept {
    pub fn request(&self, flag: u32) -> bool {
        self.0.request(flag)
    }

    /// The operation's plain call.
    pub fn call(&self) -> io::Result<usize> {
        // SAFETY: [INV-1] the model calls from where the record is driven.
        unsafe { self.0.call() }
    }

    pub fn token(&self) -> Option<u64> {
        self.0.token()
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
