//! The record of an operation: what the kernel works with lives here, from submission until the kernel is done, whatever
//! happens to the handle.
//!
//! [`Header`] holds the state word, the count of references, the waker and the result; the operation itself (buffer,
//! descriptor, addresses) lies behind it. README.md tells the life of a record on a page.

mod block;
mod handle;

pub(crate) use block::{Block, CLASSES, LocalPool};
pub use handle::Op;

use crate::driver::shared::{Shared, complete_elsewhere, driver_gone};
use crate::fd::SharedFd;
use crate::inbox::Linked;
use crate::op::{Entry, Mode, Operation, Returned};
use crate::ready::Interest;
use crate::shim::{AtomicPtr, AtomicU32, UnsafeCell, fence, ordering};
use std::alloc::Layout;
use std::fmt;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

/// The result is written; the driver's side is through with payload and result.
pub(crate) const COMPLETE: u32 = 1 << 0;
/// The waker cell holds a waker, which belongs to whoever completes the record.
pub(crate) const WAKER: u32 = 1 << 1;
/// The handle is gone; who completes the record then owns payload and result.
pub(crate) const GONE: u32 = 1 << 2;
/// The caller wants it ended (or no longer wants it).
pub(crate) const CANCEL: u32 = 1 << 3;
/// It lies in the inbox.
pub(crate) const QUEUED: u32 = 1 << 4;
/// In the inbox to be started.
pub(crate) const START: u32 = 1 << 5;
/// In the inbox to be tried again, since a descriptor became ready.
pub(crate) const RETRY: u32 = 1 << 6;
/// In the inbox for its token to be delivered.
pub(crate) const NOTIFY: u32 = 1 << 7;
/// In the inbox to wait for readiness: a thread found it would block.
pub(crate) const WAIT: u32 = 1 << 8;
/// In the inbox to go on behind the driver's other work: its owner put it there.
pub(crate) const AGAIN: u32 = 1 << 9;
/// Requests that hand the record over: who takes one of them off drives it.
pub(crate) const DRIVES: u32 = START | WAIT | AGAIN;
/// What the owner takes off when it looks at a record of the inbox.
pub(crate) const REQUESTS: u32 = QUEUED | RETRY | NOTIFY | DRIVES;

/// Where a record is; written and read by the driver's owner alone (hence relaxed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Phase {
    /// Not begun, or handed to a thread of the pool.
    Outside = 0,
    /// Accepted, but not with the kernel yet: the submission queue was full.
    Backlog = 1,
    /// With the kernel.
    Kernel = 2,
    /// The kernel watches its descriptor for readiness (io_uring's POLL_ADD).
    Polled = 3,
    /// Among the waiters of its descriptor's readiness.
    Waiting = 4,
    /// Through.
    Done = 5,
    /// With the kernel, which has been asked to cancel it.
    KernelCancelled = 6,
    /// Watched, and the kernel has been asked to stop that.
    PolledCancelled = 7,
}

impl Phase {
    const ALL: [Phase; 8] = [
        Phase::Outside,
        Phase::Backlog,
        Phase::Kernel,
        Phase::Polled,
        Phase::Waiting,
        Phase::Done,
        Phase::KernelCancelled,
        Phase::PolledCancelled,
    ];

    fn of(value: u32) -> Phase {
        Self::ALL[value as usize]
    }
}

/// The functions of an operation type, for a record whose type is forgotten.
pub(crate) struct VTable {
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    #[cfg(maniac_uring)]
    pub(crate) opcode: u8,
    entry: unsafe fn(NonNull<Header>) -> Option<Entry>,
    call: unsafe fn(NonNull<Header>) -> io::Result<usize>,
    wait_for: unsafe fn(NonNull<Header>) -> Option<(SharedFd, Interest)>,
    discard: unsafe fn(NonNull<Header>, io::Result<usize>),
}

/// The untyped part of a record.
pub(crate) struct Header {
    state: AtomicU32,
    refs: AtomicU32,
    /// Link in the inbox or in the list of free blocks.
    next: AtomicPtr<Header>,
    vtable: &'static VTable,
    shared: Arc<Shared>,
    token: Option<u64>,
    layout: Layout,
    class: u8,
    /// The owner's alone, see [`Phase`].
    phase: std::sync::atomic::AtomicU32,
    /// The owner's alone: the key in its slab of operations in flight.
    key: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
    result: UnsafeCell<Option<io::Result<usize>>>,
}

/// A record of a known operation type.
#[repr(C)]
struct Record<T> {
    header: Header,
    payload: MaybeUninit<T>,
}

/// The functions of `T`, each for a record that holds a `T`.
struct Functions<T>(T);

impl<T: Operation> Functions<T> {
    const VTABLE: VTable = VTable {
        name: T::NAME,
        mode: T::MODE,
        #[cfg(maniac_uring)]
        opcode: T::OPCODE,
        entry: Self::entry,
        call: Self::call,
        wait_for: Self::wait_for,
        discard: Self::discard,
    };

