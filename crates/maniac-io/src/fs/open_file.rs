//! An open file as its handles share it: descriptor, cursor, and what dropped futures left unfinished.

use super::OpenOptions;
use super::unfinished::{Change, Unfinished};
use crate::buf::{AlignedBuf, BufResult, PoolBuf, RawBufRead, RawBufWrite, Slice, pooled};
use crate::rt;
use crate::sys::{self, Errno, flags};
use maniac_driver::op::path::OpenHow;
use maniac_driver::op::{Inline, OpenAt, Operation, ReadAt, StatFile, WriteAt, try_inline};
use maniac_driver::sys::Stat;
use maniac_driver::{OwnedDescriptor, SharedFd};
use maniac_runtime::driver;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A cursor at the end, wherever that is: after writing to a file that is appended to.
const AT_END: u64 = u64::MAX;

/// How much is read at a time where all is wanted, and written into the page cache.
const CHUNK: usize = 1 << 20;
/// The room that a file gets which turns out longer than it said.
const SMALLEST_READ: usize = 32;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) fd: SharedFd,
    /// Where the next read or write through a cursor goes. The descriptor's own position stays where it was.
    cursor: AtomicU64,
    pub(super) append: bool,
    /// Opened with O_DIRECT: a call that promises not to wait would wait for the device all the same.
    direct: bool,
    /// Found to have no positions: a FIFO, a terminal.
    pub(super) stream: AtomicBool,
    pub(crate) unfinished: Unfinished,
    /// The same file opened with O_DIRECT, once that was asked for.
    reopened: OnceLock<SharedFd>,
}

impl OpenFile {
    fn new(fd: SharedFd, flags: i32, cursor: u64) -> Arc<Self> {
        Arc::new(Self {
            fd,
            cursor: AtomicU64::new(cursor),
            append: flags & flags::APPEND != 0,
            direct: flags::DIRECT != 0 && flags & flags::DIRECT != 0,
            stream: AtomicBool::new(false),
            unfinished: Unfinished::default(),
            reopened: OnceLock::new(),
        })
    }

    /// Opens a file to read, or reads it at once if the page cache has all of it.
    pub(super) async fn open_or_read(path: &Path) -> io::Result<Result<Vec<u8>, Arc<Self>>> {
        let how = OpenHow::new(flags::READ);
        let fd = match open_now(None, path, how).await? {
            None => open(None, path, how).await?,
            Some(opened) => {
                let OpenedNow { fd, nonblocking } = opened?;
                match whole_cached(SharedFd::new(fd))? {
                    Ok(content) => return Ok(Ok(content)),
                    Err(fd) => OpenedNow { fd, nonblocking }.into_asked(how).await?,
                }
            }
        };
        Ok(Err(Self::new(SharedFd::new(fd), how.flags, 0)))
    }

    /// Takes a descriptor over that something else has opened.
    pub(crate) fn from_descriptor(fd: OwnedDescriptor) -> Arc<Self> {
        // Both fail only on descriptors that no file operation works on; those tell then.
        let flags = sys::status_flags(&fd).unwrap_or(0);
        let cursor = sys::position(&fd).unwrap_or(0);
        Self::new(SharedFd::new(fd), flags, cursor)
    }

    /// Opens `path` below `dir`.
    pub(super) async fn open(
        dir: Option<SharedFd>,
        path: &Path,
        options: &OpenOptions,
    ) -> io::Result<Arc<Self>> {
        if options.direct && flags::DIRECT == 0 {
            let file = Box::pin(Self::open(dir, path, OpenOptions::clone(options).direct(false))).await?;
            sys::set_direct(&file.fd)?;
            return Ok(file);
        }
        let (flags, mode) = (options.flags()?, options.mode);
        let how = OpenHow::new(flags).mode(mode).resolve(options.resolve());
        let fd = open(dir, path, how).await?;
        Ok(Self::new(SharedFd::new(fd), flags, 0))
    }

    /// The cursor's place in the file.
    pub(crate) fn position(&self) -> io::Result<u64> {
        match self.cursor.load(Ordering::Relaxed) {
            AT_END => Ok(self.stat()?.size),
            at => Ok(at),
        }
    }

    pub(crate) fn set_position(&self, at: u64) {
        self.cursor.store(at, Ordering::Relaxed);
    }

