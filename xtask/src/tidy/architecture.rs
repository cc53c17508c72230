//! What a crate's source may name: clocks, the operating system, assembly, `unsafe`, logic.

use super::{Finding, Unit};
use crate::rust::has_word;
use crate::tree::File;

const RULE: &str = "architecture";

/// The crates that may hold `unsafe`; every other one forbids it.
const ISLANDS: &[&str] = &[
    "maniac-arena",
    "maniac-context",
    "maniac-driver",
    "maniac-napi",
    "maniac-runtime",
    "maniac-sync",
    "node",
];

/// The island whose `unsafe` is kept to these folders of its `src/`.
const RUNTIME: &str = "maniac-runtime";
const RUNTIME_FOLDERS: &[&str] = &["task", "role"];

const PURE: &[&str] = &["maniac-signal-tree", "maniac-wheel"];
const CLOCKS_AND_SYSTEM: &[&str] = &[
    "Instant",
    "SystemTime",
    "libc",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
];

/// What reads or writes a file or a socket.
const INPUT_OUTPUT: &[&str] = &[
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "libc::accept",
    "libc::accept4",
    "libc::bind",
    "libc::connect",
    "libc::fdatasync",
    "libc::fsync",
    "libc::listen",
    "libc::open",
    "libc::openat",
    "libc::pread",
    "libc::preadv2",
    "libc::pwrite",
    "libc::pwritev2",
    "libc::read",
    "libc::readv",
    "libc::recv",
    "libc::recvmsg",
    "libc::send",
    "libc::sendfile",
    "libc::sendmsg",
    "libc::socket",
    "libc::splice",
    "libc::statx",
    "libc::tee",
    "libc::write",
    "libc::writev",
];

const ASSEMBLY: &[&str] = &["asm!", "global_asm!", "naked_asm!"];

/// What the public crate has none of: it re-exports and explains.
const LOGIC: &[&str] =
    &["fn", "impl", "struct", "enum", "trait", "union", "static", "const", "let", "unsafe", "macro_rules!"];

