//! Execution contexts of the maniac runtime: coroutines, the stacks they run on, and the memory barrier that lets
//! one thread look at another without either paying for it.
//!
//! | module | holds |
//! |---|---|
//! | [`stack`] | slab stacks and their pool |
//! | [`coroutine`] | a coroutine shaped for a scheduler, over `corosensei` |
//! | [`overflow`] | the handler that names the task whose stack overflowed |
//! | [`membarrier`] | the asymmetric barrier: nothing on the hot side, a system call on the cold one |
//! | [`preempt`] | leaving a coroutine at an arbitrary instruction |
//! | [`fork`] | one load that says whether this is a forked child |
//!
//! Nothing here knows tasks, workers or I/O. The README holds the invariants `[INV-n]` that the `SAFETY` comments
//! name.

pub mod coroutine;
pub mod fork;
pub mod membarrier;
pub mod overflow;
pub mod preempt;
#[cfg(all(coroutines, unix))]
mod shim;
#[cfg(all(coroutines, unix, not(loom)))]
mod signals;
pub mod stack;
mod switch;

/// The parts that the loom models run.
#[cfg(loom)]
#[doc(hidden)]
pub mod model {
    pub use crate::overflow::registry::{Entry, Geometry, Registry};
    pub use crate::shim::weaken;
}

/// Whether this target has coroutines. Where it is `false`, everything here compiles, no stack can be had
/// ([`stack::StackError::Unsupported`]), and what would suspend takes a thread instead.
///
/// ```
/// # #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
/// assert!(maniac_context::SUPPORTED);
/// ```
pub const SUPPORTED: bool = cfg!(coroutines);
