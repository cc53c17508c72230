//! One end of a splice, and one step between two of them.

use crate::fs::Fd;
use crate::fs::fd::Kind;
use crate::fs::open_file::{OpenFile, stat};
use crate::fs::unfinished::Change;
use crate::net::Leftover;
use crate::rt;
use crate::sys;
use maniac_driver::op::Splice;
use maniac_driver::op::splice::End as Place;
use maniac_driver::sys::FileKind;
use maniac_driver::{Interest, ReadyEvent, Registration, SharedFd};
use maniac_runtime::driver;
use std::io;
use std::sync::Arc;

/// What a splice moves from or to.
pub(super) enum End {
    /// Something with positions: at its cursor.
    File(Arc<OpenFile>),
    /// Something that is waited for.
    Stream { io: Registration, is_pipe: bool, leftover: Option<Arc<Leftover>> },
}

impl End {
    pub(super) fn new(fd: Fd) -> io::Result<Self> {
        let kind = stat(fd.shared())?.kind();
        match fd.kind {
            Kind::File(file) if !matches!(kind, FileKind::Fifo | FileKind::CharDevice | FileKind::Socket) => {
                Ok(End::File(file))
            }
            Kind::File(file) => Self::stream(file.fd.clone(), kind, None),
            Kind::Stream(fd, leftover) => Self::stream(fd, kind, Some(leftover)),
        }
    }

    pub(super) fn stream(fd: SharedFd, kind: FileKind, leftover: Option<Arc<Leftover>>) -> io::Result<Self> {
        let io = Registration::new(fd, &driver::remote()?)?;
        Ok(End::Stream { io, is_pipe: kind == FileKind::Fifo, leftover })
    }

    pub(super) fn fd(&self) -> &SharedFd {
        match self {
            End::File(file) => &file.fd,
            End::Stream { io, .. } => io.fd(),
        }
    }

    pub(super) fn is_pipe(&self) -> bool {
        matches!(self, End::Stream { is_pipe: true, .. })
    }

    pub(super) fn leftover(&self) -> Option<&Leftover> {
        match self {
            End::File(_) => None,
            End::Stream { leftover, .. } => leftover.as_deref(),
        }
    }

    /// Waits for what dropped futures have left.
    pub(super) async fn settle(&self) -> io::Result<()> {
        match self {
            End::File(file) => file.unfinished.settle().await,
            End::Stream { leftover: Some(leftover), .. } => leftover.unfinished.settle().await,
            End::Stream { leftover: None, .. } => Ok(()),
        }
    }

    /// Waits for what dropped futures may still move: a file's cursor.
    pub(super) async fn settle_cursor(&self) -> io::Result<()> {
        match self {
            End::File(file) => file.unfinished.settle().await,
            End::Stream { .. } => Ok(()),
        }
    }

    async fn ready(&self, interest: Interest) -> io::Result<ReadyEvent> {
        match self {
            End::Stream { io, .. } => io.ready(interest).await,
            End::File(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "a file is no pipe")),
        }
    }

    fn clear(&self, event: ReadyEvent, interest: Interest) {
        if let End::Stream { io, .. } = self {
            io.clear_ready(event, interest);
        }
    }

    /// Where the driver moves from or to.
    pub(super) fn place(&self) -> io::Result<Place> {
        match self {
            End::File(file) => Ok(Place::at(file.fd.clone(), file.position()?)),
            End::Stream { io, .. } => Ok(Place::stream(io.fd().clone())),
        }
    }

    /// Moves a file's cursor over what was moved.
    pub(super) fn advance(&self, count: usize) -> io::Result<()> {
        if let End::File(file) = self {
            file.set_position(file.position()? + count as u64);
        }
        Ok(())
    }
}

/// Moves bytes from one end to the other, of which one is a pipe; 0 if the source has ended. Moves the cursors.
pub(super) async fn step(from: &End, to: &End, len: usize) -> io::Result<usize> {
    rt::charge().await;
    if let Some(leftover) = from.leftover().filter(|leftover| !leftover.is_empty()) {
        return write_leftover(leftover, to, len).await;
    }
    let count = match (from, to) {
        (End::Stream { .. }, End::Stream { .. }) => {
            between(from, to, || sys::splice(from.fd(), to.fd(), len)).await?
        }
        _ => operation(from, to, len).await?,
    };
    from.advance(count)?;
    to.advance(count)?;
    Ok(count)
}

/// A step with a file: by the driver, since it may wait for a device. Moves no cursor, unless it is dropped while it writes a
/// file: what is written all the same is noted there.
async fn operation(from: &End, to: &End, len: usize) -> io::Result<usize> {
    let op = Splice::new(from.place()?, to.place()?, len);
    let begun = driver::submit(op)?;
    let End::File(file) = to else { return begun.await };
    let (noted, at) = (Arc::downgrade(file), file.position()?);
    let note = move |result: io::Result<usize>| {
        if let (Ok(count), Some(file)) = (result, noted.upgrade()) {
            file.set_position(at + count as u64);
        }
    };
    Change::noting(begun, &file.unfinished, note).await
}

/// Makes `call`, which moves between two streams, once it does not block. Each call is whole, so nothing is under way when
/// this is dropped.
pub(super) async fn between(
    from: &End,
    to: &End,
    mut call: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        let readable = from.ready(Interest::READABLE).await?;
        let writable = to.ready(Interest::WRITABLE).await?;
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        // The call does not say which of them is not ready. What is ready now must not be marked as if it were not: no
        // report would come.
        let (is_readable, is_writable) = sys::poll_both(from.fd(), to.fd())?;
        if !is_readable {
            from.clear(readable, Interest::READABLE);
        }
        if !is_writable {
            to.clear(writable, Interest::WRITABLE);
        }
        rt::charge().await;
    }
}

/// What an earlier splice had taken goes first. It came from no pipe, so this goes to one.
async fn write_leftover(leftover: &Leftover, to: &End, len: usize) -> io::Result<usize> {
    let End::Stream { io, .. } = to else { return Err(io::ErrorKind::InvalidInput.into()) };
    io.io(Interest::WRITABLE, || leftover.give(|bytes| sys::write(to.fd(), &bytes[..bytes.len().min(len)])))
        .await
}
