//! Who may depend on whom. The table is the architecture; a crate that is not in it is a finding.

use super::Finding;
use crate::workspace::{Package, cargo};

/// For each crate of `crates/` and `bindings/`: the crates of the workspace that it may know.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("crates/maniac-macros", &[]),
    ("crates/maniac-signal-tree", &[]),
    ("crates/maniac-wheel", &[]),
    ("crates/maniac-arena", &[]),
    ("crates/maniac-context", &[]),
    ("crates/maniac-sync", &[]),
    ("crates/maniac-driver", &["maniac-sync"]),
    (
        "crates/maniac-runtime",
        &[
            "maniac-arena",
            "maniac-context",
            "maniac-driver",
            "maniac-signal-tree",
            "maniac-sync",
            "maniac-wheel",
        ],
    ),
    ("crates/maniac-io", &["maniac-driver", "maniac-runtime", "maniac-sync"]),
    ("crates/maniac-tls", &["maniac-io", "maniac-runtime", "maniac-sync"]),
    ("crates/maniac-http", &["maniac-io", "maniac-runtime", "maniac-sync", "maniac-tls"]),
    ("crates/maniac-raft", &["maniac-io", "maniac-runtime", "maniac-sync", "maniac-tls"]),
    ("crates/maniac-sim", &["maniac-driver", "maniac-io", "maniac-runtime", "maniac-sync", "maniac-wheel"]),
    (
        "crates/maniac",
        &[
            "maniac-arena",
            "maniac-context",
            "maniac-driver",
            "maniac-http",
            "maniac-io",
            "maniac-macros",
            "maniac-raft",
            "maniac-runtime",
            "maniac-sim",
            "maniac-sync",
            "maniac-tls",
            "maniac-wheel",
        ],
    ),
    ("crates/maniac-napi", &["maniac", "maniac-driver", "maniac-io", "maniac-runtime", "maniac-sync"]),
    ("bindings/node", &["maniac", "maniac-napi"]),
];

/// Dependencies from outside that only some crates may name.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("io-uring", &["crates/maniac-driver", "xtask"]),
    ("mio", &["crates/maniac-driver"]),
    ("polling", &["crates/maniac-driver"]),
    ("corosensei", &["crates/maniac-context"]),
    ("napi", &["crates/maniac-napi", "bindings/node", "examples/addon"]),
    ("napi-derive", &["crates/maniac-napi", "bindings/node", "examples/addon"]),
    ("napi-sys", &["crates/maniac-napi", "bindings/node", "examples/addon"]),
    ("napi-build", &["crates/maniac-napi", "bindings/node", "examples/addon"]),
];

/// The crates that know no clock, no operating system and no runtime, and all that they may depend on.
const PURE: &[&str] = &["crates/maniac-signal-tree", "crates/maniac-wheel"];
const PURE_MAY_USE: &[&str] = &["loom", "crossbeam-utils"];

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    packages.iter().flat_map(|package| check_package(package, &ours)).collect()
}

fn check_package(package: &Package, ours: &[&str]) -> Vec<Finding> {
    let folder = package.folder.as_str();
    let in_scope = folder.starts_with("crates/") || folder.starts_with("bindings/");
    let may_know = MAY_KNOW.iter().find(|(known, _)| *known == folder).map(|(_, list)| *list);
    let mut messages = Vec::new();
    if in_scope && may_know.is_none() {
        messages.push("is not in the table of who may know whom (xtask/src/tidy/dependencies.rs)".to_owned());
    }
    for name in package.dependencies.iter().map(String::as_str) {
        if ours.contains(&name) && may_know.is_some_and(|list| !list.contains(&name)) {
            messages.push(format!("must not know {name}"));
        }
        if KEPT_TO.iter().any(|(kept, to)| *kept == name && !to.contains(&folder)) {
            messages.push(format!("must not depend on {name}, which is kept to one layer"));
        }
        if PURE.contains(&folder) && !PURE_MAY_USE.contains(&name) {
            messages
                .push(format!("knows no clock, no system and no runtime, so it must not depend on {name}"));
        }
    }
    let path = format!("{folder}/Cargo.toml");
    messages
        .into_iter()
        .map(|message| Finding { rule: "dependencies", path: path.clone(), line: 0, message })
        .collect()
}

