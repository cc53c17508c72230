//! Workers, tasks, time and blocking work: the core of the maniac runtime.
//!
//! Programs use the crate `maniac`, which re-exports what is here.
//!
//! | module | holds |
//! |---|---|
//! | [`runtime`] | building, entering, shutting down |
//! | [`task`] | tasks and their handles |
//! | [`time`] | sleeping, time-outs, intervals |
//! | [`blocking`] | the blocking pool |
//! | [`sync`] | a mutex that reports deadlocks |
//! | [`driver`], [`coop`] | for crates that build on this one: operations, and the budget |
//! | [`macros`] | for what the macros expand to |
//!
//! The README holds the invariants that `SAFETY` comments name.
// The models of tests/loom.rs compile the files that hold protocols by themselves.
#![cfg(not(loom))]
#![deny(unsafe_code)]

pub mod blocking;
pub mod coop;
pub mod driver;
pub mod macros;
#[allow(unsafe_code)]
mod role;
pub mod runtime;
mod shim;
pub mod sync;
mod sync_await;
#[allow(unsafe_code)]
pub mod task;
pub mod time;

pub use sync_await::{SyncAwaitError, on_thread, sync_await, try_sync_await};
pub use task::{spawn, spawn_local, spawn_stackful};

/// Runs `future` on this thread until it is done, in the runtime that this thread is in.
///
/// Inside a task it is [`sync_await`].
///
/// # Panics
/// Outside a runtime; [`runtime::Runtime::block_on`] brings one along.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let _entered = runtime.handle().enter();
/// assert_eq!(maniac::block_on(async { 42 }), 42);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    runtime::Handle::current().block_on(future)
}
