//! Nothing half-done: no note to do it later, no placeholder, no test or example that is left out.

use super::Finding;
use crate::rust::{Source, has_word};
use crate::tree::File;

const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
const RUST: &[&str] = &[concat!("to", "do!"), concat!("unimple", "mented!"), "#[ignore]"];
const SCRIPT: &[&str] =
    &["test.only(", "test.skip(", "test.failing(", ".todo(", "describe.only(", "it.skip(", "it.only("];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    if file.has_extension("rs") {
        let source = Source::read(&file.text);
        let mut findings = search(file, &source.comments(), NOTES);
        findings.extend(search(file, &source.code(), RUST));
        findings.extend(examples(file, &source.comments()));
        return findings;
    }
    let lines: Vec<String> = file.text.lines().map(str::to_owned).collect();
    if ["ts", "mts", "cts", "js", "mjs", "cjs"].iter().any(|extension| file.has_extension(extension)) {
        let mut findings = search(file, &lines, NOTES);
        findings.extend(search(file, &lines, SCRIPT));
        return findings;
    }
    if ["s", "S", "c", "sh", "toml", "yml"].iter().any(|extension| file.has_extension(extension)) {
        return search(file, &lines, NOTES);
    }
    Vec::new()
}

fn search(file: &File, lines: &[String], words: &[&str]) -> Vec<Finding> {
    let found = |(index, line): (usize, &String)| {
        let word = words.iter().find(|word| has_word(line, word))?;
        Some(finding(file, index, format!("{word}: finish it, or file it and take it out")))
    };
    lines.iter().enumerate().filter_map(found).collect()
}

/// Examples in the documentation that are not run.
fn examples(file: &File, comments: &[String]) -> Vec<Finding> {
    let left_out = |line: &String| {
        let text = line.trim().trim_start_matches(['/', '!', '*', ' ']);
        let words = text.strip_prefix("```").unwrap_or("");
        words.split([',', ' ']).any(|word| word == "ignore" || word == "no_run")
    };
    let lines = comments.iter().enumerate();
    lines
        .filter(|(_, line)| left_out(line))
        .map(|(index, _)| finding(file, index, "an example runs; this one does not".to_owned()))
        .collect()
}

fn finding(file: &File, index: usize, message: String) -> Finding {
    Finding { rule: "unfinished", path: file.path.clone(), line: index + 1, message }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        lines(path, text, |files, _| check(files))
    }

    #[test]
    fn notes_and_placeholders_are_found() {
        let text = format!("// {}: later\nlet s = \"{}\";\n{}()\nfn b() {{}}", NOTES[0], NOTES[1], RUST[0]);
        assert_eq!(found("crates/a/src/lib.rs", &text), [1, 3]);
        assert_eq!(found("src/fs.ts", &format!("a();\n// {} this", NOTES[1])), [2]);
        assert_eq!(found("README.md", &format!("{} list", NOTES[0])), [0; 0]);
    }

    #[test]
    fn what_is_left_out_is_found() {
        assert_eq!(
            found(
                "crates/a/src/lib.rs",
                "/// ```no_run\n/// a();\n/// ```\n/// ```rust,ignore\n/// ```\n/// ```compile_fail\n"
            ),
            [1, 4]
        );
        assert_eq!(
            found("crates/a/tests/a.rs", "#[ignore]\nfn a() {}\n#[ignore = \"needs a GPU\"]\nfn b() {}"),
            [1]
        );
        assert_eq!(found("__test__/fs.spec.ts", "test.only(\"a\", () => {});\ntest(\"b\", () => {});"), [1]);
    }
}
