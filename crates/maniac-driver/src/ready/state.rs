//! The shared readiness state of one descriptor.
//!
//! Protocol: the word holds what the kernel reported and a tick that each report increments. Who finds that a call would
//! block clears the bits it had seen, unless the tick has moved on, so a report that came between is never lost.
//! Waiters are added under the lock and look at the word once more before they sleep; a report sets the word first and
//! then takes waiters under the lock: one of the two sees the other.

use super::waiters::{Waiters, Who};
use super::{Interest, READ_CLOSED, READABLE, ReadyEvent, WRITABLE, WRITE_CLOSED};
use crate::completions::Completions;
use crate::driver::shared::{Shared, driver_gone};
use crate::fd::{FdInner, OwnedDescriptor, SharedFd};
use crate::inbox::Linked;
use crate::record::RecordRef;
use crate::shim::{AtomicPtr, AtomicU32, Mutex, lock};
use crate::sys;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::Context;

/// The bits of the word that hold readiness.
const BITS: u32 = 0xff;
/// One report more.
const TICK: u32 = 1 << 8;
/// Bits that stay once they are set.
const FINAL: u32 = READ_CLOSED | WRITE_CLOSED;
/// No driver serves this any more: waiting is an error.
const SHUTDOWN: u32 = 1 << 7;

/// In the driver's inbox.
const QUEUED: u32 = 1 << 0;
/// The kernel shall report (and, once asked for, will not be asked again).
const ARM: u32 = 1 << 1;
/// The descriptor is about to be closed.
const RELEASE: u32 = 1 << 2;

/// What the owner finds to do for a state from its inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requests(u32);

impl Requests {
    pub(crate) fn release(self) -> bool {
        self.0 & RELEASE != 0
    }
}

/// Readiness of one descriptor. See the module's documentation.
pub(crate) struct IoState {
    readiness: AtomicU32,
    requests: AtomicU32,
    /// Why the kernel would not report, as an error number.
    refusal: AtomicI32,
    /// Who waits. A lock, since it is taken only by who has to wait and by reports.
    waiters: Mutex<Waiters>,
    fd: Arc<FdInner>,
    pub(crate) shared: Arc<Shared>,
    next: AtomicPtr<IoState>,
    /// The owner's alone: one more than its key for this state; zero when the kernel does not report. There are fewer keys than
    /// descriptors, whose numbers have 31 bits.
    key: AtomicU32,
}

impl IoState {
    /// What a new state says, before any report: everything is worth a try.
    pub(crate) const INITIAL: ReadyEvent = ReadyEvent { bits: READABLE | WRITABLE, tick: 0 };

    /// Nothing known yet: see [`INITIAL`](Self::INITIAL).
    pub(crate) fn new(fd: Arc<FdInner>, shared: Arc<Shared>) -> Self {
        Self {
            readiness: AtomicU32::new(Self::INITIAL.bits),
            requests: AtomicU32::new(0),
            refusal: AtomicI32::new(0),
            waiters: Mutex::new(Waiters::default()),
            fd,
            shared,
            next: AtomicPtr::new(ptr::null_mut()),
            key: AtomicU32::new(0),
        }
    }

    pub(crate) fn fd(&self) -> &Arc<FdInner> {
        &self.fd
    }

    pub(crate) fn key(&self) -> Option<usize> {
        self.key.load(Ordering::Relaxed).checked_sub(1).map(|key| key as usize)
    }

    pub(crate) fn set_key(&self, key: Option<usize>) {
        self.key.store(key.map_or(0, |key| key as u32 + 1), Ordering::Relaxed);
    }

