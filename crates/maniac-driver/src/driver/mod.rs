//! The driver: what a worker role owns to reach the kernel.
//!
//! [`Driver`] holds what all backends share (records in flight, the inbox, free blocks, counters) and one backend. This
//! module gives records to the backend and takes completions from it; `uring.rs` and `poll.rs` speak with the kernel.

mod config;
mod core;
#[cfg(maniac_park)]
pub(crate) mod park;
#[cfg(maniac_poll)]
mod poll;
mod probe;
pub(crate) mod shared;
#[cfg(maniac_uring)]
mod uring;

pub use config::{
    DEFAULT_DROP_TIMEOUT, DEFAULT_ENTRIES, DriverConfig, DriverKind, Faults, ParseDriverKindError,
};
pub use core::{Metrics, ThreadOps};
pub use probe::{Probe, RingProbe, probe};
pub use shared::{Remote, Unparker};

use self::core::Core;
use crate::completions::Completions;
use crate::offload::Offload;
use crate::op::Operation;
use crate::record::{AGAIN, CANCEL, DRIVES, NOTIFY, Op, Phase, RETRY, RecordRef, START, WAIT};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A link to the kernel. One worker role owns it at a time; it may move between threads with its role (`Send`), but
/// is used by one at a time (not `Sync`). Other threads reach it through its [`Remote`].
///
/// It never calls a waker and never drops a caller's buffer by itself: [`poll`](Driver::poll) collects both into
/// [`Completions`].
///
/// ```
/// # #[cfg(all(unix, feature = "mio"))] {
/// use maniac_driver::{Completions, Driver, DriverConfig, Job, Offload, SharedFd, op::ReadAt};
/// use std::io::Write;
/// use std::sync::Arc;
///
/// /// Blocking calls on threads of their own.
/// struct Threads;
/// impl Offload for Threads {
///     fn offload(&self, job: Job) -> Result<(), Job> {
///         std::thread::spawn(move || job.run());
///         Ok(())
///     }
/// }
///
/// let mut driver = Driver::new(DriverConfig::new(), Arc::new(Threads)).unwrap();
/// let file = SharedFd::new(std::fs::File::open("/etc/hostname").or(std::fs::File::open("/dev/null")).unwrap().into());
/// let mut op = driver.submit_with_token(ReadAt::new(file, vec![0; 64], 0), 7);
/// let mut done = Completions::new();
/// let (result, buf) = loop {
///     driver.poll(None, &mut done).unwrap();
///     if done.tokens().any(|token| token == 7) {
///         break op.try_take().unwrap();
///     }
/// };
/// assert_eq!(result.unwrap(), buf.len());
/// # }
/// ```
pub struct Driver {
    core: Core,
    backend: Backend,
    probe: Probe,
    not_sync: PhantomData<Cell<()>>,
}

/// The part that differs.
pub(crate) enum Backend {
    #[cfg(maniac_uring)]
    Uring(Box<uring::Uring>),
    #[cfg(maniac_poll)]
    Poll(Box<poll::Poll>),
    #[cfg(maniac_park)]
    Park(park::Park),
    /// Nothing to speak with: for types only, or after the end.
    #[allow(dead_code, reason = "all there is on some targets")]
    None,
}

impl Driver {
    /// Sets a driver up. Operations that block go to `offload`, where there is no ring or it does not know them.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the kind is not available on this system or in this build; else what the system says. With
    /// [`DriverKind::Auto`] a refused io_uring is no error.
    pub fn new(config: DriverConfig, offload: Arc<dyn Offload>) -> io::Result<Driver> {
        match config.kind {
            DriverKind::Uring => Self::new_uring(&config, &offload, "it was asked for"),
            DriverKind::Poll => Self::new_poll(&config, &offload, "it was asked for"),
            #[cfg(maniac_park)]
            DriverKind::Auto => {
                let (park, shared) = park::Park::new();
                let why = "this system's own driver is not built yet: tasks and timers alone";
                let probe = Probe::new(DriverKind::Auto, why.into());
                Ok(Self::assemble(&config, Backend::Park(park), shared, &offload, probe))
            }
            #[cfg(not(maniac_park))]
            DriverKind::Auto => match Self::new_uring(&config, &offload, "the kernel offers io_uring") {
                Ok(driver) => Ok(driver),
                Err(refusal) => {
                    let mut driver = Self::new_poll(&config, &offload, "io_uring is not available")?;
                    driver.probe.set_refusal(&refusal);
                    Ok(driver)
                }
            },
            DriverKind::Iocp | DriverKind::Sim => Err(unavailable(config.kind, "it is not built yet")),
        }
    }

