//! Descriptors that operations share: one cannot be closed, and its number not be reused, while the kernel works with it.

use crate::ready::IoState;
use crate::shim::{AtomicU32, Mutex, MutexGuard, UnsafeCell, lock, ordering};
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
#[cfg(maniac_uring)]
use std::sync::atomic::AtomicU8;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

#[cfg(unix)]
pub use std::os::fd::OwnedFd as OwnedDescriptor;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// A descriptor of a system that has two kinds of them.
#[cfg(windows)]
#[derive(Debug)]
pub enum OwnedDescriptor {
    /// A file, a pipe or another kernel object.
    Handle(std::os::windows::io::OwnedHandle),
    /// A socket.
    Socket(std::os::windows::io::OwnedSocket),
}

/// A descriptor of a system without any.
#[cfg(not(any(unix, windows)))]
#[derive(Debug)]
pub enum OwnedDescriptor {}

/// A shared descriptor. It is closed when the last handle is dropped; every operation in flight holds one.
///
/// ```
/// # #[cfg(unix)] {
/// use maniac_driver::SharedFd;
/// let file = SharedFd::new(std::fs::File::open("/dev/null").unwrap().into());
/// let other = file.clone();
/// drop(file);
/// assert!(other.try_unwrap().is_ok());
/// # }
/// ```
pub struct SharedFd {
    /// The memory. All handles together are worth one strong count of it, whose last user takes it out; [`IoState`]s have
    /// their own.
    inner: ManuallyDrop<Arc<FdInner>>,
}

/// Bit of [`FdInner::handles`]: an [`UnwrapLast`] waits for the others.
const AWAITED: u32 = 1 << 31;

/// Values of [`FdInner::ring`], besides 0: nobody has asked.
#[cfg(maniac_uring)]
mod ring {
    /// The kernel alone does not know; a thread of the pool shall find out.
    pub(super) const UNKNOWN: u8 = 1;
    /// No program serves the file.
    pub(super) const MAY: u8 = 2;
    /// One does, or may.
    pub(super) const MUST_NOT: u8 = 3;
}

pub(crate) struct FdInner {
    /// How many handles there are, and [`AWAITED`]. At zero the descriptor is gone, and stays so.
    handles: AtomicU32,
    /// Written once, by whoever brings `handles` to zero.
    fd: UnsafeCell<Option<OwnedDescriptor>>,
    /// Whether O_NONBLOCK is known to be set.
    nonblocking: AtomicBool,
    /// Whether a ring may read and write the file ([`ring`]).
    #[cfg(maniac_uring)]
    ring: AtomicU8,
    /// What comes with use. A lock, since it is taken once for each wait on a descriptor, not for each operation.
    late: Mutex<Late>,
}

#[derive(Default)]
pub(crate) struct Late {
    /// The readiness state, once something waits for it.
    pub(crate) io: Option<Arc<IoState>>,
    /// The [`UnwrapLast`] that waits to be the last, if one does: the first; a second one steps back. Looked at while `AWAITED` is set. Its
    /// waker, unless that was called since. In a box, since descriptors are many and those who wait so are few.
    last: Option<Box<Option<Waker>>>,
}

// SAFETY: [INV-5] `fd` is read by handles, which exist only before it is written, and written once, alone.
unsafe impl Send for FdInner {}
// SAFETY: [INV-5] as above.
unsafe impl Sync for FdInner {}
// SAFETY: [INV-5] a handle is a counted reference to what is Send and Sync.
unsafe impl Send for SharedFd {}
// SAFETY: [INV-5] as above.
unsafe impl Sync for SharedFd {}

impl SharedFd {
    /// Takes the descriptor over.
    pub fn new(fd: OwnedDescriptor) -> Self {
        Self::known(fd, false)
    }

    /// Takes over a descriptor that has O_NONBLOCK, as those of [`Accept`](crate::op::Accept) have: the system is not asked again.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use maniac_driver::SharedFd;
    /// let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    /// socket.set_nonblocking(true).unwrap();
    /// SharedFd::new_nonblocking(socket.into()).set_nonblocking().unwrap();
    /// # }
    /// ```
    pub fn new_nonblocking(fd: OwnedDescriptor) -> Self {
        Self::known(fd, true)
    }

