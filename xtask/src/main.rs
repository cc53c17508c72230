//! The project's own checks and chores: `cargo xtask help` lists them.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and scripts")]

mod cross;
mod features;
mod io_uring;
mod limits;
mod rust;
mod scale;
mod slides;
mod tidy;
mod tree;
mod workspace;

use std::process::ExitCode;

/// What a command gives: whether all was well, or why it could not tell.
type Outcome = Result<bool, String>;

const HELP: &str = "\
cargo xtask COMMAND
  tidy             the architecture's invariants, file lengths, SAFETY comments, cancel safety, examples, unfinished work
  slides           each Rust block of docs/slides.md stands in a test of crates/maniac/tests/slides that runs
  features         builds and tests crates/maniac with no feature, and with each of its features alone
  scale            what finding work costs with 8 to 512 workers, on a simulated machine; writes docs/scale.md and docs/scale.svg
  io-uring         whether this machine lets a program open an io_uring; if not, why
  without-uring -- PROGRAM [ARGUMENT]...
                   runs it where io_uring_setup(2) is refused (EPERM), as containers' filters do
  cross ARCH       maniac-context's tests of preemption on aarch64, riscv64 or loongarch64: an emulated machine with a real kernel;
                   with --tools before ARCH it only fetches what that needs
  cross windows    the tests of maniac-context and maniac-runtime on Windows, by mingw-w64 and wine
  little-locked-memory -- PROGRAM [ARGUMENT]...
                   runs it with 64 KiB of locked memory and without CAP_IPC_LOCK";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy::run(),
        ["slides"] => slides::run(),
        ["features"] => features::run(),
        ["scale"] => scale::run(),
        ["cross", "windows"] => cross::windows::run(),
        ["cross", arch] => cross::run(arch, false),
        ["cross", "--tools", arch] => cross::run(arch, true),
        ["io-uring"] => io_uring::run(),
        ["without-uring", "--", program, ..] => limits::without_uring(program, &arguments[3..]),
        ["little-locked-memory", "--", program, ..] => limits::little_locked_memory(program, &arguments[3..]),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(true)
        }
        _ => Err(HELP.to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
