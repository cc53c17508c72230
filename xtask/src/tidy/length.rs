//! No file of 600 lines or more, tests and generated code apart.

use super::Finding;
use crate::rust::Source;
use crate::tree::File;

const LIMIT: usize = 600;
const GENERATED: &[&str] = &["src/binding.cjs", "src/binding.d.cts"];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter_map(check_file).collect()
}

fn check_file(file: &File) -> Option<Finding> {
    let is_source =
        ["rs", "ts", "mts", "cts", "js", "mjs", "cjs", "s", "S", "c"].iter().any(|e| file.has_extension(e));
    if !is_source || file.is_test() || GENERATED.contains(&file.path.as_str()) {
        return None;
    }
    let lines = if file.has_extension("rs") { without_tests(&file.text) } else { file.text.lines().count() };
    let message = format!("{lines} lines; a file stays under {LIMIT}, or says in its header why it cannot");
    (lines >= LIMIT).then(|| Finding { rule: "length", path: file.path.clone(), line: 0, message })
}

/// The lines that are left when the tests at a file's end, or in it, are taken out.
fn without_tests(text: &str) -> usize {
    let source = Source::read(text).without_tests();
    let (code, comments) = (source.code(), source.comments());
    let is_left = |(index, line): &(usize, &str)| {
        line.trim().is_empty() || !code[*index].trim().is_empty() || !comments[*index].trim().is_empty()
    };
    text.lines().enumerate().filter(is_left).count()
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    fn long(path: &str, text: &str) -> bool {
        !check(&[file(path, text)]).is_empty()
    }

    #[test]
    fn length_counts_what_is_no_test() {
        assert!(long("crates/a/src/lib.rs", &"a();\n".repeat(600)));
        assert!(!long("crates/a/src/lib.rs", &"a();\n".repeat(599)));
        let tested =
            format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "a();\n".repeat(590), "b();\n".repeat(300));
        assert!(!long("crates/a/src/lib.rs", &tested));
        assert!(!long("crates/a/tests/all.rs", &"a();\n".repeat(900)));
        assert!(!long("src/binding.cjs", &"a();\n".repeat(900)));
        assert!(!long("docs/a.md", &"a\n".repeat(900)));
        assert!(long("src/fs.ts", &"a();\n".repeat(600)));
    }
}
