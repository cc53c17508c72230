//! The table of slide 27, measured: throughput, latency, memory; and what preemption costs, with its aims.
//!
//! `cargo bench -p maniac-runtime --bench characteristics` prints it, `-- preemption` the part on preemption alone. Times are medians over rounds; on a busy machine they
//! say little.
#![allow(clippy::print_stdout, reason = "it prints a table")]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod hogs;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod preemption;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod system;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tasks;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    println!("not run: it reads the clock of Linux on x86-64");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() {
    // `cargo bench` passes `--bench`.
    let preemption_only = std::env::args().any(|word| word == "preemption");
    println!("{}\n", system::machine());
    println!("| what | slide 27 | aim | measured |\n|---|---|---|---|");
    if !preemption_only {
        tasks::report();
    }
    preemption::report();
}

/// A row of the table.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn row(what: &str, slide: &str, aim: &str, measured: &str) {
    println!("| {what} | {slide} | {aim} | {measured} |");
}

/// The figure below which that part of the samples lies; 1.0 gives the worst.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn quantile(samples: &mut [f64], part: f64) -> f64 {
    assert!(!samples.is_empty(), "nothing was measured");
    samples.sort_by(f64::total_cmp);
    samples[((samples.len() as f64 * part) as usize).min(samples.len() - 1)]
}

/// The median of seven rounds, after one for warming up.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn median(mut round: impl FnMut() -> f64) -> f64 {
    round();
    let mut samples: Vec<f64> = (0..7).map(|_| round()).collect();
    quantile(&mut samples, 0.5)
}
