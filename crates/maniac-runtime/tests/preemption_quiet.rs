//! Hand-off sends no signal, changes no thread's priority, and warns once; and it works where membarrier(2) is refused. Each in a process of its own.
#![cfg(all(target_os = "linux", not(any(loom, miri))))]

mod hog;

use hog::{Flag, hog};
use maniac_runtime::runtime::Runtime;
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{Duration, sleep};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A ticker beside hogs, until each hog was demoted; then `look` is called in the last hog's poll.
fn demote_hogs(look: fn()) {
    let runtime = Runtime::builder().worker_count(1).build().unwrap();
    for _ in 0..5 {
        let (ticks, begun) = (Arc::new(AtomicU64::new(0)), Flag::default());
        let (count, begin) = (Arc::clone(&ticks), begun.clone());
        let ticker = runtime.spawn(async move {
            while !begin.get() {
                yield_now().await;
            }
            for _ in 0..5 {
                sleep(Duration::from_millis(1)).await;
                count.fetch_add(1, SeqCst);
            }
        });
        let hog = runtime.spawn(async move {
            begun.set();
            let demoted = hog(|| ticks.load(SeqCst) == 5);
            look();
            demoted
        });
        assert!(runtime.block_on(hog).unwrap());
        runtime.block_on(ticker).unwrap();
    }
    assert!(runtime.metrics().preemption.seized >= 5);
}

/// Says that this process is a child that a test below started.
const CHILD: &str = "MANIAC_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test `name` of this program in a child prepared by `prepare`.
fn child(name: &str, prepare: fn() -> std::io::Result<()>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    // SAFETY: `prepare` makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    command.output().unwrap()
}

/// As [`child`], of a test that has to pass; gives what it printed.
fn in_child(name: &str, prepare: fn() -> std::io::Result<()>) -> String {
    let output = child(name, prepare);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text
}

/// Has the kernel end the process at each call that sends a signal, or has a timer send one.
fn forbid_signals() -> std::io::Result<()> {
    let calls = [
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_pidfd_send_signal,
        libc::SYS_setitimer,
        libc::SYS_timer_create,
    ];
    answer(calls.map(|call| call as u32), libc::SECCOMP_RET_KILL_PROCESS)
}

#[test]
fn child_that_may_not_send_signals() {
    if !is_child() {
        return;
    }
    demote_hogs(|| ());
}

#[test]
fn no_signal_is_sent() {
    in_child("child_that_may_not_send_signals", forbid_signals);
}

#[test]
fn child_that_sends_a_signal() {
    if !is_child() {
        return;
    }
    // SAFETY: reads a number.
    let process = unsafe { libc::getpid() };
    // SAFETY: signal 0 asks whether the thread is there, and sends nothing.
    unsafe { libc::syscall(libc::SYS_tgkill, process, process, 0) };
}

/// What the test before relies on.
#[test]
fn a_signal_that_is_sent_would_be_noticed() {
    use std::os::unix::process::ExitStatusExt;
    let output = child("child_that_sends_a_signal", forbid_signals);
    assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{output:?}");
}

#[test]
fn child_at_the_limit() {
    if !is_child() {
        return;
    }
    // Each in its turn holds the only worker up, and is refused.
    let runtime = Runtime::builder().worker_count(1).max_overdue_threads(0).build().unwrap();
    for refused in 1..=3 {
        let handle = runtime.handle().clone();
        let hog = runtime.spawn(async move {
            let ran = Flag::default();
            let other = ran.clone();
            drop(maniac_runtime::spawn(async move { other.set() }));
            hog(|| handle.metrics().preemption.refused >= refused) && !ran.get()
        });
        assert!(runtime.block_on(hog).unwrap(), "it was not refused");
    }
}

#[test]
fn the_limit_is_warned_about_once() {
    let text = in_child("child_at_the_limit", || Ok(()));
    assert_eq!(text.matches("max_overdue_threads").count(), 1, "{text}");
}

/// Policy and niceness of every thread of this process, while a demoted poll goes on.
fn check_priorities() {
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = std::fs::read_to_string(thread.unwrap().path().join("stat")) else { continue };
        // Behind the name, which is in parentheses; the first field there is the third of proc(5).
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let process: Vec<&str> = own.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // Fields 18 (priority), 19 (nice) and 41 (policy).
        for field in [18 - 3, 19 - 3, 41 - 3] {
            assert_eq!(fields[field], process[field], "{stat}");
        }
    }
}

#[test]
fn no_priority_changes() {
    demote_hogs(check_priorities);
}

/// Has the kernel answer membarrier(2) with EPERM.
fn refuse_membarrier() -> std::io::Result<()> {
    answer([libc::SYS_membarrier as u32], libc::SECCOMP_RET_ERRNO | libc::EPERM as u32)
}

/// Has the kernel answer these system calls so, from now on (seccomp(2)).
fn answer<const CALLS: usize>(calls: [u32; CALLS], with: u32) -> std::io::Result<()> {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// More lines than any filter here has.
    const LINES: usize = 32;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [line(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW); LINES];
    program[0] = line(LOAD_NUMBER, 0, 0, 0);
    for (at, call) in calls.into_iter().enumerate() {
        program[1 + 2 * at] = line(IF_EQUAL, 0, 1, call);
        program[2 + 2 * at] = line(ANSWER, 0, 0, with);
    }
    let program = libc::sock_fprog { len: LINES as u16, filter: program.as_mut_ptr() };
    let check = |result| if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) };
    // SAFETY: takes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the program is alive for the call.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
}

#[test]
fn child_without_membarrier() {
    use maniac_context::membarrier::{Strategy, strategy};
    if !is_child() {
        return;
    }
    demote_hogs(|| ());
    assert_eq!(strategy(), Strategy::Symmetric);
}

#[test]
fn works_where_membarrier_is_refused() {
    in_child("child_without_membarrier", refuse_membarrier);
}
