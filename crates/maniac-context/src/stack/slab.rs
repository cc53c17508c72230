//! Slabs: one reservation each, cut into stacks of one size from its low end up.
//!
//! ```text
//!  low                                                                                   high
//!  |  guard 64 KiB  |  signal reserve  |  usable ............ ◄─ grows down |  guard  | ...
//!                   ^ limit                                                 ^ base
//! ```

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::config::{Guard, StackPoolConfig};
use super::error::StackError;
use super::sys;
#[cfg(not(loom))]
use crate::overflow::{
    SLABS,
    registry::{Entry, Geometry},
};

/// Bytes below each stack that fault. A frame larger than this that skips its probe could jump over it; Rust probes
/// every page, C compilers do with `-fstack-clash-protection`.
const GUARD_BYTES: usize = 64 << 10;

fn guard_bytes() -> usize {
    GUARD_BYTES.next_multiple_of(sys::page_size())
}

/// Bytes of each stack that are kept for a signal frame.
pub(super) fn reserve(config: &StackPoolConfig) -> usize {
    let configured = config.signal_reserve.map(|bytes| bytes.next_multiple_of(sys::page_size()));
    configured.unwrap_or_else(sys::signal_reserve)
}

/// Stacks in a class's first slab; each further slab doubles.
const FIRST_SLAB_STACKS: usize = 16;

/// Address space of a slab at most, where there is much of it.
const MAX_SLAB_BYTES: usize = if cfg!(target_pointer_width = "64") { 16 << 30 } else { 64 << 20 };

/// The system call that installs a guard, as errors name it.
const INSTALL: &str = "madvise(MADV_GUARD_INSTALL)";

/// Stacks made writable by one system call.
const ALLOW_STEP: usize = 32;

/// Stacks guarded by mappings, in the whole process.
static PROTECTED_STACKS: AtomicUsize = AtomicUsize::new(0);

/// The address range of one stack. Whoever holds it owns the range, until the slabs it came from are dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonZeroUsize,
    limit: NonZeroUsize,
}

impl Memory {
    /// One past the highest byte.
    pub(super) fn base(&self) -> NonZeroUsize {
        self.base
    }

    /// The lowest address, that of the guard.
    pub(super) fn guard(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.limit.get() - guard_bytes()).unwrap_or(self.limit)
    }

    /// Bytes above the guard that are not among the `reserve` bytes for a signal frame.
    pub(super) fn usable_size(&self, reserve: usize) -> usize {
        self.base.get() - self.limit.get() - reserve
    }

    /// Gives the memory back to the system and keeps the address range.
    ///
    /// # Safety
    /// Nothing lives on the stack.
    pub(super) unsafe fn discard(&mut self) {
        // SAFETY: [INV-4, caller] the range is this stack's own; the caller promises that it is empty.
        unsafe { sys::discard(self.limit.get(), self.base.get() - self.limit.get()) }
    }
}

/// How a slab's stacks are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Install,
    Protect,
}

#[derive(Debug)]
struct Slab {
    address: usize,
    len: usize,
    /// Stacks it has room for.
    capacity: usize,
    /// Stacks cut so far.
    carved: usize,
    /// Stacks whose memory can be written, at least `carved` (`Install` only).
    allowed: usize,
    mode: Mode,
    /// The limit on mappings (`Protect` only), read when the slab was made.
    max_mappings: Option<usize>,
    /// Its place in the list that the overflow handler reads.
    #[cfg(not(loom))]
    registered: &'static Entry,
}

/// All slabs of one size of stack.
#[derive(Debug)]
pub(super) struct Slabs {
    /// Bytes from one stack's lowest guard byte to the next one's.
    stride: usize,
    /// Bytes of it that are kept for a signal frame.
    #[cfg(not(loom))]
    reserve: usize,
    guard: Guard,
    max_mappings: Option<usize>,
    next_capacity: usize,
    slabs: Vec<Slab>,
}

impl Slabs {
    pub(super) fn new(usable: usize, config: &StackPoolConfig) -> Self {
        let reserve = reserve(config);
        let span = usable.next_multiple_of(sys::page_size()) + reserve;
        Self {
            stride: guard_bytes() + span,
            #[cfg(not(loom))]
            reserve,
            guard: config.guard,
            max_mappings: config.max_mappings,
            next_capacity: FIRST_SLAB_STACKS,
            slabs: Vec::new(),
        }
    }

    /// Cuts one more stack.
    pub(super) fn carve(&mut self) -> Result<Memory, StackError> {
        if let Some(slab) = self.slabs.last_mut()
            && slab.carved < slab.capacity
        {
            match slab.carve(self.stride) {
                // The slab was locked into memory after its first guards: go on in a new one, guarded otherwise.
                Err(StackError::System { call: INSTALL, .. }) if self.guard == Guard::Auto => {
                    slab.capacity = slab.carved;
                }
                result => return result,
            }
        }
        let stride = self.stride;
        self.grow()?.carve(stride)
    }

    /// What guards the newest slab.
    pub(super) fn guard(&self) -> Option<Guard> {
        self.slabs.last().map(|slab| match slab.mode {
            Mode::Install => Guard::Install,
            Mode::Protect => Guard::Protect,
        })
    }

    /// Stacks cut so far.
    pub(super) fn carved(&self) -> usize {
        self.slabs.iter().map(|slab| slab.carved).sum()
    }