    #[cfg(maniac_uring)]
    fn new_uring(config: &DriverConfig, offload: &Arc<dyn Offload>, why: &str) -> io::Result<Driver> {
        let (ring, shared) = uring::Uring::new(config)?;
        let probe = Probe::new(DriverKind::Uring, why.into()).with_ring(ring.setup());
        Ok(Self::assemble(config, Backend::Uring(Box::new(ring)), shared, offload, probe))
    }

    #[cfg(not(maniac_uring))]
    fn new_uring(_: &DriverConfig, _: &Arc<dyn Offload>, _: &str) -> io::Result<Driver> {
        Err(unavailable(DriverKind::Uring, "it needs Linux and the feature `iouring`"))
    }

    #[cfg(maniac_poll)]
    fn new_poll(config: &DriverConfig, offload: &Arc<dyn Offload>, why: &str) -> io::Result<Driver> {
        let (poll, shared) = poll::Poll::new()?;
        let probe = Probe::new(DriverKind::Poll, why.into());
        Ok(Self::assemble(config, Backend::Poll(Box::new(poll)), shared, offload, probe))
    }

    #[cfg(not(maniac_poll))]
    fn new_poll(_: &DriverConfig, _: &Arc<dyn Offload>, _: &str) -> io::Result<Driver> {
        Err(unavailable(DriverKind::Poll, "it needs Unix and the feature `mio`"))
    }

    #[allow(dead_code, reason = "unused where there is no backend")]
    fn assemble(
        config: &DriverConfig,
        backend: Backend,
        shared: shared::Shared,
        offload: &Arc<dyn Offload>,
        probe: Probe,
    ) -> Driver {
        let core = Core::new(Arc::new(shared), offload.clone(), config.drop_timeout);
        Driver { core, backend, probe, not_sync: PhantomData }
    }

