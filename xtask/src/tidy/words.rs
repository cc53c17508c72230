//! What must not stand in a public repo: paths of one machine, addresses of a registry's mirror.

use super::Finding;
use crate::tree::File;

/// Folders that exist on somebody's machine only.
const FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "https://registry.npmjs.org/";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let message = path_of_a_machine(line).or_else(|| mirror(file, line))?;
            Some(Finding { rule: "words", path: file.path.clone(), line: index + 1, message })
        })
        .collect()
}

fn path_of_a_machine(line: &str) -> Option<String> {
    // Only where a path begins: `a/work/b` is some other folder.
    let begins = |at: usize| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !before.is_alphanumeric() && !"/._-}".contains(before))
    };
    let folder = FOLDERS.iter().find(|folder| line.match_indices(**folder).any(|(at, _)| begins(at)))?;
    Some(format!("{folder} is a path on one machine"))
}

fn mirror(file: &File, line: &str) -> Option<String> {
    let name = file.path.rsplit('/').next()?;
    let value = |key: &str| line.trim().strip_prefix(key).map(|rest| rest.trim_matches(['"', ',', ' ']));
    let foreign = match name {
        "Cargo.lock" => value("source = ").filter(|source| !source.starts_with(CRATES_IO)),
        "package-lock.json" => {
            value("\"resolved\": ").filter(|address| address.contains("://") && !address.starts_with(NPM))
        }
        ".npmrc" => value("registry="),
        "config.toml" => value("registry = ").or_else(|| value("replace-with = ")),
        _ => None,
    }?;
    Some(format!("{foreign} is not the public registry"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        lines(path, text, |files, _| check(files))
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        let text = format!(
            "cd {}x\nsee https://a.example{}b\n\"{}.cache\"\n./work/x",
            FOLDERS[0], FOLDERS[0], FOLDERS[1]
        );
        assert_eq!(found("docs/a.md", &text), [1, 3]);
    }

    #[test]
    fn mirrors_are_found() {
        let lock = format!("source = \"{CRATES_IO}\"\nsource = \"registry+https://mirror.example/index\"");
        assert_eq!(found("Cargo.lock", &lock), [2]);
        let lock = format!(
            "\"resolved\": \"{NPM}a.tgz\",\n\"resolved\": \"https://mirror.example/a.tgz\",\n\"resolved\": \"bindings/x\","
        );
        assert_eq!(found("package-lock.json", &lock), [2]);
        assert_eq!(found(".npmrc", "registry=https://mirror.example\nfund=false"), [1]);
    }
}
