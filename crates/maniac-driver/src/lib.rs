//! io_uring and readiness drivers behind one set of operations, for the maniac runtime.
//!
//! A [`Driver`] is a worker's link to the kernel. It takes operations ([`op`]) that own their buffers ([`buf`]) and descriptors
//! ([`SharedFd`]), and gives their results through handles ([`Op`]). Sockets and pipes that are used with borrowed
//! buffers wait for readiness instead ([`Registration`]). No executor is known here: completions come out as wakers or
//! tokens ([`Completions`]), and blocking calls go to threads that the caller provides ([`Offload`]).
//!
//! README.md holds the invariants that the `SAFETY` comments name, and the life of a record on a page.

// What only one backend needs is dead in builds without it; the build with both has none of it.
#![cfg_attr(not(all(maniac_uring, maniac_poll)), allow(dead_code, unused_imports))]
#![cfg_attr(
    not(any(maniac_uring, maniac_poll)),
    allow(unused_variables, unused_assignments, unreachable_code)
)]

pub mod buf;
mod completions;
mod driver;
mod fd;
mod inbox;
mod limits;
#[cfg(loom)]
#[doc(hidden)]
pub mod model;
mod offload;
pub mod op;
mod ready;
mod record;
mod shim;
pub mod sys;
mod unpark;

pub use completions::Completions;
pub use driver::{
    DEFAULT_DROP_TIMEOUT, DEFAULT_ENTRIES, Driver, DriverConfig, DriverKind, Faults, Metrics,
    ParseDriverKindError, Probe, Remote, RingProbe, ThreadOps, Unparker, probe,
};
pub use fd::{OwnedDescriptor, SharedFd, UnwrapLast};
pub use limits::{huge_pages_allowed, threads_limit};
pub use offload::{Job, NoOffload, Offload, ThreadPerJob};
pub use ready::{Interest, Ready, ReadyEvent, Registration};
pub use record::Op;