    /// Which driver it is: `Uring` or `Poll`; `Auto` where neither is there.
    pub fn kind(&self) -> DriverKind {
        match &self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(_) => DriverKind::Uring,
            #[cfg(maniac_poll)]
            Backend::Poll(_) => DriverKind::Poll,
            #[cfg(maniac_park)]
            Backend::Park(_) => DriverKind::Auto,
            Backend::None => DriverKind::Auto,
        }
    }

    /// Begins `op`. It goes to the kernel with the next [`submit_pending`](Driver::submit_pending) or
    /// [`poll`](Driver::poll); without a ring, an operation on a ready descriptor is done at once.
    pub fn submit<T: Operation>(&mut self, op: T) -> Op<T> {
        self.begin(op, None)
    }

    /// Begins `op`; its completion puts `token` into the list that [`poll`](Driver::poll) fills. No waker, no future.
    pub fn submit_with_token<T: Operation>(&mut self, op: T, token: u64) -> Op<T> {
        self.begin(op, Some(token))
    }

    fn begin<T: Operation>(&mut self, op: T, token: Option<u64>) -> Op<T> {
        let block = self.core.pool.take::<T>(&self.core.shared);
        let record = RecordRef::new(block, op, token);
        let handle = Op::new(record.clone());
        self.start(record);
        handle
    }

    fn start(&mut self, record: RecordRef) {
        self.core.metrics.submitted += 1;
        if record.flags() & CANCEL != 0 {
            return self.core.complete_cancelled(record);
        }
        match &mut self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.start(&mut self.core, record),
            #[cfg(maniac_poll)]
            Backend::Poll(poll) => poll.start(&mut self.core, record),
            #[cfg(maniac_park)]
            Backend::Park(park) => park.start(&mut self.core, record),
            Backend::None => self.core.complete(record, Err(shared::driver_gone())),
        }
    }

    /// Whether a `T` that is submitted now goes to the kernel together with what is submitted next, so that many cost one system
    /// call: there is a ring that knows it and has room. Else a plain call of one's own is cheaper.
    ///
    /// ```
    /// # #[cfg(all(unix, feature = "mio"))] {
    /// use maniac_driver::{Driver, DriverConfig, DriverKind, NoOffload, op::Send};
    /// let config = DriverConfig::new().kind(DriverKind::Poll);
    /// let driver = Driver::new(config, std::sync::Arc::new(NoOffload)).unwrap();
    /// assert!(!driver.gathers::<Send<Vec<u8>>>());
    /// # }
    /// ```
    pub fn gathers<T: Operation>(&self) -> bool {
        match &self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.gathers(T::OPCODE),
            _ => false,
        }
    }

    /// Asks for `op` to be ended early, at once: the owner's own form of [`Op::cancel`].
    pub fn cancel<T: Operation>(&mut self, op: &Op<T>) {
        if let Some(record) = op.record() {
            if Arc::ptr_eq(record.shared(), &self.core.shared) {
                record.set_flag(CANCEL);
                self.cancel_record(record);
            } else {
                op.cancel();
            }
        }
    }

    fn cancel_record(&mut self, record: &RecordRef) {
        match &mut self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.cancel(&mut self.core, record),
            #[cfg(maniac_poll)]
            Backend::Poll(poll) => poll.cancel(&mut self.core, record),
            #[cfg(maniac_park)]
            Backend::Park(_) => (),
            Backend::None => (),
        }
    }

    /// Drops `op`, cancelling it: the owner's own form of dropping the handle, without the way through the inbox.
    pub fn abandon<T: Operation>(&mut self, op: Op<T>) {
        self.cancel(&op);
        drop(op);
    }

    /// Gives everything gathered so far to the kernel, without waiting.
    ///
    /// # Errors
    ///
    /// What the system says; the operations stay gathered.
    pub fn submit_pending(&mut self) -> io::Result<()> {
        self.drain_inbox();
        match &mut self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.submit_pending(&mut self.core),
            _ => Ok(()),
        }
    }

    /// Submits what is gathered, waits for something to happen (at most `timeout`; for ever if `None`; not at all if zero),
    /// and collects into `done` what completed. One system call does all of it; none is made if there is nothing to
    /// submit and nothing to wait for. Returns early, with nothing collected, when it is unparked.
    ///
    /// # Errors
    ///
    /// What the system says, but for `EINTR`, which ends the wait.
    pub fn poll(&mut self, timeout: Option<Duration>, done: &mut Completions) -> io::Result<()> {
        let mut wait = timeout;
        if timeout != Some(Duration::ZERO) && !self.park() {
            wait = Some(Duration::ZERO);
        }
        let result = match &mut self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.poll(&mut self.core, wait),
            #[cfg(maniac_poll)]
            Backend::Poll(poll) => poll.poll(&mut self.core, wait),
            #[cfg(maniac_park)]
            Backend::Park(park) => {
                park.poll(wait);
                Ok(())
            }
            Backend::None => Ok(()),
        };
        self.core.shared.park.consume();
        self.drain_inbox();
        done.append(&mut self.core.ready);
        result
    }

    /// Begins `op` and turns the driver until it is complete: for tools and tests, which have no scheduler. What else
    /// completes meanwhile is collected by the next [`poll`](Driver::poll).
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Driver::poll).
    ///
    /// ```
    /// # #[cfg(all(unix, feature = "mio"))] {
    /// use maniac_driver::{Driver, DriverConfig, ThreadPerJob, op::StatAt};
    /// let mut driver = Driver::new(DriverConfig::new(), std::sync::Arc::new(ThreadPerJob)).unwrap();
    /// let root = driver.run(StatAt::new(None, "/", true).unwrap()).unwrap().unwrap();
    /// assert!(root.is_dir());
    /// # }
    /// ```
    pub fn run<T: Operation>(&mut self, op: T) -> io::Result<T::Output> {
        // A token, since a completion by a thread of the pool then ends the wait. Others may have the same: what matters is
        // that as many are left as they are owed.
        let handle = self.begin(op, Some(0));
        let mut done = Completions::new();
        loop {
            self.poll(None, &mut done)?;
            if let (true, Some(at)) = (handle.is_complete(), done.tokens.iter().position(|&token| token == 0))
            {
                done.tokens.remove(at);
                done.append(&mut self.core.ready);
                self.core.ready = done;
                return Ok(handle.try_take().unwrap_or_else(|_| unreachable!("complete")));
            }
        }
    }

    /// Prepares for a wait in a host's loop instead of [`poll`](Driver::poll): submits what is gathered, and has later
    /// unparks make [`as_fd`](#method.as_fd) readable. False if there is something to collect already, and the host must not
    /// wait. Afterwards call [`poll`](Driver::poll) with a timeout of zero.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn prepare_wait(&mut self) -> io::Result<bool> {
        let parked = self.park();
        match &mut self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => Ok(ring.prepare_wait(&mut self.core)? && parked),
            _ => Ok(parked),
        }
    }

    /// Looks at the inbox and declares that the owner is about to wait; false if there is something to collect first, or
    /// it was unparked.
    fn park(&mut self) -> bool {
        self.drain_inbox();
        self.core.ready.is_empty() && self.core.shared.park.park()
    }

    /// Takes everything out of the inboxes.
    fn drain_inbox(&mut self) {
        for record in self.core.shared.inbox.take_all() {
            self.handle_requests(record);
        }
        for io in self.core.shared.ios.take_all() {
            match &mut self.backend {
                #[cfg(maniac_uring)]
                Backend::Uring(ring) => ring.handle_io(&mut self.core, io),
                #[cfg(maniac_poll)]
                Backend::Poll(poll) => poll.handle_io(&mut self.core, io),
                #[cfg(maniac_park)]
                Backend::Park(_) => drop(io),
                Backend::None => drop(io),
            }
        }
    }

    /// Does what is asked of a record from the inbox.
    fn handle_requests(&mut self, record: RecordRef) {
        let requests = record.take_requests();
        if requests & START != 0 {
            return self.start(record);
        }
        if requests & NOTIFY != 0 {
            self.core.notify(&record);
        }
        if requests & (RETRY | WAIT | AGAIN) != 0 {
            return self.resume(record, requests & WAIT != 0);
        }
        if requests & CANCEL != 0 {
            self.cancel_record(&record);
        }
    }

    /// Goes on with a record whose descriptor became ready, or that must wait for that.
    fn resume(&mut self, record: RecordRef, wait: bool) {
        match &mut self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.resume(&mut self.core, record, wait),
            #[cfg(maniac_poll)]
            Backend::Poll(poll) => poll.resume(&mut self.core, record, wait),
            #[cfg(maniac_park)]
            Backend::Park(_) => drop((record, wait)),
            Backend::None => drop((record, wait)),
        }
    }

    /// A handle for threads that do not own the driver.
    pub fn remote(&self) -> Remote {
        Remote::new(self.core.shared.clone())
    }

    /// A handle that ends the driver's wait.
    pub fn unparker(&self) -> Unparker {
        self.remote().unparker()
    }

    /// How many operations are neither complete nor waiting in the inbox; for a moment also those that a thread of the pool has
    /// just completed.
    pub fn in_flight(&self) -> usize {
        self.core.in_flight()
    }

    /// Whether there is nothing that the outside world could bring: no operation, no registered descriptor, no request in the inbox.
    pub fn is_idle(&self) -> bool {
        let watches = match &self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.watches(),
            #[cfg(maniac_poll)]
            Backend::Poll(poll) => poll.watches(),
            #[cfg(maniac_park)]
            Backend::Park(_) => 0,
            Backend::None => 0,
        };
        let shared = &self.core.shared;
        watches == 0 && self.in_flight() == 0 && shared.inbox.is_empty() && shared.ios.is_empty()
    }

    /// Asks for all operations to be ended, for shutdown: poll until [`in_flight`](Driver::in_flight) is zero.
    pub fn cancel_all(&mut self) {
        let records: Vec<RecordRef> = self.core.records().collect();
        for record in records {
            record.set_flag(CANCEL);
            self.cancel_record(&record);
        }
    }

    /// What the driver has done so far.
    pub fn metrics(&self) -> Metrics {
        self.core.metrics()
    }

    /// How it came to be the driver it is.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Counts the operations that are with the kernel on behalf of the current thread, from now on in `thread`; before it
    /// ends, that must come to zero, for the kernel completes operations on the thread that submitted them, and
    /// cancels those of a thread that ends. Call it whenever the driver comes to another thread: what ends the driver's wait is armed anew,
    /// on that thread.
    pub fn set_thread(&mut self, thread: Option<Arc<ThreadOps>>) {
        match &mut self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.set_thread(thread),
            _ => drop(thread),
        }
    }

    /// Ends all operations and waits, at most `timeout`, until the kernel has let go of their memory. What remains then is
    /// leaked, and counted in the result.
    pub fn shutdown(mut self, timeout: Duration) -> usize {
        self.core.drop_timeout = timeout;
        self.end()
    }

    /// See [`shutdown`](Driver::shutdown).
    fn end(&mut self) -> usize {
        use std::sync::atomic::Ordering;
        self.core.shared.closing.store(true, Ordering::Release);
        let deadline = Instant::now() + self.core.drop_timeout;
        let mut done = Completions::new();
        while !matches!(self.backend, Backend::None) {
            self.cancel_all();
            let left = deadline.saturating_duration_since(Instant::now());
            if self.core.in_flight() == 0 || left.is_zero() || self.poll(Some(left), &mut done).is_err() {
                break;
            }
            done.wake_all();
        }
        self.disconnect(&mut done)
    }

    /// Closes the inboxes and gives up what the kernel still holds.
    fn disconnect(&mut self, done: &mut Completions) -> usize {
        let records = self.core.shared.inbox.close();
        let ios = self.core.shared.ios.close();
        for record in records {
            let requests = record.take_requests();
            if requests & (DRIVES | RETRY) != 0 {
                if record.phase() == Phase::Waiting {
                    // Another driver found it ready; it is kept here until then.
                    drop(self.core.take(record.key()));
                }
                self.core.complete(record, Err(shared::driver_gone()));
            } else if requests & NOTIFY != 0 {
                self.core.notify(&record);
            }
        }
        for io in ios {
            // Who waits with it hears of the end; of operations only other drivers' do, and they look for another watch.
            let mut records = Vec::new();
            io.shut_down(&mut self.core.ready, &mut records);
            for record in records {
                record.request(RETRY);
            }
        }
        let leaked = match std::mem::replace(&mut self.backend, Backend::None) {
            #[cfg(maniac_uring)]
            Backend::Uring(mut ring) => ring.end(&mut self.core),
            #[cfg(maniac_poll)]
            Backend::Poll(mut poll) => poll.end(&mut self.core),
            #[cfg(maniac_park)]
            Backend::Park(_) => 0,
            Backend::None => 0,
        };
        done.append(&mut self.core.ready);
        done.wake_all();
        self.core.close_pool();
        leaked
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Driver {
    /// Readable when there is something to collect: the ring's or epoll's descriptor, for a host's loop. Call
    /// [`prepare_wait`](Driver::prepare_wait) before waiting for it.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.backend {
            #[cfg(maniac_uring)]
            Backend::Uring(ring) => ring.as_fd(),
            #[cfg(maniac_poll)]
            Backend::Poll(poll) => poll.as_fd(),
            Backend::None => unreachable!("a driver has a backend until it is dropped"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !matches!(self.backend, Backend::None) {
            self.end();
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("kind", &self.kind())
            .field("in_flight", &self.in_flight())
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

/// The error of a driver that cannot be had.
fn unavailable(kind: DriverKind, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("the driver {kind:?} is not available here: {why}"))
}
