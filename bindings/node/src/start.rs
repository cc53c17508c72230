//! How each operation begins: done on the spot where it cannot wait, else given to the driver or to the pool.

use crate::engine::{Engine, Flight, Goal, SLAB_RESULT_MAX, in_region};
use crate::layout::{DATA_NONE, DATA_SLAB, op};
use crate::outcome::{Outcome, errno_of};
use crate::pool::{self, Reply};
use crate::region::Region;
use crate::request::{Payload, Request};
use crate::stat::{DIRECTORY, FILE, PIPE, kind};
use crate::{calls, directory, lane, stat};
use maniac::driver::host::sys;
use maniac::driver::op::path::OpenHow;
use maniac::driver::op::{Fsync, Inline, OpenAt, ReadAt, WriteAt, try_inline};
use maniac::driver::{OwnedDescriptor, SharedFd};
use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};
use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

/// Longest write that is tried on the spot.
const INLINE_WRITE_MAX: usize = 64 * 1024;

/// What an attempt on the spot has come to.
enum Attempt {
    /// So many bytes.
    Done(usize),
    Failed(Errno),
    /// It would have to wait.
    Waits,
}

impl Engine {
    /// Begins `request`, whose id is free.
    pub(crate) fn start(&mut self, request: Request) {
        let id = request.id;
        match request.code {
            op::CLOSE => {
                let outcome = self.close(request.fd);
                self.put(id, outcome);
            }
            op::CLOSE_DIR => {
                let known = self.directories.remove(&request.fd).is_some();
                self.put(id, if known { Outcome::default() } else { Outcome::failed(Errno::BADF) });
            }
            op::NEXT_DIR => self.next_of_directory(&request),
            _ if request.blocks() => self.now(request),
            op::READ => self.read(request),
            op::WRITE => self.write(request),
            op::OPEN => self.open(request),
            op::READ_FILE if request.by_path() => self.read_file(request),
            op::STAT | op::LSTAT => self.stat(&request),
            op::NOP | op::FSTAT | op::ACCESS | op::READLINK => self.now(request),
            op::FSYNC | op::FDATASYNC => self.sync(&request),
            _ => self.offload(request),
        }
    }

    /// The descriptor of that number: the engine's own, or another handle of one that the program has opened by other means.
    fn descriptor(&self, number: i32) -> Result<SharedFd, Errno> {
        if let Some(fd) = self.known(number) {
            return Ok(fd.clone());
        }
        if number < 0 {
            return Err(Errno::BADF);
        }
        // SAFETY: [INV-5] only for this call, which fails if there is no such descriptor.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let owned = borrowed.try_clone_to_owned().map_err(|error| errno_of(&error))?;
        Ok(SharedFd::new(owned))
    }

    fn known(&self, number: i32) -> Option<&SharedFd> {
        self.files.get(usize::try_from(number).ok()?)?.as_ref()
    }

    /// The descriptors that `request` names.
    fn descriptors(&self, request: &Request) -> Result<[Option<SharedFd>; 2], Errno> {
        if request.code == op::NOP || (request.by_path() && request.code != op::COPY) {
            return Ok([None, None]);
        }
        let other = if request.code == op::COPY { Some(self.descriptor(request.arg0)?) } else { None };
        Ok([Some(self.descriptor(request.fd)?), other])
    }

    /// Does `request` on this thread, whether it waits or not.
    fn now(&mut self, mut request: Request) {
        let id = request.id;
        without_region(&mut request);
        let outcome = match self.descriptors(&request) {
            Ok(fds) => calls::perform(request, fds),
            Err(errno) => Outcome::failed(errno),
        };
        self.put(id, outcome);
    }

    /// Gives `request` to the pool.
    fn offload(&mut self, request: Request) {
        match self.descriptors(&request) {
            Ok(fds) => self.offload_with(request, fds),
            Err(errno) => self.put(request.id, Outcome::failed(errno)),
        }
    }

    fn offload_with(&mut self, mut request: Request, fds: [Option<SharedFd>; 2]) {
        without_region(&mut request);
        let (id, is_name, is_short) = (request.id, request.code == op::RESOLVE, request.is_short());
        let job = self.job(id, move || calls::perform(request, fds));
        match (is_name, is_short) {
            (true, _) => pool::look_up(job),
            (_, true) => lane::run(job),
            _ => pool::run(job),
        }
    }

    /// Has a thread of the pool call `work`.
    fn run(&mut self, id: usize, work: impl FnOnce() -> Outcome + Send + 'static) {
        pool::run(self.job(id, work));
    }