    fn known(fd: OwnedDescriptor, nonblocking: bool) -> Self {
        let inner = FdInner {
            handles: AtomicU32::new(1),
            fd: UnsafeCell::new(Some(fd)),
            nonblocking: AtomicBool::new(nonblocking),
            #[cfg(maniac_uring)]
            ring: AtomicU8::new(0),
            late: Mutex::new(Late::default()),
        };
        Self { inner: ManuallyDrop::new(Arc::new(inner)) }
    }

    /// The descriptor, if this is its only handle (no operation in flight, no [`Registration`](crate::Registration)).
    ///
    /// # Errors
    ///
    /// Gives the handle back if there are others.
    pub fn try_unwrap(self) -> Result<OwnedDescriptor, SharedFd> {
        let acquire = ordering("fd.unwrap", Ordering::Acquire);
        let sole = |handles: u32| if handles & !AWAITED == 1 { Some(0) } else { None };
        if self.inner.handles.fetch_update(acquire, Ordering::Relaxed, sole).is_err() {
            return Err(self);
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: [INV-5] `this` is never dropped, and this is the only place that takes its Arc.
        let inner = unsafe { ManuallyDrop::take(&mut this.inner) };
        Ok(inner.end())
    }

    /// Waits until this is the only handle and gives the descriptor: the way to close it (by
    /// [`Close`](crate::op::Close)) and know that no operation uses it any more. While one handle waits so, another that
    /// does is dropped, and gets `None`: the first one closes.
    ///
    /// Cancel safety: dropping the future drops this handle.
    pub fn unwrap_last(self) -> UnwrapLast {
        UnwrapLast { fd: Some(self), waits: false }
    }

    /// Whether both are handles of one descriptor.
    pub fn ptr_eq(&self, other: &SharedFd) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The descriptor itself.
    pub fn descriptor(&self) -> &OwnedDescriptor {
        // SAFETY: [INV-5] this handle keeps `handles` above zero, so nothing writes the cell.
        let fd = self.inner.fd.with(|fd| unsafe { &*fd });
        fd.as_ref().expect("present while a handle is")
    }

    /// Sets O_NONBLOCK unless the descriptor is known to have it.
    ///
    /// # Errors
    ///
    /// Those of fcntl(2).
    pub fn set_nonblocking(&self) -> std::io::Result<()> {
        if !self.inner.nonblocking.load(Ordering::Relaxed) {
            crate::sys::set_nonblocking(self)?;
            self.inner.nonblocking.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether it is known that a ring may read and write the file: no program serves it (fuse(4)). Waits for none. The system is
    /// asked once for each descriptor: that call is the price of knowing, as a program may send bytes twice through a ring.
    #[cfg(maniac_uring)]
    pub(crate) fn may_use_ring(&self) -> bool {
        let state = &self.inner.ring;
        if state.load(Ordering::Relaxed) == 0 {
            let known = if crate::sys::served::is_known_unserved(self) { ring::MAY } else { ring::UNKNOWN };
            // A thread of the pool, sent by who asked at the same time, may know more by now.
            let _ = state.compare_exchange(0, known, Ordering::Relaxed, Ordering::Relaxed);
        }
        state.load(Ordering::Relaxed) == ring::MAY
    }

    /// Finds out what [`may_use_ring`](Self::may_use_ring) did not know, if it was asked. May wait for a program.
    #[cfg(maniac_uring)]
    pub(crate) fn learn_of_ring(&self) {
        if self.inner.ring.load(Ordering::Relaxed) == ring::UNKNOWN {
            let may = crate::sys::served::find_unserved(self).unwrap_or(false);
            self.inner.ring.store(if may { ring::MAY } else { ring::MUST_NOT }, Ordering::Relaxed);
        }
    }

    pub(crate) fn inner(&self) -> &Arc<FdInner> {
        &self.inner
    }
}

impl FdInner {
    pub(crate) fn late(&self) -> MutexGuard<'_, Late> {
        lock(&self.late)
    }

    /// A handle, unless the last one is gone.
    pub(crate) fn upgrade(self: &Arc<Self>) -> Option<SharedFd> {
        let more = |handles: u32| if handles & !AWAITED == 0 { None } else { Some(handles + 1) };
        self.handles.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        // The handles' one strong count is not this Arc, so no count moves.
        // SAFETY: [INV-5] there is a handle besides, so the handles' own strong count lives until all of them are gone.
        let alias = unsafe { Arc::from_raw(Arc::as_ptr(self)) };
        Some(SharedFd { inner: ManuallyDrop::new(alias) })
    }

    /// Takes the descriptor out, after `handles` came to zero, and drops the handles' strong count.
    fn end(self: Arc<Self>) -> OwnedDescriptor {
        // SAFETY: [INV-5] `handles` is zero for ever, and who brought it there (the caller) comes here once.
        let fd = self.fd.with_mut(|fd| unsafe { (*fd).take() }).expect("taken once");
        // The readiness registration must end before the descriptor's number can be reused.
        let io = self.late().io.take();
        if let Some(io) = io {
            io.release(&fd);
        }
        fd
    }
}

impl Clone for SharedFd {
    fn clone(&self) -> Self {
        let before = self.inner.handles.fetch_add(1, Ordering::Relaxed);
        if before & !AWAITED >= AWAITED / 2 {
            // As `Arc` does: only forgetting a billion handles leads here, and a count that went on would come to zero.
            std::process::abort();
        }
        // SAFETY: [INV-5] the handles' one strong count lives until all of them, and so this one, are gone.
        let alias = unsafe { Arc::from_raw(Arc::as_ptr(&self.inner)) };
        Self { inner: ManuallyDrop::new(alias) }
    }
}

impl Drop for SharedFd {
    fn drop(&mut self) {
        let release = ordering("fd.drop", Ordering::AcqRel);
        let mut handles = self.inner.handles.load(Ordering::Relaxed);
        loop {
            // After the exchange the memory is someone else's, unless held by a count of our own.
            let held = if handles & AWAITED != 0 { Some(Arc::clone(&self.inner)) } else { None };
            match self.inner.handles.compare_exchange(handles, handles - 1, release, Ordering::Relaxed) {
                Ok(_) if handles & !AWAITED == 1 => {
                    // SAFETY: [INV-5] this was the last handle, and it is being dropped: the Arc is taken once.
                    let inner = unsafe { ManuallyDrop::take(&mut self.inner) };
                    drop(inner.end());
                    return;
                }
                Ok(_) => {
                    if let Some(inner) = held {
                        // Out of the lock before it is called: it is somebody's code. Who is woken looks again, and leaves another.
                        let waker = inner.late().last.as_deref_mut().and_then(Option::take);
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                    }
                    return;
                }
                Err(now) => handles = now,
            }
        }
    }
}

#[cfg(unix)]
impl AsFd for SharedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor().as_fd()
    }
}

