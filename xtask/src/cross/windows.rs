//! Tests on Windows: cross-compiled by mingw-w64, and run by wine, which stands for the system. Needs both, from the system's packages.
//!
//! wine is not Windows: its scheduling, and how it suspends threads, are its own. Its virtual machine lies in `target/cross/wine`.

use super::succeed;
use crate::Outcome;
use std::path::Path;
use std::process::Command;

const TARGET: &str = "x86_64-pc-windows-gnu";
const GCC: &str = "x86_64-w64-mingw32-gcc";
const PACKAGES: [&str; 2] = ["maniac-context", "maniac-runtime"];
/// How often the torture preempts there, unless `MANIAC_PREEMPTIONS` says otherwise.
const PREEMPTIONS: &str = "2000";

/// Tests that cannot pass there, each with the reason.
const NOT_THERE: [(&str, &str); 1] = [(
    "a_thread_that_ends_unwinds_its_suspended_coroutines",
    "a thread that ends loses its thread-locals in an order of the target's own, that of suspended coroutines too early",
)];

pub(crate) fn run() -> Outcome {
    let folder = crate::tree::root().join("target/cross");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let place = folder.join("wine");
    prepare(&place).map_err(|why| format!("not run: cross windows: {why}"))?;
    for (test, why) in NOT_THERE {
        println!("left out: {test}: {why}");
    }
    let preemptions = std::env::var("MANIAC_PREEMPTIONS").unwrap_or_else(|_| PREEMPTIONS.to_owned());
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--no-fail-fast", "--lib", "--tests", "--target", TARGET]);
    cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package])).arg("--");
    cargo.args(NOT_THERE.iter().flat_map(|(test, _)| ["--skip", test]));
    cargo.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", GCC);
    cargo.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine");
    // Patterns are made and compared between preemptions, which takes longer than these in code that the compiler has not looked at.
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_TARGET_DIR", folder.join("build"));
    cargo.env("MANIAC_PREEMPTIONS", preemptions);
    let status = in_wine(&mut cargo, &place).status();
    status.map(|status| status.success()).map_err(|error| format!("cargo cannot be run: {error}"))
}

/// What wine goes by.
fn in_wine<'a>(command: &'a mut Command, place: &Path) -> &'a mut Command {
    command.env("WINEPREFIX", place).env("WINEARCH", "win64").env("WINEDEBUG", "-all")
}

/// Sets everything up, once.
fn prepare(place: &Path) -> Result<(), String> {
    succeed(Command::new(GCC).arg("--version"))?;
    succeed(Command::new("rustup").args(["target", "add", TARGET]))?;
    let system = place.join("drive_c/windows/system32");
    if !system.exists() {
        succeed(in_wine(Command::new("wine").args(["wineboot", "--init"]), place))?;
    }
    let library = system.join("bcryptprimitives.dll");
    if !library.exists() {
        let source = crate::tree::root().join("xtask/src/cross/bcryptprimitives.c");
        let mut gcc = Command::new(GCC);
        gcc.args(["-shared", "-O2", "-o"]).arg(&library).arg(source).arg("-ladvapi32");
        succeed(&mut gcc)?;
    }
    Ok(())
}