    /// # Safety
    ///
    /// The record holds a `T`, and nothing else uses its payload meanwhile.
    unsafe fn entry(header: NonNull<Header>) -> Option<Entry> {
        // SAFETY: [caller] the caller has the payload to itself.
        let op = unsafe { &mut *payload::<T>(header) };
        op.entry()
    }

    /// # Safety
    ///
    /// As for `entry`.
    unsafe fn call(header: NonNull<Header>) -> io::Result<usize> {
        // SAFETY: [caller] the caller has the payload to itself.
        let op = unsafe { &mut *payload::<T>(header) };
        op.call()
    }

    /// # Safety
    ///
    /// As for `entry`.
    unsafe fn wait_for(header: NonNull<Header>) -> Option<(SharedFd, Interest)> {
        // SAFETY: [caller] the caller has the payload to itself.
        let op = unsafe { &*payload::<T>(header) };
        op.wait_for().map(|(fd, interest)| (fd.clone(), interest))
    }

    /// # Safety
    ///
    /// As for `entry`, and the payload is not used again.
    unsafe fn discard(header: NonNull<Header>, result: io::Result<usize>) {
        // SAFETY: [caller] the caller owns the payload and gives it up.
        let op = unsafe { payload::<T>(header).read() };
        drop(op.finish(result.map(Returned)));
    }
}

/// The payload's address.
fn payload<T>(header: NonNull<Header>) -> *mut T {
    let record = header.as_ptr().cast::<Record<T>>();
    record.wrapping_byte_add(std::mem::offset_of!(Record<T>, payload)).cast()
}

/// A counted reference to a record.
pub(crate) struct RecordRef {
    header: NonNull<Header>,
}

// SAFETY: [INV-1] payloads are Send, and the state word says who may touch them; the rest is atomic or guarded by it.
unsafe impl Send for RecordRef {}
// SAFETY: [INV-1] as above.
unsafe impl Sync for RecordRef {}

impl RecordRef {
    /// A record of `op` in `block`, with one reference. Flags (as [`START`]) may be set at once.
    pub(crate) fn new<T: Operation>(block: Block, op: T, token: Option<u64>) -> Self {
        debug_assert!(block.fits(Layout::new::<Record<T>>()));
        let header = block.into_raw();
        // SAFETY: [INV-3] a block is owned alone, its header initialised, and large enough for a Record<T>.
        let fields = unsafe { &mut *header.as_ptr() };
        fields.vtable = const { &Functions::<T>::VTABLE };
        fields.token = token;
        fields.state.store(0, Ordering::Relaxed);
        fields.refs.store(1, Ordering::Relaxed);
        fields.phase.store(Phase::Outside as u32, Ordering::Relaxed);
        // SAFETY: [INV-3] the payload's place is within the block and holds nothing.
        unsafe { payload::<T>(header).write(op) };
        Self { header }
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: [INV-3] a counted reference keeps the record alive.
        unsafe { self.header.as_ref() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.header().shared
    }

    pub(crate) fn vtable(&self) -> &'static VTable {
        self.header().vtable
    }

    pub(crate) fn ptr_eq(&self, other: &RecordRef) -> bool {
        self.header == other.header
    }

    /// What was given at submission to know its completion by.
    pub(crate) fn token(&self) -> Option<u64> {
        self.header().token
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::of(self.header().phase.load(Ordering::Relaxed))
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.header().phase.store(phase as u32, Ordering::Relaxed);
    }

    pub(crate) fn key(&self) -> usize {
        self.header().key.load(Ordering::Relaxed)
    }

    pub(crate) fn set_key(&self, key: usize) {
        self.header().key.store(key, Ordering::Relaxed);
    }

    /// The state's flags.
    pub(crate) fn flags(&self) -> u32 {
        self.header().state.load(Ordering::Relaxed)
    }

    /// Sets a flag that asks nothing of anybody at once.
    pub(crate) fn set_flag(&self, flag: u32) {
        self.header().state.fetch_or(flag, Ordering::AcqRel);
    }

    /// Takes the requests off a record that was just taken out of the inbox, and says which there were.
    pub(crate) fn take_requests(&self) -> u32 {
        self.header().state.fetch_and(!REQUESTS, ordering("record.requests", Ordering::AcqRel))
    }

    /// Asks the driver's owner to look at the record. False if the driver is gone; the caller still drives the record then, if
    /// it did.
    pub(crate) fn request(&self, flag: u32) -> bool {
        let before =
            self.header().state.fetch_or(flag | QUEUED, ordering("record.request", Ordering::AcqRel));
        if before & QUEUED != 0 {
            return true;
        }
        // Held here, since the record may be through and gone as soon as the inbox has it.
        let shared = self.shared().clone();
        match shared.inbox.push(self.clone()) {
            Ok(()) => {
                shared.notify();
                true
            }
            Err(_) => {
                // Others found it on its way to the inbox and left theirs with it.
                if self.take_requests() & DRIVES & !flag != 0 {
                    // SAFETY: [INV-1] who set the flag gave the record away, to whoever takes the flag off.
                    unsafe { complete_elsewhere(self.clone(), Err(driver_gone())) };
                }
                false
            }
        }
    }

