//! Task ids.

use std::fmt;

/// A task's id: unique among the tasks alive at any one time in a runtime.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let handle = runtime.spawn(async { maniac::task::id() });
/// let id = handle.id();
/// assert_eq!(runtime.block_on(handle).unwrap(), id);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

impl Id {
    pub(crate) const NONE: Id = Id(0);

    #[inline]
    pub(crate) fn new(index: u32, generation: u32) -> Id {
        Id(u64::from(generation) << 32 | u64::from(index))
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.0 as u32
    }

    /// As a number below 2^56: an index is below 2^24, as many as slots can be.
    pub(crate) fn to_number(self) -> u64 {
        u64::from(self.generation()) << 24 | u64::from(self.index())
    }

    pub(crate) fn from_number(number: u64) -> Id {
        Id::new(number as u32 & 0xff_ffff, (number >> 24) as u32)
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn from_bits(bits: u64) -> Id {
        Id(bits)
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 & 0xffff_ffff, self.generation())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}
