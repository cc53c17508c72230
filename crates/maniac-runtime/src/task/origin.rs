//! Where a task was spawned, and its name: one word, in the slot's header while the task is there.
//!
//! Any thread may ask for them at any time ([`TaskRef::copy_origin`]), for reports. The place is a `'static` reference; a name has an owner, so that who
//! copies or drops it holds the lock of its shard. A task without a name meets no lock.

use super::TaskRef;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a task was spawned, and its name if it has one: a `&'static Location`, or a `Box<Named>` whose address is marked.
#[derive(Debug)]
pub(crate) struct Origin(*mut ());

/// What only some tasks have, out of line.
#[derive(Debug)]
struct Named {
    name: String,
    location: &'static Location<'static>,
}

/// Marks the address of a [`Named`]: both types' addresses are even.
const NAMED: usize = 1;
const _: () = assert!(align_of::<Location<'static>>() > NAMED && align_of::<Named>() > NAMED);

// SAFETY: [TASK-15] it is a 'static reference, or a box of what is Send and Sync.
unsafe impl Send for Origin {}
// SAFETY: [TASK-15] as above.
unsafe impl Sync for Origin {}

impl Origin {
    #[track_caller]
    pub(crate) fn here(name: Option<String>) -> Origin {
        let location = Location::caller();
        match name {
            None => Origin(std::ptr::from_ref(location).cast_mut().cast()),
            Some(name) => {
                let named = Box::into_raw(Box::new(Named { name, location }));
                Origin(named.cast::<()>().map_addr(|address| address | NAMED))
            }
        }
    }

    fn named(&self) -> Option<*mut Named> {
        is_named(self.0).then(|| self.0.map_addr(|address| address & !NAMED).cast())
    }

    pub(crate) fn name(&self) -> Option<&str> {
        // SAFETY: [TASK-15] a marked address is that of this origin's box.
        self.named().map(|named| unsafe { &*named }.name.as_str())
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        match self.named() {
            // SAFETY: [TASK-15] a marked address is that of this origin's box.
            Some(named) => unsafe { &*named }.location,
            // SAFETY: [TASK-15] any other is that of a 'static location.
            None => unsafe { &*self.0.cast::<Location<'static>>() },
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(named) = self.named() {
            // SAFETY: [TASK-15] the box is this origin's.
            drop(unsafe { Box::from_raw(named) });
        }
    }
}

#[inline]
fn is_named(origin: *mut ()) -> bool {
    origin.addr() & NAMED != 0
}

/// Held by who drops a name in a slot, or reads it without being the task's own code. Names are few, and so are those who read them.
fn names(task: TaskRef) -> MutexGuard<'static, ()> {
    static SHARDS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];
    // By address: the index of a slot may not be written yet for who looks at it from outside.
    let shard = &SHARDS[(task.as_ptr().addr().get() >> 6) % SHARDS.len()];
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TaskRef {
    /// Puts the origin of a new task into its slot.
    #[inline]
    pub(super) fn put_origin(self, origin: Origin) {
        self.header().origin.store(ManuallyDrop::new(origin).0, Ordering::Release);
    }

    /// The task's origin, still the slot's.
    ///
    /// # Safety
    /// The task is live, and stays so as long as the result is used.
    pub(super) unsafe fn origin(self) -> ManuallyDrop<Origin> {
        ManuallyDrop::new(Origin(self.header().origin.load(Ordering::Relaxed)))
    }

    /// Drops the origin of a complete task.
    ///
    /// # Safety
    /// The caller has the last claim on the task.
    #[inline]
    pub(super) unsafe fn drop_origin(self) {
        if is_named(self.header().origin.load(Ordering::Relaxed)) {
            self.drop_name();
        }
    }

    #[cold]
    fn drop_name(self) {
        let reading = names(self);
        let origin = self.header().origin.swap(null_mut(), Ordering::Relaxed);
        drop(reading);
        // Nobody reaches it any more: the word is gone, and readers held the lock.
        drop(Origin(origin));
    }

    /// The name and the place of whatever task is in this slot, which may be another one a moment later.
    pub(crate) fn copy_origin(self) -> Option<(Option<String>, &'static Location<'static>)> {
        let _reading = names(self);
        let origin = self.header().origin.load(Ordering::Acquire);
        if origin.is_null() {
            return None;
        }
        // While the lock is held, a name that is in its slot stays ([TASK-15]).
        let origin = ManuallyDrop::new(Origin(origin));
        Some((origin.name().map(str::to_owned), origin.location()))
    }
}
