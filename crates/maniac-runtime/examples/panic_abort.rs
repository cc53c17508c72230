//! What waiting, aborting and panicking do in a program built with `panic = "abort"`: nothing unwinds there, so each wait acts as
//! if it stood inside `task::no_unwind`. The program checks that and exits with 0 when it holds; built otherwise, it refuses.
//!
//! `cargo run -p maniac-runtime --profile panic-abort --example panic_abort`
#![allow(clippy::print_stderr, reason = "a program that tells what it found")]

use maniac_runtime as maniac;
use maniac_runtime::SyncAwaitError;
use maniac_runtime::runtime::Runtime;
use maniac_runtime::time::{Duration, sleep};
use std::process::{Command, ExitCode};
use std::sync::mpsc;

const PANIC: &str = "panic";

fn main() -> ExitCode {
    if cfg!(panic = "unwind") {
        eprintln!("this program shows something only when it is built with panic = \"abort\"");
        return ExitCode::from(2);
    }
    if std::env::args().nth(1).is_some_and(|what| what == PANIC) {
        let runtime = Runtime::builder().worker_count(1).build().expect("a runtime");
        drop(runtime.block_on(runtime.spawn(async { panic!("a task's panic") })));
        return ExitCode::SUCCESS;
    }
    let threads = Runtime::builder().worker_count(2).build().expect("a runtime");
    // SAFETY: the tasks below hold no lock and no scoped thread-local across their waits.
    let coroutines = unsafe { Runtime::builder().worker_count(2).coroutines() }.build().expect("a runtime");
    for runtime in [threads, coroutines] {
        a_plain_wait_runs_to_its_end(&runtime);
        a_wait_that_can_fail_says_that_it_was_cancelled(&runtime);
        a_stackless_task_is_dropped(&runtime);
    }
    a_panic_ends_the_process();
    ExitCode::SUCCESS
}

fn a_plain_wait_runs_to_its_end(runtime: &Runtime) {
    let (sender, receiver) = mpsc::channel();
    let _entered = runtime.handle().enter();
    let task = maniac::spawn_stackful(move || {
        sender.send(()).expect("the receiver waits");
        maniac::sync_await(sleep(Duration::from_millis(20)));
        42
    });
    receiver.recv().expect("the task runs");
    task.abort();
    assert_eq!(runtime.block_on(task).expect("it ran to its end"), 42);
}

fn a_wait_that_can_fail_says_that_it_was_cancelled(runtime: &Runtime) {
    let (sender, receiver) = mpsc::channel();
    let _entered = runtime.handle().enter();
    let task = maniac::spawn_stackful(move || {
        sender.send(()).expect("the receiver waits");
        matches!(maniac::try_sync_await(std::future::pending::<()>()), Err(SyncAwaitError::Cancelled))
    });
    receiver.recv().expect("the task runs");
    task.abort();
    assert!(runtime.block_on(task).expect("it ended by itself"));
}

fn a_stackless_task_is_dropped(runtime: &Runtime) {
    let (alive, gone) = mpsc::channel::<()>();
    let task = runtime.spawn(async move {
        std::future::pending::<()>().await;
        drop(alive);
    });
    task.abort();
    assert!(runtime.block_on(task).expect_err("it never ends").is_cancelled());
    assert!(gone.recv().is_err(), "its future was dropped");
}

fn a_panic_ends_the_process() {
    let program = std::env::current_exe().expect("this program's path");
    let output = Command::new(program).arg(PANIC).output().expect("this program runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("a task's panic"));
}
