//! Bytes on their way between two ends that are no pipes, in a pipe of our own.
//!
//! While bytes are in the pipe, the source has given them and the target has not got them. A source with a cursor has lost
//! nothing by that: the cursor moves on delivery. For any other source, dropping the transit brings them on or back:
//!
//! | target | what becomes of bytes in the pipe |
//! |---|---|
//! | a stream | taken out and put in front of the source, to be read next |
//! | a file | a task writes them; whoever writes to the file next waits for it |

use super::end::{End, between};
use crate::fs::open_file::OpenFile;
use crate::rt;
use crate::sys::{self, Errno};
use maniac_driver::op::Splice;
use maniac_driver::op::splice::End as Place;
use maniac_driver::sys::FileKind;
use maniac_driver::{Op, SharedFd};
use maniac_runtime::driver;
use maniac_runtime::runtime::Handle;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

/// The size of a splice's pipe, as far as the system allows: each filling costs a call or an operation on either side.
pub(super) const ROOM: usize = 1 << 20;

/// See the module's documentation.
pub(super) struct Transit<'a> {
    src: &'a End,
    dst: &'a End,
    reader: End,
    writer: End,
    room: usize,
    /// How much is in the pipe, but for what `writing` has taken out.
    loaded: usize,
    /// The operation that writes a file.
    writing: Option<Op<Splice>>,
}

impl<'a> Transit<'a> {
    /// With a pipe of `room` bytes, as far as the system allows.
    pub(super) fn new(src: &'a End, dst: &'a End, room: usize) -> io::Result<Self> {
        let (reader, writer) = sys::pipe()?;
        let room = sys::resize_pipe(&writer, room)?;
        let end = |fd| End::stream(SharedFd::new(fd), FileKind::Fifo, None);
        Ok(Self { src, dst, reader: end(reader)?, writer: end(writer)?, room, loaded: 0, writing: None })
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.loaded > 0
    }

    /// Takes bytes from the source into the empty pipe; 0 if it has ended.
    pub(super) async fn fill(&mut self, len: usize) -> io::Result<usize> {
        rt::charge().await;
        let (src, len) = (self.src, len.min(self.room));
        self.loaded = match (src, src.leftover()) {
            (_, Some(leftover)) if !leftover.is_empty() => {
                leftover.give(|bytes| sys::write(self.writer.fd(), &bytes[..bytes.len().min(len)]))?
            }
            (End::Stream { .. }, _) => {
                between(src, &self.writer, || sys::splice(src.fd(), self.writer.fd(), len)).await?
            }
            (End::File(_), _) => rt::run(Splice::new(src.place()?, self.writer.place()?, len)).await?,
        };
        Ok(self.loaded)
    }

    /// Gives bytes of the pipe to the target; says how many.
    pub(super) async fn deliver(&mut self) -> io::Result<usize> {
        rt::charge().await;
        let (dst, len) = (self.dst, self.loaded);
        let count = match dst {
            End::Stream { .. } => {
                between(&self.reader, dst, || sys::splice(self.reader.fd(), dst.fd(), len)).await?
            }
            End::File(_) => {
                let op = Splice::new(self.reader.place()?, dst.place()?, len);
                self.writing = Some(driver::submit(op)?);
                // It stays here, for a drop in between.
                let result = poll_fn(|cx| match &mut self.writing {
                    Some(op) => Pin::new(op).poll(cx),
                    None => unreachable!("begun above"),
                })
                .await;
                self.writing = None;
                result?
            }
        };
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.loaded -= count;
        self.src.advance(count)?;
        dst.advance(count)?;
        Ok(count)
    }

    /// Takes what is in the pipe out of it.
    fn unload(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.loaded];
        let mut done = 0;
        while done < bytes.len() {
            match sys::read(self.reader.fd(), &mut bytes[done..]) {
                Ok(count) if count > 0 => done += count,
                _ => break,
            }
        }
        bytes.truncate(done);
        bytes
    }
}

impl Drop for Transit<'_> {
    fn drop(&mut self) {
        let Some(leftover) = self.src.leftover().filter(|_| self.loaded > 0) else { return };
        match (self.dst, Handle::try_current()) {
            (End::File(file), Some(runtime)) => {
                let pipe = self.reader.fd().clone();
                let bringing = bring_on(self.writing.take(), pipe, Arc::clone(file), self.loaded);
                if let Ok(task) = runtime.try_spawn(bringing) {
                    file.unfinished
                        .push(async move { task.await.unwrap_or_else(|error| Err(io::Error::other(error))) });
                }
            }
            _ => leftover.put(self.unload()),
        }
    }
}

/// Writes what is left in a pipe to a file, at its cursor, which nobody else moves meanwhile. `writing` is a step that is
/// under way.
async fn bring_on(
    mut writing: Option<Op<Splice>>,
    pipe: SharedFd,
    file: Arc<OpenFile>,
    mut loaded: usize,
) -> io::Result<()> {
    while loaded > 0 {
        let at = file.position()?;
        let step = match writing.take() {
            Some(op) => op.await,
            None => {
                let (from, to) = (Place::stream(pipe.clone()), Place::at(file.fd.clone(), at));
                rt::run(Splice::new(from, to, loaded)).await
            }
        };
        match step {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                loaded -= count;
                file.set_position(at + count as u64);
            }
            // The step that was under way ended with the future.
            Err(error) if sys::is(&error, Errno::CANCELED) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
