//! Positioned reads and writes of several buffers.

use super::poll;
use crate::buf::{BufResult, RawBufRead, RawBufWrite};
use crate::fd::SharedFd;
use crate::op::{Mode, Operation, Returned};
use std::io;

/// Addresses and lengths for the kernel (readv(2)).
pub(super) struct Vectors(pub(super) Vec<poll::Vector>);

// SAFETY: [INV-1] the addresses are those of the buffers beside it, which are Send.
unsafe impl Send for Vectors {}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vectors").field("len", &self.0.len()).finish()
    }
}

/// Reads at an offset into several buffers, one after the other (preadv(2)); at most 1,024 are used.
///
/// Cancel safety: the file is not changed.
#[derive(Debug)]
pub struct ReadVectoredAt<B> {
    fd: SharedFd,
    bufs: Vec<B>,
    vectors: Vectors,
    offset: u64,
}

impl<B: RawBufWrite> ReadVectoredAt<B> {
    /// Reads up to the capacities of `bufs` from `offset`.
    pub fn new(fd: SharedFd, bufs: Vec<B>, offset: u64) -> Self {
        // The list of addresses is allocated here: the operation is for few, large reads.
        let vectors = Vectors(Vec::with_capacity(bufs.len()));
        Self { fd, bufs, vectors, offset }
    }

    fn prepare(&mut self) {
        let parts = self.bufs.iter_mut().take(poll::MAX_VECTORS);
        self.vectors.0.clear();
        self.vectors.0.extend(parts.map(|buf| poll::vector(buf.as_buf_mut_ptr(), buf.buf_capacity())));
    }
}

// SAFETY: [INV-1] the entry points to `vectors`' heap block, and that into the buffers, whose owners lie in `bufs`' heap
// block: nothing of it moves with the record, and the record does not move.
unsafe impl<B: RawBufWrite> Operation for ReadVectoredAt<B> {
    type Output = BufResult<usize, Vec<B>>;
    const NAME: &'static str = "read_vectored_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = super::uring::READV;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<crate::op::Entry> {
        super::uring::positioned(&self.fd, self.offset)?;
        self.prepare();
        Some(super::uring::readv(&self.fd, &self.vectors.0, self.offset))
    }

    fn call(&mut self) -> io::Result<usize> {
        #[cfg(maniac_uring)]
        self.fd.learn_of_ring();
        self.prepare();
        poll::readv_at(&self.fd, &self.vectors.0, self.offset)
    }

    fn finish(mut self, result: io::Result<Returned>) -> Self::Output {
        let result = result.map(Returned::get);
        if let Ok(mut rest) = result {
            for buf in &mut self.bufs {
                let part = rest.min(buf.buf_capacity());
                // SAFETY: [INV-6, INV-7] the system fills the buffers in turn, each up to its capacity.
                unsafe { buf.set_filled(part) };
                rest -= part;
            }
        }
        (result, self.bufs)
    }
}

/// Writes several buffers at an offset, one after the other (pwritev(2)); at most 1,024 are used.
///
/// Cancel safety: none; a dropped write may have happened, wholly or in part.
#[derive(Debug)]
pub struct WriteVectoredAt<B> {
    fd: SharedFd,
    bufs: Vec<B>,
    vectors: Vectors,
    offset: u64,
}

impl<B: RawBufRead> WriteVectoredAt<B> {
    /// Writes `bufs` at `offset`.
    pub fn new(fd: SharedFd, bufs: Vec<B>, offset: u64) -> Self {
        // The list of addresses is allocated here: the operation is for few, large writes.
        let vectors = Vectors(Vec::with_capacity(bufs.len()));
        Self { fd, bufs, vectors, offset }
    }

    fn prepare(&mut self) {
        let parts = self.bufs.iter().take(poll::MAX_VECTORS);
        self.vectors.0.clear();
        self.vectors.0.extend(parts.map(|buf| poll::vector(buf.as_buf_ptr().cast_mut(), buf.buf_len())));
    }
}

// SAFETY: [INV-1] as for reading.
unsafe impl<B: RawBufRead> Operation for WriteVectoredAt<B> {
    type Output = BufResult<usize, Vec<B>>;
    const NAME: &'static str = "write_vectored_at";
    const MODE: Mode = Mode::Offload;
    #[cfg(maniac_uring)]
    const OPCODE: u8 = super::uring::WRITEV;

    #[cfg(maniac_uring)]
    fn entry(&mut self) -> Option<crate::op::Entry> {
        super::uring::positioned(&self.fd, self.offset)?;
        self.prepare();
        Some(super::uring::writev(&self.fd, &self.vectors.0, self.offset))
    }

    fn call(&mut self) -> io::Result<usize> {
        #[cfg(maniac_uring)]
        self.fd.learn_of_ring();
        self.prepare();
        poll::writev_at(&self.fd, &self.vectors.0, self.offset)
    }

    fn finish(self, result: io::Result<Returned>) -> Self::Output {
        let result = result.map(Returned::get);
        (result, self.bufs)
    }
}
