//! Files, sockets, signals and child processes of the maniac runtime.
//!
//! Programs use the crate `maniac`, which re-exports what is here.
//!
//! | module | holds | where |
//! |---|---|---|
//! | [`fs`] | files, directories, paths, splicing | everywhere; off Unix through the blocking pool |
//! | [`buf`] | buffers that operations own | everywhere |
//! | [`io`] | the read and write traits, copying | everywhere |
//! | `compat` | streams of other crates, with the feature `tokio-compat` | everywhere |
//! | `net` | TCP, UDP, Unix sockets, pipes, names | Unix |
//! | `signal` | Ctrl-C and the other signals | Unix |
//! | `process` | child processes | Unix |
//!
//! Everything here has to run inside a runtime: on a worker, or in `Runtime::block_on`. Outside of one, what needs the
//! driver gives an error that says so. README.md tells how calls reach the kernel, and what a dropped future loses.
#![forbid(unsafe_code)]
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports, reason = "what only Linux uses"))]

pub mod buf;
#[cfg(feature = "tokio-compat")]
pub mod compat;
pub mod fs;
pub mod io;
#[cfg(unix)]
#[macro_use]
pub mod net;
#[cfg(unix)]
pub mod process;
mod rt;
#[cfg(unix)]
pub mod signal;
mod sys;
