//! Small writes that go to the kernel together: on a ring, those of all tasks that a worker runs one after the other cost one
//! system call instead of one each. A write of a task that runs alone is a plain call, which is over sooner.

use super::stream::Stream;
use maniac_driver::Op;
use maniac_driver::buf::Slice;
use maniac_driver::op::Send;
use maniac_runtime::{coop, driver};
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// So many bytes are copied into the operation, which owns them: as many as keep its record within 384 bytes.
const MOST: usize = 224;

/// Writes all of a buffer. Dropped while the driver has a write of it, that is cancelled, and over before the stream's next begins.
#[must_use = "a future does nothing unless it is polled"]
pub(crate) struct WriteAll<'a> {
    stream: &'a Stream,
    /// What is left.
    buf: &'a [u8],
    step: Step,
}

enum Step {
    New,
    /// The driver writes.
    Gathered(Op<Send<Slice<[u8; MOST]>>>),
    /// Plain calls do.
    Plain,
}

impl<'a> WriteAll<'a> {
    #[inline]
    pub(super) fn new(stream: &'a Stream, buf: &'a [u8]) -> Self {
        Self { stream, buf, step: Step::New }
    }

    /// Has the driver write, if it is short and others' writes go along.
    #[inline]
    fn begin(&self) -> Step {
        let Self { stream, buf, .. } = *self;
        if buf.is_empty() || buf.len() > MOST || !stream.may_send() {
            return Step::Plain;
        }
        let op = driver::gather(|| {
            let mut copy = [0; MOST];
            copy[..buf.len()].copy_from_slice(buf);
            Send::new(stream.fd().clone(), Slice::new(copy, ..buf.len()), 0)
        });
        op.map_or(Step::Plain, Step::Gathered)
    }
}

impl Future for WriteAll<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Step::New = this.step {
            this.step = this.begin();
        }
        if let Step::Gathered(op) = &mut this.step {
            let unit = ready!(coop::poll_proceed(cx));
            let (result, _) = ready!(Pin::new(op).poll(cx));
            this.step = Step::Plain;
            unit.made_progress();
            this.buf = &this.buf[result?..];
        }
        while !this.buf.is_empty() {
            match ready!(this.stream.poll_write(cx, this.buf))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => this.buf = &this.buf[count..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for WriteAll<'_> {
    fn drop(&mut self) {
        let Step::Gathered(op) = mem::replace(&mut self.step, Step::Plain) else { return };
        op.cancel();
        self.stream.left_over().unfinished.push(async move {
            // How much of it was sent is lost; an error shows again with the next write.
            drop(op.await);
            Ok(())
        });
    }
}
