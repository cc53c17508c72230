//! What an operation came to, on its way to a completion record.

use crate::region::Region;
use maniac::driver::OwnedDescriptor;
use maniac::driver::host::AlignedBuf;
use rustix::fs::Dir;
use rustix::io::Errno;
use std::io;

/// Bytes that an operation gives.
#[derive(Debug, Default)]
pub(crate) enum Data {
    #[default]
    None,
    /// In the slab if there is room, else handed over.
    Bytes(Vec<u8>),
    /// Always in the slab: attributes.
    Fixed(Vec<u8>),
    /// Written into the caller's region already: so many bytes.
    InRegion(usize),
    /// To be copied into the caller's region on the environment's own thread.
    ForRegion(AlignedBuf, Region),
}

/// What an operation made that the engine keeps.
#[derive(Debug, Default)]
pub(crate) enum Made {
    #[default]
    Nothing,
    /// A descriptor; its number is the result.
    Descriptor(OwnedDescriptor),
    /// A directory; the number that the engine gives it is the result.
    Directory(Dir),
}

/// What an operation came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) result: i32,
    pub(crate) step: u8,
    pub(crate) data: Data,
    pub(crate) extra: i64,
    pub(crate) made: Made,
}

impl Outcome {
    /// Success with a number.
    pub(crate) fn number(result: usize) -> Self {
        Self { result: i32::try_from(result).unwrap_or(i32::MAX), ..Self::default() }
    }

    /// Success with bytes; the number is their count.
    pub(crate) fn bytes(data: Vec<u8>) -> Self {
        let counted = Self::number(data.len());
        Self { data: Data::Bytes(data), ..counted }
    }

    /// Success with bytes, and zero for a number.
    pub(crate) fn text(data: Vec<u8>) -> Self {
        Self { data: Data::Bytes(data), ..Self::default() }
    }

    /// A failure of a system call.
    pub(crate) fn failed(errno: Errno) -> Self {
        Self { result: -errno.raw_os_error(), ..Self::default() }
    }

    /// A failure of one step of a compound operation.
    pub(crate) fn failed_at(step: u8, errno: Errno) -> Self {
        Self { step, ..Self::failed(errno) }
    }
}

/// The error number of a driver's error. What has none came from the runtime itself: it was too busy.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_raw_os_error(number),
        (None, io::ErrorKind::InvalidInput) => Errno::INVAL,
        (None, _) => Errno::BUSY,
    }
}
