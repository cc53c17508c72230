//! Runs a test of this binary in a process of its own.
#![expect(clippy::print_stdout, reason = "a test reports what it saw")]
#![allow(dead_code, reason = "each test program uses a part")]

use std::process::{Command, Output};

/// Runs one scenario of this binary's test `child` in a new process.
pub(crate) fn run(scenario: &str) -> Output {
    // What runs this test, if it is an emulator, has to run the child too. (wine runs it by itself.)
    let arch = std::env::consts::ARCH.to_uppercase();
    let runner = std::env::vars()
        .filter(|_| cfg!(unix))
        .find(|(name, _)| name.starts_with(&format!("CARGO_TARGET_{arch}_")) && name.ends_with("_RUNNER"))
        .map(|(_, runner)| runner.split_whitespace().map(String::from).collect::<Vec<_>>())
        .unwrap_or_default();
    let test = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let mut words = runner.into_iter().chain([test]);
    let output = Command::new(words.next().unwrap())
        .args(words)
        .args(["--exact", "child", "--nocapture"])
        .env("MANIAC_CHILD", scenario)
        .output()
        .unwrap();
    println!("{scenario}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output
}

/// What it said.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
