//! Buffers that the runtime owns and lends: reads of borrowed memory go through them, so that a dropped future leaves
//! the kernel nothing but memory of ours.

use super::{AlignedBuf, DEFAULT_ALIGN, RawBufRead, RawBufWrite};
use maniac_sync::wait::{self, Word};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Sizes and the limit of a [`BufferPool`].
///
/// ```
/// use maniac_driver::buf::BufferPoolConfig;
/// let config = BufferPoolConfig::new().classes([4096, 65_536]).limit(1 << 20);
/// # let _ = config;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BufferPoolConfig {
    classes: Vec<usize>,
    limit: usize,
    cache: usize,
}

impl Default for BufferPoolConfig {
    fn default() -> Self {
        Self {
            classes: vec![4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20],
            limit: 64 << 20,
            cache: 4 << 20,
        }
    }
}

impl BufferPoolConfig {
    /// 4 KiB, 16 KiB, 64 KiB, 256 KiB and 1 MiB; at most 64 MiB lent, of which up to 4 MiB are kept when idle.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sizes in bytes, rounded up to a multiple of [`DEFAULT_ALIGN`].
    pub fn classes(mut self, classes: impl IntoIterator<Item = usize>) -> Self {
        self.classes = classes.into_iter().map(|size| size.max(1).next_multiple_of(DEFAULT_ALIGN)).collect();
        self.classes.sort_unstable();
        self.classes.dedup();
        self
    }

    /// How many bytes may be lent at a time. Beyond it `try_acquire` fails and `acquire` waits.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// How many bytes of returned buffers are kept for the next user.
    pub fn cache(mut self, bytes: usize) -> Self {
        self.cache = bytes;
        self
    }
}

/// What a pool holds at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// Buffers lent and not returned yet.
    pub lent: usize,
    /// Their bytes.
    pub lent_bytes: usize,
    /// Bytes of idle buffers kept.
    pub cached_bytes: usize,
    /// Futures waiting for a buffer.
    pub waiting: usize,
}

/// A pool of page-aligned buffers by size class, with a limit and back-pressure. Clones share it.
///
/// ```
/// use maniac_driver::buf::{BufferPool, BufferPoolConfig};
/// let pool = BufferPool::new(BufferPoolConfig::new());
/// let buf = pool.try_acquire(1000).unwrap();
/// assert!(buf.capacity() >= 1000);
/// assert_eq!(pool.stats().lent, 1);
/// drop(buf);
/// assert_eq!(pool.stats().lent, 0);
/// ```
#[derive(Clone)]
pub struct BufferPool {
    inner: Arc<Inner>,
}

struct Inner {
    classes: Vec<usize>,
    limit: usize,
    cache: usize,
    /// A lock, since a role has its own pool: it is taken uncontended but for buffers that end on another thread.
    state: Mutex<State>,
}

struct State {
    free: Vec<Vec<AlignedBuf>>,
    stats: PoolStats,
    /// First come, first served: one that asks for much is not overtaken by those that ask for little. As long as there
    /// are waiting futures, which hold their own entries.
    queue: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn class_of(&self, len: usize) -> io::Result<usize> {
        let class = self.classes.partition_point(|&size| size < len);
        match self.classes.get(class) {
            Some(&size) if size <= self.limit => Ok(class),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a buffer of {len} bytes is beyond the pool's largest class or its limit of {} bytes",
                    self.limit
                ),
            )),
        }
    }
}

impl State {
    /// A buffer of `class`, its bytes counted; `None` beyond the limit.
    fn take(&mut self, class: usize, size: usize, limit: usize) -> Option<AlignedBuf> {
        if self.stats.lent_bytes + size > limit {
            return None;
        }
        let buf = match self.free[class].pop() {
            Some(buf) => {
                self.stats.cached_bytes -= size;
                buf
            }
            None => AlignedBuf::new(size, DEFAULT_ALIGN)?,
        };
        self.stats.lent += 1;
        self.stats.lent_bytes += size;
        Some(buf)
    }

    fn head(&self) -> Option<Waker> {
        self.queue.front().map(|(_, waker)| waker.clone())
    }
}

impl BufferPool {
    /// An empty pool; memory is allocated as it is asked for.
    pub fn new(config: BufferPoolConfig) -> Self {
        let free = config.classes.iter().map(|_| Vec::new()).collect();
        let state = State { free, stats: PoolStats::default(), queue: VecDeque::new(), next_ticket: 0 };
        let BufferPoolConfig { classes, limit, cache } = config;
        Self { inner: Arc::new(Inner { classes, limit, cache, state: Mutex::new(state) }) }
    }

