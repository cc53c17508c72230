//! Rounds in turn, medians, and how a result is printed.

use std::time::Instant;

/// What the command line asks for.
pub struct Options {
    pub rounds: usize,
    pub only: Option<String>,
}

impl Options {
    pub fn parse(words: &[String]) -> Result<Options, String> {
        let mut options = Options { rounds: 7, only: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--rounds" => {
                    options.rounds =
                        value.parse().ok().filter(|rounds| *rounds > 0).ok_or("--rounds takes a number")?;
                }
                "--only" => options.only = Some(value.clone()),
                _ => return Err(format!("{word} is not known")),
            }
        }
        Ok(options)
    }
}

/// One runtime's part in a bench: one round, giving the figure.
pub struct Entry {
    pub name: &'static str,
    pub round: Box<dyn FnMut() -> f64>,
}

/// Runs a bench: every entry once in each round, the first round for warming up only.
pub fn bench(options: &Options, group: &str, name: &str, unit: &str, make: impl FnOnce() -> Vec<Entry>) {
    if options
        .only
        .as_ref()
        .is_some_and(|only| !name.contains(only.as_str()) && !group.contains(only.as_str()))
    {
        return;
    }
    let mut entries = make();
    let mut samples = vec![Vec::new(); entries.len()];
    for round in 0..=options.rounds {
        for (entry, samples) in entries.iter_mut().zip(&mut samples) {
            let figure = (entry.round)();
            if round > 0 {
                samples.push(figure);
            }
        }
    }
    let results: Vec<String> = entries
        .iter()
        .zip(samples)
        .map(|(entry, samples)| format!("\"{}\":{:.2}", entry.name, median(samples)))
        .collect();
    println!(
        "{{\"group\":\"{group}\",\"bench\":\"{name}\",\"unit\":\"{unit}\",\"rounds\":{},\"results\":{{{}}}}}",
        options.rounds,
        results.join(",")
    );
}

pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Nanoseconds for each of `count` operations.
pub fn wall(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Nanoseconds of the whole process's processor time for each of `count` operations.
pub fn cpu(count: usize, work: impl FnOnce()) -> f64 {
    let before = cpu_nanos();
    work();
    (cpu_nanos() - before) / count as f64
}

fn cpu_nanos() -> f64 {
    clock_nanos(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The processor time that another process has used so far, in nanoseconds.
pub fn cpu_nanos_of(process: u32) -> f64 {
    let mut clock = 0;
    // SAFETY: the pointer is to a local of the type that clock_getcpuclockid(3) fills.
    let result = unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &raw mut clock) };
    assert_eq!(result, 0);
    clock_nanos(clock)
}

fn clock_nanos(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the type that clock_gettime(2) fills.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
