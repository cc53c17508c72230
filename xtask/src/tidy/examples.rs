//! What users of the public crate see has an example that runs:
//! - each public type, trait, free function and macro has one of its own;
//! - each public method is called in one of the same file: its own, its type's, its module's or that of another item.
//!
//! Only crates that `maniac` re-exports to users count. What is hidden from the documentation, and methods that only
//! implement a trait, need none.

use super::{Finding, Unit};
use crate::rust::{has_word, is_word};

const RULE: &str = "examples";
const CRATES: &[&str] = &["maniac-io", "maniac-macros", "maniac-runtime", "maniac-sync", "maniac-wheel"];

/// What stands in for other files on systems without them, under the same names. The examples are there.
const STAND_INS: &[&str] = &["crates/maniac-io/src/fs/portable.rs"];

pub(super) fn check(units: &[Unit<'_>]) -> Vec<Finding> {
    let counts =
        |unit: &&Unit<'_>| CRATES.contains(&unit.krate) && !STAND_INS.contains(&unit.file.path.as_str());
    units.iter().filter(counts).flat_map(check_unit).collect()
}

fn check_unit(unit: &Unit<'_>) -> Vec<Finding> {
    let shown = examples(unit, 0..unit.code.len());
    let fault = |(index, place): (usize, Place)| {
        let line = unit.code[index].trim_start();
        let lines = || unit.above(index);
        let own = || lines().filter(|&at| !unit.comments[at].contains("//!"));
        let attribute = |text: &str| lines().any(|at| unit.code[at].contains(text));
        let item = item(line, place, attribute("#[macro_export]"))?;
        if attribute("#[doc(hidden)]") {
            return None;
        }
        let message = match item {
            Item::Method(name) if !calls(&shown, name) => {
                format!("no example of this file calls '{name}'")
            }
            Item::Other(name) if examples(unit, own().rev()).is_empty() => {
                format!("'{name}' has no example of its own that runs")
            }
            _ => return None,
        };
        Some(unit.finding(RULE, index, message))
    };
    places(&unit.code).into_iter().enumerate().filter_map(fault).collect()
}

/// What a line stands in.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Place {
    /// A file, or a public module in it; a private one is for what its file alone uses.
    Module,
    /// An `impl`, or a macro that brings methods.
    Impl,
    PublicTrait,
    /// Anything that declares nothing to the outside.
    Inside,
}

/// Where each line begins.
fn places(code: &[String]) -> Vec<Place> {
    let (mut open, mut header) = (Vec::new(), String::new());
    let mut places = Vec::new();
    for line in code {
        places.push(open.last().copied().unwrap_or(Place::Module));
        for character in line.chars() {
            match character {
                '{' => open.push(place_behind(&header, open.last().copied())),
                '}' => drop(open.pop()),
                ';' => {}
                _ => {
                    header.push(character);
                    continue;
                }
            }
            header.clear();
        }
        header.push(' ');
    }
    places
}

/// What the bracket behind `header` opens.
fn place_behind(header: &str, around: Option<Place>) -> Place {
    let has = |word| has_word(header, word);
    if has("macro_rules") {
        return Place::Impl;
    }
    if has("mod") && has("pub") && around != Some(Place::Inside) {
        return Place::Module;
    }
    // Items in a macro's brackets: `pin_project!`.
    if around.is_none() && header.trim_end().ends_with('!') {
        return Place::Module;
    }
    let is_arm = header.trim_end().ends_with("=>") && around == Some(Place::Impl);
    match () {
        () if is_arm => Place::Impl,
        () if has("fn") || around == Some(Place::Inside) => Place::Inside,
        () if has("trait") && has("pub") && !header.contains("pub(") => Place::PublicTrait,
        () if has("impl") => Place::Impl,
        () => Place::Inside,
    }
}

enum Item<'a> {
    Method(&'a str),
    Other(&'a str),
}

/// The public item that begins on `line`.
fn item(line: &str, place: Place, exported: bool) -> Option<Item<'_>> {
    if let Some(rest) = line.strip_prefix("macro_rules! ").filter(|_| exported) {
        return Some(Item::Other(word(rest)?));
    }
    let rest = match place {
        Place::PublicTrait => line,
        Place::Module | Place::Impl => line.strip_prefix("pub ")?,
        Place::Inside => return None,
    };
    let (before, kind, name) = ["fn ", "struct ", "enum ", "union ", "trait ", "type "]
        .into_iter()
        .find_map(|kind| rest.split_once(kind).map(|(before, name)| (before, kind, name)))?;
    let is_modifier = |word| matches!(word, "async" | "const" | "unsafe" | "extern" | "\"");
    if !before.split_whitespace().all(is_modifier) {
        return None;
    }
    let name = word(name)?;
    match (place, kind) {
        (Place::Module, _) => Some(Item::Other(name)),
        (_, "fn ") => Some(Item::Method(name)),
        (Place::Impl, _) => Some(Item::Other(name)),
        _ => None,
    }
}

