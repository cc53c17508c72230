//! An environment's engine: takes entries, keeps what is in flight, fills records. It knows nothing of napi or libuv.
//!
//! What single operations do is in `start.rs`; what blocking calls do in `calls.rs`.

use crate::layout::{
    AREA_BYTES, COMPLETION_ENTRIES, COMPLETION_WORDS, DATA_HANDED, DATA_NONE, DATA_REGION, DATA_SLAB,
    ENTRY_WORDS, INFO_STEP_SHIFT, MAX_IN_FLIGHT, W_ID, W_OP, op,
};
use crate::net::Net;
use crate::outcome::{Data, Made, Outcome, errno_of};
use crate::pool::{Mailbox, Threads};
use crate::region::{Block, Region, Regions};
use crate::request::{Request, Sources};
use crate::share::{self, Share};
use crate::stat;
use maniac::buf::RawBufRead;
use maniac::driver::host::{Completions, Driver, DriverConfig};
use maniac::driver::op::{Fsync, ReadAt, WriteAt};
use maniac::driver::{DriverKind, Op, SharedFd};
use rustix::fs::Dir;
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest result that goes into the slab.
pub(crate) const SLAB_RESULT_MAX: usize = 64 * 1024;
/// Room in the slab for attributes, which must go there, whatever else does.
const SLAB_RESERVE: usize = COMPLETION_ENTRIES * stat::FIELDS * 8;
/// Room for all else.
const SLAB_SHARED: usize = 4 * 1024 * 1024;
/// How long an environment's end waits for the kernel to let go of memory, which is leaked thereafter.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// An operation that has not ended.
pub(crate) enum Flight {
    /// A thread of the pool has it; the flag asks it not to begin.
    Pool(Arc<AtomicBool>),
    /// It lies in the [`Share`], or a thread of the pool does it.
    Shared,
    Read(Op<ReadAt<Vec<u8>>>),
    ReadRegion(Op<ReadAt<Region>>),
    Write(Op<WriteAt<Vec<u8>>>, Goal),
    WriteRegion(Op<WriteAt<Region>>, Goal),
    Sync(Op<Fsync>),
}

/// Where a write goes, should there be more to write.
pub(crate) struct Goal {
    pub(crate) fd: SharedFd,
    pub(crate) position: u64,
}

/// JavaScript's three arrays. See [INV-1].
pub(crate) struct Arrays {
    pub(crate) submissions: *const i32,
    pub(crate) area: *const u8,
    pub(crate) completions: *mut i32,
}

/// See the module's page.
pub(crate) struct Engine {
    arrays: Arrays,
    pub(crate) slab: Arc<Block>,
    pub(crate) slab_used: usize,
    /// Records filled since the call began.
    count: usize,
    pub(crate) driver: Driver,
    pub(crate) done: Completions,
    tokens: Vec<u64>,
    pub(crate) mailbox: Arc<Mailbox>,
    letters: Vec<(usize, Outcome)>,
    pub(crate) flights: Vec<Option<Flight>>,
    /// Accepted, and not yet in a record.
    outstanding: usize,
    /// What found no record. Bounded by the operations in flight.
    backlog: VecDeque<(usize, Outcome)>,
    /// Descriptors that the engine opened, by number.
    pub(crate) files: Vec<Option<SharedFd>>,
    pub(crate) directories: HashMap<i32, Arc<Mutex<Dir>>>,
    last_directory: i32,
    staged: HashMap<u32, Vec<u8>>,
    last_staged: u32,
    handed: HashMap<u32, Vec<u8>>,
    last_handed: u32,
    pub(crate) regions: Regions,
    pub(crate) net: Net,
    share: Arc<Share>,
    /// Of the entries of this call, those that are shared if they are many.
    gathered: Vec<Request>,
    /// Sockets could go on, but there was no room for what they give; or this thread is to go on with what is shared.
    stalled: bool,
}

/// The next number that `used` does not know; numbers go round.
fn next_number<T>(last: &mut u32, used: &HashMap<u32, T>) -> u32 {
    loop {
        // Numbers travel in signed words.
        *last = (*last + 1) & 0x7fff_ffff;
        if !used.contains_key(last) {
            return *last;
        }
    }
}

