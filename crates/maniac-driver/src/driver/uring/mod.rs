//! The io_uring backend: records become ring entries, completions come back by key.
//!
//! An entry's user data is a key and a tag: of a record in the core's slab, of a watched descriptor in this one, or of nothing.
//! The kernel never holds an address of ours but those inside the entry, which lead into a record that is kept until
//! its completion came. What the ring does not know is done as without one: by a plain call and POLL_ADD, or by a thread.

mod setup;
mod threads;
mod watch;

pub(crate) use setup::Setup;

use super::config::DriverConfig;
use super::core::{Core, ThreadOps};
use super::shared::Shared;
use crate::op::Mode;
use crate::ready::{Interest, Watched};
use crate::record::{CANCEL, Phase, RecordRef};
use crate::sys;
use crate::unpark::Bell;
use io_uring::{IoUring, cqueue, opcode, squeue::Entry, types};
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;
use threads::Threads;

/// The lowest bits of the user data say what the rest is.
const TAG_BITS: u32 = 2;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
/// A record's key.
const RECORD: u64 = 0;
/// Epoll's descriptor; its key as for `WAKE`.
const WATCH: u64 = 1;
/// The eventfd that ends a wait; its key counts how often that was armed on another thread.
const WAKE: u64 = 2;
/// Nobody waits for it: an answer to a cancellation, a time-out.
const IGNORED: u64 = 3;

/// A key and a tag.
fn user_data(key: usize, tag: u64) -> u64 {
    (key as u64) << TAG_BITS | tag
}

/// A request that waits for room in the submission queue.
enum Control {
    /// Cancel a record's entry.
    Cancel(RecordRef),
    /// End a poll of the driver's own descriptors that has this user data.
    EndPoll(u64),
}

/// See the module's documentation.
pub(crate) struct Uring {
    ring: IoUring,
    setup: Setup,
    watched: Watched,
    reports: sys::Reports,
    /// Requests that found no room; they go before the records.
    controls: VecDeque<Control>,
    /// Records that found no room, also kept by the core; those cancelled meanwhile are passed over.
    backlog: VecDeque<RecordRef>,
    threads: Threads,
    /// How many entries the submission queue has room for: only this driver fills it, and only a system call empties it.
    free: usize,
    /// Whether the kernel polls the eventfd.
    wake_armed: bool,
    /// Whether the kernel polls epoll's descriptor.
    watch_armed: bool,
    /// The key of these entries: another one each time that the driver comes to another thread.
    wake_key: usize,
    /// Completions copied out of the ring; empty between turns.
    scratch: Vec<cqueue::Entry>,
    /// Operations whose descriptor became ready, of drivers without a ring; empty between turns.
    ready: Vec<RecordRef>,
    /// The time-out of kernels that take none with the wait: read by the kernel at submission.
    timespec: Box<types::Timespec>,
}

impl Uring {
    pub(crate) fn new(config: &DriverConfig) -> io::Result<(Self, Shared)> {
        let (ring, setup) = setup::set_up(config)?;
        let mut this = Self {
            ring,
            setup,
            watched: Watched::default(),
            reports: sys::Reports::new(),
            controls: VecDeque::new(),
            backlog: VecDeque::new(),
            threads: Threads::default(),
            free: 0,
            wake_armed: false,
            watch_armed: false,
            wake_key: 0,
            scratch: Vec::new(),
            ready: Vec::new(),
            timespec: Box::new(types::Timespec::new()),
        };
        this.try_out()?;
        let (event, epoll) = (sys::eventfd()?, sys::Epoll::new()?);
        epoll.add_bell(&event)?;
        let mut shared = Shared::new(Bell::Event(event));
        shared.epoll = Some(epoll);
        Ok((this, shared))
    }

    /// A filter may allow the set-up and refuse the rest: one no-op shows it.
    fn try_out(&mut self) -> io::Result<()> {
        let nop = opcode::Nop::new().build().user_data(IGNORED);
        // SAFETY: [local] a no-op refers to nothing.
        let pushed = unsafe { self.ring.submission().push(&nop) };
        pushed.map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
        while self.ring.completion().next().is_none() {
            match self.ring.submit_and_wait(1) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                result => drop(result?),
            }
        }
        self.free = self.ring.submission().capacity();
        Ok(())
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: [local] the ring's descriptor is open as long as the ring, which the result borrows.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }

    /// Begins an operation, or begins it anew.
    pub(crate) fn start(&mut self, core: &mut Core, record: RecordRef) {
        if !self.setup.knows(record.vtable().opcode) {
            return self.fall_back(core, record);
        }
        if !self.backlog.is_empty() || !self.room(core) {
            core.keep(record.clone(), Phase::Backlog);
            self.backlog.push_back(record);
            return;
        }
        self.push_record(core, record);
    }