    /// A buffer of at least `len` bytes, if the limit allows it now and nobody waits.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `len` is beyond the largest class or the limit; `WouldBlock` if the pool is exhausted.
    pub fn try_acquire(&self, len: usize) -> io::Result<PoolBuf> {
        let class = self.inner.class_of(len)?;
        let mut state = self.inner.lock();
        let buf = match state.queue.is_empty() {
            true => state.take(class, self.inner.classes[class], self.inner.limit),
            false => None,
        };
        drop(state);
        match buf {
            Some(buf) => Ok(PoolBuf { buf: Some(buf), class, pool: self.inner.clone() }),
            None => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("the pool's limit of {} bytes is lent out", self.inner.limit),
            )),
        }
    }

    /// A buffer of at least `len` bytes, once the limit allows it. First come, first served.
    ///
    /// Cancel safety: a dropped future gives up its place and takes nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `len` is beyond the largest class or the limit.
    pub fn acquire(&self, len: usize) -> Acquire<'_> {
        Acquire { pool: self, len, ticket: None }
    }

    /// What the pool holds now.
    pub fn stats(&self) -> PoolStats {
        let state = self.inner.lock();
        PoolStats { waiting: state.queue.len(), ..state.stats }
    }

    /// The largest length that can be asked for, in bytes.
    pub fn max_len(&self) -> usize {
        self.inner.classes.iter().copied().filter(|&size| size <= self.inner.limit).max().unwrap_or(0)
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool").field("limit", &self.inner.limit).field("stats", &self.stats()).finish()
    }
}

/// Waits for a buffer. Made by [`BufferPool::acquire`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Acquire<'a> {
    pool: &'a BufferPool,
    len: usize,
    ticket: Option<u64>,
}

static BUFFER: Word = Word::new("a buffer of the pool");

impl Future for Acquire<'_> {
    type Output = io::Result<PoolBuf>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = &self.pool.inner;
        let class = match inner.class_of(self.len) {
            Ok(class) => class,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let waker = cx.waker().clone();
        let mut state = inner.lock();
        let first = state.queue.front().map(|&(ticket, _)| ticket);
        if (first.is_none() || first == self.ticket)
            && let Some(buf) = state.take(class, inner.classes[class], inner.limit)
        {
            if first.is_some() {
                state.queue.pop_front();
            }
            let next = state.head();
            drop(state);
            next.inspect(Waker::wake_by_ref);
            let pool = inner.clone();
            self.ticket = None;
            return Poll::Ready(Ok(PoolBuf { buf: Some(buf), class, pool }));
        }
        let old = match self.ticket {
            Some(mine) => {
                let entry = state.queue.iter_mut().find(|(ticket, _)| *ticket == mine);
                entry.map(|(_, old)| std::mem::replace(old, waker))
            }
            None => {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                state.queue.push_back((ticket, waker));
                drop(state);
                self.ticket = Some(ticket);
                return wait::pending_on(&BUFFER);
            }
        };
        drop(state);
        drop(old);
        wait::pending_on(&BUFFER)
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(mine) = self.ticket else { return };
        let mut state = self.pool.inner.lock();
        let was_first = state.queue.front().is_some_and(|&(ticket, _)| ticket == mine);
        let at = state.queue.iter().position(|&(ticket, _)| ticket == mine);
        let old = at.and_then(|at| state.queue.remove(at));
        let next = if was_first { state.head() } else { None };
        drop(state);
        drop(old);
        next.inspect(Waker::wake_by_ref);
    }
}

/// A buffer on loan from a [`BufferPool`]; dropping it gives it back. Dereferences to the filled bytes.
pub struct PoolBuf {
    /// Present until drop.
    buf: Option<AlignedBuf>,
    class: usize,
    pool: Arc<Inner>,
}

impl PoolBuf {
    fn get(&self) -> &AlignedBuf {
        self.buf.as_ref().expect("present until drop")
    }

    fn get_mut(&mut self) -> &mut AlignedBuf {
        self.buf.as_mut().expect("present until drop")
    }

    /// How many bytes fit.
    pub fn capacity(&self) -> usize {
        self.get().capacity()
    }

    /// Forgets the contents.
    pub fn clear(&mut self) {
        self.get_mut().set_len(0);
    }

    /// Appends as much of `bytes` as fits and says how much that was.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> usize {
        self.get_mut().extend_from_slice(bytes)
    }
}

impl Drop for PoolBuf {
    fn drop(&mut self) {
        let Some(mut buf) = self.buf.take() else { return };
        buf.set_len(0);
        let size = buf.capacity();
        let mut state = self.pool.lock();
        state.stats.lent -= 1;
        state.stats.lent_bytes -= size;
        let surplus = if state.stats.cached_bytes + size <= self.pool.cache {
            state.stats.cached_bytes += size;
            state.free[self.class].push(buf);
            None
        } else {
            Some(buf)
        };
        let next = state.head();
        drop(state);
        drop(surplus);
        next.inspect(Waker::wake_by_ref);
    }
}

impl Deref for PoolBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.get()
    }
}

impl DerefMut for PoolBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.get_mut()
    }
}

impl fmt::Debug for PoolBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuf").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

// SAFETY: [INV-6] delegates to AlignedBuf, which keeps the promise.
unsafe impl RawBufRead for PoolBuf {
    fn as_buf_ptr(&self) -> *const u8 {
        self.get().as_buf_ptr()
    }

    fn buf_len(&self) -> usize {
        self.len()
    }
}

// SAFETY: [INV-6] delegates to AlignedBuf, which keeps the promise.
unsafe impl RawBufWrite for PoolBuf {
    fn as_buf_mut_ptr(&mut self) -> *mut u8 {
        self.get_mut().as_buf_mut_ptr()
    }

    fn buf_capacity(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_filled(&mut self, filled: usize) {
        self.get_mut().set_len(filled);
    }
}
