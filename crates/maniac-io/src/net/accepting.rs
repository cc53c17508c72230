//! Taking connections off a listening socket, of TCP or of the Unix domain.

use super::register;
use crate::rt;
use crate::sys::{self, Errno};
use maniac_driver::op::{Accept, Inline, try_inline};
use maniac_driver::sys::SockAddr;
use maniac_driver::{Interest, OwnedDescriptor, Registration, SharedFd};
use maniac_runtime::coop;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// A listening socket and its readiness.
#[derive(Debug)]
pub(super) struct Listening {
    io: Registration,
    /// Whether the last call took a connection. The next then asks first whether there is another: accept4(2) makes a socket before it
    /// looks, so that a call in vain costs ten times what asking does, and mostly one connection comes at a time.
    took: AtomicBool,
}

impl Listening {
    pub(super) fn new(fd: OwnedDescriptor) -> io::Result<Self> {
        Ok(Self { io: register(SharedFd::new(fd))?, took: AtomicBool::new(false) })
    }

    pub(super) fn fd(&self) -> &SharedFd {
        self.io.fd()
    }

    pub(super) async fn into_descriptor(self) -> io::Result<OwnedDescriptor> {
        super::unregister(self.io).await
    }

    /// Takes the next connection. Any number of tasks may wait, and none loses one when it is dropped.
    pub(super) async fn accept(&self) -> io::Result<(OwnedDescriptor, SockAddr)> {
        rt::charge().await;
        self.io.io(Interest::READABLE, || self.take()).await
    }

    /// As [`accept`](Self::accept); of several tasks, the last to poll is woken.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedDescriptor, SockAddr)>> {
        let unit = ready!(coop::poll_proceed(cx));
        let result = ready!(self.io.poll_io(cx, Interest::READABLE, || self.take()));
        unit.made_progress();
        Poll::Ready(result)
    }

    /// accept4(2) at once. Errors of the connection that was taken (accept(2), Error handling) are passed over.
    fn take(&self) -> io::Result<(OwnedDescriptor, SockAddr)> {
        // Several tasks may come here at once: what each finds there only decides which call it makes.
        if self.took.swap(false, Ordering::Relaxed) && !sys::is_readable(self.fd()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        loop {
            match try_inline(Accept::new(self.fd().clone())) {
                Inline::Done(Err(error)) if is_of_connection(&error) => {}
                Inline::Done(result) => {
                    self.took.store(result.is_ok(), Ordering::Relaxed);
                    return result;
                }
                Inline::Pending(_) => return Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    const LIST: [Errno; 8] = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
    ];
    LIST.iter().any(|&errno| sys::is(error, errno))
}