    /// Whether an entry goes into the queue and waits there for others.
    pub(crate) fn gathers(&self, opcode: u8) -> bool {
        // Before 5.12 all opening was work for a kernel thread.
        let cheap = opcode != opcode::OpenAt::CODE || self.setup.has(setup::FEAT_NATIVE_WORKERS);
        cheap && self.setup.knows(opcode) && self.backlog.is_empty()
    }

    /// Gives the ring an entry; there is room.
    fn push_record(&mut self, core: &mut Core, record: RecordRef) {
        // SAFETY: [INV-1] the owner drives a record that neither the kernel nor a job has.
        match unsafe { record.entry() } {
            Some(entry) => {
                let key = core.keep(record, Phase::Kernel);
                self.push(core, entry, user_data(key, RECORD));
            }
            None => self.fall_back(core, record),
        }
    }

    /// Does without the ring what it does not know.
    fn fall_back(&mut self, core: &mut Core, record: RecordRef) {
        if record.vtable().mode == Mode::Offload {
            return core.offload(record);
        }
        // SAFETY: [INV-1] the owner drives a record that neither the kernel nor a job has.
        match unsafe { record.call() } {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.await_readiness(core, record, error);
            }
            result => {
                core.metrics.inline += 1;
                core.complete(record, result);
            }
        }
    }

    /// Has the kernel watch the operation's descriptor once, after which it begins anew.
    fn await_readiness(&mut self, core: &mut Core, record: RecordRef, error: io::Error) {
        // SAFETY: [INV-1] the owner drives a record that neither the kernel nor a job has.
        let Some((fd, interest)) = (unsafe { record.wait_for() }) else {
            return core.complete(record, Err(error));
        };
        if self.room(core) {
            // The record holds the descriptor until then.
            let key = core.keep(record, Phase::Polled);
            let entry = poll_entry(fd.as_raw_fd(), interest, false);
            self.push(core, entry, user_data(key, RECORD));
        } else {
            // It finds out again that it must wait.
            core.keep(record.clone(), Phase::Backlog);
            self.backlog.push_back(record);
        }
    }

    /// Makes sure of room for one entry; false if the kernel takes none at present.
    fn room(&mut self, core: &mut Core) -> bool {
        if self.free == 0 {
            // An error here shows again at the next wait, where it is reported.
            let _ = self.enter(core, Enter::Submit);
        }
        self.free > 0
    }

    /// Puts an entry into the queue; there is room.
    fn push(&mut self, core: &mut Core, entry: Entry, user_data: u64) {
        core.metrics.entries += 1;
        self.free -= 1;
        // SAFETY: [INV-1] what the entry refers to is in a record that the core keeps until its completion, or is `timespec`,
        // which lives as long as the ring, or is no memory at all.
        let pushed = unsafe { self.ring.submission().push(&entry.user_data(user_data)) };
        debug_assert!(pushed.is_ok(), "pushed without room");
        self.threads.queued((user_data & TAG_MASK == RECORD).then_some((user_data >> TAG_BITS) as usize));
    }

    /// Ends an operation early, if it is here.
    pub(crate) fn cancel(&mut self, core: &mut Core, record: &RecordRef) {
        match record.phase() {
            Phase::Backlog => {
                let record = core.take(record.key());
                core.complete_cancelled(record);
            }
            Phase::Kernel | Phase::Polled => {
                if self.controls.is_empty() && self.room(core) {
                    self.push_cancel(core, record);
                } else {
                    self.controls.push_back(Control::Cancel(record.clone()));
                }
            }
            Phase::Outside
            | Phase::KernelCancelled
            | Phase::PolledCancelled
            | Phase::Done
            | Phase::Waiting => (),
        }
    }

    /// Asks the kernel to cancel; there is room. Where the entry has completed meanwhile there is nothing to ask.
    fn push_cancel(&mut self, core: &mut Core, record: &RecordRef) {
        match record.phase() {
            Phase::Kernel => record.set_phase(Phase::KernelCancelled),
            Phase::Polled => record.set_phase(Phase::PolledCancelled),
            _ => return,
        }
        let entry = opcode::AsyncCancel::new(user_data(record.key(), RECORD)).build();
        self.push(core, entry, IGNORED);
    }

    /// Goes on with a record from the inbox: a thread of the pool found that it must wait for a descriptor.
    pub(crate) fn resume(&mut self, core: &mut Core, record: RecordRef, wait: bool) {
        if record.flags() & CANCEL != 0 {
            core.complete_cancelled(record);
        } else if wait {
            self.await_readiness(core, record, io::ErrorKind::WouldBlock.into());
        } else {
            self.start(core, record);
        }
    }

    /// Puts into the queue what found no room before.
    fn fill(&mut self, core: &mut Core) {
        while !self.controls.is_empty() && self.room(core) {
            match self.controls.pop_front() {
                Some(Control::Cancel(record)) => self.push_cancel(core, &record),
                Some(Control::EndPoll(user_data)) => {
                    let entry = opcode::AsyncCancel::new(user_data).build();
                    self.push(core, entry, IGNORED);
                }
                None => break,
            }
        }
        while !self.backlog.is_empty() && self.room(core) {
            let Some(record) = self.backlog.pop_front() else { break };
            if record.phase() == Phase::Backlog {
                drop(core.take(record.key()));
                self.push_record(core, record);
            }
        }
    }

    /// Has the ring's wait end when it is to; false if there is no room to ask for that.
    fn arm(&mut self, core: &mut Core) -> bool {
        self.arm_wake(core) && self.arm_watch(core)
    }

    /// Has the kernel poll the eventfd that ends a wait.
    fn arm_wake(&mut self, core: &mut Core) -> bool {
        if self.wake_armed {
            return true;
        }
        if !self.room(core) {
            return false;
        }
        let shared = core.shared.clone();
        if let Some(event) = shared.bell.event() {
            let entry = poll_entry(event.as_raw_fd(), Interest::READABLE, self.setup.multishot);
            self.push(core, entry, user_data(self.wake_key, WAKE));
            self.wake_armed = true;
        }
        true
    }

    /// How many descriptors the kernel watches.
    pub(crate) fn watches(&self) -> usize {
        self.watched.len()
    }

    /// Counts operations for this thread from now on. What ends a wait is polled anew: the kernel reports an entry by way of the
    /// thread that submitted it, which may be busy from now on.
    pub(crate) fn set_thread(&mut self, thread: Option<Arc<ThreadOps>>) {
        for (armed, tag) in [(&mut self.wake_armed, WAKE), (&mut self.watch_armed, WATCH)] {
            if mem::take(armed) {
                self.controls.push_back(Control::EndPoll(user_data(self.wake_key, tag)));
            }
        }
        self.wake_key += 1;
        let in_queue = self.ring.submission().len();
        self.threads.set(thread, in_queue);
    }

    /// Gives the kernel what is gathered.
    pub(crate) fn submit_pending(&mut self, core: &mut Core) -> io::Result<()> {
        self.fill(core);
        if self.ring.submission().is_empty() {
            return Ok(());
        }
        self.enter(core, Enter::Submit)
    }

    /// Prepares for a wait on the ring's descriptor; false if there is something to collect already.
    pub(crate) fn prepare_wait(&mut self, core: &mut Core) -> io::Result<bool> {
        let armed = self.arm(core);
        self.submit_pending(core)?;
        Ok(armed && !self.has_work() && core.ready.is_empty() && self.ring.completion().is_empty())
    }

    /// Whether a system call is needed although nothing is waited for: to submit, or for the kernel to finish completions.
    fn has_work(&mut self) -> bool {
        let queue = self.ring.submission();
        !queue.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    /// Submits, waits and collects.
    pub(crate) fn poll(&mut self, core: &mut Core, timeout: Option<Duration>) -> io::Result<()> {
        self.fill(core);
        // What found no room before may have been done at once.
        let collected = !core.ready.is_empty() || !self.ring.completion().is_empty();
        let waits = timeout != Some(Duration::ZERO) && !collected;
        if waits && self.waits_by_epoll(core) {
            return self.wait_by_epoll(core, timeout);
        }
        let idle = !waits || !self.arm(core);
        let result = match idle {
            false => self.wait(core, timeout),
            true if self.has_work() => self.enter(core, Enter::Submit),
            true => Ok(()),
        };
        self.reap(core);
        result.and(self.collect(core))
    }

    fn wait(&mut self, core: &mut Core, timeout: Option<Duration>) -> io::Result<()> {
        let Some(timeout) = timeout else { return self.enter(core, Enter::Wait) };
        let timespec = types::Timespec::from(timeout);
        if self.setup.has(setup::FEAT_EXT_ARG) {
            return self.enter(core, Enter::WaitFor(timespec));
        }
        // Older kernels: an entry that completes after the time, or with the next completion.
        *self.timespec = timespec;
        if self.room(core) {
            let entry = opcode::Timeout::new(&raw const *self.timespec).count(1).build();
            self.push(core, entry, IGNORED);
        }
        self.enter(core, Enter::Wait)
    }

    /// io_uring_enter(2).
    fn enter(&mut self, core: &mut Core, how: Enter) -> io::Result<()> {
        core.metrics.enters += 1;
        let submitter = self.ring.submitter();
        let result = match how {
            Enter::Submit => submitter.submit(),
            Enter::Wait => submitter.submit_and_wait(1),
            Enter::WaitFor(time) => submitter.submit_with_args(1, &types::SubmitArgs::new().timespec(&time)),
        };
        let queue = self.ring.submission();
        let left = queue.len();
        self.free = queue.capacity() - left;
        drop(queue);
        self.threads.taken(left);
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // A signal, the time, or a full completion queue, which is about to be emptied.
                Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Acts on all completions that are there.
    fn reap(&mut self, core: &mut Core) {
        let mut entries = std::mem::take(&mut self.scratch);
        entries.extend(self.ring.completion());
        for entry in entries.drain(..) {
            let key = (entry.user_data() >> TAG_BITS) as usize;
            match entry.user_data() & TAG_MASK {
                RECORD => self.on_record(core, key, entry.result()),
                // What there is to report is fetched after this, whatever ended the poll.
                WATCH if key == self.wake_key => self.watch_armed = false,
                WAKE if key == self.wake_key => {
                    self.on_wake(core, entry.result(), cqueue::more(entry.flags()));
                }
                _ => (),
            }
        }
        self.scratch = entries;
    }

    /// The eventfd was written to. Repeated polling reports each write, so the count stays as it is; but who polls anew would
    /// find it. It is read here and nowhere else, for after this the owner looks at its inbox: a write that this takes
    /// away was for nothing newer.
    fn on_wake(&mut self, core: &mut Core, result: i32, more: bool) {
        // Kernels before 5.13 do not repeat.
        self.setup.multishot &= result != -libc::EINVAL;
        if let (false, Some(event)) = (more, core.shared.bell.event()) {
            sys::eventfd_clear(event);
        }
        self.wake_armed &= more;
    }

    /// Acts on the completion of a record's entry: the kernel has let go of it.
    fn on_record(&mut self, core: &mut Core, key: usize, result: i32) {
        self.threads.completed(key);
        let record = core.take(key);
        let phase = record.phase();
        record.set_phase(Phase::Outside);
        let asked = record.flags() & CANCEL != 0;
        let polled = matches!(phase, Phase::Polled | Phase::PolledCancelled);
        if polled && asked {
            // It has not been tried, so that is the end of it.
            return core.complete_cancelled(record);
        }
        match -result {
            // Ready, or not to be waited for: the call will show.
            _ if polled => self.start(core, record),
            // Closed all the same (close(2)): another close would be of somebody else's descriptor.
            libc::EINTR if record.vtable().opcode == opcode::Close::CODE => core.complete(record, Ok(0)),
            libc::ECANCELED | libc::EINTR if asked => core.complete_cancelled(record),
            libc::ECANCELED | libc::EINTR => {
                // Not asked for: the thread that had submitted it has ended, or a signal came.
                core.metrics.resubmitted += 1;
                self.start(core, record);
            }
            libc::EAGAIN if asked => core.complete_cancelled(record),
            libc::EAGAIN if record.vtable().mode == Mode::Offload => self.refused(core, record),
            libc::EAGAIN => self.await_readiness(core, record, io::Error::from_raw_os_error(libc::EAGAIN)),
            libc::EOPNOTSUPP => self.fall_back(core, record),
            _ if result < 0 => core.complete(record, Err(io::Error::from_raw_os_error(-result))),
            _ => core.complete(record, Ok(result as usize)),
        }
    }

    /// The kernel would not wait with an operation that blocks: it waits for its pipe's other end, or a thread makes the call.
    fn refused(&mut self, core: &mut Core, record: RecordRef) {
        // SAFETY: [INV-1] the kernel has let go of the record.
        if unsafe { record.wait_for() }.is_some() {
            self.await_readiness(core, record, io::Error::from_raw_os_error(libc::EAGAIN));
        } else {
            core.offload(record);
        }
    }

    /// Ends all that is not with the kernel, and leaks the rest; says how much that is.
    pub(crate) fn end(&mut self, core: &mut Core) -> usize {
        self.end_watches(core);
        for record in core.records().filter(|record| record.phase() == Phase::Backlog).collect::<Vec<_>>() {
            let record = core.take(record.key());
            core.complete(record, Err(super::shared::driver_gone()));
        }
        core.leak() + core.in_flight()
    }
}

/// What io_uring_enter(2) is called for, besides submitting.
enum Enter {
    Submit,
    Wait,
    WaitFor(types::Timespec),
}

/// POLL_ADD.
fn poll_entry(fd: i32, interest: Interest, repeat: bool) -> Entry {
    let events = sys::ring_events(interest);
    opcode::PollAdd::new(types::Fd(fd), events).multi(repeat).build()
}