impl Engine {
    /// # Errors
    ///
    /// The driver's, or `OutOfMemory`.
    pub(crate) fn new(arrays: Arrays, kind: DriverKind) -> io::Result<Self> {
        let config = DriverConfig::new().kind(kind).host_loop(true).drop_timeout(END_TIMEOUT);
        let driver = Driver::new(config, Arc::new(Threads))?;
        let slab = Block::new(SLAB_SHARED + SLAB_RESERVE, 4096).ok_or(io::ErrorKind::OutOfMemory)?;
        let mailbox = Mailbox::new(driver.unparker());
        let net = Net::new(driver.remote());
        let share = Share::new(mailbox.clone());
        let flights = std::iter::repeat_with(|| None).take(MAX_IN_FLIGHT).collect();
        Ok(Self {
            arrays,
            slab,
            slab_used: 0,
            count: 0,
            driver,
            done: Completions::new(),
            tokens: Vec::new(),
            mailbox,
            letters: Vec::new(),
            flights,
            outstanding: 0,
            backlog: VecDeque::new(),
            files: Vec::new(),
            directories: HashMap::new(),
            last_directory: 0,
            staged: HashMap::new(),
            last_staged: 0,
            handed: HashMap::new(),
            last_handed: 0,
            regions: Regions::default(),
            net,
            share,
            gathered: Vec::new(),
            stalled: false,
        })
    }

    /// Whether JavaScript waits for something that keeps the event loop alive.
    pub(crate) fn is_awaited(&self) -> bool {
        self.outstanding > 0 || self.net.holds()
    }

    /// Whether there is more to give at once, which the driver will not report.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Begins a call: the records and the slab are free again.
    fn begin(&mut self) {
        self.stalled = false;
        self.count = 0;
        self.slab_used = 0;
    }

    /// Takes `entries` entries (at most `SUBMISSION_ENTRIES`) and gives the number of records filled.
    pub(crate) fn flush(&mut self, entries: usize) -> usize {
        self.begin();
        self.begin_together(entries);
        for entry in 0..entries {
            // SAFETY: [INV-1] within the submission array, which holds so many entries.
            let at = unsafe { self.arrays.submissions.add(entry * ENTRY_WORDS) };
            // SAFETY: [INV-1] as above; words of 32 bits need no other alignment than the array's.
            let words = unsafe { at.cast::<[i32; ENTRY_WORDS]>().read() };
            self.accept(&words);
        }
        self.end_together();
        self.start_gathered();
        self.collect();
        self.count
    }

    /// Gives the number of records filled with what has ended meanwhile.
    pub(crate) fn reap(&mut self) -> usize {
        self.begin();
        self.do_half();
        self.collect();
        self.count
    }

    fn accept(&mut self, words: &[i32; ENTRY_WORDS]) {
        match (words[W_OP] & 0xff) as u8 {
            op::CANCEL => return self.cancel(words[W_ID] as u32 as usize),
            op::NET_CONNECT.. => return self.of_socket(words),
            _ => (),
        }
        // SAFETY: [INV-1] the area is alive and unchanged during the call.
        let area = unsafe { std::slice::from_raw_parts(self.arrays.area, AREA_BYTES) };
        let mut sources = Sources { area, staged: &mut self.staged, regions: &self.regions };
        let decoded = Request::decode(words, &mut sources);
        self.outstanding += 1;
        match decoded {
            Ok(request) if self.flights.get(request.id).is_some_and(Option::is_none) => {
                if request.is_shared() && *share::PAYS {
                    self.flights[request.id] = Some(Flight::Shared);
                    self.gathered.push(request);
                } else {
                    if request.changes() {
                        self.start_shared();
                    }
                    self.start(request);
                }
            }
            Ok(Request { id, .. }) => self.put(id, Outcome::failed(Errno::INVAL)),
            Err(malformed) => self.put(malformed.id, Outcome::failed(Errno::INVAL)),
        }
    }

