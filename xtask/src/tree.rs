//! The repo's files, as git sees them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repo's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the repo's root").to_owned()
}

/// A text file of the repo. Its path is relative to the root, with forward slashes.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The crate of `crates/` or `bindings/` whose `src/` holds this Rust file.
    pub(crate) fn krate(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        let (group, name, src) = (parts.next()?, parts.next()?, parts.next()?);
        let is_source = matches!(group, "crates" | "bindings") && src == "src" && self.has_extension("rs");
        is_source.then_some(name)
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }

    /// Whether it is a test, a bench or an example rather than part of the product.
    pub(crate) fn is_test(&self) -> bool {
        let folder = |part: &str| matches!(part, "tests" | "__test__" | "benches" | "fuzz" | "examples");
        self.path.split('/').any(folder) || self.path.contains(".test.") || self.path.ends_with("/tests.rs")
    }
}

/// Every text file that git tracks or would track, but for what it tracks although it is told to ignore it.
pub(crate) fn files() -> Result<Vec<File>, String> {
    let ignored = tracked_though_ignored()?;
    let root = root();
    // What cannot be read as text (a deleted file, a binary fixture) holds nothing for these checks.
    let read = |path: String| {
        let text = std::fs::read_to_string(root.join(&path)).ok()?;
        Some(File { path, text })
    };
    let paths = list(&["--cached", "--others"])?;
    Ok(paths.into_iter().filter(|path| ignored.binary_search(path).is_err()).filter_map(read).collect())
}

/// Build output that somebody has committed.
pub(crate) fn tracked_though_ignored() -> Result<Vec<String>, String> {
    list(&["--cached", "--ignored"])
}

/// The paths that `git ls-files` names, sorted.
fn list(which: &[&str]) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--exclude-standard"])
        .args(which)
        .current_dir(root())
        .output()
        .map_err(|error| format!("git could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = std::str::from_utf8(&output.stdout).map_err(|_| "a path is not UTF-8".to_owned())?;
    let mut paths: Vec<String> =
        text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}
