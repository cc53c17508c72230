//! A lock-free list through its own elements: many threads push, the driver's owner takes all at once.
//!
//! Protocol: a push links the element before the head by compare-and-swap (release); the owner swaps the whole list out
//! (acquire) and reverses it. Nothing is ever popped singly, so there is no ABA. A closed inbox holds a mark instead of a
//! list and refuses pushes for ever.

use crate::shim::{AtomicPtr, ordering};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;

/// What can lie in an [`Inbox`]: an owning pointer to something with a link in it.
///
/// # Safety
///
/// `into_raw` gives the ownership away as an address, `from_raw` takes it back, `link` is a link inside the pointee that
/// nothing else uses while the element lies in an inbox.
pub(crate) unsafe trait Linked: Sized {
    /// The pointee.
    type Node;

    fn into_raw(self) -> NonNull<Self::Node>;

    /// # Safety
    ///
    /// `node` came from `into_raw` and is taken back once.
    unsafe fn from_raw(node: NonNull<Self::Node>) -> Self;

    /// # Safety
    ///
    /// `node` is alive.
    unsafe fn link<'a>(node: NonNull<Self::Node>) -> &'a AtomicPtr<Self::Node>;
}

/// See the module's documentation.
pub(crate) struct Inbox<T: Linked> {
    head: AtomicPtr<T::Node>,
    owns: PhantomData<T>,
}

// SAFETY: [INV-4] elements are handed over whole, from one thread to another.
unsafe impl<T: Linked + Send> Send for Inbox<T> {}
// SAFETY: [INV-4] as above; all access is by atomic operations on the head.
unsafe impl<T: Linked + Send> Sync for Inbox<T> {}

/// The mark of a closed inbox: an address that no element has.
fn closed<N>() -> *mut N {
    ptr::without_provenance_mut(1)
}

impl<T: Linked> Inbox<T> {
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Puts `element` in, or gives it back if the inbox is closed.
    pub(crate) fn push(&self, element: T) -> Result<(), T> {
        let node = element.into_raw();
        // Acquire, for what the owner did before it closed the inbox.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == closed() {
                // SAFETY: [INV-4] `into_raw` was called above, and the element lies in no list.
                return Err(unsafe { T::from_raw(node) });
            }
            // SAFETY: [INV-4] `node` is owned here, hence alive.
            unsafe { T::link(node) }.store(head, Ordering::Relaxed);
            let release = ordering("inbox.push", Ordering::Release);
            match self.head.compare_exchange_weak(head, node.as_ptr(), release, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// Whether there may be something: a hint without ordering.
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == closed()
    }

    /// Takes everything out, oldest first.
    pub(crate) fn take_all(&self) -> Batch<T> {
        if self.is_empty() {
            return Batch { next: None, owns: PhantomData };
        }
        let head = self.head.swap(ptr::null_mut(), ordering("inbox.take", Ordering::Acquire));
        Self::batch(head)
    }

    /// Takes everything out and refuses whatever comes later.
    pub(crate) fn close(&self) -> Batch<T> {
        Self::batch(self.head.swap(closed(), Ordering::AcqRel))
    }

    /// Reverses a list taken out whole.
    fn batch(head: *mut T::Node) -> Batch<T> {
        let mut reversed = None;
        let mut at = if head == closed() { None } else { NonNull::new(head) };
        while let Some(node) = at {
            // SAFETY: [INV-4] the whole list was taken, so its elements are owned here, hence alive.
            let link = unsafe { T::link(node) };
            at = NonNull::new(link.load(Ordering::Relaxed));
            link.store(reversed.map_or(ptr::null_mut(), NonNull::as_ptr), Ordering::Relaxed);
            reversed = Some(node);
        }
        Batch { next: reversed, owns: PhantomData }
    }
}

impl<T: Linked> Drop for Inbox<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Elements taken out of an [`Inbox`]. An element may be pushed again as soon as the iterator has given it.
pub(crate) struct Batch<T: Linked> {
    next: Option<NonNull<T::Node>>,
    owns: PhantomData<T>,
}

impl<T: Linked> Iterator for Batch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let node = self.next?;
        // The link is read before the element is given away, since its next owner may use it.
        // SAFETY: [INV-4] the element was taken with the batch and not given away yet.
        let link = unsafe { T::link(node) };
        self.next = NonNull::new(link.load(Ordering::Relaxed));
        // SAFETY: [INV-4] `push` called `into_raw`, and each element of the batch is given once.
        Some(unsafe { T::from_raw(node) })
    }
}

impl<T: Linked> Drop for Batch<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
