//! The scheduler, the timers, preemption, files and sockets beside those of other runtimes: all in one run, in turn, the median of several rounds.
//!
//! `cargo run --release -- [--rounds N] [--only WORD] [--go PROGRAM]` prints a line of JSON for each bench: `{"group", "bench", "unit",
//! "rounds", "results": {NAME: MEDIAN, …}}`, and `{"notRun", "why"}` for a peer that cannot run here. PROGRAM is that of `benches/go`.
//! `npm run bench` runs it and writes `benches/RESULTS.md`.

mod baton;
mod bulk;
mod files;
mod hog;
mod measure;
mod memory;
mod net;
mod peers;
mod preemption;
mod scheduler;
mod stackful;

use measure::Options;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    allow_many_connections();
    let first = words.first().map_or("", String::as_str);
    if let Some(peer) = first.strip_prefix("--memory-of=") {
        return memory::child(peer);
    }
    if let Some(server) = first.strip_prefix("--serve=") {
        return net::child(server);
    }
    if let Some(address) = first.strip_prefix("--exchange-with=") {
        return net::exchange(address, &words[1..]);
    }
    if first == "--sink" {
        return bulk::sink();
    }
    if let Some(ticker) = first.strip_prefix("--ticker-of=") {
        return preemption::child(ticker);
    }
    let options = Options::parse(&words).unwrap_or_else(|problem| {
        eprintln!("{problem}\nusage: maniac-benches [--rounds N] [--only WORD] [--go PROGRAM]");
        std::process::exit(2);
    });
    if let Some(program) = &options.go {
        peers::go::is_at(program.clone());
    }
    if !peers::compio::runs() {
        measure::not_run("compio", "its runtime does not start here: it needs io_uring");
    }
    scheduler::run(&options);
    stackful::run(&options);
    memory::run(&options);
    preemption::run(&options);
    files::run(&options);
    bulk::run(&options);
    net::run(&options);
}

/// Raises the limit of open descriptors to what the system allows.
fn allow_many_connections() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a local of the type that getrlimit(2) fills.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    assert_eq!(result, 0);
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a local.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(result, 0);
}
