//! io_uring refused by a filter, and little locked memory: each in a process of its own, which then does real work.
#![cfg(all(target_os = "linux", feature = "iouring", feature = "mio", not(any(loom, miri))))]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "a test program that runs a part of the suite")]

#[path = "conformance/file.rs"]
mod file;
#[path = "conformance/readiness.rs"]
mod readiness;
#[path = "conformance/socket.rs"]
mod socket;
mod support;

use maniac_driver::{DriverConfig, DriverKind, NoOffload, Probe, probe};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use support::Rig;

/// What the suite does in a child, on the driver that `auto` gives there.
fn work(kinds: &[DriverKind]) {
    let tests: [fn(&mut Rig); 8] = [
        file::reads_at_an_offset,
        file::many_at_once,
        file::streams,
        socket::accepts_and_connects,
        socket::large_transfer,
        socket::datagrams,
        readiness::many_reports,
        readiness::reregisters_after_close,
    ];
    for test in tests {
        let mut rig = Rig::auto(DriverConfig::new());
        assert!(kinds.contains(&rig.driver.kind()));
        test(&mut rig);
    }
}

/// Runs the ignored test `name` of this program in a child prepared by `prepare`.
fn in_child(name: &str, prepare: fn() -> std::io::Result<()>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
    // SAFETY: `prepare` makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn check(result: libc::c_int) -> std::io::Result<()> {
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Has the kernel answer system call `number` with EPERM (seccomp(2)).
fn refuse(number: libc::c_long) -> std::io::Result<()> {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        line(LOAD_NUMBER, 0, 0, 0),
        line(IF_EQUAL, 0, 1, number as u32),
        line(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        line(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the program is alive for the call.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
}

#[test]
fn filtered_set_up() {
    in_child("child_without_ring", || refuse(libc::SYS_io_uring_setup));
}

#[test]
fn filtered_enter() {
    in_child("child_without_ring", || refuse(libc::SYS_io_uring_enter));
}

#[test]
fn filtered_probe() {
    in_child("child_without_ring", || refuse(libc::SYS_io_uring_register));
}

/// The wait that fetches reports too is no part of what a ring needs.
#[test]
fn filtered_wait() {
    in_child("child_without_the_wait", || refuse(libc::SYS_epoll_pwait2));
}

#[test]
#[ignore = "run by the test above, under a filter"]
fn child_without_the_wait() {
    // Without a ring, or with memory for one at most, there is nothing to see.
    let report = probe(&DriverConfig::new());
    let short = report.locked_memory_limit.is_some_and(|limit| limit <= 64 * 1024);
    if report.chosen != DriverKind::Uring || short {
        return;
    }
    work(&[DriverKind::Uring]);
    let mut rig = Rig::auto(DriverConfig::new());
    readiness::several_waiters(&mut rig);
    readiness::registration_reads(&mut rig);
    // The first wait finds that out, the second is the ring's: it polls what ends it.
    let mut rig = Rig::auto(DriverConfig::new());
    let (a, _b) = support::pair();
    let reads = readiness::register(&rig, &a);
    let nothing = || maniac_driver::sys::read(&a, &mut [0; 1]);
    assert!(reads.poll_io(&mut readiness::cx(), maniac_driver::Interest::READABLE, nothing).is_pending());
    rig.glance();
    assert_eq!(rig.driver.metrics().entries, 0);
    for _ in 0..3 {
        rig.driver.poll(Some(std::time::Duration::from_micros(300)), &mut rig.done).unwrap();
    }
    assert!(rig.driver.metrics().entries > 0, "the filter refuses the wait");
}

#[test]
#[ignore = "run by the tests above, under a filter"]
fn child_without_ring() {
    // Short of locked memory it does not come to the filter; the kernel gives back late what rings before had.
    let short = |report: &Probe| report.ring.as_ref().is_some_and(|ring| ring.errno == Some(libc::ENOMEM));
    let start = std::time::Instant::now();
    let mut report = probe(&DriverConfig::new());
    while short(&report) && start.elapsed() < support::PATIENCE {
        report = probe(&DriverConfig::new());
    }
    assert_eq!(report.chosen, DriverKind::Poll);
    let ring = report.ring.unwrap();
    assert_eq!(ring.errno, Some(libc::EPERM));
    assert!(ring.refusal.unwrap().contains("seccomp"));
    let error = maniac_driver::Driver::new(DriverConfig::new().kind(DriverKind::Uring), Arc::new(NoOffload));
    assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EPERM));
    work(&[DriverKind::Poll]);
}

/// 64 KiB of locked memory, and not the right to exceed it.
fn little_locked_memory() -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: 64 << 10, rlim_max: 64 << 10 };
    // SAFETY: the structure is alive for the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) })?;
    /// CAP_IPC_LOCK of capabilities(7)
    const CAP_IPC_LOCK: libc::c_ulong = 14;
    // Unprivileged, there is nothing to drop.
    // SAFETY: takes no pointer.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: takes no pointer. Gone from the bounding set, it does not survive exec.
        check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) })?;
    }
    Ok(())
}

#[test]
fn little_memory_for_uring() {
    in_child("child_with_little_memory", little_locked_memory);
}

#[test]
#[ignore = "run by the test above, under a limit"]
fn child_with_little_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    assert_eq!(u64::from_str_radix(effective.trim(), 16).unwrap() & 1 << 14, 0, "still has CAP_IPC_LOCK");
    // More rings than 64 KiB hold. Kernels that charge for them give smaller ones, and then none: readiness goes on.
    let open = |_| maniac_driver::Driver::new(DriverConfig::new().entries(512), Arc::new(NoOffload)).unwrap();
    let drivers: Vec<_> = (0..16).map(open).collect();
    for driver in &drivers {
        let report = driver.probe();
        assert_eq!(report.locked_memory_limit, Some(64 << 10));
        let ring = report.ring.as_ref().unwrap();
        assert!(ring.refusal.is_none() || ring.errno == Some(libc::ENOMEM), "{ring:?}");
    }
    drop(drivers);
    work(&[DriverKind::Uring, DriverKind::Poll]);
}