    /// Operation `id` as what a thread of the pool does: `work`, and its outcome's way back.
    fn job<F>(&mut self, id: usize, work: F) -> impl FnOnce() + Send + use<F>
    where
        F: FnOnce() -> Outcome + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        self.flights[id] = Some(Flight::Pool(stop));
        let reply = Reply::new(self.mailbox.clone(), id);
        move || {
            let stopped = stopped.load(Ordering::Relaxed);
            reply.send(if stopped { Outcome::failed(Errno::CANCELED) } else { work() });
        }
    }

    fn close(&mut self, number: i32) -> Outcome {
        let kept = usize::try_from(number).ok().and_then(|at| self.files.get_mut(at)?.take());
        let result = match kept.map(SharedFd::try_unwrap) {
            Some(Ok(fd)) => calls::close(fd),
            // An operation under way closes it when it has ended.
            Some(Err(_)) => Ok(()),
            None => calls::close_number(number),
        };
        result.map_or_else(Outcome::failed, |()| Outcome::default())
    }

    fn next_of_directory(&mut self, request: &Request) {
        let (id, most) = (request.id, usize::try_from(request.arg0).unwrap_or(1));
        let Some(dir) = self.directories.get(&request.fd).cloned() else {
            return self.put(id, Outcome::failed(Errno::BADF));
        };
        let work = move || {
            let mut dir = dir.lock().unwrap_or_else(PoisonError::into_inner);
            directory::read_some(&mut dir, most).unwrap_or_else(Outcome::failed)
        };
        if request.blocks() {
            let outcome = work();
            self.put(id, outcome);
        } else {
            self.run(id, work);
        }
    }

    fn stat(&mut self, request: &Request) {
        let fields = match stat::stat_path(request.path(), request.code == op::STAT) {
            Ok(stat) => stat::fields(&stat),
            Err(errno) => return self.put(request.id, Outcome::failed(errno)),
        };
        if !self.has_record() {
            let outcome = stat::fixed(&fields, request.flags);
            return self.put(request.id, outcome);
        }
        let at = self.slab_used;
        stat::write(&fields, request.flags, self.slab_slice(at, stat::FIELDS * 8));
        self.slab_used = at + stat::FIELDS * 8;
        self.record(request.id, 0, DATA_SLAB, at as u32, stat::FIELDS * 8, 0);
    }

    fn sync(&mut self, request: &Request) {
        let id = request.id;
        match self.descriptor(request.fd) {
            Err(errno) => self.put(id, Outcome::failed(errno)),
            Ok(fd) => {
                let op = if request.code == op::FSYNC { Fsync::new(fd) } else { Fsync::data(fd) };
                self.flights[id] = Some(Flight::Sync(self.driver.submit_with_token(op, id as u64)));
            }
        }
    }

    fn read(&mut self, mut request: Request) {
        let id = request.id;
        if let Payload::Region(region) = std::mem::take(&mut request.payload) {
            return self.read_region(request, region);
        }
        if request.length == 0 || request.length > i32::MAX as usize {
            // Nothing to wait for: no bytes, or more than there can be.
            return self.now(request);
        }
        if let Some(at) = self.slab_room(request.length).filter(|_| self.has_record())
            && let Some(fd) = self.known(request.fd).cloned()
        {
            match read_now(&fd, self.slab_slice(at, request.length), request.position) {
                Attempt::Done(count) => return self.in_slab(id, at, count),
                Attempt::Failed(errno) => return self.put(id, Outcome::failed(errno)),
                Attempt::Waits => (),
            }
        }
        if request.position < 0 {
            return self.offload(request);
        }
        let mut buffer = Vec::new();
        if buffer.try_reserve_exact(request.length).is_err() {
            return self.put(id, Outcome::failed(Errno::NOMEM));
        }
        match self.descriptor(request.fd) {
            Err(errno) => self.put(id, Outcome::failed(errno)),
            // Copying megabytes is no work for this thread, which the ring would make do it.
            Ok(fd) if request.length > 4 * SLAB_RESULT_MAX => self.offload_with(request, [Some(fd), None]),
            Ok(fd) => {
                let op = ReadAt::new(fd, buffer, request.position as u64);
                self.flights[id] = Some(Flight::Read(self.driver.submit_with_token(op, id as u64)));
            }
        }
    }

    /// Notes `count` bytes that are in the slab at `at`.
    fn in_slab(&mut self, id: usize, at: usize, count: usize) {
        let place = if count == 0 { DATA_NONE } else { DATA_SLAB };
        self.slab_used = (at + count).next_multiple_of(8);
        self.record(id, count as i32, place, at as u32, count, 0);
    }

    fn read_region(&mut self, mut request: Request, region: Region) {
        let id = request.id;
        if request.position < 0 {
            request.payload = Payload::Region(region);
            return self.offload(request);
        }
        let fd = match self.descriptor(request.fd) {
            Ok(fd) => fd,
            Err(errno) => return self.put(id, Outcome::failed(errno)),
        };
        match try_inline(ReadAt::new(fd, region, request.position as u64)) {
            Inline::Done((result, _)) => self.put(id, in_region(result)),
            Inline::Pending(op) => {
                self.flights[id] = Some(Flight::ReadRegion(self.driver.submit_with_token(op, id as u64)));
            }
        }
    }

    fn write(&mut self, mut request: Request) {
        let id = request.id;
        if request.position < 0 {
            return self.offload(request);
        }
        let fd = match self.descriptor(request.fd) {
            Ok(fd) => fd,
            Err(errno) => return self.put(id, Outcome::failed(errno)),
        };
        let position = request.position as u64;
        match std::mem::take(&mut request.payload) {
            Payload::None => self.put(id, Outcome::failed(Errno::INVAL)),
            Payload::Region(region) => {
                let op = WriteAt::new(fd.clone(), region, position);
                let op = self.driver.submit_with_token(op, id as u64);
                self.flights[id] = Some(Flight::WriteRegion(op, Goal { fd, position }));
            }
            Payload::Bytes(bytes) => {
                if bytes.len() <= INLINE_WRITE_MAX {
                    match sys::write_at_nowait(&fd, &bytes, position) {
                        Ok(None) => (),
                        result => {
                            let (result, length) = (result.map(Option::unwrap_or_default), bytes.len());
                            return self.wrote(id, result, Goal { fd, position }, length, || bytes);
                        }
                    }
                }
                let op = WriteAt::new(fd.clone(), bytes, position);
                let op = self.driver.submit_with_token(op, id as u64);
                self.flights[id] = Some(Flight::Write(op, Goal { fd, position }));
            }
        }
    }

    /// A write of `length` bytes has ended. If that was before its end, a thread of the pool goes on: a full device then says so.
    pub(crate) fn wrote(
        &mut self,
        id: usize,
        result: io::Result<usize>,
        goal: Goal,
        length: usize,
        bytes: impl FnOnce() -> Vec<u8>,
    ) {
        match result {
            Ok(done) if (1..length).contains(&done) => {
                let bytes = bytes();
                self.run(id, move || calls::write_from(goal.fd.as_fd(), &bytes, done, Some(goal.position)));
            }
            Ok(count) => self.put(id, Outcome::number(count)),
            Err(error) => self.put(id, Outcome::failed(errno_of(&error))),
        }
    }

    fn open(&mut self, request: Request) {
        match open_now(&request) {
            // The reading end of a pipe opens when somebody writes.
            Ok(Some((fd, stat))) if kind(&stat) == PIPE && waits(&request) => {
                self.run(request.id, move || calls::open_pipe(fd));
            }
            Ok(Some((fd, _))) => {
                // Asked for only so that nothing waits.
                if request.arg0 & OFlags::NONBLOCK.bits() as i32 == 0 {
                    let _ = calls::let_wait(&fd);
                }
                let number = self.keep(SharedFd::new(fd));
                self.put(request.id, Outcome { result: number, ..Outcome::default() });
            }
            Ok(None) => self.offload(request),
            Err(errno) => self.put(request.id, Outcome::failed(errno)),
        }
    }

    fn read_file(&mut self, request: Request) {
        let id = request.id;
        let (fd, size) = match open_now(&request) {
            Ok(Some((fd, stat))) if kind(&stat) == FILE => (fd, stat.st_size as u64),
            Ok(Some((fd, stat))) if kind(&stat) == PIPE && waits(&request) => {
                return self.run(id, move || calls::read_pipe(fd));
            }
            Ok(_) => return self.offload(request),
            Err(errno) => return self.put(id, Outcome::failed_at(0, errno)),
        };
        // Files of /proc have no size, and something to read.
        let length = if size == 0 { 1 } else { usize::try_from(size).unwrap_or(usize::MAX) };
        if let Some(at) = self.slab_room(length).filter(|_| self.has_record()) {
            match read_now(&fd, self.slab_slice(at, length), 0) {
                Attempt::Done(count) if size > 0 || count == 0 => return self.in_slab(id, at, count),
                Attempt::Failed(errno) => return self.put(id, Outcome::failed_at(2, errno)),
                _ => (),
            }
        }
        self.offload_with(request, [Some(SharedFd::new(fd)), None]);
    }
}

