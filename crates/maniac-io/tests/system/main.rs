//! Child processes, signals, and what is moved inside the kernel, on both drivers.
#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod copies;
mod processes;
mod signals;
#[cfg(target_os = "linux")]
mod splices;
