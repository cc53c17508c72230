//! What ends the process, by the rules of the language and not by ours: an unwind that reaches a frame which cannot
//! unwind, and a destructor that panics while the stack unwinds. Each in a process of its own.
#![cfg(all(unix, not(miri), not(loom), not(maniac_asan)))]

use std::os::unix::process::ExitStatusExt;

use maniac_context::coroutine::{Coroutine, Outcome, ResumeWith, Suspender, is_abort_payload, with_current};
use maniac_context::stack::StackPool;

mod support;
use support::{run, stderr};

/// A callback as a C library would call it.
extern "C" fn callback() {
    with_current::<(), (), _>(|current| current.unwrap().suspend(()));
}

/// A callback that knows about being told to unwind.
extern "C" fn careful_callback() -> bool {
    with_current::<(), (), _>(|current| current.unwrap().try_suspend(()) == Ok(ResumeWith::Unwind))
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("a destructor's own panic");
    }
}

fn aborted(entry: impl FnOnce(&Suspender<(), ()>) + 'static) -> Outcome<(), ()> {
    let pool = StackPool::new(Default::default()).unwrap();
    let mut coroutine = Coroutine::<(), (), ()>::new(pool.get().unwrap());
    // SAFETY: nothing in these closures minds what runs meanwhile.
    assert!(matches!(unsafe { coroutine.start(entry) }, Outcome::Suspended(())));
    coroutine.resume(ResumeWith::Unwind)
}

/// Not a test: what the other tests run in their own processes.
#[test]
fn child() {
    let Ok(scenario) = std::env::var("MANIAC_CHILD") else { return };
    let outcome = match scenario.as_str() {
        "extern" => aborted(|_| callback()),
        "careful" => aborted(|_| assert!(careful_callback())),
        "destructor" => aborted(|suspender| {
            let _guard = PanicsInDrop;
            suspender.suspend(());
        }),
        other => panic!("no scenario {other}"),
    };
    match outcome {
        Outcome::Finished(()) => eprintln!("finished"),
        Outcome::Unwound(payload) if is_abort_payload(&*payload) => eprintln!("unwound"),
        _ => eprintln!("something else"),
    }
}

#[test]
fn an_unwind_that_reaches_an_extern_c_frame_ends_the_process() {
    let output = run("extern");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    assert!(stderr(&output).contains("cannot unwind"), "{}", stderr(&output));
}

#[test]
fn an_extern_c_frame_that_does_not_throw_lives() {
    let output = run("careful");
    assert!(output.status.success());
    assert!(stderr(&output).contains("finished"));
}

#[test]
fn a_panic_leaving_a_destructor_during_the_unwind_ends_the_process() {
    let output = run("destructor");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
}
