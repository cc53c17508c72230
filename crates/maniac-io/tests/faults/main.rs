//! What devices, limits and peers do at their worst, on both drivers: the error is the system's own, nothing that was said to be
//! done is lost, and the process goes on.
//!
//! Each errno is a real answer to a system call: a filter (seccomp(2)), set in a child process, gives it. What goes to the ring passes by a
//! filter, so there only those calls are refused that are plain ones under both drivers.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod disk;
mod files;
mod peers;
mod pipes;

use maniac_runtime::runtime::DriverKind;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};

const EIO: i32 = 5;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EPIPE: i32 = 32;
const ECONNRESET: i32 = 104;

/// Which fault this process is the child for.
const FAULT: &str = "MANIAC_TEST_FAULT";

/// Whether this is the child; else runs `test` of this program in one and checks that it passed.
async fn is_child(test: &str) -> bool {
    if std::env::var_os(FAULT).is_some() {
        return true;
    }
    let kind = support::metrics().await.0;
    let name = format!("{test}::{kind}");
    let output = maniac_runtime::blocking::unblock(move || support::in_subprocess(&name, FAULT, "1")).await;
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}{why}");
    false
}

/// From now on the whole process gets `errno` from these system calls.
fn refuse(calls: &[i64], errno: i32) {
    let rules = calls.iter().map(|&call| (call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(errno.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter_all_threads(&program).unwrap();
}

/// Whether system calls are made for what a ring would do by itself.
async fn by_calls() -> bool {
    support::metrics().await.0 == DriverKind::Poll
}
