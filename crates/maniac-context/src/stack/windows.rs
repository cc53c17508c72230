//! Windows: each stack is an allocation of its own, whose pages and guards the kernel manages. It stands where
//! `slab` stands elsewhere.

use std::mem;
use std::num::NonZeroUsize;

use corosensei::stack::{DefaultStack, Stack, StackTebFields};

use super::config::{Guard, StackPoolConfig};
use super::error::StackError;

const PAGE: usize = 4096;

/// Bytes that every stack keeps below what it reports as usable: for the frame of a preemption, which a signal's would be elsewhere.
pub(super) fn reserve(config: &StackPoolConfig) -> usize {
    let bytes = config.signal_reserve.or_else(crate::preempt::room);
    bytes.unwrap_or(0).next_multiple_of(PAGE)
}

/// One stack.
pub(crate) struct Memory {
    stack: DefaultStack,
    usable: usize,
    reserve: usize,
}

impl Memory {
    /// One past the highest byte.
    pub(super) fn base(&self) -> NonZeroUsize {
        self.stack.base()
    }

    /// The lowest address, that of the guard.
    pub(super) fn guard(&self) -> NonZeroUsize {
        self.stack.limit()
    }

    /// Bytes that calls may use.
    pub(super) fn usable_size(&self, _reserve: usize) -> usize {
        self.usable
    }

    /// Gives the memory back to the system: by taking a new stack, since the kernel never takes pages from one.
    ///
    /// # Safety
    /// Nothing lives on the stack.
    pub(super) unsafe fn discard(&mut self) {
        if let Ok(fresh) = DefaultStack::new(self.usable + self.reserve) {
            drop(mem::replace(&mut self.stack, fresh));
        }
    }

    pub(super) fn teb_fields(&self) -> StackTebFields {
        self.stack.teb_fields()
    }

    pub(super) fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.stack.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}

/// All stacks of one size.
pub(super) struct Slabs {
    usable: usize,
    reserve: usize,
    carved: usize,
}

impl Slabs {
    pub(super) fn new(usable: usize, config: &StackPoolConfig) -> Self {
        Self { usable, reserve: reserve(config), carved: 0 }
    }

    /// Makes one more stack.
    pub(super) fn carve(&mut self) -> Result<Memory, StackError> {
        let stack = DefaultStack::new(self.usable + self.reserve)
            .map_err(|source| StackError::System { call: "VirtualAlloc", source })?;
        self.carved += 1;
        Ok(Memory { stack, usable: self.usable, reserve: self.reserve })
    }

    /// The kernel's own guards are none of the kinds to choose from.
    pub(super) fn guard(&self) -> Option<Guard> {
        None
    }

    /// Stacks made so far.
    pub(super) fn carved(&self) -> usize {
        self.carved
    }
}
