//! What a signal must not interrupt, what it may, and whose signal it is. Each refusal is shown by 50 signals that arrived and did nothing.
#![cfg(all(preemption, not(any(target_os = "macos", maniac_asan))))]
#![allow(clippy::print_stdout, reason = "a test reports what it saw")]

mod support;
mod torture;

use maniac_context::coroutine::{Coroutine, Outcome, ResumeWith, Suspender, abandoned};
use maniac_context::preempt::{Gate, NotPreemptible, Preemptible, no_preempt, register_code};
#[cfg(unix)]
use maniac_context::preempt::{Refused, Target, install};
use maniac_context::stack::{StackPool, StackPoolConfig};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use torture::{Context, Ticks, arch, arrived_here};

type Step<Ret> = Option<Outcome<u32, Ret>>;

/// As often as an emulated machine bears.
const OFTEN: i64 = 200_000;

fn pool() -> StackPool {
    StackPool::new(StackPoolConfig::default()).unwrap()
}

fn with_gate<Ret: 'static>(gate: Gate) -> Preemptible<u32, u32, Ret> {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| torture::watch_handler(false));
    torture::register_code();
    // SAFETY: the gates of these tests touch atomics and the thread's cells.
    unsafe { Preemptible::new(pool().get().unwrap(), gate) }.unwrap()
}

fn fresh<Ret: 'static>() -> Preemptible<u32, u32, Ret> {
    with_gate(torture::GATE)
}

/// Starts it. Sound for all tests here: nothing is held across a suspension or registered code.
fn start<Ret: 'static>(
    coroutine: &mut Preemptible<u32, u32, Ret>,
    entry: impl FnOnce(&Suspender<u32, u32>) -> Ret + 'static,
) -> Step<Ret> {
    // SAFETY: as said above.
    unsafe { coroutine.start(entry) }
}

/// Runs `code` until 50 signals have come.
fn bear_signals(mut code: impl FnMut()) {
    let enough = arrived_here() + 50;
    while arrived_here() < enough {
        code();
    }
}

/// Registered code, for a moment.
fn compute() {
    thread_local! {
        static CONTEXT: std::cell::RefCell<Box<Context>> = std::cell::RefCell::new(Context::new());
    }
    CONTEXT.with_borrow_mut(|context| arch::run(context, 20_000));
}

/// As [`compute`], for a coroutine that may be preempted: a context of its own.
fn computing() -> impl FnMut() {
    let mut context = Context::new();
    move || arch::run(&mut context, 20_000)
}

#[track_caller]
fn finished<Ret>(step: Step<Ret>) -> Ret {
    match step {
        Some(Outcome::Finished(value)) => value,
        Some(Outcome::Suspended(_)) => panic!("suspended"),
        Some(Outcome::Unwound(payload)) => std::panic::resume_unwind(payload),
        None => panic!("preempted"),
    }
}

#[test]
fn registered_code_is_interrupted_and_goes_on() {
    let mut coroutine = fresh();
    let _ticks = Ticks::every(OFTEN);
    let mut step = start(&mut coroutine, |_| {
        bear_signals(computing());
        7
    });
    let mut preempted = 0;
    while step.is_none() {
        assert!(coroutine.is_preempted());
        preempted += 1;
        step = coroutine.resume_preempted();
    }
    assert_eq!(finished(step), 7);
    assert!(preempted > 0);
    assert_eq!(finished(start(&mut coroutine, |_| 8)), 8, "the same stack again");
}

#[test]
fn code_outside_the_ranges_is_not_interrupted() {
    let mut coroutine = fresh();
    let _ticks = Ticks::every(OFTEN);
    let mut x = 1_u64;
    finished(start(&mut coroutine, move |_| {
        bear_signals(|| {
            for _ in 0..20_000 {
                x = std::hint::black_box(x.wrapping_mul(3));
            }
        });
    }));
}

