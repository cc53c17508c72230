//! Targets without a stack switch: there are no stacks, and asking for one says so.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use super::config::{Guard, StackPoolConfig};
use super::error::StackError;

/// There are no signal frames on no stacks.
pub(super) fn reserve(_config: &StackPoolConfig) -> usize {
    0
}

/// One stack; there is none.
pub(crate) struct Memory(Infallible);

impl Memory {
    pub(super) fn base(&self) -> NonZeroUsize {
        match self.0 {}
    }

    pub(super) fn usable_size(&self, _reserve: usize) -> usize {
        match self.0 {}
    }

    pub(super) unsafe fn discard(&mut self) {
        match self.0 {}
    }

    pub(super) fn never(&self) -> ! {
        match self.0 {}
    }
}

pub(super) struct Slabs;

impl Slabs {
    pub(super) fn new(_usable: usize, _config: &StackPoolConfig) -> Self {
        Self
    }

    pub(super) fn carve(&mut self) -> Result<Memory, StackError> {
        Err(StackError::Unsupported)
    }

    pub(super) fn guard(&self) -> Option<Guard> {
        None
    }

    pub(super) fn carved(&self) -> usize {
        0
    }
}
