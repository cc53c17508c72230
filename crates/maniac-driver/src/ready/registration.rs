//! Waiting for a descriptor to become ready: the public face.

use super::{Interest, IoState, ReadyEvent};
use crate::driver::shared::Remote;
use crate::fd::SharedFd;
use maniac_sync::wait::{self, Word};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A descriptor whose readiness a driver watches: how borrowed buffers are read and written. Try the call first, and
/// wait only when it would block ([`poll_io`](Registration::poll_io), [`io`](Registration::io)).
///
/// The kernel is asked to report when something first has to wait, and until then a descriptor counts as ready. All
/// registrations of one descriptor share its state; it ends when the descriptor is closed.
///
/// ```
/// # #[cfg(all(unix, feature = "mio"))] {
/// use maniac_driver::{Completions, Driver, DriverConfig, Interest, NoOffload, Registration, SharedFd};
/// use std::io::{Read, Write};
/// use std::task::{Context, Poll, Waker};
///
/// let mut driver = Driver::new(DriverConfig::new(), std::sync::Arc::new(NoOffload)).unwrap();
/// let (mut reader, mut writer) = std::io::pipe().unwrap();
/// let fd = SharedFd::new(reader.try_clone().unwrap().into());
/// fd.set_nonblocking().unwrap();
/// let registration = Registration::new(fd, &driver.remote()).unwrap();
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut buf = [0; 5];
/// assert!(registration.poll_io(&mut cx, Interest::READABLE, || reader.read(&mut buf)).is_pending());
/// writer.write_all(b"hello").unwrap();
/// let mut done = Completions::new();
/// while done.is_empty() {
///     driver.poll(None, &mut done).unwrap();
/// }
/// let Poll::Ready(Ok(5)) = registration.poll_io(&mut cx, Interest::READABLE, || reader.read(&mut buf)) else {
///     panic!("not ready")
/// };
/// # }
/// ```
#[derive(Clone)]
pub struct Registration {
    // Before `fd`: the state must not be the last to know the descriptor.
    io: Arc<IoState>,
    fd: SharedFd,
}

impl Registration {
    /// Has the driver behind `remote` watch `fd`, unless one does already. The descriptor is made non-blocking.
    ///
    /// # Errors
    ///
    /// Those of fcntl(2). That the kernel cannot watch it (a regular file under epoll: `EPERM`) shows when something waits.
    pub fn new(fd: SharedFd, remote: &Remote) -> io::Result<Self> {
        fd.set_nonblocking()?;
        let io = io_of(&fd, remote);
        Ok(Self { io, fd })
    }

    #[cfg(loom)]
    pub(crate) fn state(&self) -> &Arc<IoState> {
        &self.io
    }

    /// The descriptor.
    pub fn fd(&self) -> &SharedFd {
        &self.fd
    }

    /// Waits until the descriptor is ready for `interest`, in the one place that each direction has for the poll functions:
    /// the last waker given there wins. Use [`ready`](Registration::ready) where several tasks wait.
    ///
    /// # Errors
    ///
    /// If the kernel cannot watch the descriptor, or the driver has been shut down.
    pub fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<ReadyEvent>> {
        match self.io.poll(cx, interest) {
            Ok(Some(event)) => Poll::Ready(Ok(event)),
            Ok(None) => wait::pending_on(word(interest)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// A future that waits until the descriptor is ready for `interest`; any number of them may wait.
    ///
    /// Cancel safety: dropping it gives up its place and takes no readiness away.
    pub fn ready(&self, interest: Interest) -> Ready<'_> {
        Ready { io: &self.io, interest, place: None }
    }

    /// Takes back what `event` says of `interest`, because a call has just found that it would block. A report that
    /// came after the event stays.
    pub fn clear_ready(&self, event: ReadyEvent, interest: Interest) {
        self.io.clear(event, interest);
    }

    /// What is known now, without asking the kernel.
    pub fn snapshot(&self) -> ReadyEvent {
        self.io.snapshot()
    }

    /// Makes `call` if the descriptor may be ready, and notes it if that would block.
    ///
    /// # Errors
    ///
    /// Those of `call`; `WouldBlock` also if the descriptor is known not to be ready.
    pub fn try_io<R>(&self, interest: Interest, mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        match self.io.ready(interest)? {
            Some(event) => self.attempt(event, interest, &mut call),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Makes `call` until it does not block or there is something to wait for, in the place of the poll functions.
    ///
    /// # Errors
    ///
    /// Those of `call`, and those of [`poll_ready`](Registration::poll_ready).
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut call: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        for _ in 0..PATIENCE {
            let event = match self.poll_ready(cx, interest) {
                Poll::Ready(Ok(event)) => event,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            };
            match self.attempt(event, interest, &mut call) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                result => return Poll::Ready(result),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Makes `call` until it does not block, waiting in between.
    ///
    /// Cancel safety: a dropped future has made no call that it did not return the result of.
    ///
    /// # Errors
    ///
    /// Those of `call`, and those of [`ready`](Registration::ready).
    pub async fn io<R>(&self, interest: Interest, mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        loop {
            for _ in 0..PATIENCE {
                let event = self.ready(interest).await?;
                match self.attempt(event, interest, &mut call) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                    result => return result,
                }
            }
            yield_now().await;
        }
    }

    fn attempt<R>(
        &self,
        event: ReadyEvent,
        interest: Interest,
        call: &mut impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            match call() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.io.clear_blocked(event, interest, &self.fd);
                    return Err(error);
                }
                result => return result,
            }
        }
    }
}

/// What a task says that waits for this.
fn word(interest: Interest) -> &'static Word {
    static READABLE: Word = Word::new("a descriptor to become readable");
    static WRITABLE: Word = Word::new("a descriptor to become writable");
    static OTHER: Word = Word::new("a descriptor to become ready");
    match (interest.is_readable(), interest.is_writable()) {
        (true, false) => &READABLE,
        (false, true) => &WRITABLE,
        _ => &OTHER,
    }
}

/// How often in a row a descriptor may be ready and the call yet block, before the task lets others go first: it is new
/// reports each time, or a call that blocks for reasons of its own.
const PATIENCE: u32 = 16;

/// Lets the executor run something else.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The readiness state of `fd`, made for `remote`'s driver if there is none or its driver is gone.
pub(crate) fn io_of(fd: &SharedFd, remote: &Remote) -> Arc<IoState> {
    let mut late = fd.inner().late();
    match &late.io {
        Some(io) if !io.is_shut_down() => io.clone(),
        _ => {
            let io = Arc::new(IoState::new(fd.inner().clone(), remote.shared().clone()));
            let old = late.io.replace(io.clone());
            drop(late);
            drop(old);
            io
        }
    }
}

/// The readiness state of `fd`, if it has one.
pub(crate) fn known_io(fd: &SharedFd) -> Option<Arc<IoState>> {
    fd.inner().late().io.clone()
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("fd", &self.fd).field("event", &self.snapshot()).finish()
    }
}

/// Waits for readiness. Made by [`Registration::ready`].
#[must_use = "a future does nothing unless it is polled"]
pub struct Ready<'a> {
    io: &'a Arc<IoState>,
    interest: Interest,
    place: Option<u32>,
}

impl Future for Ready<'_> {
    type Output = io::Result<ReadyEvent>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ready { io, interest, place } = &mut *self;
        match io.poll_place(cx, *interest, place) {
            Ok(Some(event)) => Poll::Ready(Ok(event)),
            Ok(None) => wait::pending_on(word(*interest)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.io.forget(place);
        }
    }
}

impl fmt::Debug for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("interest", &self.interest).finish()
    }
}
