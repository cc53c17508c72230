//! What tasks that compute without yielding do to others: a ticker of 1 ms on a runtime of one worker beside one and four of them, and
//! echo connections beside one on two workers. Each round has a process of its own.

use crate::hog::Ticks;
use crate::measure::{Options, median, quantile, report};
use crate::net::Server;
use crate::peers::{executor, go, green, maniac, tokio};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

const GROUP: &str = "preemption";
/// What the kernel makes of it: the ticker and each hog on a thread of its own.
const THREADS: &str = "bare threads (limit)";
const RUNTIMES: [&str; 6] = [maniac::NAME, tokio::NAME, executor::NAME, green::NAME, go::NAME, THREADS];
const CONNECTIONS: usize = 32;
/// How long the connections beside a hog are watched in a round.
const WATCHED: Duration = Duration::from_secs(1);

pub fn run(options: &Options) {
    for hogs in [1, 4] {
        let name = format!(
            "1 ms ticker beside {hogs} task{} of 500 ms, 1 worker, late",
            if hogs == 1 { "" } else { "s" }
        );
        if options.wants(GROUP, &name) {
            tickers(options, &name, hogs);
        }
    }
    let name = format!("{CONNECTIONS} echo connections beside a task that never ends, 2 workers");
    if options.wants(GROUP, &name) {
        beside_hog(options, &name);
    }
}

/// Those of the runtimes that can run here.
fn runtimes() -> impl Iterator<Item = &'static str> {
    RUNTIMES.into_iter().filter(|name| *name != go::NAME || go::runs())
}

fn tickers(options: &Options, name: &str, hogs: usize) {
    let names: Vec<_> = runtimes().collect();
    let mut late = vec![Vec::new(); names.len()];
    for _ in 0..options.rounds {
        for (name, late) in names.iter().zip(&mut late) {
            late.extend(ticks_of(name, hogs));
        }
    }
    for (part, label) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"), (1.0, "worst")] {
        let figures = names.iter().zip(&late).map(|(name, late)| (*name, quantile(late.clone(), part)));
        report(options, GROUP, &format!("{name}: {label}"), "us", figures);
    }
}

fn ticks_of(name: &str, hogs: usize) -> Vec<f64> {
    let output = if name == go::NAME {
        go::output(1, &format!("ticker {hogs}"))
    } else {
        let program = std::env::current_exe().expect("this program's path");
        let output = Command::new(program).arg(format!("--ticker-of={name}:{hogs}")).output();
        let output = output.expect("this program");
        assert!(output.status.success(), "{name}'s ticker ended with {}", output.status);
        String::from_utf8(output.stdout).expect("text")
    };
    output.lines().map(|line| line.parse().expect("a number")).collect()
}

/// Prints how late each tick was, in microseconds, and leaves.
pub fn child(words: &str) {
    let (name, hogs) = words.split_once(':').expect("a name and a number");
    let hogs = hogs.parse().expect("a number");
    let late = match name {
        maniac::NAME => maniac::run(&maniac::start(1), maniac::ticker(hogs)),
        tokio::NAME => tokio::run(&tokio::start(1), tokio::ticker(hogs)),
        executor::NAME => executor::run(&executor::start(1), executor::ticker(hogs)),
        green::NAME => {
            green::start(1);
            green::ticker(hogs)
        }
        THREADS => threads(hogs),
        other => panic!("{other} has no ticker"),
    };
    let lines: Vec<String> = late.iter().map(|late| format!("{late:.1}")).collect();
    println!("{}", lines.join("\n"));
    // Without joining threads that have nothing to join them for.
    std::process::exit(0);
}

fn threads(hogs: usize) -> Vec<f64> {
    let mut ticks = Ticks::start(hogs);
    for _ in 0..hogs {
        std::thread::spawn(ticks.hog());
    }
    while ticks.go_on() {
        if let Some(wait) = ticks.until_next() {
            std::thread::sleep(wait);
        }
        ticks.note();
    }
    ticks.late
}

fn beside_hog(options: &Options, name: &str) {
    let names: Vec<_> = runtimes().filter(|name| *name != THREADS).collect();
    let mut found = vec![[const { Vec::new() }; 3]; names.len()];
    for _ in 0..options.rounds {
        for (name, found) in names.iter().zip(&mut found) {
            let mut server = Server::<TcpStream>::start("hog", name, CONNECTIONS);
            let (times, silent) = server.watch(WATCHED);
            let figures = [quantile(times.clone(), 0.99), quantile(times, 1.0), silent as f64];
            for (all, figure) in found.iter_mut().zip(figures) {
                all.push(figure);
            }
        }
    }
    for (at, (label, unit)) in
        [("p99 of the waits", "us"), ("longest wait", "us"), ("connections without any answer", "of 32")]
            .into_iter()
            .enumerate()
    {
        let figures = names.iter().zip(&found).map(|(name, found)| (*name, median(found[at].clone())));
        report(options, GROUP, &format!("{name}: {label}"), unit, figures);
    }
}