    /// Moves the cursor beyond what was just written.
    pub(crate) fn wrote(&self, at: u64, count: usize) {
        self.set_position(if self.append { AT_END } else { at + count as u64 });
    }

    /// The state of the file. Asked for by a plain call: it does not wait, as the inode is there.
    pub(super) fn stat(&self) -> io::Result<Stat> {
        stat(&self.fd)
    }

    pub(super) fn is_stream(&self) -> bool {
        self.stream.load(Ordering::Relaxed)
    }

    /// Whether `error` says that the file has no positions; notes that.
    pub(super) fn has_no_positions(&self, error: &io::Error) -> io::Result<bool> {
        if !sys::is(error, Errno::SPIPE) {
            return Ok(false);
        }
        self.fd.set_nonblocking()?;
        self.stream.store(true, Ordering::Relaxed);
        Ok(true)
    }

    /// Reads what the page cache holds, straight into `buf`; `None` if that would wait for a device.
    #[inline]
    pub(super) fn read_cached(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.direct {
            return Ok(None);
        }
        sys::read_at_nowait(&self.fd, buf, offset)
    }

    /// How much from `at` on, up to `most`, the page cache holds, as far as the first byte of every 128 KiB tells, or of every 256 KiB of much; 0
    /// if less than pays to be sent from there. (What is read in order is brought in order: a page between two looks that is gone again is
    /// waited for. Twice what the kernel reads ahead, and no more, lies between two.)
    #[cfg(target_os = "linux")]
    pub(crate) fn cached_from(&self, at: u64, most: usize) -> io::Result<usize> {
        /// As much as the kernel reads ahead.
        const AHEAD: u64 = 128 << 10;
        /// Less is copied sooner than its pages are lent.
        const LEAST: u64 = 32 << 10;
        let is_there = |at: u64| Ok::<_, io::Error>(self.read_cached(&mut [0], at)? == Some(1));
        let end = self.stat()?.size.min(at.saturating_add(most as u64));
        if end < at.saturating_add(LEAST) {
            return Ok(0);
        }
        let step = (most as u64 / 4).clamp(AHEAD, 2 * AHEAD);
        let mut known = at;
        while known < end {
            let next = (known + step).min(end);
            if !is_there(known)? || (next == end && !is_there(end - 1)?) {
                break;
            }
            known = next;
        }
        Ok((known - at) as usize)
    }

    /// Reads through the driver, into a pooled buffer.
    pub(super) async fn read_pooled(&self, len: usize, offset: u64) -> io::Result<PoolBuf> {
        let buf = pooled(len).await?;
        if self.direct {
            // The whole buffer, whose size suits the device.
            let (result, buf) = rt::run_owned(ReadAt::new(self.fd.clone(), buf, offset)).await;
            return result.map(|_| buf);
        }
        let part = Slice::new(buf, ..len);
        let (result, part) = rt::run_owned(ReadAt::new(self.fd.clone(), part, offset)).await;
        result.map(|_| part.into_inner())
    }

