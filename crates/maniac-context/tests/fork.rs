//! A forked child knows that it is one.
#![cfg(all(unix, not(miri), not(loom)))]

use maniac_context::fork::ForkGuard;

/// Forks; the child's exit code is what `f` returns.
fn in_child(f: impl FnOnce() -> u8) -> i32 {
    // SAFETY: the child only calls `f`, which here loads words and maps a page, and ends.
    match unsafe { libc::fork() } {
        0 => {
            let code = f();
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(code.into()) }
        }
        child => {
            assert!(child > 0);
            let mut status = 0;
            // SAFETY: waits for the child made above.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert!(libc::WIFEXITED(status));
            libc::WEXITSTATUS(status)
        }
    }
}

#[test]
fn a_child_is_told_apart_and_so_is_its_child() {
    let guard = ForkGuard::new().unwrap();
    let code = in_child(|| {
        let own = ForkGuard::new().unwrap();
        let grandchild = in_child(|| u8::from(guard.is_child()) | u8::from(own.is_child()) << 1);
        u8::from(guard.is_child()) | u8::from(own.is_child()) << 1 | u8::from(grandchild == 3) << 2
    });
    assert_eq!(
        code, 0b101,
        "the parent's guard says child, the child's own does not, both do in the grandchild"
    );
    assert!(!guard.is_child(), "the parent stays what it is");
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(!guard.is_child()));
    });
}
