//! A stack overflow in a task ends the process and says which task it was.
#![cfg(all(target_os = "linux", not(miri)))]

use maniac_runtime as maniac;
use maniac_runtime::runtime::Runtime;

fn descend(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if std::hint::black_box(depth) == u64::MAX { 0 } else { descend(depth + 1) + frame[7] }
}

/// Runs in a process of its own, started by the test below.
#[test]
fn overflows_when_told_to() {
    if std::env::var_os("MANIAC_TEST_OVERFLOW").is_none() {
        return;
    }
    // SAFETY: the tasks hold nothing across waits; there are none.
    let runtime =
        unsafe { Runtime::builder().worker_count(1).stack_size(64 << 10).coroutines() }.build().unwrap();
    let task = runtime.block_on(async {
        maniac::task::Builder::new().name("bottomless").spawn(async { descend(0) }).unwrap().await
    });
    drop(task);
}

#[test]
fn an_overflow_names_the_task() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["overflows_when_told_to", "--exact", "--nocapture"])
        .env("MANIAC_TEST_OVERFLOW", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("bottomless") && said.contains("overflow"), "{said}");
}