/// The feature that brings tokio's reactor, and the only one that may.
const TOKIO_RUNTIME_FEATURE: &str = "tokio-compat-rt";

/// tokio's runtime comes with no feature but the one that is named for it.
pub(super) fn tokio_runtime(packages: &[Package]) -> Result<Vec<Finding>, String> {
    let features: Vec<String> = packages
        .iter()
        .filter(|package| package.name == "maniac")
        .flat_map(|package| package.features.iter())
        .filter(|feature| *feature != TOKIO_RUNTIME_FEATURE)
        .map(|feature| format!("maniac/{feature}"))
        .collect();
    let features = features.join(",");
    let mut arguments =
        vec!["tree", "--workspace", "--edges", "normal,build", "--prefix", "none", "--format", "{p}|{f}"];
    if !features.is_empty() {
        arguments.extend(["--features", &features]);
    }
    Ok(tokio_in(&cargo(&arguments)?))
}

fn tokio_in(tree: &str) -> Vec<Finding> {
    let runtime =
        |feature: &str| matches!(feature, "rt" | "rt-multi-thread" | "net" | "fs" | "process" | "signal");
    tree.lines()
        .filter(|line| line.starts_with("tokio v"))
        .filter_map(|line| line.split_once('|')?.1.split(',').map(str::trim).find(|feature| runtime(feature)))
        .take(1)
        .map(|feature| Finding {
            rule: "dependencies",
            path: "Cargo.toml".to_owned(),
            line: 0,
            message: format!(
                "tokio's runtime (its feature '{feature}') is among the dependencies: see cargo tree -i tokio"
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, dependencies: &[&str]) -> Package {
        Package {
            name: folder.rsplit('/').next().unwrap().to_owned(),
            folder: folder.to_owned(),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
            features: Vec::new(),
        }
    }

    fn messages(packages: &[Package]) -> Vec<String> {
        check(packages).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_layers_hold() {
        let io = |dependencies: &[&str]| {
            messages(&[
                package("crates/maniac-io", dependencies),
                package("crates/maniac-raft", &[]),
                package("crates/maniac-runtime", &[]),
            ])
        };
        assert_eq!(io(&["maniac-runtime", "slab"]), Vec::<String>::new());
        assert_eq!(io(&["maniac-raft"]), ["must not know maniac-raft"]);
        assert_eq!(io(&["mio"]).len(), 1);
        assert_eq!(io(&["napi"]).len(), 1);
        assert_eq!(messages(&[package("crates/maniac-wheel", &["libc"])]).len(), 1);
        assert_eq!(messages(&[package("crates/maniac-wheel", &["loom"])]), Vec::<String>::new());
        assert_eq!(messages(&[package("crates/maniac-new", &[])]).len(), 1);
    }

    #[test]
    fn the_table_has_no_cycle() {
        for (index, (folder, known)) in MAY_KNOW.iter().enumerate() {
            for name in *known {
                let at = MAY_KNOW.iter().position(|(other, _)| other.ends_with(&format!("/{name}")));
                assert!(
                    at.is_some_and(|at| at < index),
                    "{folder} may know only what stands above it, not {name}"
                );
            }
        }
    }

    #[test]
    fn tokio_is_known_by_its_runtime() {
        assert!(tokio_in("tokio v1.0.0|sync,default\nfoo v1|rt").is_empty());
        assert_eq!(tokio_in("foo v1|\ntokio v1.0.0|rt,sync (*)\ntokio v1.0.0|rt,sync").len(), 1);
    }
}
