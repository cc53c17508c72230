//! Slab stacks: much address space reserved at once, stacks carved out of it, memory committed as it is touched.
//!
//! [`StackPool`] hands out [`Stack`]s and takes them back; its memory comes from slabs (`slab`), which talk to the
//! kernel through `sys`. Not here: what runs on a stack ([`crate::coroutine`]).
//!
//! ```
//! use maniac_context::stack::{StackPool, StackPoolConfig};
//!
//! let pool = StackPool::new(StackPoolConfig::new().stack_size(256 * 1024))?;
//! let stack = pool.get()?;
//! assert!(stack.usable_size() >= 256 * 1024);
//! drop(stack); // goes back to its pool, ready for the next `get`
//! assert_eq!(pool.stats().live, 0);
//! # Ok::<(), maniac_context::stack::StackError>(())
//! ```

mod config;
mod error;
mod pool;
#[cfg(all(coroutines, unix))]
mod slab;
#[cfg(all(coroutines, unix))]
pub(crate) mod sys;
#[cfg(not(coroutines))]
mod unsupported;
#[cfg(all(coroutines, windows))]
mod windows;

#[cfg(all(coroutines, unix))]
use slab as memory;
#[cfg(not(coroutines))]
use unsupported as memory;
#[cfg(all(coroutines, windows))]
use windows as memory;

pub use config::{Guard, StackPoolConfig};
pub use error::StackError;
pub use pool::{PoolStats, Stack, StackPool};
