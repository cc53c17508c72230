//! The slides promise code; here each promise is kept. Every Rust block of `docs/slides.md` stands, word for word, in a test of
//! `crates/maniac/tests/slides/`, and that test runs.
//!
//! Block 2 of slide 22 is `22.2`. In the tests its code stands between two markers (more than once where it needs to be taken
//! apart), and a test whose name ends in `slide_22_2` runs it:
//!
//! ```text
//! #[test]
//! #[rustfmt::skip]
//! fn slide_22_2() {
//!     // slide 22.2 begin
//!     let answer = compute();
//!     // deviates: docs/decisions/0004-spawn-can-fail.md
//!     //- let handle = runtime.spawn(task);
//!     let handle = runtime.spawn(task).unwrap();
//!     // deviates end
//!     // slide 22.2 end
//! }
//! ```
//!
//! White space and trailing commas do not count. Where the code must differ, the slide's lines stand as `//-` comments beside ours,
//! and the decision's record is named. Blocks whose subject is still to come are listed, with the reason, in `later.txt`.

mod compare;

use crate::tree::{self, File};
use crate::{Outcome, workspace};
use compare::{Block, Region};
use std::collections::BTreeMap;
use std::process::Command;

const SLIDES: &str = "docs/slides.md";
const TESTS: &str = "crates/maniac/tests/slides/";
const LATER: &str = "crates/maniac/tests/slides/later.txt";

/// What the tree says of the slides.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    covered: Vec<String>,
    later: usize,
    deviations: Vec<String>,
    faults: Vec<String>,
}

pub(crate) fn run() -> Outcome {
    let files = tree::files()?;
    let mut findings = check(&files)?;
    if !findings.covered.is_empty() {
        let tests = tests_that_run()?;
        let runs = |id: &String| tests.iter().any(|test| test.ends_with(&test_name(id)));
        let (covered, idle) = std::mem::take(&mut findings.covered).into_iter().partition(runs);
        findings.covered = covered;
        findings
            .faults
            .extend(idle.iter().map(|id: &String| format!("{id}: no test named {} runs", test_name(id))));
    }
    for deviation in &findings.deviations {
        println!("deviation: {deviation}");
    }
    for fault in &findings.faults {
        println!("FAILED: {fault}");
    }
    println!("{} blocks are still to come", findings.later);
    println!("{} passed, {} failed", findings.covered.len(), findings.faults.len());
    Ok(findings.faults.is_empty())
}

fn test_name(id: &str) -> String {
    format!("slide_{}", id.replace('.', "_"))
}

/// The names of the tests that are compiled and not ignored.
fn tests_that_run() -> Result<Vec<String>, String> {
    let list = |more: &[&str]| -> Result<Vec<String>, String> {
        let output = Command::new(workspace::program())
            .args([
                "test", "--quiet", "-p", "maniac", "--test", "slides", "--", "--list", "--format", "terse",
            ])
            .args(more)
            .current_dir(tree::root())
            .output()
            .map_err(|error| format!("cargo could not be started: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "the tests of the slides do not build:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    };
    let ignored = list(&["--ignored"])?;
    Ok(list(&[])?.into_iter().filter(|test| !ignored.contains(test)).collect())
}

fn check(files: &[File]) -> Result<Findings, String> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let blocks = compare::blocks(text(SLIDES).ok_or(format!("{SLIDES} does not exist"))?);
    let later = read_later(text(LATER).unwrap_or(""))?;
    let mut regions: BTreeMap<String, Vec<Region>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.starts_with(TESTS) && file.has_extension("rs")) {
        for region in compare::regions(&file.path, &file.text)? {
            regions.entry(region.id.clone()).or_default().push(region);
        }
    }
    let mut findings = Findings::default();
    for block in &blocks {
        match (regions.remove(&block.id), later.contains_key(&block.id)) {
            (None, true) => findings.later += 1,
            (None, false) => findings.faults.push(format!("{}: no test holds this block", block.id)),
            (Some(_), true) => findings.faults.push(format!("{}: is in a test and in {LATER}", block.id)),
            (Some(regions), false) => judge(files, block, &regions, &mut findings),
        }
    }
    let known = |id: &String| blocks.iter().any(|block| block.id == *id);
    let strangers = regions.keys().chain(later.keys().filter(|id| !known(id)));
    findings.faults.extend(strangers.map(|id| format!("{id}: there is no such block in {SLIDES}")));
    Ok(findings)
}

/// Whether the tests hold the block as the slide has it, but for the deviations that are on record.
fn judge(files: &[File], block: &Block, regions: &[Region], findings: &mut Findings) {
    let before = findings.faults.len();
    let held: String = regions.iter().map(|region| region.slide_text.as_str()).collect();
    if let Some(difference) = compare::difference(&block.code, &held) {
        findings.faults.push(format!("{}: {difference}", block.id));
    }
    for record in regions.iter().flat_map(|region| &region.records) {
        let exists = record.starts_with("docs/decisions/") && files.iter().any(|file| file.path == *record);
        if exists {
            findings.deviations.push(format!("{}: {record}", block.id));
        } else {
            findings.faults.push(format!("{}: {record} is no record in docs/decisions", block.id));
        }
    }
    if findings.faults.len() == before {
        findings.covered.push(block.id.clone());
    }
}

/// Reads lines of the form `24.1 the reason`.
fn read_later(text: &str) -> Result<BTreeMap<String, String>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_once(' ') {
            Some((id, reason)) => Ok((id.to_owned(), reason.trim().to_owned())),
            None => Err(format!("{LATER}: '{line}' gives no reason")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECK: &str = "# Slide 4: A\n```rust\nlet a = 1;\n```\n```rust\nlet b = f(\n    2,\n);\n```\n# Slide 24: B\n```rust\ntls();\n```\n";

    fn checked(tests: &str, later: &str) -> Findings {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        check(&[
            file(SLIDES, DECK),
            file(LATER, later),
            file("docs/decisions/0001-x.md", "# x"),
            file("crates/maniac/tests/slides/main.rs", tests),
        ])
        .unwrap()
    }

    #[test]
    fn blocks_are_covered_or_missing() {
        let tests = "// slide 4.1 begin\nlet a = 1;\n// slide 4.1 end\n// slide 4.2 begin\nlet b = f(2);\n// slide 4.2 end\n";
        let findings = checked(tests, "# later\n24.1 needs TLS\n");
        assert_eq!(findings.covered, ["4.1", "4.2"]);
        assert_eq!((findings.later, findings.faults.len()), (1, 0));
        let findings =
            checked("// slide 4.1 begin\nlet a = 2;\n// slide 4.1 end\n", "4.1 too soon\n9.9 no such\n");
        assert_eq!(findings.covered, Vec::<String>::new());
        assert_eq!(findings.faults.len(), 4, "{:?}", findings.faults);
    }

    #[test]
    fn deviations_need_a_record() {
        let tests = |record: &str| {
            format!(
                "// slide 4.1 begin\n// deviates: {record}\n//- let a = 1;\nlet a = one()?;\n// deviates end\n// slide 4.1 end\n"
            )
        };
        let findings = checked(&tests("docs/decisions/0001-x.md"), "4.2 later\n24.1 later\n");
        assert_eq!(findings.covered, ["4.1"]);
        assert_eq!(findings.deviations, ["4.1: docs/decisions/0001-x.md"]);
        let findings = checked(&tests("docs/decisions/0002-y.md"), "4.2 later\n24.1 later\n");
        assert_eq!(findings.faults.len(), 1);
        assert_eq!(findings.covered, Vec::<String>::new());
    }
}