    /// Reads into a borrowed buffer.
    pub(super) async fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(count) = self.read_cached(buf, offset)? {
            return Ok(count);
        }
        let data = self.read_pooled(buf.len(), offset).await?;
        let count = data.len().min(buf.len());
        buf[..count].copy_from_slice(&data[..count]);
        Ok(count)
    }

    /// Reads into an owned buffer.
    pub(crate) async fn read_owned_at<B: RawBufWrite>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        let op = ReadAt::new(self.fd.clone(), buf, offset);
        if self.direct {
            return rt::run_owned(op).await;
        }
        match try_inline(op) {
            Inline::Done(result) => result,
            Inline::Pending(op) => rt::run_owned(op).await,
        }
    }

    /// Reads from `offset` to the end, behind nothing: into the capacity of `buf`, and more as it is needed.
    pub(super) async fn read_rest(&self, mut buf: Vec<u8>, offset: u64) -> (Vec<u8>, io::Result<()>) {
        let size = self.stat().map_or(0, |stat| stat.size);
        let expected = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        // One byte of room more, so that the end shows without growing.
        if let Err(error) = buf.try_reserve(expected.saturating_add(1)) {
            return (buf, Err(io::Error::new(io::ErrorKind::OutOfMemory, error)));
        }
        loop {
            let done = buf.len();
            if buf.capacity() - done < SMALLEST_READ && done > expected {
                buf.reserve(SMALLEST_READ);
            }
            let (result, part) =
                self.read_owned_at(Slice::new(buf, done..done + CHUNK), offset + done as u64).await;
            buf = part.into_inner();
            match result {
                Ok(0) => return (buf, Ok(())),
                Ok(_) => {}
                Err(error) => return (buf, Err(error)),
            }
            if buf.len() < expected {
                // What is cached is copied by this thread: others shall have their turn.
                maniac_runtime::task::yield_now().await;
            }
        }
    }

    /// Writes into the page cache, if that is possible without waiting.
    #[inline]
    pub(super) fn write_cached(&self, buf: &[u8], offset: u64) -> io::Result<Option<usize>> {
        if self.direct || (self.append && cfg!(not(target_os = "linux"))) {
            return Ok(None);
        }
        // What is copied here is copied by a worker.
        sys::write_at_nowait(&self.fd, &buf[..buf.len().min(CHUNK)], offset)
    }

    /// Writes a borrowed buffer; a dropped one may have been written.
    pub(crate) async fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.unfinished.settle().await?;
        if let Some(count) = self.write_cached(buf, offset)? {
            return Ok(count);
        }
        let mut copy = pooled(buf.len()).await?;
        copy.extend_from_slice(buf);
        self.write_through(copy, offset).await.0
    }

    /// Writes an owned buffer; a dropped one may have been written.
    pub(super) async fn write_owned_at<B: RawBufRead>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        if let Err(error) = self.unfinished.settle().await {
            return (Err(error), buf);
        }
        if self.direct || (self.append && cfg!(not(target_os = "linux"))) {
            return self.write_through(buf, offset).await;
        }
        match try_inline(WriteAt::new(self.fd.clone(), buf, offset)) {
            Inline::Done(result) => result,
            Inline::Pending(op) => self.change(op).await,
        }
    }

    /// Writes an owned buffer through the driver, whatever the page cache would take.
    pub(super) async fn write_submitted_at<B: RawBufRead>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        match self.unfinished.settle().await {
            Ok(()) => self.write_through(buf, offset).await,
            Err(error) => (Err(error), buf),
        }
    }

    /// Writes through the driver.
    #[cfg(target_os = "linux")]
    async fn write_through<B: RawBufRead>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        self.change(WriteAt::new(self.fd.clone(), buf, offset)).await
    }

    /// As on Linux, where alone a positioned write to a file that is appended to goes to its end (pwrite(2), Bugs).
    #[cfg(not(target_os = "linux"))]
    async fn write_through<B: RawBufRead>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        if !self.append {
            return self.change(WriteAt::new(self.fd.clone(), buf, offset)).await;
        }
        let end = match self.stat() {
            Ok(stat) => stat.size,
            Err(error) => return (Err(error), buf),
        };
        self.change(WriteAt::new(self.fd.clone(), buf, end)).await
    }

    /// Does an operation that changes the file and gives its buffer back.
    async fn change<T, B>(&self, op: T) -> BufResult<usize, B>
    where
        T: Operation<Output = BufResult<usize, B>>,
        B: 'static,
    {
        match driver::try_submit(op) {
            Ok(begun) => Change::new(begun, &self.unfinished).await,
            Err((error, op)) => op.finish(Err(error)),
        }
    }

    /// Writes several owned buffers, as [`write_owned_at`](Self::write_owned_at).
    pub(super) async fn write_vectored_at<T, B>(&self, op: T) -> BufResult<usize, Vec<B>>
    where
        T: Operation<Output = BufResult<usize, Vec<B>>>,
        B: 'static,
    {
        match self.unfinished.settle().await {
            Ok(()) => self.change(op).await,
            Err(error) => op.finish(Err(error)),
        }
    }

    /// Does an operation that changes the file and takes no buffer.
    pub(super) async fn run_change<T>(&self, op: T) -> io::Result<()>
    where
        T: Operation<Output = io::Result<()>>,
    {
        self.unfinished.settle().await?;
        let begun = driver::submit(op)?;
        Change::new(begun, &self.unfinished).await
    }

    /// Reads into `buf` past the page cache.
    pub(super) async fn read_direct_at(&self, buf: AlignedBuf, offset: u64) -> BufResult<usize, AlignedBuf> {
        match self.past_the_cache().await {
            Ok(fd) => rt::run_owned(ReadAt::new(fd, buf, offset)).await,
            Err(error) => (Err(error), buf),
        }
    }

    /// Writes `buf` past the page cache.
    pub(super) async fn write_direct_at(&self, buf: AlignedBuf, offset: u64) -> BufResult<usize, AlignedBuf> {
        if let Err(error) = self.unfinished.settle().await {
            return (Err(error), buf);
        }
        match self.past_the_cache().await {
            Ok(fd) => self.change(WriteAt::new(fd, buf, offset)).await,
            Err(error) => (Err(error), buf),
        }
    }

    /// A descriptor of this file that goes past the page cache.
    async fn past_the_cache(&self) -> io::Result<SharedFd> {
        if self.direct {
            return Ok(self.fd.clone());
        }
        if flags::DIRECT == 0 {
            sys::set_direct(&self.fd)?;
            return Ok(self.fd.clone());
        }
        if let Some(fd) = self.reopened.get() {
            return Ok(fd.clone());
        }
        let fd = SharedFd::new(self.reopen().await?);
        Ok(self.reopened.get_or_init(|| fd).clone())
    }

    /// Opens this file again, with O_DIRECT: the flag belongs to all who share a descriptor, and not all may want it.
    async fn reopen(&self) -> io::Result<OwnedDescriptor> {
        use std::os::fd::AsRawFd;
        let access = sys::status_flags(&self.fd)? & flags::ACCESS;
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        let how = OpenHow::new(access | flags::DIRECT);
        open(None, Path::new(&path), how).await.map_err(|error| {
            let text = format!(
                "this file cannot be opened again past the page cache ({error}); open it with OpenOptions::direct"
            );
            io::Error::new(error.kind(), text)
        })
    }
}

