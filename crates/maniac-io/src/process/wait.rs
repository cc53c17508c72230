//! Waiting for a child's end: by a descriptor of the process where the system has such, else by a thread.

use crate::rt;
use crate::sys;
use maniac_driver::{Interest, Registration, SharedFd};
use maniac_runtime::driver;
use maniac_runtime::task::JoinHandle;
use std::io;
use std::pin::Pin;
use std::process::ExitStatus;
use std::task::{Context, Poll, ready};

/// How the end of a child is heard of.
#[derive(Debug)]
pub(super) enum Ended {
    /// A pidfd: readable at the end (pidfd_open(2), Linux 5.3).
    Descriptor(Registration),
    /// A thread of the blocking pool that waits, once somebody asked.
    Thread(Option<JoinHandle<io::Result<()>>>),
}

impl Ended {
    /// Of a child that was just started, and so has not been reaped: its number is its own.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        match sys::pidfd(pid) {
            Ok(fd) => Ok(Ended::Descriptor(Registration::new(SharedFd::new(fd), &driver::remote()?)?)),
            Err(_) => Ok(Ended::Thread(None)),
        }
    }

    /// Waits for the end of `child` and reaps it.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        child: &mut std::process::Child,
    ) -> Poll<io::Result<ExitStatus>> {
        ready!(rt::poll_charge(cx));
        match self {
            Ended::Descriptor(io) => io.poll_io(cx, Interest::READABLE, || {
                child.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
            }),
            Ended::Thread(thread) => {
                if let Some(status) = child.try_wait()? {
                    return Poll::Ready(Ok(status));
                }
                let waiting = match thread {
                    Some(waiting) => waiting,
                    None => {
                        let pid = child.id();
                        let wait = move || sys::wait_without_reaping(pid);
                        thread.insert(
                            maniac_runtime::blocking::try_spawn_blocking(wait).map_err(io::Error::other)?,
                        )
                    }
                };
                let ended = ready!(Pin::new(waiting).poll(cx));
                *thread = None;
                ended.map_err(io::Error::other)??;
                // It has ended, so this does not wait.
                Poll::Ready(child.wait())
            }
        }
    }
}