/// As `Engine::read_file`, by a thread of the pool. What would wait goes to another thread: others wait behind this one.
pub(crate) fn read_file_aside(request: Request, reply: Reply) {
    let (fd, size) = match open_now(&request) {
        Ok(Some((fd, stat))) if kind(&stat) == FILE => (fd, stat.st_size as u64),
        Ok(Some((fd, stat))) if kind(&stat) == PIPE && waits(&request) => {
            return pool::run(move || reply.send(calls::read_pipe(fd)));
        }
        Ok(_) => return pool::run(move || reply.send(calls::perform(request, [None, None]))),
        Err(errno) => return reply.send(Outcome::failed_at(0, errno)),
    };
    if (1..=SLAB_RESULT_MAX as u64).contains(&size) {
        let mut buffer = vec![0; size as usize];
        match read_now(&fd, &mut buffer, 0) {
            Attempt::Done(count) => {
                buffer.truncate(count);
                return reply.send(Outcome::bytes(buffer));
            }
            Attempt::Failed(errno) => return reply.send(Outcome::failed_at(2, errno)),
            Attempt::Waits => (),
        }
    }
    pool::run(move || reply.send(calls::perform(request, [Some(SharedFd::new(fd)), None])));
}

/// Makes calls of threads work on copies: they must not see memory that JavaScript sees.
fn without_region(request: &mut Request) {
    if request.code == op::WRITE
        && let Payload::Region(region) = &request.payload
    {
        request.payload = Payload::Bytes(region.copy());
    }
}

