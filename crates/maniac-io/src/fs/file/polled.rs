//! The file as a stream that is polled: [`AsyncRead`], [`AsyncWrite`], and the state that a call leaves between two polls.

use super::File;
use crate::buf::{MAX_COPIED, PoolBuf, Slice};
use crate::fs::open_file::OpenFile;
#[cfg(target_os = "linux")]
use crate::io::InKernel;
use crate::io::{AsyncRead, AsyncWrite};
use crate::rt;
use crate::sys;
use maniac_driver::op::{PollOnce, WriteAt};
use maniac_driver::{Interest, Op, SharedFd};
use maniac_runtime::driver;
use maniac_runtime::runtime::Handle;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What one handle has under way for its cursor.
#[derive(Default)]
pub(super) struct Ahead {
    /// A read that its future, or the last poll, did not wait for; the next read takes its result.
    read: Option<Reading>,
    /// For files without positions: waiting until there is something to read, or room to write.
    readable: Option<Op<PollOnce>>,
    writable: Option<Op<PollOnce>>,
    /// Something was read from a file without positions: a writer has come, so that nothing to read means the end.
    begun: bool,
}

struct Reading {
    at: u64,
    data: Pin<Box<dyn Future<Output = io::Result<PoolBuf>> + Send + Sync>>,
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("reads", &self.read.is_some()).finish()
    }
}

impl File {
    /// Reads at the cursor.
    pub(super) fn poll_read_at_cursor(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let unit = ready!(maniac_runtime::coop::poll_proceed(cx));
        ready!(self.inner.unfinished.poll_settled(cx))?;
        let result = ready!(self.poll_read_settled(cx, buf));
        unit.made_progress();
        Poll::Ready(result)
    }

    fn poll_read_settled(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if self.inner.is_stream() {
                return self.poll_read_stream(cx, buf);
            }
            let at = self.inner.position()?;
            if let Some(reading) = &mut self.ahead.read {
                let (from, data) = (reading.at, ready!(reading.data.as_mut().poll(cx)));
                self.ahead.read = None;
                // The cursor may have been moved meanwhile.
                if from == at {
                    return Poll::Ready(data.map(|data| self.deliver(at, &data, buf)));
                }
                continue;
            }
            match self.inner.read_cached(buf, at) {
                Ok(Some(count)) => {
                    self.inner.set_position(at + count as u64);
                    return Poll::Ready(Ok(count));
                }
                Ok(None) if buf.is_empty() => return Poll::Ready(Ok(0)),
                Ok(None) => {
                    let (inner, len) = (Arc::clone(&self.inner), buf.len());
                    // Where a device is waited for, an allocation is nothing.
                    let data = Box::pin(async move { inner.read_pooled(len, at).await });
                    self.ahead.read = Some(Reading { at, data });
                }
                Err(error) if self.inner.has_no_positions(&error)? => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Copies what was read at the cursor, and moves that.
    fn deliver(&self, at: u64, data: &[u8], buf: &mut [u8]) -> usize {
        let count = data.len().min(buf.len());
        buf[..count].copy_from_slice(&data[..count]);
        self.inner.set_position(at + count as u64);
        count
    }

    /// Reads from a file without positions: a FIFO, a terminal.
    fn poll_read_stream(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            // Before a FIFO's first writer has come, reading would find the end.
            if self.ahead.begun {
                match sys::read(&self.inner.fd, buf) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            }
            ready!(poll_once(&mut self.ahead.readable, &self.inner.fd, Interest::READABLE, cx))?;
            self.ahead.begun = true;
        }
    }

    /// Writes to a file without positions.
    pub(super) fn poll_write_stream(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match sys::write(&self.inner.fd, buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            ready!(poll_once(&mut self.ahead.writable, &self.inner.fd, Interest::WRITABLE, cx))?;
        }
    }

    fn poll_write_at_cursor(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.inner.unfinished.poll_settled(cx))?;
        if !self.inner.is_stream() {
            let at = self.inner.position()?;
            match self.inner.write_cached(buf, at) {
                Ok(Some(count)) => {
                    self.inner.wrote(at, count);
                    return Poll::Ready(Ok(count));
                }
                Ok(None) => return Poll::Ready(self.write_behind(buf, at)),
                Err(error) if self.inner.has_no_positions(&error)? => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.poll_write_stream(cx, buf)
    }

    /// Takes bytes over, to be written by a task: what polls again may come with other bytes, so these count as written now.
    fn write_behind(&mut self, buf: &[u8], at: u64) -> io::Result<usize> {
        let runtime =
            Handle::try_current().ok_or_else(|| io::Error::other("a file is written inside a runtime"))?;
        let data = buf[..buf.len().min(MAX_COPIED)].to_vec();
        let count = data.len();
        let task =
            runtime.try_spawn(write_all(Arc::clone(&self.inner), data, at)).map_err(io::Error::other)?;
        self.inner
            .unfinished
            .push(async move { task.await.unwrap_or_else(|error| Err(io::Error::other(error))) });
        self.inner.wrote(at, count);
        Ok(count)
    }
}

/// Waits once for readiness.
fn poll_once(
    waiting: &mut Option<Op<PollOnce>>,
    fd: &SharedFd,
    interest: Interest,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let op = match waiting {
        Some(op) => op,
        None => waiting.insert(driver::submit(PollOnce::new(fd.clone(), interest))?),
    };
    let event = ready!(Pin::new(op).poll(cx));
    *waiting = None;
    Poll::Ready(event.map(drop))
}

/// Writes all of `data`. It holds the open file, so that this ends also if all handles are dropped.
async fn write_all(file: Arc<OpenFile>, mut data: Vec<u8>, mut at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < data.len() {
        let part = Slice::new(data, done..);
        let (result, part) = rt::run_owned(WriteAt::new(file.fd.clone(), part, at)).await;
        data = part.into_inner();
        match result? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => {
                done += count;
                at += count as u64;
            }
        }
    }
    Ok(())
}

impl AsyncRead for File {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_read_at_cursor(cx, buf)
    }

    #[cfg(target_os = "linux")]
    fn source_in_kernel(&self) -> Option<InKernel<'_>> {
        InKernel::file(&self.inner)
    }
}

/// What cannot be written at once is taken over and written behind: `poll_flush` waits for it, and the next call tells its
/// error. It is written also if the file is dropped.
impl AsyncWrite for File {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let unit = ready!(maniac_runtime::coop::poll_proceed(cx));
        let result = ready!(self.get_mut().poll_write_at_cursor(cx, buf));
        unit.made_progress();
        Poll::Ready(result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.unfinished.poll_settled(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }

    #[cfg(target_os = "linux")]
    fn sink_in_kernel(&self) -> Option<InKernel<'_>> {
        InKernel::file(&self.inner)
    }
}
