//! Files and paths, on both drivers.
#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod contents;
mod locks;
mod paths;
mod special;

const ENOSPC: i32 = 28;
const ESPIPE: i32 = 29;
const EBADF: i32 = 9;
const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// On the file system of the sources, which mostly has O_DIRECT.
fn temp_on_disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}
