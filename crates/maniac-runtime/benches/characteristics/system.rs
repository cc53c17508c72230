//! What the system says about this process and its threads.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Processor, number of them, kernel, load.
pub(crate) fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "{} ({} processors), Linux {}, load {}.",
        model.map_or("unknown processor", |(_, name)| name),
        std::thread::available_parallelism().map_or(0, usize::from),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or("unknown")
    )
}

/// A thread of this process, by its name.
#[derive(Debug)]
pub(crate) struct Thread(PathBuf);

impl Thread {
    /// Waits for it: a thread gives itself its name when it begins.
    pub(crate) fn named(name: &str) -> Thread {
        let named =
            |path: &Path| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
        loop {
            let tasks = fs::read_dir("/proc/self/task").expect("proc(5)").filter_map(Result::ok);
            if let Some(path) = tasks.map(|task| task.path()).find(|path| named(path)) {
                return Thread(path);
            }
            std::thread::yield_now();
        }
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let text = fs::read_to_string(self.0.join("schedstat")).expect("proc(5)");
        let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(nanos.expect("schedstat begins with the time"))
    }

    /// How often it has gone to sleep.
    pub(crate) fn sleeps(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("status")).expect("proc(5)");
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse().ok()).expect("status counts them")
    }
}

/// Bytes of memory that this process has in use.
pub(crate) fn resident() -> f64 {
    let text = fs::read_to_string("/proc/self/statm").expect("proc(5)");
    let pages: f64 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("statm's second word");
    pages * 4096.0
}

/// Bytes that the program has allocated and not freed.
#[cfg(target_env = "gnu")]
pub(crate) fn allocated() -> f64 {
    // SAFETY: [local] mallinfo2(3) takes nothing and gives numbers.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}