#[test]
fn no_code_is_interrupted_in_a_section_that_says_so() {
    let mut coroutine = fresh();
    let _ticks = Ticks::every(OFTEN);
    let (told, telling) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let tell = Rc::clone(&telling);
    let mut step = start(&mut coroutine, move |_| {
        no_preempt(|| {
            no_preempt(|| bear_signals(computing()));
            bear_signals(computing());
        });
        let unwound = std::panic::catch_unwind(|| no_preempt(|| std::panic::resume_unwind(Box::new(1))));
        assert!(unwound.is_err());
        tell.set(true);
        bear_signals(computing());
    });
    while step.is_none() {
        assert!(telling.get(), "preempted inside");
        told.set(true);
        step = coroutine.resume_preempted();
    }
    finished(step);
    assert!(told.get(), "not preempted behind it");
}

#[test]
fn the_gate_has_the_last_word() {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let mut coroutine = with_gate(|request| {
        ASKED.store(request, SeqCst);
        false
    });
    let _ticks = Ticks::every(OFTEN);
    finished(start(&mut coroutine, |_| bear_signals(computing())));
    assert_eq!(ASKED.load(SeqCst), 1, "the ticks' request");
}

#[test]
fn a_coroutine_inside_is_not_interrupted() {
    let mut coroutine = fresh();
    let _ticks = Ticks::every(OFTEN);
    finished(start(&mut coroutine, |_| {
        let mut inner = Coroutine::<(), (), ()>::new(pool().get().unwrap());
        // SAFETY: the closure does not suspend.
        let outcome = unsafe { inner.start(|_| bear_signals(computing())) };
        assert!(matches!(outcome, Outcome::Finished(())));
    }));
}

#[test]
fn the_schedulers_own_stack_is_not_interrupted() {
    let _ticks = Ticks::every(OFTEN);
    let mut coroutine = fresh();
    bear_signals(compute);
    let mut step = start(&mut coroutine, |_| {
        loop {
            computing()();
        }
    });
    for _ in 0..3 {
        assert!(step.is_none());
        bear_signals(compute);
        step = coroutine.resume_preempted();
    }
}

#[test]
fn a_thread_without_coroutines_is_not_interrupted() {
    drop(fresh::<()>());
    std::thread::spawn(|| {
        let _ticks = Ticks::every(OFTEN);
        bear_signals(compute);
    })
    .join()
    .unwrap();
}

#[test]
fn a_stack_without_room_is_not_interrupted() {
    let _ticks = Ticks::every(OFTEN);
    drop(fresh::<()>());
    // Now and then a signal meets the few instructions before and behind the change of the stack pointer, which may be left.
    assert!((0..10).any(|_| !is_interrupted(Where::BelowTheReserve)), "a stack without room is interrupted");
    assert!(is_interrupted(Where::AboveTheReserve));
}

#[derive(PartialEq)]
enum Where {
    BelowTheReserve,
    AboveTheReserve,
}

/// Whether one of 50 signals interrupts code that runs so low in its stack.
fn is_interrupted(place: Where) -> bool {
    // Room for the ticks' own frames too.
    let roomy = StackPoolConfig::new().signal_reserve(64 << 10);
    let stack = StackPool::new(roomy).unwrap().get().unwrap();
    let usable = stack.base_address() - stack.usable_size();
    let at = if place == Where::BelowTheReserve { usable - 16 } else { usable + 4096 };
    // SAFETY: the gate does nothing.
    let mut coroutine = unsafe { Preemptible::<u32, u32, ()>::new(stack, torture::GATE) }.unwrap();
    let mut step = start(&mut coroutine, move |_| {
        torture::grow_to(at.max(usable + 2048));
        // SAFETY: below it is the reserve, for a frame and its handler.
        bear_signals(|| unsafe { torture::count_low(at, 20_000) });
    });
    let interrupted = step.is_none();
    while step.is_none() {
        step = coroutine.resume_preempted();
    }
    finished(step);
    interrupted
}

