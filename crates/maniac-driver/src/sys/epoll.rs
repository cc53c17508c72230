//! epoll(7) as the ring's driver uses it: sockets and pipes are registered once, all their reports are fetched by one call, and
//! whoever owns the driver gets them, whichever thread had registered. It is waited for here, or, while the ring has operations, by the ring,
//! which polls its descriptor.

use super::unix::cvt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// How many reports one call brings.
const REPORTS: usize = 256;

/// The key of what ends a wait and is no descriptor of anybody's.
const BELL: u64 = u64::MAX;

/// A time as the kernel takes it, on every machine.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

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

    /// Has each write to an eventfd end a wait. It is reported under a key that nothing has.
    pub(crate) fn add_bell(&self, fd: &impl AsFd) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: BELL };
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

    /// Fetches reports, each with its key; waits for them for `timeout` at most, for ever if there is none. A signal ends the wait.
    ///
    /// # Errors
    ///
    /// `ENOSYS` before Linux 5.11, and what a filter says, if it is to wait.
    pub(crate) fn fetch<'a>(
        &self,
        room: &'a mut Reports,
        timeout: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = (usize, i16)> + use<'a>> {
        let at = room.entries.as_mut_ptr();
        let result = if timeout == Some(Duration::ZERO) {
            // SAFETY: [local] as many entries as are said, alive for the call.
            cvt(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), at, REPORTS as i32, 0) })
        } else {
            self.wait(at, timeout)
        };
        let count = match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            result => result?,
        };
        // The bits are those of poll(2), but for what nobody asked for.
        Ok(room.entries[..count].iter().map(|entry| (entry.u64 as usize, entry.events as i16)))
    }
}

impl Epoll {
    /// epoll_pwait2(2): the time of epoll_wait(2) is in milliseconds.
    fn wait(&self, at: *mut libc::epoll_event, timeout: Option<Duration>) -> io::Result<usize> {
        let time = timeout.map(|time| Timespec {
            seconds: time.as_secs().try_into().unwrap_or(i64::MAX),
            nanoseconds: time.subsec_nanos().into(),
        });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        let (raw, most, no_mask) = (self.fd.as_raw_fd(), REPORTS as i32, ptr::null::<u8>());
        // By number, since not every C library has the function.
        // SAFETY: [local] as many entries as are said, and the time, are alive for the call; no signal mask is given.
        cvt(unsafe { libc::syscall(libc::SYS_epoll_pwait2, raw, at, most, time, no_mask, 0usize) })
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