/// Reads as much as is there without waiting; all of `buffer`, or up to the end.
fn read_now(fd: &impl AsFd, buffer: &mut [u8], position: i64) -> Attempt {
    let Ok(position) = u64::try_from(position) else { return read_at_cursor(fd, buffer) };
    let mut filled = 0;
    while filled < buffer.len() {
        match sys::read_at_nowait(fd, &mut buffer[filled..], position + filled as u64) {
            Ok(Some(0)) => break,
            Ok(Some(count)) => filled += count,
            // What was read is read again, with the rest.
            Ok(None) => return Attempt::Waits,
            Err(_) if filled > 0 => break,
            Err(error) => return Attempt::Failed(errno_of(&error)),
        }
    }
    Attempt::Done(filled)
}

/// Reads what is there at the cursor; of a pipe that may be less than was asked for.
fn read_at_cursor(fd: &impl AsFd, buffer: &mut [u8]) -> Attempt {
    /// preadv2(2): the file's own offset.
    const CURSOR: u64 = u64::MAX;
    let mut vectors = [IoSliceMut::new(buffer)];
    match retry_on_intr(|| rustix::io::preadv2(fd, &mut vectors, CURSOR, ReadWriteFlags::NOWAIT)) {
        Ok(count) => Attempt::Done(count),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Attempt::Waits,
        Err(errno) => Attempt::Failed(errno),
    }
}

/// Whether opening a pipe like that waits for a writer.
fn waits(request: &Request) -> bool {
    let flags = OFlags::from_bits_retain(request.arg0 as u32);
    !flags.contains(OFlags::NONBLOCK) && (flags & OFlags::RWMODE).is_empty()
}

/// Opens what can be opened without waiting, if it is a file, a directory or a pipe; with `O_NONBLOCK`, since a pipe would wait for its
/// other end. What is given back of a pipe must be kept: its other end has seen it.
fn open_now(request: &Request) -> Result<Option<(OwnedDescriptor, rustix::fs::Stat)>, Errno> {
    let flags = request.arg0 | OFlags::NONBLOCK.bits() as i32;
    let how = OpenHow::new(flags).mode(request.arg1 as u32);
    let path = OsStr::from_bytes(request.path().to_bytes());
    let op = OpenAt::new(None, path, how).map_err(|error| errno_of(&error))?;
    let fd = match try_inline(op) {
        Inline::Pending(_) => return Ok(None),
        Inline::Done(Err(error)) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            return Ok(None);
        }
        Inline::Done(result) => result.map_err(|error: io::Error| errno_of(&error))?,
    };
    let stat = rustix::fs::fstat(&fd)?;
    Ok(matches!(kind(&stat), FILE | DIRECTORY | PIPE).then_some((fd, stat)))
}
