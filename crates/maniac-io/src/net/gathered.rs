//! Small writes that go to the kernel together: on a ring, those of all tasks that a worker runs one after the other cost one
//! system call instead of one each. A write of a task that runs alone is a plain call, which is over sooner.

use super::stream::Stream;
use maniac_driver::Op;
use maniac_driver::buf::Slice;
use maniac_driver::op::Send;
use maniac_runtime::{coop, driver};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// So many bytes are copied into the operation, which owns them: as many as keep its record within 384 bytes.
const MOST: usize = 224;

/// A write under way. Dropped, it is cancelled, and over before the stream's next write begins.
pub(super) struct Gathered<'a> {
    /// Present until done.
    op: Option<Op<Send<Slice<[u8; MOST]>>>>,
    stream: &'a Stream,
}

impl<'a> Gathered<'a> {
    /// Begins to write `bytes`, if they are few and others' writes go along.
    #[inline]
    pub(super) fn begin(stream: &'a Stream, bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > MOST {
            return None;
        }
        let op = driver::gather(|| {
            let mut copy = [0; MOST];
            copy[..bytes.len()].copy_from_slice(bytes);
            Send::new(stream.fd().clone(), Slice::new(copy, ..bytes.len()), 0)
        })?;
        Some(Self { op: Some(op), stream })
    }
}

impl Future for Gathered<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let op = self.op.as_mut().expect("polled after completion");
        let (result, _) = ready!(Pin::new(op).poll(cx));
        self.op = None;
        unit.made_progress();
        Poll::Ready(result)
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        let Some(op) = self.op.take() else { return };
        op.cancel();
        self.stream.left_over().unfinished.push(async move {
            // How much of it was sent is lost; an error shows again with the next write.
            drop(op.await);
            Ok(())
        });
    }
}