pub(super) fn check(files: &[File], units: &[Unit<'_>]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = units.iter().flat_map(check_unit).collect();
    let assembly = |file: &&File| {
        (file.has_extension("s") || file.has_extension("S"))
            && !file.path.starts_with("crates/maniac-context/")
    };
    findings.extend(files.iter().filter(assembly).map(|file| Finding {
        rule: RULE,
        path: file.path.clone(),
        line: 0,
        message: "only maniac-context holds assembly".to_owned(),
    }));
    findings
}

fn check_unit(unit: &Unit<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if PURE.contains(&unit.krate) && !unit.file.path.ends_with("/shim.rs") {
        findings.extend(named(unit, CLOCKS_AND_SYSTEM, "this crate knows no clock and no operating system"));
    }
    if unit.krate != "maniac-driver" {
        findings.extend(named(unit, INPUT_OUTPUT, "only maniac-driver reads and writes files and sockets"));
    }
    if unit.krate != "maniac-context" {
        findings.extend(named(unit, ASSEMBLY, "only maniac-context holds assembly"));
    }
    if unit.krate == "maniac" {
        findings.extend(named(unit, LOGIC, "the public crate re-exports and explains; it holds no logic"));
    }
    findings.extend(unsafe_policy(unit));
    findings
}

fn named(unit: &Unit<'_>, names: &[&str], message: &str) -> Vec<Finding> {
    let lines = unit.code.iter().enumerate();
    lines
        .filter_map(|(index, line)| {
            let name = names.iter().find(|name| has_word(line, name))?;
            Some(unit.finding(RULE, index, format!("{name}: {message}")))
        })
        .collect()
}

/// Each crate's root says what holds for `unsafe` in it.
fn unsafe_policy(unit: &Unit<'_>) -> Vec<Finding> {
    let root = unit.file.path.ends_with("/src/lib.rs");
    let says = |attribute: &str| unit.code.iter().any(|line| line.trim() == attribute);
    if unit.krate == RUNTIME {
        if root && !says("#![deny(unsafe_code)]") {
            let message = "the runtime denies unsafe code outside task/ and role/: #![deny(unsafe_code)]";
            return vec![unit.finding(RULE, 0, message.to_owned())];
        }
        return runtime_permissions(unit);
    }
    if root && !ISLANDS.contains(&unit.krate) && !says("#![forbid(unsafe_code)]") {
        return vec![unit.finding(RULE, 0, "this crate is no island: #![forbid(unsafe_code)]".to_owned())];
    }
    Vec::new()
}

/// Where the runtime lets unsafe code in: on the modules `task` and `role`, and in them.
fn runtime_permissions(unit: &Unit<'_>) -> Vec<Finding> {
    let inside = |folder: &str| {
        let source = format!("crates/{RUNTIME}/src/{folder}");
        unit.file.path.starts_with(&format!("{source}/")) || unit.file.path == format!("{source}.rs")
    };
    if RUNTIME_FOLDERS.iter().any(|folder| inside(folder)) {
        return Vec::new();
    }
    let permits =
        |line: &str| line.contains("(unsafe_code") && (line.contains("allow(") || line.contains("expect("));
    let on_module = |index: usize| {
        let item = unit
            .code
            .iter()
            .skip(index + 1)
            .find(|line| !line.trim().is_empty() && !line.trim().starts_with("#["));
        item.is_some_and(|item| {
            RUNTIME_FOLDERS.iter().any(|folder| item.trim_end().ends_with(&format!("mod {folder};")))
        })
    };
    let lines = unit.code.iter().enumerate();
    lines
        .filter(|(index, line)| permits(line) && !on_module(*index))
        .map(|(index, _)| unit.finding(RULE, index, "unsafe code is kept to task/ and role/".to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;

    const FORBID: &str = "#![forbid(unsafe_code)]\n";

    #[test]
    fn pure_crates_have_no_clock() {
        let found = |text: &str| lines("crates/maniac-wheel/src/slots.rs", text, check);
        assert_eq!(found("use std::time::Duration;\nlet now = std::time::Instant::now();"), [2]);
        assert_eq!(found("// Instant::now is not read\nlet x = \"libc\";"), [0; 0]);
        assert_eq!(found("#[cfg(test)]\nmod tests {\n    use std::thread;\n}"), [0; 0]);
        assert_eq!(lines("crates/maniac-wheel/src/shim.rs", "pub use std::thread;", check), [0; 0]);
    }

    #[test]
    fn only_the_driver_does_input_and_output() {
        let text = "let n = libc::read(fd);\nlet m = libc::mmap(fd);\nstd::fs::read(p)";
        assert_eq!(lines("crates/maniac-io/src/file.rs", text, check), [1, 3]);
        assert_eq!(lines("crates/maniac-driver/src/file.rs", text, check), [0; 0]);
    }

    #[test]
    fn assembly_is_kept_to_context() {
        assert_eq!(lines("crates/maniac-io/src/a.rs", "core::arch::asm!(x)", check), [1]);
        assert_eq!(lines("crates/maniac-context/src/a.rs", "core::arch::asm!(x)", check), [0; 0]);
        assert_eq!(lines("crates/maniac-io/src/a.s", "ret", check), [0]);
    }

    #[test]
    fn the_public_crate_holds_no_logic() {
        let text = format!(
            "{FORBID}/// fn in an example\npub use maniac_io::fs;\npub mod a {{ pub use x::y; }}\npub fn b() {{}}"
        );
        assert_eq!(lines("crates/maniac/src/lib.rs", &text, check), [5]);
    }

    #[test]
    fn islands_and_the_others() {
        assert_eq!(lines("crates/maniac-io/src/lib.rs", "pub mod fs;", check), [1]);
        assert_eq!(lines("crates/maniac-io/src/lib.rs", FORBID, check), [0; 0]);
        assert_eq!(lines("crates/maniac-arena/src/lib.rs", "pub mod leaf;", check), [0; 0]);
    }

    #[test]
    fn the_runtime_keeps_unsafe_to_two_folders() {
        let root = "#![deny(unsafe_code)]\n#[allow(unsafe_code, reason = \"x\")]\nmod task;\n#[allow(unsafe_code)]\nmod time;";
        assert_eq!(lines("crates/maniac-runtime/src/lib.rs", root, check), [4]);
        assert_eq!(lines("crates/maniac-runtime/src/lib.rs", "mod task;", check), [1]);
        assert_eq!(
            lines("crates/maniac-runtime/src/task/a.rs", "#[allow(unsafe_code)]\nfn x();", check),
            [0; 0]
        );
        assert_eq!(lines("crates/maniac-runtime/src/time.rs", "#![allow(unsafe_code)]", check), [1]);
    }
}
