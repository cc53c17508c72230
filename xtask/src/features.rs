//! Builds and tests the public crate with no feature, and with each of its features alone.

use crate::{Outcome, workspace};
use std::process::Command;

const CRATE: &str = "maniac";

pub(crate) fn run() -> Outcome {
    let packages = workspace::packages()?;
    let package =
        packages.iter().find(|package| package.name == CRATE).ok_or("there is no crate named maniac")?;
    let alone =
        package.features.iter().filter(|feature| *feature != "default").map(|feature| Some(feature.as_str()));
    let mut all_well = true;
    for feature in [None].into_iter().chain(alone) {
        println!("maniac with {}", feature.unwrap_or("no feature"));
        let status = Command::new(workspace::program())
            .args(["test", "-p", CRATE, "--lib", "--tests", "--no-fail-fast", "--no-default-features"])
            .args(feature.map(|feature| ["--features", feature]).iter().flatten())
            .current_dir(crate::tree::root())
            .status()
            .map_err(|error| format!("cargo could not be started: {error}"))?;
        if !status.success() {
            println!("FAILED: maniac with {}", feature.unwrap_or("no feature"));
            all_well = false;
        }
    }
    Ok(all_well)
}
