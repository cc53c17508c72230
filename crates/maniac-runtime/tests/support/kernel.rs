//! What the kernel says of this process's rings. Shared by the tests that make sure that a whole run used the driver it was meant to.

use std::path::Path;

/// How many entries the kernel has taken from each of the process's io_urings: it does so in io_uring_enter(2) alone.
pub(crate) fn entries_taken() -> Vec<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers = entries.map(|entry| entry.unwrap().file_name());
    numbers.filter_map(|number| taken(Path::new("/proc/self"), number.to_str()?)).collect()
}

fn taken(process: &Path, number: &str) -> Option<u64> {
    let target = std::fs::read_link(process.join("fd").join(number)).ok()?;
    if target.as_os_str() != "anon_inode:[io_uring]" {
        return None;
    }
    let info = std::fs::read_to_string(process.join("fdinfo").join(number)).ok()?;
    let head = info.lines().find_map(|line| line.strip_prefix("SqHead:")).expect("the ring's counters");
    Some(head.trim().parse().expect("a number"))
}

/// Fails unless the rings are those of the driver that `MANIAC_DRIVER` asks for; `active` says which one is in use.
pub(crate) fn assert_driver(active: &str) {
    let taken = entries_taken();
    println!("the driver is {active}; entries taken by the kernel: {taken:?}");
    match std::env::var("MANIAC_DRIVER").as_deref() {
        Ok("uring") => assert_eq!(active, "uring"),
        Ok("poll") => assert_eq!(active, "poll"),
        _ => (),
    }
    match active {
        // The first entry of each is the set-up's.
        "uring" => assert!(taken.iter().any(|&count| count > 1), "the rings are not used"),
        _ => assert!(taken.is_empty(), "there are rings, although the driver is {active}"),
    }
}