#[test]
fn a_stack_without_a_reserve_is_refused() {
    let pool = StackPool::new(StackPoolConfig::new().signal_reserve(0)).unwrap();
    let stack = pool.get().unwrap();
    assert_eq!(stack.usable_size(), StackPoolConfig::DEFAULT_STACK_SIZE);
    let has = stack.signal_reserve();
    // SAFETY: the gate does nothing.
    let refused = unsafe { Preemptible::<(), (), ()>::new(stack, |_| true) }.unwrap_err();
    assert!(
        matches!(refused, NotPreemptible::NoReserve { has: kept, needs } if kept == has && needs > has),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("signal_reserve"));
}

#[test]
fn values_panics_and_errno_go_as_ever() {
    let mut coroutine = fresh();
    let _ticks = Ticks::every(OFTEN);
    let mut step = start(&mut coroutine, |suspender| {
        let mut code = computing();
        bear_signals(|| {
            torture::set_error(1234);
            code();
            assert_eq!(torture::error(), 1234);
        });
        let value = suspender.suspend(5);
        bear_signals(computing());
        std::panic::resume_unwind(Box::new(value + 1))
    });
    let mut preempted = 0;
    let payload = loop {
        torture::set_error(7);
        step = match step {
            None => {
                preempted += 1;
                coroutine.resume_preempted()
            }
            Some(Outcome::Suspended(5)) => coroutine.resume(ResumeWith::Value(41)),
            Some(Outcome::Unwound(payload)) => break payload,
            Some(other) => {
                let _: Outcome<u32, ()> = other;
                panic!("neither")
            }
        };
    };
    assert_eq!(payload.downcast_ref(), Some(&42_u32));
    assert!(preempted > 1);
}

#[test]
fn a_preempted_coroutine_that_is_dropped_keeps_its_stack() {
    let mut coroutine = fresh::<()>();
    let ticks = Ticks::every(OFTEN);
    assert!(
        start(&mut coroutine, |_| loop {
            computing()();
        })
        .is_none()
    );
    drop(ticks);
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = coroutine.resume(ResumeWith::Value(1));
    }));
    assert!(refused.is_err(), "it takes no value");
    let before = abandoned();
    drop(coroutine);
    assert!(abandoned() > before);
}

#[test]
fn ranges_are_checked() {
    let nowhere = std::ptr::without_provenance::<()>(16);
    // SAFETY: refused.
    assert!(unsafe { register_code(nowhere..nowhere) }.is_err());
}

#[cfg(unix)]
extern "C" fn count_plain(_signal: libc::c_int) {
    PLAIN.fetch_add(1, SeqCst);
}

#[cfg(unix)]
static PLAIN: AtomicU64 = AtomicU64::new(0);

#[cfg(unix)]
fn set_handler() {
    // SAFETY: the handler adds to an atomic.
    unsafe { libc::signal(libc::SIGURG, count_plain as *const () as usize) };
}

#[cfg(unix)]
fn child_others() {
    set_handler();
    install().unwrap();
    let target = Target::new();
    assert_eq!(target.request(1), Err(Refused::NoThread));
    target.bind();
    // SAFETY: SIGURG is handled.
    unsafe { libc::raise(libc::SIGURG) };
    assert_eq!(PLAIN.load(SeqCst), 1, "another's signal goes to another's handler");
    target.request(1).unwrap();
    // SAFETY: as above. Signals to oneself have come when the call returns.
    unsafe { libc::raise(libc::SIGURG) };
    assert_eq!(PLAIN.load(SeqCst), 2, "ours does not");
    set_handler();
    assert_eq!(target.request(1), Err(Refused::NoHandler), "the signal is somebody else's now");
    assert_eq!(PLAIN.load(SeqCst), 2);
    install().unwrap();
    assert_eq!(target.request(1), Err(Refused::NoHandler), "and stays it");
    target.unbind();
    assert_eq!(target.request(1), Err(Refused::NoThread));
}

#[cfg(unix)]
#[test]
fn child() {
    if std::env::var("MANIAC_CHILD").as_deref() == Ok("others") {
        child_others();
    }
}

#[cfg(unix)]
#[test]
fn others_keep_their_signals_and_handlers() {
    assert!(support::run("others").status.success());
}
