//! What no compiler checks: who may know whom, how long a file may be, what must stand beside `unsafe`, and what must not stand
//! in the repo at all.
//!
//! A finding that is right as it stands is excused where it stands, by a comment on its line or the line above (for a whole
//! file: in its first lines): `tidy-allow`, a colon, the rule, a colon, the reason. An excuse that excuses nothing is a finding.

mod architecture;
mod cancel;
mod dependencies;
mod examples;
mod length;
mod safety;
mod unfinished;
mod words;

use crate::rust::Source;
use crate::tree::{self, File};
use crate::{Outcome, workspace};
use std::collections::BTreeMap;

/// Something that must not be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    rule: &'static str,
    path: String,
    /// Counted from 1; 0 where it concerns the whole file.
    line: usize,
    message: String,
}

const RULES: [&str; 9] = [
    "dependencies",
    "architecture",
    "length",
    "safety",
    "cancel",
    "examples",
    "unfinished",
    "words",
    "excuse",
];

/// How far into a file an excuse for the whole of it may stand.
const HEADER_LINES: usize = 40;

/// A Rust file of a crate's `src/`, without its tests.
struct Unit<'a> {
    file: &'a File,
    krate: &'a str,
    code: Vec<String>,
    comments: Vec<String>,
}

impl Unit<'_> {
    fn finding(&self, rule: &'static str, index: usize, message: String) -> Finding {
        Finding { rule, path: self.file.path.clone(), line: index + 1, message }
    }

    /// The lines of documentation and attributes directly above an item, from below. Documentation goes on above an attribute
    /// of several lines.
    fn above(&self, index: usize) -> impl DoubleEndedIterator<Item = usize> {
        let mut within_attribute = false;
        let belongs = |at: &usize| {
            let code = self.code[*at].trim();
            if within_attribute {
                within_attribute = !code.starts_with("#[");
                return !code.ends_with([';', '{', '}']);
            }
            within_attribute = code.ends_with(']') && !code.starts_with("#[");
            let is_doc = code.is_empty() && !self.comments[*at].trim().is_empty();
            is_doc || within_attribute || code.starts_with("#[")
        };
        let lines = (0..index).rev().take_while(belongs).count();
        (index - lines..index).rev()
    }
}

fn units(files: &[File]) -> Vec<Unit<'_>> {
    let read = |file| {
        let krate = File::krate(file)?;
        let source = Source::read(&file.text).without_tests();
        Some(Unit { file, krate, code: source.code(), comments: source.comments() })
    };
    files.iter().filter(|file| !file.is_test()).filter_map(read).collect()
}

pub(crate) fn run() -> Outcome {
    let files = tree::files()?;
    let packages = workspace::packages()?;
    let mut findings = check(&files);
    findings.extend(build_output(&tree::tracked_though_ignored()?));
    findings.extend(dependencies::check(&packages));
    findings.extend(dependencies::tokio_runtime(&packages)?);
    let findings = excuse(&files, findings);
    for Finding { rule, path, line, message } in &findings {
        println!("{path}:{line}: [{rule}] {message}");
    }
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(findings.is_empty())
}

/// What `.gitignore` names is made by a build and has no place in a commit.
fn build_output(tracked: &[String]) -> Option<Finding> {
    let path = tracked.first()?.clone();
    let message =
        format!("{} files are tracked though .gitignore names them: git rm --cached", tracked.len());
    Some(Finding { rule: "words", path, line: 0, message })
}

fn check(files: &[File]) -> Vec<Finding> {
    let units = units(files);
    let mut findings = architecture::check(files, &units);
    findings.extend(length::check(files));
    findings.extend(safety::check(files, &units));
    findings.extend(cancel::check(&units));
    findings.extend(examples::check(&units));
    findings.extend(unfinished::check(files));
    findings.extend(words::check(files));
    findings
}

/// Takes out the findings that an excuse covers, and adds those about excuses.
fn excuse(files: &[File], findings: Vec<Finding>) -> Vec<Finding> {
    let mut excuses = BTreeMap::new();
    let mut left = Vec::new();
    for file in files {
        for (index, line_text) in file.text.lines().enumerate() {
            let (path, line) = (file.path.clone(), index + 1);
            match read_excuse(line_text) {
                Some(Ok(rule)) => drop(excuses.insert((path, line, rule), false)),
                Some(Err(message)) => left.push(Finding { rule: "excuse", path, line, message }),
                None => {}
            }
        }
    }
    for finding in findings {
        let covers = |line: usize| match finding.line {
            0 => line <= HEADER_LINES,
            at => line == at || line + 1 == at,
        };
        let matching = excuses.iter_mut().filter(|((path, line, rule), _)| {
            *path == finding.path && *rule == finding.rule && covers(*line)
        });
        let mut excused = false;
        for (_, used) in matching {
            *used = true;
            excused = true;
        }
        if !excused {
            left.push(finding);
        }
    }
    left.extend(excuses.into_iter().filter(|(_, used)| !used).map(|((path, line, rule), _)| Finding {
        rule: "excuse",
        path,
        line,
        message: format!("excuses nothing: there is no finding of '{rule}' here"),
    }));
    left
}

fn read_excuse(line: &str) -> Option<Result<&'static str, String>> {
    let (_, rest) = line.split_once(concat!("tidy", "-allow:"))?;
    let (rule, reason) = rest.split_once(':').unwrap_or((rest, ""));
    let Some(known) = RULES.iter().find(|known| **known == rule.trim()) else {
        return Some(Err(format!("there is no rule '{}'; the rules are: {}", rule.trim(), RULES.join(", "))));
    };
    if reason.trim().len() < 10 { Some(Err("an excuse says why".to_owned())) } else { Some(Ok(known)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    /// Runs `rule` on one source file and gives the lines of its findings.
    pub(super) fn lines(
        path: &str,
        text: &str,
        rule: impl Fn(&[File], &[Unit<'_>]) -> Vec<Finding>,
    ) -> Vec<usize> {
        let files = [file(path, text)];
        rule(&files, &units(&files)).iter().map(|finding| finding.line).collect()
    }

    fn finding(line: usize) -> Finding {
        Finding { rule: "words", path: "a.rs".to_owned(), line, message: String::new() }
    }

    fn excused(text: &str, line: usize) -> Vec<(&'static str, usize)> {
        let left = excuse(&[file("a.rs", text)], vec![finding(line)]);
        left.iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn an_excuse_covers_its_line_and_the_next() {
        let text = concat!("// tidy", "-allow: words: it is the subject of this file\nx\ny");
        assert_eq!(excused(text, 1), []);
        assert_eq!(excused(text, 2), []);
        assert_eq!(excused(text, 3), [("words", 3), ("excuse", 1)]);
        assert_eq!(excused(text, 0), []);
    }

    #[test]
    fn an_excuse_names_a_rule_and_a_reason() {
        assert_eq!(excused(concat!("// tidy", "-allow: words"), 1), [("excuse", 1), ("words", 1)]);
        assert_eq!(
            excused(concat!("// tidy", "-allow: wrods: it is what it is"), 1),
            [("excuse", 1), ("words", 1)]
        );
    }
}
