//! What a parked task costs in memory: each runtime in a process of its own.

use crate::measure::{Entry, Options, bench};
use crate::peers::{executor, maniac, monoio, tokio};
use std::future::pending;

const TASKS: usize = 500_000;

pub fn run(options: &Options) {
    bench(options, "memory", "task that waits, its future of 8 bytes included", "bytes", || {
        [maniac::NAME, tokio::NAME, executor::NAME, monoio::NAME]
            .map(|name| Entry { name, round: Box::new(move || in_child(name)) })
            .into()
    });
}

fn in_child(name: &str) -> f64 {
    let program = std::env::current_exe().expect("this program's path");
    let output = std::process::Command::new(program)
        .arg(format!("--memory-of={name}"))
        .output()
        .expect("this program");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// Prints the bytes a task of `peer`, and leaves.
pub fn child(peer: &str) {
    macro_rules! park {
        ($peer:ident) => {{
            let runtime = $peer::start(1);
            $peer::run(&runtime, async {
                // Whatever the runtime sets up once is set up by now.
                $peer::join($peer::spawn(async {})).await;
                let before = resident();
                for n in 0..TASKS {
                    let task = $peer::spawn(async move {
                        pending::<()>().await;
                        std::hint::black_box(n);
                    });
                    std::mem::forget(task);
                }
                $peer::yield_now().await;
                (resident() - before) / TASKS as f64
            })
        }};
    }
    let each = match peer {
        maniac::NAME => park!(maniac),
        tokio::NAME => park!(tokio),
        executor::NAME => park!(executor),
        monoio::NAME => park!(monoio),
        other => panic!("{other} is no runtime"),
    };
    println!("{each:.1}");
    // Without joining threads that have nothing to join them for.
    std::process::exit(0);
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("proc(5)");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).expect("a number of pages") * 4096.0
}