    #[cfg(not(loom))]
    fn geometry(&self, len: usize) -> Geometry {
        let usable = self.stride - guard_bytes() - self.reserve;
        Geometry { len, stride: self.stride, guard: guard_bytes(), usable }
    }

    fn grow(&mut self) -> Result<&mut Slab, StackError> {
        let mut capacity = self.next_capacity.min((MAX_SLAB_BYTES / self.stride).max(1));
        let (address, len) = loop {
            let len = capacity * self.stride;
            match sys::reserve(len) {
                Ok(address) => break (address, len),
                // Address space may be limited (RLIMIT_AS, 32-bit): take what there is.
                Err(_) if capacity > 1 => capacity /= 2,
                Err(source) => return Err(StackError::System { call: "mmap", source }),
            }
        };
        self.next_capacity = capacity.saturating_mul(2);
        #[cfg(not(loom))]
        let registered = SLABS.register(address, self.geometry(len));
        let mut slab = Slab {
            address,
            len,
            capacity,
            carved: 0,
            allowed: 0,
            mode: Mode::Install,
            max_mappings: None,
            #[cfg(not(loom))]
            registered,
        };
        slab.mode = match self.guard {
            Guard::Protect => Mode::Protect,
            Guard::Install => Mode::Install,
            // The kernel may lack it, and it may refuse it here (locked memory): try.
            Guard::Auto => match slab.install_guard(0, self.stride) {
                Ok(()) => Mode::Install,
                Err(_) => Mode::Protect,
            },
        };
        if slab.mode == Mode::Protect {
            slab.max_mappings = self.max_mappings.or_else(sys::max_mappings);
        }
        self.slabs.push(slab);
        Ok(self.slabs.last_mut().expect("a slab was pushed"))
    }
}

impl Slab {
    fn carve(&mut self, stride: usize) -> Result<Memory, StackError> {
        let guard = self.address + self.carved * stride;
        let limit = guard + guard_bytes();
        let base = guard + stride;
        match self.mode {
            Mode::Install => {
                self.install_guard(self.carved, stride)
                    .map_err(|source| StackError::System { call: INSTALL, source })?;
                if self.allowed == self.carved {
                    self.allowed += self.allow_more(guard, stride)?;
                }
            }
            Mode::Protect => protect(limit, base, self.max_mappings)?,
        }
        self.carved += 1;
        let (Some(base), Some(limit)) = (NonZeroUsize::new(base), NonZeroUsize::new(limit)) else {
            unreachable!("a mapping never begins at address zero");
        };
        Ok(Memory { base, limit })
    }

    /// Makes further stacks writable, from `start` on; returns how many.
    fn allow_more(&self, start: usize, stride: usize) -> Result<usize, StackError> {
        let step = ALLOW_STEP.min(self.capacity - self.carved);
        // SAFETY: [INV-4] the next `step` strides of this slab, which no stack was cut from yet.
        if unsafe { sys::allow(start, step * stride) }.is_ok() {
            return Ok(step);
        }
        // Where the system counts what could be touched (no overcommit) there may be room for one still.
        // SAFETY: [INV-4] as above.
        unsafe { sys::allow(start, stride) }
            .map_err(|source| StackError::System { call: "mprotect", source })?;
        Ok(1)
    }

    fn install_guard(&self, index: usize, stride: usize) -> io::Result<()> {
        // SAFETY: [INV-4] the lowest bytes of a stride that no stack was cut from yet.
        unsafe { sys::install_guard(self.address + index * stride, guard_bytes()) }
    }
}

/// Makes one stack writable between two stretches that fault: two mappings.
fn protect(limit: usize, base: usize, max_mappings: Option<usize>) -> Result<(), StackError> {
    let stacks = PROTECTED_STACKS.fetch_add(1, Ordering::Relaxed);
    let result = match max_mappings {
        // Some are left for the rest of the process, which cannot start a thread or map a file without.
        Some(max) if 2 * (stacks + 1) + (max / 4).min(1024) > max => {
            Err(StackError::MappingLimit { stacks, mappings: max })
        }
        _ => {
            // SAFETY: [INV-4] a stack's own range, which nothing was cut from yet.
            unsafe { sys::allow(limit, base - limit) }.map_err(|source| refused(stacks, source))
        }
    };
    if result.is_err() {
        PROTECTED_STACKS.fetch_sub(1, Ordering::Relaxed);
    }
    result
}

/// Tells the limit on mappings, which others may have used up, from a lack of memory.
fn refused(stacks: usize, source: io::Error) -> StackError {
    match sys::max_mappings() {
        Some(max) if source.kind() == io::ErrorKind::OutOfMemory && sys::mappings() + 8 > max => {
            StackError::MappingLimit { stacks, mappings: max }
        }
        _ => StackError::System { call: "mprotect", source },
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        for slab in &self.slabs {
            if slab.mode == Mode::Protect {
                PROTECTED_STACKS.fetch_sub(slab.carved, Ordering::Relaxed);
            }
            #[cfg(not(loom))]
            slab.registered.unregister();
            // SAFETY: [INV-5] the pool drops its slabs only when no stack of theirs exists outside its lists.
            unsafe { sys::release(slab.address, slab.len) };
        }
    }
}
