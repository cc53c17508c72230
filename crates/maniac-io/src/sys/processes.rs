//! Child processes: hearing of their end, and reaping those that nobody owns.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

#[cfg(test)]
thread_local! {
    /// Has [`pidfd`] fail on this thread, as on an old kernel.
    pub(crate) static WITHOUT_PIDFDS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn pid_of(pid: u32) -> io::Result<Pid> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    raw.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no number of a process"))
}

/// A descriptor that is readable when the process has ended (pidfd_open(2)).
#[cfg(target_os = "linux")]
pub(crate) fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    #[cfg(test)]
    if WITHOUT_PIDFDS.get() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(rustix::process::pidfd_open(pid_of(pid)?, rustix::process::PidfdFlags::empty())?)
}

/// There is none.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pidfd(_: u32) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Blocks until a child of this process has ended, and leaves it to be reaped.
pub(crate) fn wait_without_reaping(pid: u32) -> io::Result<()> {
    let id = WaitId::Pid(pid_of(pid)?);
    retry_on_intr(|| rustix::process::waitid(id.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT))?;
    Ok(())
}

/// A child that nobody waits for.
pub(crate) struct Orphan {
    pid: u32,
    /// Where the system has such.
    pidfd: Option<OwnedFd>,
}

impl Orphan {
    /// Of a child that has not been reaped: its number is its own.
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid, pidfd: pidfd(pid).ok() }
    }

    /// Reaps it if it has ended; true if there is nothing more to do.
    pub(crate) fn reap(&self) -> bool {
        let Ok(pid) = pid_of(self.pid) else { return true };
        // An error means that somebody else has reaped it.
        !matches!(retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::NOHANG)), Ok(None))
    }
}

/// Waits until `bell` rings or one of the orphans may have ended. Empties the bell.
pub(crate) fn wait_for_any(bell: &OwnedFd, orphans: &[Orphan]) {
    let descriptors = orphans.iter().filter_map(|orphan| orphan.pidfd.as_ref());
    let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let mut fds: Vec<PollFd<'_>> =
        std::iter::once(bell).chain(descriptors).map(|fd| readable(fd.as_fd())).collect();
    // Of those without a descriptor nothing is heard: they are asked ten times a second.
    let tenth = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let timeout = if fds.len() == orphans.len() + 1 { None } else { Some(&tenth) };
    let _ = rustix::event::poll(&mut fds, timeout);
    if !fds[0].revents().is_empty() {
        let _ = maniac_driver::sys::read(bell, &mut [0; 64]);
    }
}
