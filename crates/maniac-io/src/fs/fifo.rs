//! The reading end of a named pipe, opened without waiting and then waited with, until somebody writes (fifo(7)).
//!
//! open(2) itself would hold up the thread. Opening a second time, on another, would wait for a second writer where the first has
//! come and gone in between. So the one end is kept, and asked:
//!
//! | in the pipe | what tells |
//! |---|---|
//! | bytes, or a writer that has come and gone | poll(2) |
//! | a writer that writes nothing yet | tee(2), which finds nothing to copy and yet no end; inotify(7) says when to ask |

use crate::rt;
use crate::sys::{self, Errno};
use maniac_driver::op::PollOnce;
use maniac_driver::sys::FileKind;
use maniac_driver::{Interest, OwnedDescriptor, SharedFd};
use maniac_runtime::blocking::try_spawn_blocking;
use maniac_runtime::runtime::Handle;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

/// inotify(7) on what was opened. Closing it takes the kernel some milliseconds: a thread of the pool does that.
struct Openings(Option<SharedFd>);

impl Drop for Openings {
    fn drop(&mut self) {
        let (Some(fd), Some(runtime)) = (self.0.take(), Handle::try_current()) else { return };
        // Where there is no room for a task, or no thread takes it, it is closed here.
        let _ = runtime.try_spawn(async move {
            if let Some(fd) = fd.unwrap_last().await {
                let _ = try_spawn_blocking(move || drop(fd));
            }
        });
    }
}

/// Waits for a writer if `fd` is a named pipe's reading end that never had one.
pub(super) async fn with_writer(fd: OwnedDescriptor) -> io::Result<OwnedDescriptor> {
    // What has a position is no pipe: the cheapest question there is.
    match sys::position(&fd) {
        Err(error) if sys::is(&error, Errno::SPIPE) => {}
        _ => return Ok(fd),
    }
    let fd = SharedFd::new(fd);
    if super::stat_fd(&fd)?.kind() == FileKind::Fifo && !sys::had_writer(&fd)? {
        wait_for_writer(&fd).await?;
    }
    fd.unwrap_last().await.ok_or_else(|| io::Error::other("the pipe is being closed"))
}

async fn wait_for_writer(fd: &SharedFd) -> io::Result<()> {
    // Where the system gives none, a writer is noticed when it writes.
    let openings = Openings(sys::watch_openings(fd).ok().map(SharedFd::new));
    while !sys::had_writer(fd)? {
        let mut written = pin!(rt::run(PollOnce::new(fd.clone(), Interest::READABLE)));
        match &openings.0 {
            None => drop(written.await?),
            Some(openings) => {
                let mut opened = pin!(rt::run(PollOnce::new(openings.clone(), Interest::READABLE)));
                let first = poll_fn(|cx| match (written.as_mut().poll(cx), opened.as_mut().poll(cx)) {
                    (Poll::Pending, Poll::Pending) => Poll::Pending,
                    (Poll::Ready(result), _) | (_, Poll::Ready(result)) => Poll::Ready(result),
                });
                first.await?;
                // What they were is all the same. It does not wait, and full buffers are read in turns.
                let _ = sys::read(openings, &mut [0; 1024]);
            }
        }
    }
    Ok(())
}