    /// Whether its driver is gone, so that another must take over.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.readiness.load(Ordering::Acquire) & SHUTDOWN != 0 || self.shared.closing.load(Ordering::Acquire)
    }

    /// What is known now.
    pub(crate) fn snapshot(&self) -> ReadyEvent {
        let word = self.readiness.load(Ordering::Acquire);
        ReadyEvent { bits: word & BITS, tick: word & !BITS }
    }

    /// Takes back what `event` says of `interest`, unless there has been a report since. That a direction is closed stays.
    pub(crate) fn clear(&self, event: ReadyEvent, interest: Interest) {
        self.take_back(event, interest.mask() & !FINAL);
    }

    /// Takes back what `event` says of `interest`, since a call has just found that it would block. The end of a direction is
    /// taken back too if the kernel no longer speaks of it: a socket counts as closed until it is connected.
    pub(crate) fn clear_blocked(&self, event: ReadyEvent, interest: Interest, fd: &SharedFd) {
        let closed = event.bits & interest.mask() & FINAL != 0;
        if closed && !sys::is_closed(fd, interest) {
            self.take_back(event, interest.mask());
        } else {
            self.clear(event, interest);
        }
    }

    fn take_back(&self, event: ReadyEvent, mask: u32) {
        let gone = event.bits & mask & !SHUTDOWN;
        let update = |word: u32| if word & !BITS == event.tick { Some(word & !gone) } else { None };
        let _ = self.readiness.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update);
    }

    /// Notes a report of the kernel's and takes those it concerns out of the waiters: wakers into `done`, operations
    /// into `records`.
    pub(crate) fn report(&self, bits: u32, done: &mut Completions, records: &mut Vec<RecordRef>) {
        let set = |word: u32| Some((word.wrapping_add(TICK)) | bits);
        let before =
            self.readiness.fetch_update(Ordering::AcqRel, Ordering::Relaxed, set).unwrap_or_else(|word| word);
        self.wake((before & FINAL) | bits, done, records);
    }

    fn wake(&self, bits: u32, done: &mut Completions, records: &mut Vec<RecordRef>) {
        lock(&self.waiters).take(bits, done, records);
    }

    /// The kernel will not report on this descriptor: all who wait hear why.
    pub(crate) fn refuse(&self, error: &io::Error, done: &mut Completions, records: &mut Vec<RecordRef>) {
        self.refusal.store(error.raw_os_error().unwrap_or(0), Ordering::Relaxed);
        self.shut_down(done, records);
    }

    /// The driver ends: all who wait hear of it.
    pub(crate) fn shut_down(&self, done: &mut Completions, records: &mut Vec<RecordRef>) {
        self.readiness.fetch_or(SHUTDOWN, Ordering::AcqRel);
        self.wake(BITS, done, records);
    }

    /// Why nobody can wait here, if so.
    fn refusal(&self, bits: u32) -> io::Result<()> {
        if bits & SHUTDOWN == 0 {
            return Ok(());
        }
        match self.refusal.load(Ordering::Relaxed) {
            0 => Err(driver_gone()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// The current event if it satisfies `interest`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to report, or the driver is gone.
    pub(crate) fn ready(&self, interest: Interest) -> io::Result<Option<ReadyEvent>> {
        let event = self.snapshot();
        self.refusal(event.bits)?;
        Ok((event.bits & interest.mask() != 0).then_some(event))
    }

    /// Waits in one of the two places of the poll functions.
    pub(crate) fn poll(
        self: &Arc<Self>,
        cx: &Context<'_>,
        interest: Interest,
    ) -> io::Result<Option<ReadyEvent>> {
        if let Some(event) = self.ready(interest)? {
            return Ok(Some(event));
        }
        let writer = interest.is_writable().then(|| cx.waker().clone());
        let reader = (interest != Interest::WRITABLE).then(|| cx.waker().clone());
        let mut waiters = lock(&self.waiters);
        let ready = self.ready(interest)?;
        if ready.is_some() {
            return Ok(ready);
        }
        let old = (
            writer.and_then(|waker| waiters.set(Who::Writer, waker)),
            reader.and_then(|waker| waiters.set(Who::Reader, waker)),
        );
        // What was displaced is dropped outside the lock.
        drop(waiters);
        drop(old);
        self.arm();
        Ok(None)
    }

    /// Waits in a place of its own, which `place` remembers and [`forget`](Self::forget) gives up.
    pub(crate) fn poll_place(
        self: &Arc<Self>,
        cx: &Context<'_>,
        interest: Interest,
        place: &mut Option<u32>,
    ) -> io::Result<Option<ReadyEvent>> {
        if let Some(event) = self.ready(interest)? {
            return Ok(Some(event));
        }
        let waker = cx.waker().clone();
        let mut waiters = lock(&self.waiters);
        let ready = self.ready(interest)?;
        if ready.is_some() {
            return Ok(ready);
        }
        let old = waiters.put(place, interest, waker);
        drop(waiters);
        drop(old);
        self.arm();
        Ok(None)
    }

    /// Gives up a place.
    pub(crate) fn forget(&self, place: u32) {
        let old = lock(&self.waiters).forget(place);
        drop(old);
    }

    /// Adds an operation to the waiters, or gives it back if it should try at once.
    pub(crate) fn wait(
        &self,
        record: RecordRef,
        interest: Interest,
    ) -> Result<(), (RecordRef, io::Result<()>)> {
        let mut waiters = lock(&self.waiters);
        match self.ready(interest) {
            Ok(None) => waiters.add(interest, record),
            Ok(Some(_)) => return Err((record, Ok(()))),
            Err(error) => return Err((record, Err(error))),
        }
        Ok(())
    }

    /// Takes an operation out of the waiters; false if it is not there (any more).
    pub(crate) fn unwait(&self, record: &RecordRef) -> bool {
        let found = lock(&self.waiters).remove(record);
        found.is_some()
    }

    /// Asks the driver to have the kernel report, once.
    pub(crate) fn arm(self: &Arc<Self>) {
        if self.requests.load(Ordering::Relaxed) & ARM != 0 {
            return;
        }
        let before = self.requests.fetch_or(ARM | QUEUED, Ordering::AcqRel);
        if before & QUEUED != 0 {
            return;
        }
        match self.shared.ios.push(self.clone()) {
            Ok(()) => self.shared.notify(),
            Err(_) => {
                let mut done = Completions::new();
                // Operations wait only where the driver itself, being there, has put them.
                self.shut_down(&mut done, &mut Vec::new());
                done.wake_all();
            }
        }
    }

    /// Notes that the owner itself has armed it.
    pub(crate) fn set_armed(&self) {
        self.requests.fetch_or(ARM, Ordering::AcqRel);
    }

    /// Takes the requests off a state that was just taken out of the inbox.
    pub(crate) fn take_requests(&self) -> Requests {
        Requests(self.requests.fetch_and(!QUEUED, Ordering::AcqRel))
    }

    /// The descriptor is about to be closed: the kernel must stop reporting on it.
    pub(crate) fn release(self: Arc<Self>, fd: &OwnedDescriptor) {
        if self.requests.load(Ordering::Acquire) & ARM == 0 {
            return;
        }
        #[cfg(maniac_poll)]
        if let Some(registry) = &self.shared.registry {
            use std::os::fd::AsRawFd;
            // Fails if it was never registered, which is as well.
            let _ = registry.deregister(&mut mio::unix::SourceFd(&fd.as_raw_fd()));
        }
        #[cfg(maniac_uring)]
        if let Some(epoll) = &self.shared.epoll {
            epoll.remove(fd);
        }
        let _ = fd;
        let before = self.requests.fetch_or(RELEASE | QUEUED, Ordering::AcqRel);
        if before & QUEUED == 0 {
            let shared = self.shared.clone();
            if shared.ios.push(self).is_ok() {
                shared.notify();
            }
        }
    }
}

// SAFETY: [INV-4] an Arc as an address; `next` is used by the inbox alone, and QUEUED lets a state be in it once.
unsafe impl Linked for Arc<IoState> {
    type Node = IoState;

    fn into_raw(self) -> NonNull<IoState> {
        let raw = Arc::into_raw(self).cast_mut();
        NonNull::new(raw).expect("an Arc has an address")
    }

    unsafe fn from_raw(node: NonNull<IoState>) -> Self {
        // SAFETY: [caller] the caller gives back what `into_raw` gave out.
        unsafe { Arc::from_raw(node.as_ptr()) }
    }

    unsafe fn link<'a>(node: NonNull<IoState>) -> &'a AtomicPtr<IoState> {
        // SAFETY: [caller] the caller keeps the state alive.
        unsafe { &(*node.as_ptr()).next }
    }
}
