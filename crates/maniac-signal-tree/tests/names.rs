//! Every ordering and look that has a name is weakened in a loom model that must then fail.
#![cfg(not(any(loom, miri)))]

use std::collections::BTreeSet;

#[test]
fn every_named_ordering_is_tested() {
    let sources = concat!(
        include_str!("../src/park.rs"),
        include_str!("../src/search.rs"),
        include_str!("../src/set.rs"),
        include_str!("../src/tree.rs"),
    );
    let models = include_str!("loom.rs");
    let mut names = BTreeSet::new();
    for call in ["ordering(\"", "look(\"", "is_weak(\"", "read(\""] {
        for (at, _) in sources.match_indices(call) {
            let rest = &sources[at + call.len()..];
            names.insert(&rest[..rest.find('"').unwrap()]);
        }
    }
    assert!(names.len() > 20, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !models.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "not weakened in any model: {missing:?}");
}