fn word(text: &str) -> Option<&str> {
    let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// The code of the examples that stand in `lines`; one that does not run is none.
fn examples(unit: &Unit<'_>, lines: impl Iterator<Item = usize>) -> String {
    let (mut code, mut block) = (String::new(), None);
    for index in lines {
        let comment = unit.comments[index].trim_start();
        let Some(text) = comment.strip_prefix("///").or_else(|| comment.strip_prefix("//!")) else {
            continue;
        };
        match (text.trim().strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(info), None) => block = Some(runs(info)),
            (None, Some(true)) => {
                code.push_str(text);
                code.push('\n');
            }
            (None, _) => {}
        }
    }
    code
}

/// Whether a block with this after its opening fence is run as a test.
fn runs(info: &str) -> bool {
    info.split(',').map(str::trim).all(|word| matches!(word, "" | "rust" | "should_panic"))
}

/// Whether `code` calls the method, or, as an example of a trait may, has one of that name.
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let rest = &code[at + name.len()..];
        let before = [".", "::", "fn "].iter().any(|before| code[..at].ends_with(before));
        before && (rest.starts_with('(') || rest.starts_with("::<") || rest.starts_with('<'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;

    const EXAMPLE: &str = "/// ```\n/// one().two();\n/// ```\n";

    fn found(text: &str) -> Vec<usize> {
        lines("crates/maniac-io/src/file.rs", text, |_, units| check(units))
    }

    #[test]
    fn each_public_item_has_an_example_of_its_own() {
        for item in [
            "pub fn one() {}",
            "pub async unsafe fn one() {}",
            "pub struct One;",
            "pub enum One { A }",
            "pub unsafe trait One {}",
            "pub type One = ();",
            "#[macro_export]\nmacro_rules! one { () => {} }",
            "pub mod a {\n    pub fn one() {}\n}",
            "pin_project! {\n    pub struct One { a: u8 }\n}",
        ] {
            let bare = item
                .lines()
                .position(|line| line.contains("ne ") || line.contains("ne(") || line.contains("ne;"));
            assert_eq!(found(item), [bare.unwrap() + 1], "{item}");
        }
        assert_eq!(found(&format!("{EXAMPLE}pub fn one() {{}}\npub fn two() {{}}")), [5]);
        assert_eq!(found(&format!("{EXAMPLE}#[must_use]\npub struct One {{\n    pub a: u8,\n}}")), [0; 0]);
        assert_eq!(found("mod a {\n    pub fn one() {}\n}"), [0; 0]);
        assert_eq!(lines("crates/maniac-driver/src/a.rs", "pub fn b() {}", |_, units| check(units)), [0; 0]);
    }

    #[test]
    fn an_example_runs() {
        let with = |info: &str| found(&format!("/// ```{info}\n/// one();\n/// ```\npub fn one() {{}}"));
        assert_eq!(with(""), [0; 0]);
        assert_eq!(with("should_panic"), [0; 0]);
        for info in ["text", "no_run", "ignore", "compile_fail"] {
            assert_eq!(with(info), [4], "{info}");
        }
    }

    #[test]
    fn each_public_method_is_called_in_the_file() {
        let a = "pub struct A;\nimpl A {\n    pub fn two(self) {}\n    fn own() {}\n    pub(crate) fn ours() {}\n}\n";
        assert_eq!(found(&format!("{EXAMPLE}{a}")), [0; 0]);
        assert_eq!(found(&format!("//! ```\n//! A::two(a);\n//! ```\n{a}")), [4]);
        assert_eq!(found(&format!("{EXAMPLE}pub struct A;\nimpl A {{\n    pub fn tw(&self) {{}}\n}}")), [6]);
        assert_eq!(found("macro_rules! m {\n    () => {\n        pub fn three() {}\n    };\n}"), [3]);
        assert_eq!(found("// A comment that calls x.two()\nimpl A {\n    pub fn two(self) {}\n}"), [3]);
    }

    #[test]
    fn methods_of_a_public_trait_count_and_those_that_implement_one_do_not() {
        let body = "trait T {\n    fn two(&self);\n    fn three(&self) {\n        fn inner() {}\n    }\n}";
        assert_eq!(found(&format!("{EXAMPLE}pub {body}")), [6]);
        assert_eq!(found(body), [0; 0]);
        assert_eq!(found("impl T for A {\n    fn three(&self) {}\n}"), [0; 0]);
        assert_eq!(
            found(
                "impl<F> A<F>\nwhere\n    F: Fn(),\n{\n    #[doc(hidden)]\n    pub fn hid(&self) {}\n    pub fn b() {}\n}"
            ),
            [7]
        );
    }
}
