//! The slides' code (docs/slides.md), block by block: compiled, and run. `cargo xtask slides` checks that each block is here word for word.
#![cfg(any(feature = "iouring", feature = "mio"))]
#![allow(
    dead_code,
    non_local_definitions,
    unreachable_pub,
    unused_must_use,
    unused_variables,
    unused_mut,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    missing_docs,
    reason = "the slides' own words, fragments included"
)]

#[cfg(unix)]
mod files;
#[cfg(unix)]
mod sockets;

mod concepts;
mod structures;
mod tasks;

/// Runs `future` in a runtime with two workers.
fn run<T>(future: impl Future<Output = T>) -> T {
    maniac::runtime::Runtime::builder().worker_count(2).build().unwrap().block_on(future)
}