#[cfg(unix)]
impl AsRawFd for SharedFd {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor().as_raw_fd()
    }
}

#[cfg(unix)]
impl From<OwnedDescriptor> for SharedFd {
    fn from(fd: OwnedDescriptor) -> Self {
        Self::new(fd)
    }
}

impl fmt::Debug for SharedFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedFd").field(self.descriptor()).finish()
    }
}

/// Waits to be the last handle. Made by [`SharedFd::unwrap_last`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct UnwrapLast {
    fd: Option<SharedFd>,
    /// Whether this is the one in [`Late::last`].
    waits: bool,
}

impl Future for UnwrapLast {
    type Output = Option<OwnedDescriptor>;

    /// # Panics
    ///
    /// If it is polled after completion.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fd = self.fd.take().expect("UnwrapLast polled after completion");
        let fd = match fd.try_unwrap() {
            Ok(owned) => return Poll::Ready(Some(owned)),
            Err(fd) => fd,
        };
        let waker = cx.waker().clone();
        let mut late = fd.inner.late();
        if late.last.is_some() && !self.waits {
            drop(late);
            return Poll::Ready(None);
        }
        let displaced = late.last.get_or_insert_default().replace(waker);
        drop(late);
        drop(displaced);
        self.waits = true;
        // Who sees the mark comes to the lock after the waker was stored under it.
        fd.inner.handles.fetch_or(AWAITED, Ordering::Relaxed);
        match fd.try_unwrap() {
            Ok(owned) => Poll::Ready(Some(owned)),
            Err(fd) => {
                self.fd = Some(fd);
                Poll::Pending
            }
        }
    }
}

impl Drop for UnwrapLast {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take().filter(|_| self.waits) {
            let old = fd.inner.late().last.take();
            drop(old);
        }
    }
}
