//! Hand-off sends no signal and changes no thread's priority; and it works where membarrier(2) is refused. Each in a process of its own.
#![cfg(all(target_os = "linux", not(any(loom, miri))))]

mod hog;

use hog::{Flag, hog};
use maniac_runtime::runtime::Runtime;
use maniac_runtime::task::yield_now;
use maniac_runtime::time::{Duration, sleep};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

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
fn in_child(name: &str, prepare: fn() -> std::io::Result<()>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    // SAFETY: `prepare` makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, SeqCst);
}

/// Every signal that can be caught is counted, but for those that a fault raises.
#[test]
fn child_counts_signals() {
    if !is_child() {
        return;
    }
    let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT];
    let mut caught = 0;
    for signal in 1..=libc::SIGRTMAX() {
        if !faults.contains(&signal) {
            let handler = count as *const () as libc::sighandler_t;
            // SAFETY: the handler adds to an atomic.
            caught += usize::from(unsafe { libc::signal(signal, handler) } != libc::SIG_ERR);
        }
    }
    assert!(caught > 50, "only {caught} signals can be caught");
    demote_hogs(|| ());
    assert_eq!(SIGNALS.load(SeqCst), 0, "hand-off sent signals");
}

#[test]
fn no_signal_is_sent() {
    in_child("child_counts_signals", || Ok(()));
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

/// Has the kernel answer membarrier(2) with EPERM (seccomp(2)).
fn refuse_membarrier() -> std::io::Result<()> {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        line(LOAD_NUMBER, 0, 0, 0),
        line(IF_EQUAL, 0, 1, libc::SYS_membarrier as u32),
        line(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        line(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
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
