//! Tests of preemption on other architectures, under a real kernel: qemu emulates the whole machine, Debian's kernel boots from memory, and runs nothing but them.
//!
//! qemu's user mode would be simpler, but the frames that it makes for signals are its own, and lack some registers. Needs a Debian with root's right to install
//! nothing: packages are fetched into `target/cross` and unpacked there. Time says nothing under emulation. Windows is another matter ([`windows`]).

mod debian;
mod guest;
pub(crate) mod windows;

use crate::Outcome;
use debian::Debian;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A machine to emulate.
struct Machine {
    /// As Rust calls the architecture.
    arch: &'static str,
    /// As Debian does, and the suite that has a kernel for it.
    debian: &'static str,
    suite: &'static str,
    /// What the tests are built for: something that links without shared libraries.
    target: &'static str,
    /// A processor with all vector registers there are.
    cpu: &'static str,
    console: &'static str,
    /// The linker, from the system's packages; `None`: zig's, and a standard library that is built for the purpose.
    linker: Option<&'static str>,
}

/// Comes with the compiler, which alone finds it.
const RUST_LLD: &str = "rust-lld";

const MACHINES: [Machine; 3] = [
    Machine {
        arch: "aarch64",
        debian: "arm64",
        suite: "trixie",
        target: "aarch64-unknown-linux-musl",
        cpu: "max,sve512=on",
        console: "ttyAMA0",
        linker: Some(RUST_LLD),
    },
    Machine {
        arch: "riscv64",
        debian: "riscv64",
        suite: "trixie",
        target: "riscv64gc-unknown-linux-gnu",
        cpu: "rv64,v=true,vlen=256",
        console: "ttyS0",
        linker: Some("riscv64-linux-gnu-gcc"),
    },
    Machine {
        arch: "loongarch64",
        debian: "loong64",
        suite: "forky",
        target: "loongarch64-unknown-linux-musl",
        cpu: "la464",
        // The keyboard's controller of this machine takes the kernel minutes.
        console: "ttyS0,115200 initcall_blacklist=i8042_init",
        linker: None,
    },
];

/// The tests that run there.
const TESTS: [&str; 2] = ["preempt", "preempt_torture"];

/// Runs the tests, or with `tools_only` does no more than fetch what that needs.
pub(crate) fn run(arch: &str, tools_only: bool) -> Outcome {
    let known = || MACHINES.iter().map(|machine| machine.arch).collect::<Vec<_>>().join(", ");
    let machine = MACHINES
        .iter()
        .find(|machine| machine.arch == arch)
        .ok_or_else(|| format!("no machine for {arch}; there are {}", known()))?;
    let folder = crate::tree::root().join("target/cross");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let tools = Tools::fetch(machine, &folder).map_err(|why| format!("not run: cross {arch}: {why}"))?;
    if tools_only {
        return Ok(true);
    }
    let tests = build(machine, &folder, &tools)?;
    guest::run(machine, &folder, &tools, &tests)
}

/// What a machine needs.
struct Tools {
    linker: PathBuf,
    /// The folder in which qemu is unpacked, and which one it is.
    qemu: PathBuf,
    version: String,
    kernel: PathBuf,
    busybox: PathBuf,
}

impl Tools {
    fn fetch(machine: &Machine, folder: &Path) -> Result<Tools, String> {
        let unpacking = machine.linker.is_none().then_some("zstd");
        for program in ["cpio", "gzip", "dpkg", "apt-get"].into_iter().chain(unpacking) {
            succeed(Command::new(program).arg("--version"))?;
        }
        let linker = match machine.linker {
            Some(name) => {
                succeed(Command::new("rustup").args(["target", "add", machine.target]))?;
                if name != RUST_LLD {
                    succeed(Command::new(name).arg("--version"))?;
                }
                PathBuf::from(name)
            }
            None => {
                succeed(Command::new("rustup").args([
                    "component",
                    "add",
                    "--toolchain",
                    "nightly",
                    "rust-src",
                ]))?;
                zig(machine, folder)?
            }
        };
        let debian = Debian::new(folder)?;
        let qemu = guest::qemu(&debian)?;
        let (kernel, busybox) = guest::kernel(machine, &debian, folder)?;
        let version = guest::version(machine, &qemu)?;
        Ok(Tools { linker, qemu, version, kernel, busybox })
    }
}

/// Builds the tests; gives the programs.
fn build(machine: &Machine, folder: &Path, tools: &Tools) -> Result<Vec<PathBuf>, String> {
    let mut cargo = Command::new("cargo");
    let variable = format!("CARGO_TARGET_{}", machine.target.to_uppercase().replace('-', "_"));
    let own_std = machine.linker.is_none();
    if own_std {
        cargo.arg("+nightly");
    } else {
        cargo.env(format!("{variable}_RUSTFLAGS"), "-Ctarget-feature=+crt-static");
    }
    cargo.env(format!("{variable}_LINKER"), &tools.linker);
    cargo.args(["test", "--no-run", "--message-format=json", "-p", "maniac-context"]);
    cargo.args(["--target", machine.target]);
    if own_std {
        cargo.arg("-Zbuild-std=std,panic_unwind,test");
    }
    cargo.args(TESTS.iter().flat_map(|test| ["--test", test]));
    // Emulation costs a factor of ten or more: code that the compiler has looked at once.
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_TARGET_DIR", folder.join("build"));
    let messages = String::from_utf8(succeed(cargo.stderr(std::process::Stdio::inherit()))?)
        .map_err(|error| format!("cargo's messages: {error}"))?;
    let programs: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .collect();
    if programs.len() == TESTS.len() { Ok(programs) } else { Err(format!("cargo built {programs:?}")) }
}

/// A program that links with zig, which brings a C library along; zig comes from PyPI.
fn zig(machine: &Machine, folder: &Path) -> Result<PathBuf, String> {
    let python = folder.join("zig/bin/python");
    if !python.exists() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(folder.join("zig")))?;
        succeed(Command::new(&python).args(["-m", "pip", "-q", "install", "ziglang==0.17.1"]))?;
    }
    let target = machine.target.replace("-unknown", "");
    // zig does not know the names that Rust calls targets by.
    let script = format!(
        "#!/bin/bash\nwords=()\nfor word in \"$@\"; do\n  case \"$word\" in --target=*) ;; *) words+=(\"$word\") ;; esac\ndone\n\
         exec '{}' -m ziglang cc -target {target} \"${{words[@]}}\"\n",
        python.display()
    );
    let linker = folder.join(format!("link-{target}"));
    std::fs::write(&linker, script).map_err(|error| format!("{}: {error}", linker.display()))?;
    succeed(Command::new("chmod").arg("+x").arg(&linker))?;
    Ok(linker)
}

/// Runs a command to its end; gives what it wrote.
fn succeed(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{errors}", output.status))
}
