//! The scheduler, the timers, files and sockets beside those of other runtimes: all in one run, in turn, the median of several rounds.
//!
//! `cargo run --release -- [--rounds N] [--only WORD]` prints a line of JSON for each bench: `{"group", "bench", "unit",
//! "rounds", "results": {NAME: MEDIAN, …}}`. `npm run bench` runs it and writes `benches/RESULTS.md`.

mod baton;
mod files;
mod measure;
mod memory;
mod net;
mod peers;
mod scheduler;

use measure::Options;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(peer) = words.first().and_then(|word| word.strip_prefix("--memory-of=")) {
        return memory::child(peer);
    }
    if let Some(server) = words.first().and_then(|word| word.strip_prefix("--echo-of=")) {
        return net::child(server);
    }
    let options = Options::parse(&words).unwrap_or_else(|problem| {
        eprintln!("{problem}\nusage: maniac-benches [--rounds N] [--only WORD]");
        std::process::exit(2);
    });
    scheduler::run(&options);
    memory::run(&options);
    files::run(&options);
    net::run(&options);
}
