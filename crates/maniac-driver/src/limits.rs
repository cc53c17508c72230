//! What the system lets this process have, as far as files say so.

use std::fs;
use std::path::Path;

/// How many threads and processes this process's control group may have (Linux, version 2 of the groups); `None` where there is no such limit.
///
/// ```
/// if let Some(limit) = maniac_driver::threads_limit() {
///     println!("{limit} threads at most");
/// }
/// ```
#[must_use]
pub fn threads_limit() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // Each group limits those below it.
    let limits = Path::new(group).ancestors().filter_map(|group| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(group).join("pids.max")).ok()?;
        // "max" is no number.
        text.trim().parse::<usize>().ok()
    });
    limits.min()
}

/// Whether the kernel gives huge pages to programs that ask for them by madvise(2), where it would take the advice and do nothing
/// otherwise; `None` where the system does not say.
///
/// ```
/// if maniac_driver::huge_pages_allowed() == Some(false) {
///     println!("/sys/kernel/mm/transparent_hugepage/enabled says never");
/// }
/// ```
#[must_use]
pub fn huge_pages_allowed() -> Option<bool> {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    Some(!setting.contains("[never]"))
}
