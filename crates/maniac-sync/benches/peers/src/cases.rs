//! A case is one workload with a contestant per channel.

use std::time::{Duration, Instant};

/// Sends about so many messages and gives the time that took.
pub type Run = Box<dyn Fn(u64) -> Duration>;

pub struct Case {
    pub name: String,
    pub messages: u64,
    pub contestants: Vec<(&'static str, Run)>,
}

pub fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// CPU time that this process and its children that have ended have used, in seconds.
fn cpu_seconds() -> f64 {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(cpu_seconds_of).sum()
}

fn cpu_seconds_of(whom: libc::c_int) -> f64 {
    // SAFETY: all of it is numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it writes a `rusage`.
    let result = unsafe { libc::getrusage(whom, &mut usage) };
    assert_eq!(result, 0);
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs a case, the contestants in turn, and prints two lines of JSON as the runtime's benches do: the rate, and the CPU time of all
/// threads together for each message, which a busy machine changes least.
pub fn report(case: &Case, rounds: usize) {
    let mut found = vec![(Vec::new(), Vec::new()); case.contestants.len()];
    for round in 0..=rounds {
        for ((_, run), (rates, cpus)) in case.contestants.iter().zip(&mut found) {
            let before = cpu_seconds();
            let rate = case.messages as f64 / run(case.messages).as_secs_f64() / 1e6;
            let cpu = (cpu_seconds() - before) * 1e9 / case.messages as f64;
            // The first round warms up.
            if round > 0 {
                rates.push(rate);
                cpus.push(cpu);
            }
        }
    }
    let names = || case.contestants.iter().map(|(name, _)| *name);
    print(case, rounds, "millions a second", names().zip(found.iter_mut().map(|(rates, _)| median(rates))));
    print(case, rounds, "ns of CPU", names().zip(found.iter_mut().map(|(_, cpus)| median(cpus))));
}

fn print(case: &Case, rounds: usize, unit: &str, results: impl Iterator<Item = (&'static str, f64)>) {
    let results: Vec<String> = results.map(|(name, figure)| format!("\"{name}\":{figure:.2}")).collect();
    println!(
        "{{\"group\":\"channels\",\"bench\":\"{}\",\"unit\":\"{unit}\",\"rounds\":{rounds},\"results\":{{{}}}}}",
        case.name,
        results.join(",")
    );
}
