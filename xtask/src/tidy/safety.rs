//! Every `unsafe` block and `unsafe impl` of a crate says in its SAFETY comment what it relies on, by name:
//! - an invariant that the crate's README states: `[INV-1]`, or with another prefix in capitals, `[TASK-5]`;
//! - `[caller]`: what the `# Safety` section of the function around it asks of the caller;
//! - `[local]`: nothing but what stands in the same function.
//!
//! (That the comment is there in tests too is clippy's part.)

use super::{Finding, Unit};
use crate::rust::has_word;
use crate::tree::File;

const RULE: &str = "safety";

/// How many lines of one statement may stand between its SAFETY comment and its `unsafe`.
const STATEMENT_LINES: usize = 12;

pub(super) fn check(files: &[File], units: &[Unit<'_>]) -> Vec<Finding> {
    units.iter().flat_map(|unit| check_unit(unit, readme(files, &unit.file.path))).collect()
}

/// The README of the crate that a file of `src/` belongs to.
fn readme<'a>(files: &'a [File], path: &str) -> &'a str {
    let folder: String = path.split_inclusive('/').take(2).collect();
    files.iter().find(|file| file.path == format!("{folder}README.md")).map_or("", |file| &file.text)
}

fn check_unit(unit: &Unit<'_>, readme: &str) -> Vec<Finding> {
    let needs_comment = (0..unit.code.len()).filter(|&index| opens_unsafe(&unit.code, index));
    let fault = |index| Some(unit.finding(RULE, index, fault(unit, index, readme)?));
    needs_comment.filter_map(fault).collect()
}

/// Whether this line has an `unsafe` that opens a block or begins an `impl`.
fn opens_unsafe(code: &[String], index: usize) -> bool {
    let line = &code[index];
    has_word(line, "unsafe")
        && line.match_indices("unsafe").any(|(at, word)| {
            let rest = line[at + word.len()..].trim_start();
            let rest =
                if rest.is_empty() { code.get(index + 1).map_or("", |next| next.trim_start()) } else { rest };
            rest.starts_with('{') || rest.starts_with("impl")
        })
}

/// The comment of the statement that line `index` belongs to: on the line, or directly above the statement or a part of it.
fn comment_above(unit: &Unit<'_>, index: usize) -> String {
    let mut comment = unit.comments[index].trim().to_owned();
    let mut found = !comment.is_empty();
    for at in (index.saturating_sub(STATEMENT_LINES * 2)..index).rev() {
        let (code, said) = (unit.code[at].trim(), unit.comments[at].trim());
        let is_comment = code.is_empty() && !said.is_empty();
        if is_comment {
            comment = format!("{said}\n{comment}");
            found = true;
        } else if found && comment.contains("SAFETY:") {
            break;
        } else if code.starts_with("#[") {
            // An attribute stands between the comment and what it belongs to.
        } else if code.is_empty() || code.ends_with([';', '{', '}']) || index - at > STATEMENT_LINES {
            break;
        }
    }
    comment
}

fn fault(unit: &Unit<'_>, index: usize, readme: &str) -> Option<String> {
    let comment = comment_above(unit, index);
    let Some((_, safety)) = comment.split_once("SAFETY:") else {
        return Some("no SAFETY comment".to_owned());
    };
    let names: Vec<&str> = names(safety).collect();
    if names.is_empty() {
        return Some(
            "the SAFETY comment names nothing that it relies on: [INV-1], [caller] or [local]".to_owned(),
        );
    }
    if names.contains(&"caller") && !in_unsafe_function(&unit.code, index) {
        return Some("[caller]: the function around it is safe to call".to_owned());
    }
    let stated = |name: &str| matches!(name, "caller" | "local") || readme.contains(&format!("[{name}]"));
    let unknown = names.into_iter().find(|name| !stated(name))?;
    Some(format!("[{unknown}] does not stand in the crate's README"))
}

/// The names in brackets: `[INV-1]`, also `[INV-1, TASK-2]`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let groups = text.split('[').skip(1).filter_map(|rest| rest.split_once(']').map(|(inside, _)| inside));
    groups.flat_map(|inside| inside.split(',').map(str::trim)).filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    let numbered = name.split_once('-').is_some_and(|(prefix, number)| {
        let capitals = prefix.len() > 1 && prefix.bytes().all(|byte| byte.is_ascii_uppercase());
        capitals
            && number.bytes().any(|byte| byte.is_ascii_digit())
            && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    numbered || matches!(name, "caller" | "local")
}

/// Whether the nearest function that begins above is an `unsafe fn`.
fn in_unsafe_function(code: &[String], index: usize) -> bool {
    let begins = |line: &&String| {
        has_word(line, "fn") && line.contains('(') && !line.trim_start().starts_with("type ")
    };
    code[..=index]
        .iter()
        .rev()
        .find(begins)
        .is_some_and(|line| line.contains("unsafe fn") || line.contains("unsafe extern"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::super::units;
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let files = [
            file("crates/a/src/lib.rs", text),
            file("crates/a/README.md", "- [INV-1] one\n- [INV-2] two\n- [TASK-1] three"),
        ];
        check(&files, &units(&files)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_block_names_an_invariant() {
        let none: Vec<String> = Vec::new();
        assert_eq!(messages("// SAFETY: [INV-1] holds here\nunsafe { x() }"), none);
        assert_eq!(messages("// SAFETY: both hold\n// [INV-1, INV-2]\nlet y =\n    unsafe { x() };"), none);
        assert_eq!(
            messages("let y = z(\n    a,\n    // SAFETY: [INV-2]\n    #[inline]\n    unsafe { x() },\n);"),
            none
        );
        assert_eq!(messages("// SAFETY: [TASK-1] and a[0]\nunsafe impl Send for A {}"), none);
        assert_eq!(messages("unsafe { x() }"), ["no SAFETY comment"]);
        assert_eq!(messages("// SAFETY: [INV-1]\na();\nunsafe { x() }"), ["no SAFETY comment"]);
        assert_eq!(
            messages("// SAFETY: trust me\nunsafe { x() }"),
            ["the SAFETY comment names nothing that it relies on: [INV-1], [caller] or [local]"]
        );
        assert_eq!(
            messages("// SAFETY: [INV-9]\nunsafe { x() }"),
            ["[INV-9] does not stand in the crate's README"]
        );
    }

    #[test]
    fn a_block_may_rely_on_its_function() {
        let none: Vec<String> = Vec::new();
        assert_eq!(messages("// SAFETY: [local] it takes no pointer\nunsafe { x() }"), none);
        assert_eq!(
            messages("unsafe fn a() {\n    // SAFETY: [caller] p is valid\n    unsafe { x(p) }\n}"),
            none
        );
        assert_eq!(messages("fn a() {\n    // SAFETY: [caller]\n    unsafe { x(p) }\n}").len(), 1);
    }

    #[test]
    fn what_only_declares_needs_no_comment() {
        let none: Vec<String> = Vec::new();
        assert_eq!(
            messages(
                "unsafe fn x() {}\nunsafe extern \"C\" {}\npub unsafe trait T {}\n#![deny(unsafe_code)]"
            ),
            none
        );
        assert_eq!(messages("#[cfg(test)]\nmod tests {\n    fn a() { unsafe { x() } }\n}"), none);
        assert_eq!(messages("unsafe\n{ x() }"), ["no SAFETY comment"]);
    }
}