/// The state of an open file.
pub(crate) fn stat(fd: &SharedFd) -> io::Result<Stat> {
    match try_inline(StatFile::new(fd.clone())) {
        Inline::Done(stat) => stat,
        Inline::Pending(_) => unreachable!("fstat is always a plain call"),
    }
}

/// The content of a regular file that was just opened, and closes it; else the descriptor again. What is there is as long as the file
/// says that it is, so its end need not be asked for.
fn whole_cached(fd: SharedFd) -> io::Result<Result<Vec<u8>, OwnedDescriptor>> {
    let stat = stat(&fd)?;
    let size = usize::try_from(stat.size).unwrap_or(usize::MAX);
    if stat.is_file() && (1..=CHUNK).contains(&size) {
        let op = ReadAt::new(fd.clone(), Vec::with_capacity(size), 0);
        if let Inline::Done((Ok(count), content)) = try_inline(op)
            && count == size
        {
            return Ok(Ok(content));
        }
    }
    Ok(Err(fd.try_unwrap().unwrap_or_else(|_| unreachable!("its other handle was the operation's"))))
}

/// Opens a path: without waiting if that is possible, else through the driver.
pub(super) async fn open(dir: Option<SharedFd>, path: &Path, how: OpenHow) -> io::Result<OwnedDescriptor> {
    let result = match open_now(dir.clone(), path, how).await? {
        Some(Ok(opened)) => return opened.into_asked(how).await,
        Some(Err(error)) => Err(error),
        None => rt::run(OpenAt::new(dir.clone(), path, how)?).await,
    };
    match result {
        // A FIFO that nobody reads yet, asked without waiting: its writer waits for a reader, on a thread of the pool.
        Err(error) if sys::is(&error, Errno::NXIO) && how.flags & flags::NONBLOCK == 0 => {
            let path = path.to_owned();
            rt::unblock(move || sys::open_blocking(dir.as_ref(), &path, how.flags, how.mode)).await
        }
        result => result,
    }
}

/// What was opened without waiting, whatever it is.
struct OpenedNow {
    fd: OwnedDescriptor,
    /// Whether it was asked for with O_NONBLOCK to that end.
    nonblocking: bool,
}

impl OpenedNow {
    /// Makes of it what open(2) would have given.
    async fn into_asked(self, how: OpenHow) -> io::Result<OwnedDescriptor> {
        if how.flags & flags::NONBLOCK != 0 {
            return Ok(self.fd);
        }
        let fd = with_other_end(self.fd, how).await?;
        if self.nonblocking {
            sys::set_status_flags(&fd, how.flags)?;
        }
        Ok(fd)
    }
}

