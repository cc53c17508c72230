//! Operations, by family; what each backend does for them is in the family's `uring.rs`, `poll.rs` and `stub.rs`.
//!
//! An operation is a value that owns its buffer and its descriptor. [`Driver::submit`](crate::Driver::submit) moves it into a
//! record; [`Op`](crate::Op) gives the result, and the buffer back. Where a plain call that cannot wait is cheaper than
//! the kernel's queue (a cached read, a statx), [`try_inline`] makes it first, without a record.

pub mod close;
pub mod file;
pub mod path;
pub mod readiness;
pub mod socket;
pub mod splice;

pub use close::Close;
pub use file::{
    Allocate, Fsync, Read, ReadAt, ReadVectoredAt, StatFile, SyncRange, Truncate, Write, WriteAt,
    WriteVectoredAt,
};
pub use path::{LinkAt, MkdirAt, OpenAt, ReadLinkAt, RenameAt, StatAt, SymlinkAt, UnlinkAt};
pub use readiness::PollOnce;
pub use socket::{Accept, Connect, Recv, RecvFrom, Send, SendTo, Shutdown};
pub use splice::{CopyRange, Splice, Tee};

use crate::fd::SharedFd;
use crate::ready::Interest;
use std::io;

/// What the ring is given.
#[cfg(maniac_uring)]
pub(crate) type Entry = io_uring::squeue::Entry;
/// What a ring would be given.
#[cfg(not(maniac_uring))]
#[derive(Debug)]
pub enum Entry {}

/// How an operation is done without a ring (or with a kernel that does not know it).
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The call does not block: it is made at once, and again when the descriptor is ready.
    Ready,
    /// The call may block: a thread of the pool makes it.
    Offload,
}

/// What the system returned for an operation: a count of bytes, a descriptor's number. Only this crate makes one, for
/// [`Operation::finish`]: whoever could would claim that memory is initialised, or that a descriptor is theirs.
#[doc(hidden)]
#[derive(Debug)]
pub struct Returned(pub(crate) usize);

impl Returned {
    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

/// An operation: a buffer, a descriptor and what to do with them. Implemented by this crate only.
///
/// ```
/// # #[cfg(unix)] {
/// use maniac_driver::op::{Operation, ReadAt};
/// assert_eq!(<ReadAt<Vec<u8>> as Operation>::NAME, "read_at");
/// # }
/// ```
///
/// # Safety
///
/// What `entry` gives to the kernel refers to nothing but memory inside `self` (which the record keeps in place) or owned
/// by it, and that memory is left alone until `finish`. A success given to `finish` is of this very operation, which was
/// done by its `entry`, its `call` or its `inline` (so it may be relied on); a failure may come from anywhere.
pub unsafe trait Operation: std::marker::Send + 'static {
    /// What its handle gives.
    type Output: std::marker::Send + 'static;

    /// What it is called in reports.
    const NAME: &'static str;

    #[doc(hidden)]
    const MODE: Mode;

    /// The ring's opcode.
    #[cfg(maniac_uring)]
    #[doc(hidden)]
    const OPCODE: u8;

    /// The ring's entry; none if this very operation must take the other way.
    #[doc(hidden)]
    fn entry(&mut self) -> Option<Entry> {
        None
    }

    /// The plain system call.
    #[doc(hidden)]
    fn call(&mut self) -> io::Result<usize>;

    /// What to wait for when the call would block.
    #[doc(hidden)]
    fn wait_for(&self) -> Option<(&SharedFd, Interest)> {
        None
    }

    /// A call that cannot wait, for [`try_inline`]; `None` if there is none or it would wait.
    #[doc(hidden)]
    fn inline(&mut self) -> Option<io::Result<usize>> {
        None
    }

    /// Turns the system's result into the operation's.
    #[doc(hidden)]
    fn finish(self, result: io::Result<Returned>) -> Self::Output;
}

/// Whether an operation could be done on the spot.
#[derive(Debug)]
pub enum Inline<T: Operation> {
    /// It was; this is its result.
    Done(T::Output),
    /// It would have to wait: submit it.
    Pending(T),
}

/// Tries to do `op` by a plain call that does not wait: a cached read or write (`RWF_NOWAIT`), an open that the kernel's
/// path cache answers, a statx, a socket that is ready. Cheaper than a ring where it succeeds; see DESIGN's figures.
///
/// A read may come back short where only a part was cached.
///
/// ```
/// # #[cfg(unix)] {
/// use maniac_driver::op::{Inline, StatFile, try_inline};
/// let file = maniac_driver::SharedFd::new(std::fs::File::open("/dev/null").unwrap().into());
/// match try_inline(StatFile::new(file)) {
///     Inline::Done(stat) => assert!(stat.unwrap().is_char_device()),
///     Inline::Pending(_op) => (), // driver.submit(_op)
/// }
/// # }
/// ```
pub fn try_inline<T: Operation>(mut op: T) -> Inline<T> {
    match op.inline() {
        Some(result) => Inline::Done(op.finish(result.map(Returned))),
        None => Inline::Pending(op),
    }
}

/// The opcode of operations that no ring knows.
#[cfg(maniac_uring)]
const NO_OPCODE: u8 = u8::MAX;

/// The result of a call that does not block, unless it would have to.
fn now(result: io::Result<usize>) -> Option<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}

/// The number of bytes, or whatever else a system call counts, dropped.
fn unit(result: io::Result<Returned>) -> io::Result<()> {
    result.map(|_| ())
}
