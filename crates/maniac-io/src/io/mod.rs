//! The read and write traits, what they can do by themselves, buffers around them, and copying between two of
//! them.
//!
//! Files, sockets, pipes and the pipes of child processes implement [`AsyncRead`] and [`AsyncWrite`]. With the feature
//! `futures` they implement the traits of `futures-io` too, and with `tokio-compat` those of tokio.

mod buffered;
#[cfg(all(unix, any(feature = "futures", feature = "tokio-compat")))]
mod compat;
mod copy;
mod kernel;
mod read;
mod write;

pub use buffered::{BUFFER_SIZE, BufReader, BufWriter, LINE_LIMIT};
pub use copy::{Copy, CopyBidirectional, copy, copy_bidirectional};
pub use kernel::InKernel;
pub use read::{AsyncRead, AsyncReadExt, Read, ReadExact, ReadToEnd, ReadToString, read_to_end};
pub use write::{AsyncWrite, AsyncWriteExt, Close, Flush, Write, WriteAll};