/// Opens through the ring, if what other tasks open goes along, or by a plain call that does not wait; `None` if it must be asked for
/// through the driver.
async fn open_now(
    dir: Option<SharedFd>,
    path: &Path,
    how: OpenHow,
) -> io::Result<Option<io::Result<OpenedNow>>> {
    if !may_open_now(how) {
        return Ok(None);
    }
    if let Some(op) = driver::try_gather(|| OpenAt::new(dir.clone(), path, how)) {
        // The kernel does not wait with what its path cache knows, nor for a FIFO's other end (but for a kernel thread, if need be). It does
        // wait for a program that serves the file (FUSE) and is told of its opening: amid the call that submits, as it would amid a plain one.
        return Ok(Some(op?.await.map(|fd| OpenedNow { fd, nonblocking: false })));
    }
    let opened = open_cached(dir, path, how)?;
    Ok(opened.map(|opened| opened.map(|fd| OpenedNow { fd, nonblocking: true })))
}

/// Waits for the writer of a named pipe that was opened to be read.
async fn with_other_end(fd: OwnedDescriptor, how: OpenHow) -> io::Result<OwnedDescriptor> {
    #[cfg(target_os = "linux")]
    if how.flags & (flags::ACCESS | flags::DIRECTORY) == flags::READ {
        return super::fifo::with_writer(fd).await;
    }
    let _ = how;
    Ok(fd)
}

/// Whether a file like that may be opened without waiting: none that is made or emptied.
#[cfg(target_os = "linux")]
fn may_open_now(how: OpenHow) -> bool {
    how.flags & (flags::CREATE | flags::TRUNCATE) == 0 && how.flags & flags::TEMPORARY != flags::TEMPORARY
}

/// Opens what the path cache knows, without waiting: with O_NONBLOCK, since opening a FIFO or a leased file would wait
/// otherwise. (It comes off again: on some file systems it makes the ring fail reads that would have to wait.) `None` if it must
/// be asked for through the driver.
#[cfg(target_os = "linux")]
fn open_cached(
    dir: Option<SharedFd>,
    path: &Path,
    how: OpenHow,
) -> io::Result<Option<io::Result<OwnedDescriptor>>> {
    let eager = OpenHow::new(how.flags | flags::NONBLOCK).mode(how.mode).resolve(how.resolve);
    match try_inline(OpenAt::new(dir, path, eager)?) {
        Inline::Done(opened) => Ok(Some(opened)),
        Inline::Pending(_) => Ok(None),
    }
}

/// As on Linux, which alone can be asked so.
#[cfg(not(target_os = "linux"))]
fn may_open_now(_: OpenHow) -> bool {
    false
}

/// As on Linux, which alone can be asked so.
#[cfg(not(target_os = "linux"))]
fn open_cached(_: Option<SharedFd>, _: &Path, _: OpenHow) -> io::Result<Option<io::Result<OwnedDescriptor>>> {
    Ok(None)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
mod tests {
    use super::*;
    use rustix::fs::{Advice, fadvise};
    use std::io::Write as _;
    use std::num::NonZeroU64;

    /// Page by page, since the kernel keeps or drops what it got in larger pieces as a whole.
    fn cached(len: usize) -> Arc<OpenFile> {
        let mut file = tempfile::tempfile().unwrap();
        (0..len).step_by(4096).for_each(|_| file.write_all(&[7; 4096]).unwrap());
        file.sync_all().unwrap();
        OpenFile::from_descriptor(OwnedDescriptor::from(file))
    }

    #[test]
    fn what_is_cached_ends_at_a_gap_amid_it() {
        const KIB: u64 = 1 << 10;
        const MOST: usize = 4 << 20;
        let file = cached(MOST);
        assert_eq!(file.cached_from(0, MOST).unwrap(), MOST);
        for gap in [512 * KIB, 3840 * KIB] {
            fadvise(&file.fd, gap, NonZeroU64::new(256 * KIB), Advice::DontNeed).unwrap();
        }
        // A look may bring what it misses, so the place to find out about the file system is another one.
        if file.read_cached(&mut [0], 3840 * KIB).unwrap().is_some() {
            eprintln!("skipped: the file system keeps what is cached");
            return;
        }
        assert_eq!(file.cached_from(0, MOST).unwrap(), 512 << 10);
    }
}
