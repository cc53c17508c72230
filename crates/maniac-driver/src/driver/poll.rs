//! The readiness backend: epoll or kqueue through mio. Sockets and pipes are tried and waited for; what blocks goes to threads
//! of the pool.

use super::core::Core;
use super::shared::{Remote, Shared};
use crate::fd::SharedFd;
use crate::op::Mode;
use crate::ready::{self, Interest, IoState, Watched, io_of, known_io};
use crate::record::{AGAIN, CANCEL, Phase, RETRY, RecordRef};
use crate::sys;
use crate::unpark::Bell;
use mio::{Events, Token, event::Event, unix::SourceFd};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// The waker's token.
const WAKER: Token = Token(usize::MAX);
/// How often in a row a descriptor may become ready and the call yet block, before the operation goes to the back.
const PATIENCE: u32 = 16;
/// How many reports one system call brings.
const EVENTS: usize = 256;

/// See the module's documentation.
pub(crate) struct Poll {
    poll: mio::Poll,
    events: Events,
    /// Descriptors that the kernel watches, by token.
    watched: Watched,
    /// Operations whose descriptor became ready; empty between turns.
    ready: Vec<RecordRef>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<(Self, Shared)> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let mut shared = Shared::new(Bell::Mio(waker));
        shared.registry = Some(poll.registry().try_clone()?);
        let events = Events::with_capacity(EVENTS);
        Ok((Self { poll, events, watched: Watched::default(), ready: Vec::new() }, shared))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: [local] the descriptor is open as long as `self.poll`, which the result borrows.
        unsafe { BorrowedFd::borrow_raw(self.poll.as_raw_fd()) }
    }

    /// How many descriptors the kernel watches.
    pub(crate) fn watches(&self) -> usize {
        self.watched.len()
    }

    /// Begins an operation, or begins it anew.
    pub(crate) fn start(&mut self, core: &mut Core, record: RecordRef) {
        match record.vtable().mode {
            Mode::Ready => self.attempt(core, record),
            Mode::Offload => core.offload(record),
        }
    }

    /// Makes the call until it does not block, or there is something to wait for.
    fn attempt(&mut self, core: &mut Core, mut record: RecordRef) {
        for _ in 0..PATIENCE {
            // SAFETY: [INV-1] the owner drives a record that is neither kept nor with a job.
            let wait = unsafe { record.wait_for() };
            let before = wait.as_ref().and_then(|(fd, _)| known_io(fd)).map(|io| (io.snapshot(), io));
            // SAFETY: [INV-1] as above.
            let result = unsafe { record.call() };
            let (fd, interest) = match (result, wait) {
                (Err(error), Some(wait)) if error.kind() == io::ErrorKind::WouldBlock => wait,
                (result, _) => {
                    core.metrics.inline += 1;
                    return core.complete(record, result);
                }
            };
            let io = io_of(&fd, &Remote::new(core.shared.clone()));
            let seen = match before {
                Some((event, known)) if Arc::ptr_eq(&known, &io) => event,
                _ => IoState::INITIAL,
            };
            io.clear_blocked(seen, interest, &fd);
            match self.wait(core, record, &io, interest) {
                Some(again) => record = again,
                None => return,
            }
        }
        // Through the inbox, so that the driver's other work goes first. Here it is open.
        record.request(AGAIN);
    }

    /// Puts `record` among those that wait for `io`; gives it back if it should try again at once.
    fn wait(
        &mut self,
        core: &mut Core,
        record: RecordRef,
        io: &Arc<IoState>,
        interest: Interest,
    ) -> Option<RecordRef> {
        if !Arc::ptr_eq(&io.shared, &core.shared) {
            io.arm();
        } else if io.key().is_none() {
            let register = registrar(&self.poll);
            self.watched.begin(io, register, &mut core.ready, &mut self.ready);
        }
        let key = core.keep(record.clone(), Phase::Waiting);
        let Err((_, result)) = io.wait(record, interest) else { return None };
        let record = core.take(key);
        record.set_phase(Phase::Outside);
        match result {
            Ok(()) => Some(record),
            Err(error) => {
                core.complete(record, Err(error));
                None
            }
        }
    }

    /// Goes on with a record from the inbox.
    pub(crate) fn resume(&mut self, core: &mut Core, record: RecordRef, wait: bool) {
        if record.phase() == Phase::Waiting {
            drop(core.take(record.key()));
            record.set_phase(Phase::Outside);
        }
        if record.flags() & CANCEL != 0 {
            return core.complete_cancelled(record);
        }
        if !wait {
            return self.start(core, record);
        }
        // SAFETY: [INV-1] the job has given the record back to the owner.
        let Some((fd, interest)) = (unsafe { record.wait_for() }) else { return self.start(core, record) };
        let io = io_of(&fd, &Remote::new(core.shared.clone()));
        let seen = io.snapshot();
        // Since the thread looked, the descriptor may have become ready.
        if sys::poll_now(&fd, sys::poll_events(interest)).is_ok_and(|events| events == 0) {
            io.clear_blocked(seen, interest, &fd);
        }
        if let Some(again) = self.wait(core, record, &io, interest) {
            self.start(core, again);
        }
    }

    /// Ends an operation early, if it waits here.
    pub(crate) fn cancel(&mut self, core: &mut Core, record: &RecordRef) {
        if record.phase() != Phase::Waiting {
            return;
        }
        // SAFETY: [INV-1] a record that waits is driven by the owner.
        let Some((fd, _)) = (unsafe { record.wait_for() }) else { return };
        // Mostly it waits with its descriptor's present state; with an earlier one if a driver took over meanwhile.
        let present = known_io(&fd).is_some_and(|io| io.unwait(record));
        let earlier = || self.watched.iter().any(|io| Arc::ptr_eq(io.fd(), fd.inner()) && io.unwait(record));
        // Otherwise another driver has just found it ready, and it comes back through the inbox.
        if present || earlier() {
            let record = core.take(record.key());
            core.complete_cancelled(record);
        }
    }

    /// Does what is asked of a descriptor's state from the inbox.
    pub(crate) fn handle_io(&mut self, core: &mut Core, io: Arc<IoState>) {
        let register = registrar(&self.poll);
        self.watched.handle(&io, register, &mut core.ready, &mut self.ready);
        self.go_on(core);
    }

    /// Waits for reports and acts on them.
    pub(crate) fn poll(&mut self, core: &mut Core, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) && self.watched.is_empty() {
            return Ok(());
        }
        // epoll_wait(2) counts in milliseconds, rounded up: what is finer is waited for on its descriptor. (miri has no ppoll(2).)
        #[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
        let timeout = match timeout {
            Some(time) if time.subsec_nanos() % 1_000_000 != 0 => {
                core.metrics.enters += 1;
                sys::wait_readable(self.poll.as_raw_fd(), time)?;
                Some(Duration::ZERO)
            }
            timeout => timeout,
        };
        core.metrics.enters += 1;
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            // A token without a state is of a descriptor closed meanwhile, or the waker's.
            if self.watched.report(event.token().0, bits(event), &mut core.ready, &mut self.ready) {
                core.metrics.reports += 1;
            }
        }
        self.go_on(core);
        Ok(())
    }

    /// Goes on with operations whose descriptor became ready.
    fn go_on(&mut self, core: &mut Core) {
        let mut ready = std::mem::take(&mut self.ready);
        for record in ready.drain(..) {
            if Arc::ptr_eq(record.shared(), &core.shared) {
                self.resume(core, record, false);
            } else {
                // Its own driver goes on with it; if that is gone, it has ended the operation.
                record.request(RETRY);
            }
        }
        // Reports do not come while operations go on, so this is the same list, kept for its memory.
        debug_assert!(self.ready.is_empty() || ready.is_empty());
        if self.ready.is_empty() {
            self.ready = ready;
        }
    }

    /// Ends all that waits.
    pub(crate) fn end(&mut self, core: &mut Core) -> usize {
        self.watched.end(&mut core.ready, &mut self.ready);
        for record in self.ready.drain(..).filter(|record| !Arc::ptr_eq(record.shared(), &core.shared)) {
            // Another driver's: it looks for another watch.
            record.request(RETRY);
        }
        for record in core.records().collect::<Vec<_>>() {
            let record = core.take(record.key());
            core.complete(record, Err(super::shared::driver_gone()));
        }
        core.in_flight()
    }
}

/// Has the kernel report on a descriptor.
fn registrar(poll: &mio::Poll) -> impl FnOnce(&SharedFd, usize) -> io::Result<()> {
    |fd, key| poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), Token(key), all_interests())
}

/// Everything that the kernel can report.
fn all_interests() -> mio::Interest {
    let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return both | mio::Interest::PRIORITY;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    both
}

fn bits(event: &Event) -> u32 {
    let has = |is: bool, bits: u32| if is { bits } else { 0 };
    has(event.is_readable(), ready::READABLE)
        | has(event.is_writable(), ready::WRITABLE)
        | has(event.is_priority(), ready::PRIORITY)
        | has(event.is_read_closed(), ready::READ_CLOSED)
        | has(event.is_write_closed(), ready::WRITE_CLOSED)
        | has(event.is_error(), ready::ERROR)
}