    /// Begins what this call has gathered: here if that is soon done, else with another thread's help.
    fn start_gathered(&mut self) {
        let mut gathered = std::mem::take(&mut self.gathered);
        if gathered.len() < share::LEAST {
            gathered.drain(..).for_each(|request| self.start_here(request));
        } else {
            self.share.add(&mut gathered);
        }
        self.gathered = gathered;
        self.do_half();
    }

    /// Begins all that was asked for before: what comes now may change what it reads.
    fn start_shared(&mut self) {
        let mut asked = self.share.take_all();
        asked.extend(self.gathered.drain(..));
        asked.into_iter().for_each(|request| self.start_here(request));
    }

    /// Begins what was put off, on this thread.
    fn start_here(&mut self, request: Request) {
        self.flights[request.id] = None;
        self.start(request);
    }

    /// Does what is shared until half of it is left. What the other thread has not come to by the next call is halved again then.
    fn do_half(&mut self) {
        let mut slice = std::mem::take(&mut self.gathered);
        let mut done = 0;
        loop {
            let left = self.share.first(&mut slice);
            done += slice.len();
            slice.drain(..).for_each(|request| self.start_here(request));
            if left <= done {
                break;
            }
        }
        self.gathered = slice;
    }

    fn cancel(&mut self, id: usize) {
        match self.flights.get(id) {
            Some(Some(Flight::Shared)) if self.share.take(id).is_some() => {
                self.flights[id] = None;
                self.put(id, Outcome::failed(Errno::CANCELED));
            }
            Some(Some(Flight::Pool(stop))) => stop.store(true, Ordering::Relaxed),
            Some(Some(Flight::Read(op))) => self.driver.cancel(op),
            Some(Some(Flight::ReadRegion(op))) => self.driver.cancel(op),
            Some(Some(Flight::Write(op, _))) => self.driver.cancel(op),
            Some(Some(Flight::WriteRegion(op, _))) => self.driver.cancel(op),
            Some(Some(Flight::Sync(op))) => self.driver.cancel(op),
            _ => (),
        }
    }

    /// Fills the records that are left with what has ended, and prepares the driver for the event loop's wait.
    fn collect(&mut self) {
        loop {
            while self.count < COMPLETION_ENTRIES
                && let Some((id, outcome)) = self.backlog.pop_front()
            {
                self.put(id, outcome);
            }
            self.net_events();
            if (self.outstanding == 0 && self.net.is_idle()) || self.count == COMPLETION_ENTRIES {
                return;
            }
            // An error here is transient (EBUSY, EAGAIN); what it kept from happening happens at the next call.
            let _ = self.driver.poll(Some(Duration::ZERO), &mut self.done);
            self.done.wake_all();
            self.take_ended();
            let room = self.turn_sockets();
            let prepared = self.driver.prepare_wait().unwrap_or(true);
            self.net.tell_closed();
            if !room {
                self.stalled = true;
                return;
            }
            if self.backlog.is_empty() && self.net.is_quiet() && prepared {
                self.stalled = !self.share.is_empty();
                return;
            }
        }
    }

    /// Takes what the driver and the pool have brought to an end.
    fn take_ended(&mut self) {
        let mut tokens = std::mem::take(&mut self.tokens);
        tokens.extend(self.done.tokens());
        for token in tokens.drain(..) {
            self.finish(token as usize);
        }
        self.tokens = tokens;
        let mut letters = std::mem::take(&mut self.letters);
        self.mailbox.take(&mut letters);
        for (id, outcome) in letters.drain(..) {
            self.flights[id] = None;
            self.put(id, outcome);
        }
        self.letters = letters;
    }

