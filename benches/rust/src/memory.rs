//! What a parked task costs in memory: each runtime in a process of its own.

use crate::measure::{Entry, Options, bench, resident_here};
use crate::peers::{compio, executor, go, green, maniac, monoio, tokio};
use crate::stackful;
use std::future::pending;

const TASKS: usize = 200_000;
/// May's mappings reach for 32,000.
const STACKFUL: usize = 20_000;

pub fn run(options: &Options) {
    bench(options, "memory", "task that waits, its future of 8 bytes included", "bytes", || {
        let mut entries = vec![in_child(maniac::NAME), in_child(tokio::NAME), in_child(executor::NAME)];
        entries.push(in_child(monoio::NAME));
        entries.extend(compio::runs().then(|| in_child(compio::NAME)));
        entries.extend(go::entry(1, format!("memory {TASKS}")));
        entries
    });
    bench(options, "memory", "stackful task that waits", "bytes", || {
        let mut entries = vec![in_child(stackful::NAME), in_child(green::NAME)];
        entries.extend(go::entry(1, format!("memory {STACKFUL}")));
        entries
    });
}

fn in_child(name: &'static str) -> Entry {
    let round = move || {
        let program = std::env::current_exe().expect("this program's path");
        let output = std::process::Command::new(program).arg(format!("--memory-of={name}")).output();
        let output = output.expect("this program").stdout;
        String::from_utf8_lossy(&output).trim().parse().expect("a number")
    };
    Entry { name, round: Box::new(round) }
}

/// Prints the bytes a task of `peer`, and leaves.
pub fn child(peer: &str) {
    macro_rules! park {
        ($peer:ident) => {{
            let runtime = $peer::start(1);
            $peer::run(&runtime, async {
                // Whatever the runtime sets up once is set up by now.
                $peer::join($peer::spawn(async {})).await;
                let before = resident_here();
                for n in 0..TASKS {
                    let task = $peer::spawn(async move {
                        pending::<()>().await;
                        std::hint::black_box(n);
                    });
                    std::mem::forget(task);
                }
                $peer::yield_now().await;
                (resident_here() - before) / TASKS as f64
            })
        }};
    }
    let each = match peer {
        maniac::NAME => park!(maniac),
        tokio::NAME => park!(tokio),
        executor::NAME => park!(executor),
        monoio::NAME => park!(monoio),
        compio::NAME => park!(compio),
        stackful::NAME => stackful::memory_each(STACKFUL),
        green::NAME => {
            green::start(1);
            green::park(1);
            let before = resident_here();
            green::park(STACKFUL);
            (resident_here() - before) / STACKFUL as f64
        }
        other => panic!("{other} is no runtime"),
    };
    println!("{each:.1}");
    // Without joining threads that have nothing to join them for.
    std::process::exit(0);
}
