//! Stack overflows and other faults, each in a process of its own.
#![cfg(all(unix, not(miri), not(loom), not(maniac_asan)))]
#![expect(clippy::print_stderr, reason = "a test reports what it saw")]

use std::os::unix::process::ExitStatusExt;

use maniac_context::coroutine::{Coroutine, Outcome, ResumeWith};
use maniac_context::overflow::{AltStack, TaskName, install_overflow_handler, set_task_namer};
use maniac_context::stack::{Guard, StackPool, StackPoolConfig};

mod support;
use support::{run, stderr};

/// Not a test: what the other tests run in their own processes.
#[test]
fn child() {
    let Ok(scenario) = std::env::var("MANIAC_CHILD") else { return };
    match scenario.as_str() {
        "install" => coroutine_overflow(Guard::Auto),
        "protect" => coroutine_overflow(Guard::Protect),
        "foreign" => {
            // A thread that the standard library did not make has no alternate stack of its own.
            foreign_thread(|| {
                let _alternate = AltStack::for_this_thread().unwrap();
                coroutine_overflow(Guard::Auto);
            });
        }
        "unnamed" => {
            install_overflow_handler().unwrap();
            overflow_on_a_coroutine(Guard::Auto);
        }
        "second" => {
            // The guard of a suspended coroutine below another one, and a namer that writes too much.
            named("x".repeat(4).leak());
            let pool = StackPool::new(StackPoolConfig::new()).unwrap();
            let mut first = Coroutine::<(), (), ()>::new(pool.get().unwrap());
            // SAFETY: the closure holds nothing across its suspension.
            let _ = unsafe { first.start(|suspender| suspender.suspend(())) };
            overflow_on_a_coroutine(Guard::Auto);
            let _ = first.resume(ResumeWith::Value(()));
        }
        "thread" => {
            install_overflow_handler().unwrap();
            recurse(1);
        }
        "null" => {
            named("innocent");
            // SAFETY: none; it is meant to fault.
            unsafe { std::ptr::null_mut::<u8>().wrapping_add(8).write_volatile(1) };
        }
        "sent" => {
            named("innocent");
            // The standard library's handler answers the first one by restoring the default action.
            for _ in 0..2 {
                // SAFETY: a signal to ourselves.
                unsafe { libc::raise(libc::SIGSEGV) };
            }
        }
        "chained" => chained(),
        "ignored" => {
            // SAFETY: sets a disposition.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_IGN) };
            named("innocent");
            // SAFETY: a signal to ourselves, ignored as before.
            unsafe { libc::raise(libc::SIGSEGV) };
            eprintln!("survived");
        }
        "default" => {
            // SAFETY: sets a disposition.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
            named("innocent");
            // SAFETY: none; it is meant to fault.
            unsafe { std::ptr::null_mut::<u8>().wrapping_add(8).write_volatile(1) };
        }
        "default, sent" => {
            // SAFETY: sets a disposition.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
            named("innocent");
            // SAFETY: a signal to ourselves.
            unsafe { libc::raise(libc::SIGSEGV) };
        }
        other => panic!("no scenario {other}"),
    }
}

fn named(name: &'static str) {
    use std::sync::OnceLock;
    static NAME: OnceLock<&str> = OnceLock::new();
    NAME.set(name).unwrap();
    fn namer(name: &mut TaskName) {
        name.push_str(NAME.get().unwrap());
    }
    // SAFETY: it reads a static that is set, and copies.
    unsafe { set_task_namer(namer) };
    install_overflow_handler().unwrap();
    install_overflow_handler().expect("again is fine");
}

fn coroutine_overflow(guard: Guard) {
    named("deep parser");
    overflow_on_a_coroutine(guard);
}

fn overflow_on_a_coroutine(guard: Guard) {
    let pool = StackPool::new(StackPoolConfig::new().stack_size(128 << 10).guard(guard)).unwrap();
    let mut coroutine = Coroutine::<(), (), u64>::new(pool.get().unwrap());
    // SAFETY: the closure does not suspend.
    let outcome = unsafe { coroutine.start(|_| recurse(1)) };
    assert!(matches!(outcome, Outcome::Finished(0)), "it never ends");
}

#[expect(unconditional_recursion, reason = "meant to overflow")]
fn recurse(value: u64) -> u64 {
    let frame = std::hint::black_box([value; 64]);
    recurse(frame[3] + 1) + frame[7]
}

fn foreign_thread(f: fn()) {
    extern "C" fn call(f: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: `foreign_thread` passes such a function.
        let f = unsafe { std::mem::transmute::<*mut libc::c_void, fn()>(f) };
        f();
        std::ptr::null_mut()
    }
    let mut thread = std::mem::MaybeUninit::uninit();
    // SAFETY: pthread_create(3) writes the thread's id; `call` gets the function that it expects.
    let result =
        unsafe { libc::pthread_create(thread.as_mut_ptr(), std::ptr::null(), call, f as *mut libc::c_void) };
    assert_eq!(result, 0);
    // SAFETY: written above.
    let thread = unsafe { thread.assume_init() };
    // SAFETY: joined once.
    unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
}

/// A handler of somebody else's, installed before ours, that mends a fault by mapping the page.
fn chained() {
    extern "C" fn mend(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo_t.
        let info = unsafe { &*info };
        // SAFETY: a fault's siginfo carries an address.
        let address = unsafe { info.si_addr() };
        let page = address.map_addr(|address| address & !4095);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: makes the faulting page, which `chained` mapped, accessible.
        unsafe { libc::mprotect(page, 4096, access) };
    }
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zero is a valid sigaction.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = mend as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: a whole sigaction.
        unsafe { libc::sigaction(signal, action, std::ptr::null_mut()) };
    }
    named("innocent");
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a new mapping.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0) };
    // SAFETY: the handler makes it writable.
    unsafe { page.cast::<u8>().write_volatile(7) };
    // SAFETY: it is now.
    eprintln!("mended {}", unsafe { page.cast::<u8>().read_volatile() });
    overflow_on_a_coroutine(Guard::Auto);
}

#[test]
fn an_overflow_names_the_task_and_aborts() {
    for scenario in ["install", "protect", "foreign"] {
        let output = run(scenario);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{scenario}");
        let text = stderr(&output);
        assert!(
            text.contains("maniac: task `deep parser` has overflowed its stack of "),
            "{scenario}: {text}"
        );
        assert!(text.contains(" KiB"), "{text}");
    }
    assert!(stderr(&run("unnamed")).contains("maniac: an unnamed task has overflowed"));
    assert!(stderr(&run("second")).contains("task `xxxx` has overflowed"));
}

#[test]
fn the_overflow_of_a_thread_goes_to_the_standard_library() {
    let output = run("thread");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let text = stderr(&output);
    assert!(text.contains("has overflowed its stack"), "{text}");
    assert!(!text.contains("maniac:"), "{text}");
}

#[test]
fn other_faults_take_their_course() {
    for scenario in ["null", "sent", "default", "default, sent"] {
        let output = run(scenario);
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{scenario}");
        assert!(!stderr(&output).contains("maniac:"), "{scenario}");
    }
    let output = run("ignored");
    assert!(output.status.success());
    assert!(stderr(&output).contains("survived"));
}

#[test]
fn an_earlier_handler_still_gets_its_faults() {
    let output = run("chained");
    let text = stderr(&output);
    assert!(text.contains("mended 7"), "{text}");
    assert!(text.contains("task `innocent` has overflowed"), "{text}");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
}
