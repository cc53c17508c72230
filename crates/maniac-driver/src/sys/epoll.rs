//! epoll(7) as the ring's driver uses it: sockets and pipes are registered once, all their reports are fetched by one call, and
//! whoever owns the driver gets them, whichever thread had registered. It never waits here: the ring polls its descriptor.

use super::unix::{cvt, retry};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// How many reports one call brings.
const REPORTS: usize = 256;

/// An epoll instance. Registrations are edge-triggered, for everything that can be reported.
#[derive(Debug)]
pub(crate) struct Epoll {
    fd: OwnedFd,
}

/// Room for what one call brings.
pub(crate) struct Reports {
    entries: Box<[libc::epoll_event; REPORTS]>,
}

impl Reports {
    pub(crate) fn new() -> Self {
        Self { entries: Box::new([libc::epoll_event { events: 0, u64: 0 }; REPORTS]) }
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: [local] takes no pointer.
        let raw = cvt(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: [local] just made, owned by nothing else.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(raw as i32) } })
    }

    /// Has the kernel report on `fd` under `key`, beginning with what it is ready for now.
    pub(crate) fn add(&self, fd: &impl AsFd, key: usize) -> io::Result<()> {
        let all = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLPRI | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event { events: all as u32, u64: key as u64 };
        self.control(libc::EPOLL_CTL_ADD, fd, &mut event)
    }

    /// Ends the reports on `fd`; that there are none is as well.
    pub(crate) fn remove(&self, fd: &impl AsFd) {
        // Kernels before 2.6.9 alone look at the entry.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, &mut libc::epoll_event { events: 0, u64: 0 });
    }

    fn control(&self, how: i32, fd: &impl AsFd, event: &mut libc::epoll_event) -> io::Result<()> {
        let (epoll, raw) = (self.fd.as_raw_fd(), fd.as_fd().as_raw_fd());
        // SAFETY: [local] the entry is alive for the call.
        cvt(unsafe { libc::epoll_ctl(epoll, how, raw, event) }).map(|_| ())
    }

    /// Fetches reports, each with its key, without waiting.
    pub(crate) fn fetch<'a>(
        &self,
        room: &'a mut Reports,
    ) -> io::Result<impl Iterator<Item = (usize, i16)> + use<'a>> {
        let (raw, at) = (self.fd.as_raw_fd(), room.entries.as_mut_ptr());
        // SAFETY: [local] as many entries as are said, alive for the call.
        let count = retry(|| unsafe { i64::from(libc::epoll_wait(raw, at, REPORTS as i32, 0)) })?;
        // The bits are those of poll(2), but for what nobody asked for.
        Ok(room.entries[..count].iter().map(|entry| (entry.u64 as usize, entry.events as i16)))
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
