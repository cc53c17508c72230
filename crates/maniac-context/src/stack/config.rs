//! What a pool of stacks can be told.

use super::StackError;

/// How the space below a stack is made to fault.
///
/// ```
/// use maniac_context::stack::{Guard, StackPoolConfig};
/// let config = StackPoolConfig::new().guard(Guard::Protect);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Guard {
    /// `Install` where the kernel can, else `Protect`; found out by trying.
    #[default]
    Auto,
    /// `MADV_GUARD_INSTALL` (Linux 6.13): a guard costs no mapping of its own. Refused on locked memory.
    Install,
    /// `mprotect`: two mappings a stack, so the number of stacks is limited by `vm.max_map_count`.
    Protect,
}

/// The configuration of a [`StackPool`](super::StackPool).
///
/// ```
/// use maniac_context::stack::StackPoolConfig;
/// let config = StackPoolConfig::new().stack_size(512 * 1024).max_hot(32).max_stacks(10_000);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackPoolConfig {
    pub(super) stack_size: usize,
    pub(super) max_hot: usize,
    pub(super) max_stacks: usize,
    pub(super) guard: Guard,
    pub(super) max_mappings: Option<usize>,
    pub(super) signal_reserve: Option<usize>,
}

impl StackPoolConfig {
    /// Bytes a stack offers if nothing else is said: 1 MiB. Only what is touched costs memory.
    pub const DEFAULT_STACK_SIZE: usize = 1 << 20;
    /// The smallest stack: 16 KiB.
    pub const MIN_STACK_SIZE: usize = 16 << 10;
    /// The largest stack: 1 GiB (64 MiB on 32-bit targets).
    pub const MAX_STACK_SIZE: usize = if cfg!(target_pointer_width = "64") { 1 << 30 } else { 64 << 20 };
    /// How many idle stacks of a size keep their memory if nothing else is said: 256.
    pub const DEFAULT_MAX_HOT: usize = 256;

    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stack_size: Self::DEFAULT_STACK_SIZE,
            max_hot: Self::DEFAULT_MAX_HOT,
            max_stacks: usize::MAX,
            guard: Guard::Auto,
            max_mappings: None,
            signal_reserve: None,
        }
    }

    /// Bytes that [`StackPool::get`](super::StackPool::get) offers at least, rounded up to a power of two.
    #[must_use]
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// How many idle stacks of each size keep the memory they have touched; the memory of further ones is given back
    /// to the system.
    #[must_use]
    pub const fn max_hot(mut self, stacks: usize) -> Self {
        self.max_hot = stacks;
        self
    }

    /// How many stacks of each size may be in use at once; unlimited by default.
    #[must_use]
    pub const fn max_stacks(mut self, stacks: usize) -> Self {
        self.max_stacks = stacks;
        self
    }

    /// How guards are made.
    #[must_use]
    pub const fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// The number of memory mappings to assume instead of `vm.max_map_count`, for [`Guard::Protect`].
    #[must_use]
    pub const fn max_mappings(mut self, mappings: usize) -> Self {
        self.max_mappings = Some(mappings);
        self
    }

    /// Bytes below the usable part of a stack where a signal's frame finds room, rounded up to whole pages; by default what
    /// the largest frame of this machine takes and 1 KiB for its handler. Less saves address space where no signal is handled
    /// on the stacks; such stacks are refused by [`Preemptible`](crate::preempt::Preemptible). On Windows it is for preemptions alone.
    #[must_use]
    pub const fn signal_reserve(mut self, bytes: usize) -> Self {
        self.signal_reserve = Some(bytes);
        self
    }

    pub(super) fn class_of(bytes: usize) -> Result<usize, StackError> {
        let (min, max) = (Self::MIN_STACK_SIZE, Self::MAX_STACK_SIZE);
        if bytes == 0 || bytes > max {
            return Err(StackError::Size { requested: bytes, min, max });
        }
        let rounded = bytes.max(min).next_power_of_two();
        Ok((rounded.trailing_zeros() - min.trailing_zeros()) as usize)
    }
}

impl Default for StackPoolConfig {
    fn default() -> Self {
        Self::new()
    }
}
