//! Well-known crates on maniac: see the examples. `cargo test --examples` runs them all.