    /// An operation of the driver's has ended.
    fn finish(&mut self, id: usize) {
        let Some(flight) = self.flights[id].take() else { return };
        let bytes = |result: io::Result<usize>, buffer: Vec<u8>| match result {
            Ok(0) => Outcome::default(),
            Ok(_) => Outcome::bytes(buffer),
            Err(error) => Outcome::failed(errno_of(&error)),
        };
        let ended = match flight {
            Flight::Pool(_) | Flight::Shared => Err(flight),
            Flight::Read(op) => {
                op.try_take().map(|(result, buffer)| bytes(result, buffer)).map_err(Flight::Read)
            }
            Flight::ReadRegion(op) => {
                op.try_take().map(|(result, _)| in_region(result)).map_err(Flight::ReadRegion)
            }
            Flight::Write(op, goal) => match op.try_take() {
                Ok((result, bytes)) => return self.wrote(id, result, goal, bytes.len(), || bytes),
                Err(op) => Err(Flight::Write(op, goal)),
            },
            Flight::WriteRegion(op, goal) => match op.try_take() {
                Ok((result, region)) => {
                    return self.wrote(id, result, goal, region.buf_len(), || region.copy());
                }
                Err(op) => Err(Flight::WriteRegion(op, goal)),
            },
            Flight::Sync(op) => match op.try_take() {
                Ok(result) => {
                    Ok(result.map_or_else(|error| Outcome::failed(errno_of(&error)), |()| Outcome::default()))
                }
                Err(op) => Err(Flight::Sync(op)),
            },
        };
        match ended {
            Ok(outcome) => self.put(id, outcome),
            Err(flight) => self.flights[id] = Some(flight),
        }
    }

    /// Puts an outcome into the next record, or aside if there is none left.
    pub(crate) fn put(&mut self, id: usize, outcome: Outcome) {
        if self.count == COMPLETION_ENTRIES {
            return self.backlog.push_back((id, outcome));
        }
        let result = match outcome.made {
            Made::Nothing => outcome.result,
            Made::Descriptor(fd) => self.keep(SharedFd::new(fd)),
            Made::Directory(dir) => self.keep_directory(dir),
        };
        let (place, data, length) = match outcome.data {
            Data::None => (DATA_NONE, 0, 0),
            Data::Bytes(bytes) if bytes.is_empty() => (DATA_NONE, 0, 0),
            Data::Bytes(bytes) => self.place(bytes, SLAB_SHARED),
            Data::Fixed(bytes) => self.place(bytes, SLAB_SHARED + SLAB_RESERVE),
            Data::InRegion(length) => (DATA_REGION, 0, length),
            Data::ForRegion(bytes, region) => (DATA_REGION, 0, region.fill(&bytes)),
        };
        let info = place | i32::from(outcome.step) << INFO_STEP_SHIFT;
        self.record(id, result, info, data, length, outcome.extra);
    }

    /// As [`place`](Self::place), for what is no operation's.
    pub(crate) fn place_small(&mut self, bytes: Vec<u8>) -> (i32, u32, usize) {
        self.place(bytes, SLAB_SHARED)
    }

    /// The bytes that JavaScript staged under `token`.
    pub(crate) fn staged(&mut self, token: u32) -> Option<Vec<u8>> {
        self.staged.remove(&token)
    }

    /// The byte area. See [INV-1].
    pub(crate) fn area(&self) -> *const u8 {
        self.arrays.area
    }

    /// Puts bytes into the slab if they are few and it has room, else among the hand-overs.
    fn place(&mut self, bytes: Vec<u8>, end: usize) -> (i32, u32, usize) {
        let length = bytes.len();
        if length <= SLAB_RESULT_MAX && self.slab_used + length <= end {
            let at = self.slab_used;
            self.slab_slice(at, length).copy_from_slice(&bytes);
            self.slab_used = (at + length).next_multiple_of(8);
            return (DATA_SLAB, at as u32, length);
        }
        let number = next_number(&mut self.last_handed, &self.handed);
        self.handed.insert(number, bytes);
        (DATA_HANDED, number, length)
    }

    /// Where in the slab `length` bytes have room now.
    pub(crate) fn slab_room(&self, length: usize) -> Option<usize> {
        (length <= SLAB_RESULT_MAX).then(|| self.slab_room_for(length)).flatten()
    }

    /// As [`slab_room`](Self::slab_room), for results of any length.
    pub(crate) fn slab_room_for(&self, length: usize) -> Option<usize> {
        (self.slab_used + length <= SLAB_SHARED).then_some(self.slab_used)
    }