    /// The entry for the ring.
    ///
    /// # Safety
    ///
    /// The caller drives the record: no other thread, nor the kernel, works on it.
    pub(crate) unsafe fn entry(&self) -> Option<Entry> {
        // SAFETY: [caller] passed on to the caller.
        unsafe { (self.vtable().entry)(self.header) }
    }

    /// Runs the plain system call.
    ///
    /// # Safety
    ///
    /// As for [`entry`](Self::entry).
    pub(crate) unsafe fn call(&self) -> io::Result<usize> {
        // SAFETY: [caller] passed on to the caller.
        unsafe { (self.vtable().call)(self.header) }
    }

    /// What to wait for before another try.
    ///
    /// # Safety
    ///
    /// As for [`entry`](Self::entry).
    pub(crate) unsafe fn wait_for(&self) -> Option<(SharedFd, Interest)> {
        // SAFETY: [caller] passed on to the caller.
        unsafe { (self.vtable().wait_for)(self.header) }
    }

    /// Ends the operation: writes the result and says who must hear of it.
    ///
    /// # Safety
    ///
    /// The caller drives the record, and stops doing so: this is called once.
    pub(crate) unsafe fn complete(self, result: io::Result<usize>) -> Outcome {
        let header = self.header();
        // SAFETY: [INV-1] until COMPLETE is set the result belongs to whoever drives the record.
        header.result.with_mut(|cell| unsafe { *cell = Some(result) });
        let before = header.state.fetch_or(COMPLETE, ordering("record.complete", Ordering::AcqRel));
        debug_assert!(before & COMPLETE == 0, "{} completed twice", self.vtable().name);
        let waker = if before & WAKER != 0 {
            // SAFETY: [INV-2] WAKER with COMPLETE gives the waker cell to the completing side.
            header.waker.with_mut(|cell| unsafe { (*cell).take() })
        } else {
            None
        };
        if before & GONE != 0 {
            return Outcome::Orphan(Garbage { record: self, waker });
        }
        match (header.token, waker) {
            (Some(token), _) => Outcome::Token(self, token),
            (None, Some(waker)) => Outcome::Wake(waker),
            (None, None) => Outcome::Silent,
        }
    }

    /// Takes the result of a completed record.
    ///
    /// # Safety
    ///
    /// The caller owns the payload by the rules of [INV-2].
    unsafe fn take_result(&self) -> io::Result<usize> {
        // SAFETY: [caller] passed on to the caller.
        let result = self.header().result.with_mut(|cell| unsafe { (*cell).take() });
        result.expect("a completed record has a result")
    }
}

/// Who must hear of a completion.
pub(crate) enum Outcome {
    /// Nobody waits yet; the handle will look.
    Silent,
    Wake(Waker),
    /// Deliver the token. The record comes along for those who must do it through the inbox.
    Token(RecordRef, u64),
    Orphan(Garbage),
}

/// What is left of a completed operation whose handle is gone; dropping it drops the buffers and the result.
pub(crate) struct Garbage {
    record: RecordRef,
    #[allow(dead_code, reason = "kept to be dropped where user code may run")]
    waker: Option<Waker>,
}

impl Drop for Garbage {
    fn drop(&mut self) {
        // SAFETY: [INV-2] completed with GONE set: the completing side owns payload and result, and that is this value.
        let result = unsafe { self.record.take_result() };
        // SAFETY: [INV-2] as above; a Garbage is dropped once.
        unsafe { (self.record.vtable().discard)(self.record.header, result) }
    }
}

impl fmt::Debug for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Garbage").field(&self.record.vtable().name).finish()
    }
}

impl Clone for RecordRef {
    fn clone(&self) -> Self {
        self.header().refs.fetch_add(1, Ordering::Relaxed);
        Self { header: self.header }
    }
}

impl Drop for RecordRef {
    fn drop(&mut self) {
        if self.header().refs.fetch_sub(1, ordering("record.refs", Ordering::Release)) == 1 {
            fence(Ordering::Acquire);
            // Nobody else touches the cells any more: the model checks it.
            #[cfg(loom)]
            self.header().waker.with_mut(|_| ());
            // SAFETY: [INV-3] the last reference is gone and with it (by [INV-2]) the payload: the block is free.
            unsafe { Block::from_raw(self.header) }.recycle();
        }
    }
}

impl fmt::Debug for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.vtable().name)
            .field("flags", &self.flags())
            .field("phase", &self.phase())
            .finish()
    }
}

// SAFETY: [INV-4] the count goes along as an address; `next` is used by lists alone, and QUEUED lets a record be in one
// inbox once.
unsafe impl Linked for RecordRef {
    type Node = Header;

    fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).header
    }

    unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self { header }
    }

    unsafe fn link<'a>(header: NonNull<Header>) -> &'a AtomicPtr<Header> {
        // SAFETY: [caller] the caller keeps the record alive.
        unsafe { &(*header.as_ptr()).next }
    }
}
