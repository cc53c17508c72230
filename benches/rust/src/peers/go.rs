//! Go: a program of its own, built from `benches/go`, that runs the same benches on goroutines and prints the figure.

use crate::measure::Entry;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub const NAME: &str = "go";

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says where the program is; without it there are no rows of Go.
pub fn is_at(path: PathBuf) {
    PROGRAM.set(path).expect("said once");
}

pub fn runs() -> bool {
    PROGRAM.get().is_some()
}

/// The program with that many workers and the words of `line` as its arguments.
pub fn command(workers: usize, line: &str) -> Command {
    let mut command = Command::new(PROGRAM.get().expect("Go's program"));
    command.args(line.split(' ')).env("GOMAXPROCS", workers.to_string()).stderr(Stdio::inherit());
    command
}

/// What `line` prints.
pub fn output(workers: usize, line: &str) -> String {
    let output = command(workers, line).output().expect("Go's program");
    assert!(output.status.success(), "Go's {line} ended with {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// A bench's entry whose figure is what `line` prints; none where Go is missing.
pub fn entry(workers: usize, line: String) -> Option<Entry> {
    runs().then(|| Entry {
        name: NAME,
        round: Box::new(move || output(workers, &line).trim().parse().expect("a number")),
    })
}