    /// A part of the slab, to be filled.
    pub(crate) fn slab_slice(&mut self, at: usize, length: usize) -> &mut [u8] {
        assert!(at + length <= self.slab.len(), "beyond the slab");
        let start = self.slab.address().wrapping_add(at);
        // SAFETY: [INV-3] within the block (checked), initialised, and JavaScript does not run during the call.
        unsafe { std::slice::from_raw_parts_mut(start, length) }
    }

    /// Fills the next record with the end of an operation; there is one.
    pub(crate) fn record(&mut self, id: usize, result: i32, info: i32, data: u32, length: usize, extra: i64) {
        self.fill(id, result, info, data, length, extra);
        self.outstanding -= 1;
    }

    /// Fills the next record; there is one.
    pub(crate) fn fill(&mut self, id: usize, result: i32, info: i32, data: u32, length: usize, extra: i64) {
        debug_assert!(self.count < COMPLETION_ENTRIES);
        let words: [i32; COMPLETION_WORDS] =
            [id as i32, result, info, data as i32, length as i32, extra as i32, (extra >> 32) as i32, 0];
        // SAFETY: [INV-1] within the completion array: `count` is below its length.
        let at = unsafe { self.arrays.completions.add(self.count * COMPLETION_WORDS) };
        // SAFETY: [INV-1] as above.
        unsafe { at.cast::<[i32; COMPLETION_WORDS]>().write(words) };
        self.count += 1;
    }

    /// Whether the next outcome finds a record.
    pub(crate) fn has_record(&self) -> bool {
        self.count < COMPLETION_ENTRIES
    }

    /// Keeps a descriptor that was opened; gives its number.
    pub(crate) fn keep(&mut self, fd: SharedFd) -> i32 {
        use std::mem::ManuallyDrop;
        use std::os::fd::{AsRawFd, IntoRawFd};
        let number = fd.as_raw_fd();
        let at = number as usize;
        if at >= self.files.len() {
            self.files.resize_with(at + 1, || None);
        }
        if let Some(stale) = self.files[at].replace(fd) {
            // The kernel gives no number twice: the program has closed the old file by other means (a stream's number, by `fs.closeSync`).
            // Dropping it would close the new one.
            match stale.try_unwrap() {
                Ok(fd) => _ = fd.into_raw_fd(),
                Err(shared) => _ = ManuallyDrop::new(shared),
            }
        }
        number
    }

    fn keep_directory(&mut self, dir: Dir) -> i32 {
        loop {
            self.last_directory = (self.last_directory + 1) & i32::MAX;
            if !self.directories.contains_key(&self.last_directory) {
                break;
            }
        }
        self.directories.insert(self.last_directory, Arc::new(Mutex::new(dir)));
        self.last_directory
    }

    /// Takes a hand-over.
    pub(crate) fn take_handed(&mut self, number: u32) -> Option<Vec<u8>> {
        self.handed.remove(&number)
    }

    /// Keeps a payload until the entry that names it.
    pub(crate) fn stage(&mut self, bytes: Vec<u8>) -> u32 {
        let number = next_number(&mut self.last_staged, &self.staged);
        self.staged.insert(number, bytes);
        number
    }

    /// Ends everything: cancels what is in flight and waits, for a bounded time, until the kernel has let go. Calls of the pool
    /// end by themselves; each holds what it needs, and its answer finds nobody.
    pub(crate) fn end(mut self) {
        for flight in self.flights.iter().flatten() {
            if let Flight::Pool(stop) = flight {
                stop.store(true, Ordering::Relaxed);
            }
        }
        self.share.clear();
        self.net.end();
        self.driver.cancel_all();
        // Handles before the driver: dropping one asks the driver, which is still there, to clean up.
        self.flights.clear();
        self.driver.shutdown(END_TIMEOUT);
    }
}

/// The outcome of a read into a region.
pub(crate) fn in_region(result: io::Result<usize>) -> Outcome {
    match result {
        Ok(count) => Outcome { data: Data::InRegion(count), ..Outcome::number(count) },
        Err(error) => Outcome::failed(errno_of(&error)),
    }
}
