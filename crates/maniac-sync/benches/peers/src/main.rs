//! Channels side by side: `cargo run --release [-- FILTER [ROUNDS [GO]]]` in this folder prints, per case, each one's median throughput over
//! the rounds, which take the channels in turn; GO is the program of benches/go. `npm run bench` puts it into benches/RESULTS.md.

mod cases;
mod mpsc;
mod spsc;

use cases::{Case, report};
use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let filter = arguments.next().unwrap_or_default();
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(7);
    let go = arguments.next().map(PathBuf::from);
    let mut all: Vec<Case> = Vec::new();
    mpsc::add(&mut all, go.as_deref());
    spsc::add(&mut all);
    for case in all.iter().filter(|case| case.name.contains(&filter)) {
        report(case, rounds);
    }
}
