//! A handler that the system refused was not installed: asking again says so again.
#![cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64"
    ),
    target_pointer_width = "64",
    not(any(loom, miri, maniac_asan))
))]

use maniac_context::preempt::{Refused, Target, install};
use std::mem::offset_of;

/// From now on has the kernel refuse this thread every new action for a signal (seccomp(2)), but not the question which one there is.
fn refuse_actions() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = offset_of!(libc::seccomp_data, nr) as u32;
    // The second argument, in two halves: where the new action lies.
    let action = (offset_of!(libc::seccomp_data, args) + size_of::<u64>()) as u32;
    let mut program = [
        line(LOAD, 0, 0, number),
        line(IF_EQUAL, 0, 4, libc::SYS_rt_sigaction as u32),
        line(LOAD, 0, 0, action),
        line(IF_EQUAL, 0, 3, 0),
        line(LOAD, 0, 0, action + 4),
        line(IF_EQUAL, 0, 1, 0),
        line(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
        line(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program is alive for the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(set, 0, "no filter: {}", std::io::Error::last_os_error());
}

/// The only test of its program: nobody else may have installed the handler.
#[test]
fn a_handler_that_was_refused_is_not_taken_for_installed() {
    std::thread::spawn(|| {
        refuse_actions();
        for _ in 0..2 {
            assert_eq!(install().unwrap_err().raw_os_error(), Some(libc::EPERM));
        }
    })
    .join()
    .unwrap();
    let target = Target::new();
    target.bind();
    assert_eq!(target.request(1), Err(Refused::NoHandler));
    install().unwrap();
    assert_eq!(target.request(1), Ok(()));
    target.unbind();
}
