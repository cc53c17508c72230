//! Rounds in turn, medians, and how a result is printed.

use std::path::PathBuf;
use std::time::Instant;

/// What the command line asks for.
pub struct Options {
    pub rounds: usize,
    pub only: Option<String>,
    /// Go's program.
    pub go: Option<PathBuf>,
}

impl Options {
    pub fn parse(words: &[String]) -> Result<Options, String> {
        let mut options = Options { rounds: 7, only: None, go: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--rounds" => {
                    options.rounds =
                        value.parse().ok().filter(|rounds| *rounds > 0).ok_or("--rounds takes a number")?;
                }
                "--only" => options.only = Some(value.clone()),
                "--go" => options.go = Some(PathBuf::from(value)),
                _ => return Err(format!("{word} is not known")),
            }
        }
        Ok(options)
    }

    /// Whether a bench of a group is asked for.
    pub fn wants(&self, group: &str, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()) || group.contains(only.as_str()))
    }
}

/// One runtime's part in a bench: one round, giving the figure.
pub struct Entry {
    pub name: &'static str,
    pub round: Box<dyn FnMut() -> f64>,
}

/// Runs a bench: every entry once in each round, the first round for warming up only.
pub fn bench(options: &Options, group: &str, name: &str, unit: &str, make: impl FnOnce() -> Vec<Entry>) {
    if !options.wants(group, name) {
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
    let medians = entries.iter().zip(samples).map(|(entry, samples)| (entry.name, median(samples)));
    report(options, group, name, unit, medians);
}

/// Prints the figures of a bench.
pub fn report(
    options: &Options,
    group: &str,
    name: &str,
    unit: &str,
    figures: impl Iterator<Item = (&'static str, f64)>,
) {
    let results: Vec<String> = figures.map(|(name, figure)| format!("\"{name}\":{figure:.2}")).collect();
    println!(
        "{{\"group\":\"{group}\",\"bench\":\"{name}\",\"unit\":\"{unit}\",\"rounds\":{},\"results\":{{{}}}}}",
        options.rounds,
        results.join(",")
    );
}

/// Prints why a peer has no figures.
pub fn not_run(name: &str, why: &str) {
    println!("{{\"notRun\":\"{name}\",\"why\":\"{why}\"}}");
}

pub fn median(samples: Vec<f64>) -> f64 {
    quantile(samples, 0.5)
}

/// The figure below which that part of the samples lies; 1.0 gives the worst.
pub fn quantile(mut samples: Vec<f64>, part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[((samples.len() as f64 * part) as usize).min(samples.len() - 1)]
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

/// The bytes of memory that another process has in use.
pub fn resident_of(process: u32) -> f64 {
    resident(&process.to_string())
}

/// As `resident_of`, for this process.
pub fn resident_here() -> f64 {
    resident("self")
}

fn resident(process: &str) -> f64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).expect("proc(5)");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).expect("a number of pages") * 4096.0
}
