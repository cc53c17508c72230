//! Moving data between descriptors inside the kernel. One end must be a pipe (splice(2)), or both (tee(2)), or neither: both are
//! files (copy_file_range(2)).

#[cfg(any(target_os = "linux", target_os = "android"))]
mod poll;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "stub.rs"]
mod poll;
#[cfg(maniac_uring)]
mod uring;

use super::{Mode, Operation, Returned};
use crate::fd::SharedFd;
use crate::ready::Interest;
use std::io;

/// One end of a [`Splice`].
#[derive(Debug, Clone)]
pub struct End {
    pub(crate) fd: SharedFd,
    pub(crate) offset: Option<u64>,
}

impl End {
    /// A pipe, a socket, or a file at its own position.
    pub fn stream(fd: SharedFd) -> Self {
        Self { fd, offset: None }
    }

    /// A file at `offset`.
    pub fn at(fd: SharedFd, offset: u64) -> Self {
        Self { fd, offset: Some(offset) }
    }
}

/// Moves bytes from one descriptor to another, of which one is a pipe (splice(2)). Both are made non-blocking. Linux only.
///
/// Cancel safety: none; a dropped one may have moved bytes. Those lie in the pipe then, if that was the target.
#[derive(Debug)]
pub struct Splice {
    from: End,
    to: End,
    len: usize,
}

impl Splice {
    /// Moves up to `len` bytes; 0 moved means the source's end.
    pub fn new(from: End, to: End, len: usize) -> Self {
        Self { from, to, len }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for Splice {
    type Output = io::Result<usize>;
    const NAME: &'static str = "splice";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::SPLICE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        // Where that fails the plain call does too, and says why.
        poll::prepare(&self.from.fd, &self.to.fd).ok()?;
        let ends = [&self.from, &self.to];
        ends.iter().filter_map(|end| end.offset).try_for_each(|at| crate::sys::offset(at).map(drop)).ok()?;
        Some(uring::splice(&self.from, &self.to, self.len))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::prepare(&self.from.fd, &self.to.fd)?;
        poll::splice(&self.from, &self.to, self.len)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some(poll::which_blocks(&self.from.fd, &self.to.fd))
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        result.map(Returned::get)
    }
}

/// Copies bytes from one pipe to another without taking them out of the first (tee(2)). Both are made non-blocking. Linux
/// only.
///
/// Cancel safety: none; a dropped one may have copied bytes.
#[derive(Debug)]
pub struct Tee {
    from: SharedFd,
    to: SharedFd,
    len: usize,
}

impl Tee {
    /// Copies up to `len` bytes; 0 copied means that the source is empty and has no writer.
    pub fn new(from: SharedFd, to: SharedFd, len: usize) -> Self {
        Self { from, to, len }
    }
}

// SAFETY: [INV-1] the entry points to nothing.
unsafe impl Operation for Tee {
    type Output = io::Result<usize>;
    const NAME: &'static str = "tee";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = uring::TEE;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<super::Entry> {
        // Where that fails the plain call does too, and says why.
        poll::prepare(&self.from, &self.to).ok()?;
        Some(uring::tee(&self.from, &self.to, self.len))
    }

    fn call(&mut self) -> io::Result<usize> {
        poll::prepare(&self.from, &self.to)?;
        poll::tee(&self.from, &self.to, self.len)
    }

    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        Some(poll::which_blocks(&self.from, &self.to))
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        result.map(Returned::get)
    }
}

/// Copies bytes from one file to another (copy_file_range(2)). No ring knows it: a thread of the pool makes the call. Linux only.
///
/// Cancel safety: none; a dropped one may have copied bytes.
#[derive(Debug)]
pub struct CopyRange {
    from: (SharedFd, u64),
    to: (SharedFd, u64),
    len: usize,
}

impl CopyRange {
    /// Copies up to `len` bytes from a file, at an offset, to another; 0 copied means the source's end.
    pub fn new(from: (SharedFd, u64), to: (SharedFd, u64), len: usize) -> Self {
        Self { from, to, len }
    }
}

// SAFETY: [INV-1] there is no entry.
unsafe impl Operation for CopyRange {
    type Output = io::Result<usize>;
    const NAME: &'static str = "copy_range";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = super::NO_OPCODE;

    fn call(&mut self) -> io::Result<usize> {
        poll::copy_range((&self.from.0, self.from.1), (&self.to.0, self.to.1), self.len)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        result.map(Returned::get)
    }
}
