//! Builds and tests the public crate with no feature, with each of its features alone, and with all of them.

use crate::{Outcome, workspace};
use std::process::Command;

const CRATE: &str = "maniac";

pub(crate) fn run() -> Outcome {
    let packages = workspace::packages()?;
    let package =
        packages.iter().find(|package| package.name == CRATE).ok_or("there is no crate named maniac")?;
    let features: Vec<_> = package.features.iter().filter(|feature| *feature != "default").cloned().collect();
    let alone = features.iter().cloned().map(Some);
    let mut all_well = true;
    for feature in [None].into_iter().chain(alone).chain([Some(features.join(","))]) {
        let which = feature.as_deref().unwrap_or("no feature");
        println!("maniac with {which}");
        let status = Command::new(workspace::program())
            .args(["test", "-p", CRATE, "--lib", "--tests", "--no-fail-fast", "--no-default-features"])
            .args(feature.as_deref().map(|feature| ["--features", feature]).iter().flatten())
            .current_dir(crate::tree::root())
            .status()
            .map_err(|error| format!("cargo could not be started: {error}"))?;
        if !status.success() {
            println!("FAILED: maniac with {which}");
            all_well = false;
        }
    }
    Ok(all_well)
}
