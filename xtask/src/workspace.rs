//! The workspace as `cargo metadata` tells it.

use serde_json::Value;
use std::process::Command;

/// A crate of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, relative to the root, with forward slashes.
    pub(crate) folder: String,
    /// Its normal and build dependencies.
    pub(crate) dependencies: Vec<String>,
    pub(crate) features: Vec<String>,
}

pub(crate) fn packages() -> Result<Vec<Package>, String> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    parse(&metadata).ok_or_else(|| "cargo metadata has another form than expected".to_owned())
}

fn parse(metadata: &Value) -> Option<Vec<Package>> {
    let root = metadata["workspace_root"].as_str()?;
    metadata["packages"].as_array()?.iter().map(|package| parse_package(root, package)).collect()
}

fn parse_package(root: &str, package: &Value) -> Option<Package> {
    let manifest = package["manifest_path"].as_str()?.strip_prefix(root)?.replace('\\', "/");
    let used = |dependency: &&Value| dependency["kind"] != "dev";
    Some(Package {
        name: package["name"].as_str()?.to_owned(),
        folder: manifest.trim_matches('/').strip_suffix("Cargo.toml")?.trim_end_matches('/').to_owned(),
        dependencies: package["dependencies"]
            .as_array()?
            .iter()
            .filter(used)
            .map(|dependency| dependency["name"].as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
        features: package["features"].as_object()?.keys().cloned().collect(),
    })
}

/// Runs cargo in the repo's root and gives what it prints.
pub(crate) fn cargo(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program())
        .args(arguments)
        .current_dir(crate::tree::root())
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo {} failed:\n{said}", arguments.join(" ")));
    }
    String::from_utf8(output.stdout).map_err(|_| "cargo printed what is not UTF-8".to_owned())
}

/// The cargo that runs us.
pub(crate) fn program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let metadata: Value = serde_json::from_str(
            r#"{"workspace_root": "/repo", "packages": [{"name": "a", "manifest_path": "/repo/crates/a/Cargo.toml",
                "features": {"default": ["x"], "x": []},
                "dependencies": [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}, {"name": "d", "kind": "build"}]}]}"#,
        )
        .unwrap();
        let packages = parse(&metadata).unwrap();
        assert_eq!(packages[0].folder, "crates/a");
        assert_eq!(packages[0].dependencies, ["b", "d"]);
        assert_eq!(packages[0].features, ["default", "x"]);
    }
}
