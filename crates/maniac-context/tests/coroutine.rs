//! Coroutines: values, reuse, nesting, panics, aborts, abandonment.
#![cfg(all(not(miri), not(loom)))]

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;
use std::sync::Once;

use maniac_context::coroutine::{
    Coroutine, Outcome, Payload, ResumeWith, SuspendError, Suspender, abandoned, is_abort_payload,
    throw_abort, with_current,
};
use maniac_context::stack::{StackPool, StackPoolConfig};

fn pool() -> StackPool {
    StackPool::new(StackPoolConfig::default()).unwrap()
}

fn fresh<In: 'static, Out: 'static, Ret: 'static>() -> Coroutine<In, Out, Ret> {
    Coroutine::new(pool().get().unwrap())
}

/// Starts it. Sound for all tests here: none holds a lock or a scoped thread-local across a suspension.
fn start<In: 'static, Out: 'static, Ret: 'static>(
    coroutine: &mut Coroutine<In, Out, Ret>,
    entry: impl FnOnce(&Suspender<In, Out>) -> Ret + 'static,
) -> Outcome<Out, Ret> {
    // SAFETY: as said above.
    unsafe { coroutine.start(entry) }
}

#[track_caller]
fn suspended<Out, Ret>(outcome: Outcome<Out, Ret>) -> Out {
    match outcome {
        Outcome::Suspended(out) => out,
        Outcome::Finished(_) => panic!("finished"),
        Outcome::Unwound(_) => panic!("unwound"),
    }
}

#[track_caller]
fn finished<Out, Ret>(outcome: Outcome<Out, Ret>) -> Ret {
    match outcome {
        Outcome::Finished(value) => value,
        Outcome::Suspended(_) => panic!("suspended"),
        Outcome::Unwound(_) => panic!("unwound"),
    }
}

#[track_caller]
fn unwound<Out, Ret>(outcome: Outcome<Out, Ret>) -> Payload {
    match outcome {
        Outcome::Unwound(payload) => payload,
        Outcome::Finished(_) => panic!("finished"),
        Outcome::Suspended(_) => panic!("suspended"),
    }
}

/// Counts its drops.
struct Dropped(Rc<Cell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn values_go_both_ways() {
    let mut coroutine = fresh::<u64, u64, String>();
    assert!(coroutine.is_idle());
    let first = start(&mut coroutine, |suspender| {
        let mut sum = 0;
        for round in 0..100 {
            sum += suspender.suspend(round);
        }
        format!("sum {sum}")
    });
    assert_eq!(suspended(first), 0);
    for round in 1..100 {
        assert!(coroutine.is_suspended());
        assert_eq!(suspended(coroutine.resume(ResumeWith::Value(round))), round);
    }
    assert_eq!(finished(coroutine.resume(ResumeWith::Value(100))), "sum 5050");
    assert!(coroutine.is_idle());
}

#[test]
fn large_and_overaligned_values_pass_unharmed() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    #[repr(align(64))]
    struct Aligned([u64; 16]);

    let mut coroutine = fresh::<[u8; 3000], Aligned, Vec<u8>>();
    let captured = ([7_u8; 5000], Aligned([9; 16]));
    let out = start(&mut coroutine, move |suspender| {
        assert_eq!((&raw const captured.1).addr() % 64, 0);
        assert!(captured.0.iter().all(|&byte| byte == 7));
        let input = suspender.suspend(captured.1);
        assert_eq!(captured.1, Aligned([9; 16]));
        input.to_vec()
    });
    assert_eq!(suspended(out), Aligned([9; 16]));
    assert_eq!(finished(coroutine.resume(ResumeWith::Value([3; 3000]))), vec![3; 3000]);
}

// The address sanitizer keeps locals elsewhere.
#[cfg(not(maniac_asan))]
#[test]
fn a_finished_coroutine_starts_again_on_its_stack() {
    let pool = pool();
    let mut coroutine = Coroutine::<(), (), usize>::new(pool.get().unwrap());
    let mut addresses = Vec::new();
    for round in 0..1000 {
        addresses.push(finished(start(&mut coroutine, move |_| (&raw const round).addr() >> 12)));
    }
    addresses.dedup();
    assert_eq!(addresses.len(), 1, "every run began on the same page");
    assert_eq!(pool.stats().carved, 1);
    let stack = coroutine.into_stack().unwrap();
    assert_eq!(pool.stats().live, 1);
    drop(stack);
    assert_eq!(pool.stats().live, 0);
}

#[test]
fn wrong_calls_panic_and_change_nothing() {
    let mut coroutine = fresh::<(), (), u8>();
    let error = catch_unwind(AssertUnwindSafe(|| coroutine.resume(ResumeWith::Value(())))).unwrap_err();
    assert!(error.downcast_ref::<&str>().unwrap().contains("start it"));
    suspended(start(&mut coroutine, |suspender| {
        suspender.suspend(());
        5
    }));
    let error = catch_unwind(AssertUnwindSafe(|| start(&mut coroutine, |_| 6))).unwrap_err();
    assert!(error.downcast_ref::<&str>().unwrap().contains("resume it"));
    let mut coroutine = coroutine.into_stack().unwrap_err();
    assert_eq!(finished(coroutine.resume(ResumeWith::Value(()))), 5);
}

#[test]
fn the_current_suspender_is_found_from_below() {
    fn deep(levels: u32) -> u32 {
        if levels == 0 {
            with_current::<u32, &'static str, _>(|current| current.unwrap().suspend("deep"))
        } else {
            deep(levels - 1) + 1
        }
    }
    with_current::<u32, &'static str, _>(|current| assert!(current.is_none()));
    let mut coroutine = fresh::<u32, &'static str, u32>();
    assert_eq!(suspended(start(&mut coroutine, |_| deep(100))), "deep");
    with_current::<u32, &'static str, _>(|current| assert!(current.is_none(), "outside again"));
    assert_eq!(finished(coroutine.resume(ResumeWith::Value(1))), 101);
}

#[test]
fn a_coroutine_of_other_types_is_not_the_current_one() {
    let mut coroutine = fresh::<u32, (), bool>();
    assert!(finished(start(&mut coroutine, |_| with_current::<u64, (), _>(|current| current.is_none()))));
}

#[test]
fn coroutines_nest_and_only_the_innermost_suspends() {
    let mut outer = fresh::<u32, String, String>();
    let out = start(&mut outer, |outer_suspender| {
        let outer_address = std::ptr::from_ref(outer_suspender).expose_provenance();
        let mut inner = fresh::<u32, u32, u32>();
        let out = start(&mut inner, move |inner_suspender| {
            with_current::<u32, u32, _>(|current| assert!(std::ptr::eq(current.unwrap(), inner_suspender)));
            // SAFETY: the outer coroutine's root frame lives as long as this closure runs inside it.
            let outer_suspender =
                unsafe { &*std::ptr::with_exposed_provenance::<Suspender<u32, String>>(outer_address) };
            let refused = outer_suspender.try_suspend("refused".into());
            assert_eq!(refused, Err(SuspendError::NotCurrent("refused".into())));
            inner_suspender.suspend(1) + 10
        });
        assert_eq!(suspended(out), 1);
        with_current::<u32, String, _>(|current| assert!(std::ptr::eq(current.unwrap(), outer_suspender)));
        // The outer one suspends while the inner one is suspended, then goes on with it.
        let got = outer_suspender.suspend("outer".into());
        format!("inner gave {}", finished(inner.resume(ResumeWith::Value(got))))
    });
    assert_eq!(suspended(out), "outer");
    assert_eq!(finished(outer.resume(ResumeWith::Value(32))), "inner gave 42");
}

#[test]
fn thread_and_thread_locals_are_those_of_the_resumer() {
    thread_local!(static VALUE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });
    let thread = std::thread::current().id();
    let mut coroutine = fresh::<(), (), ()>();
    VALUE.with_borrow_mut(|value| value.push(1));
    suspended(start(&mut coroutine, move |suspender| {
        assert_eq!(std::thread::current().id(), thread);
        VALUE.with_borrow_mut(|value| value.push(2));
        suspender.suspend(());
        VALUE.with_borrow_mut(|value| value.push(4));
    }));
    VALUE.with_borrow_mut(|value| value.push(3));
    finished(coroutine.resume(ResumeWith::Value(())));
    VALUE.with_borrow(|value| assert_eq!(*value, [1, 2, 3, 4]));
}

#[cfg(not(maniac_asan))]
#[test]
fn the_whole_usable_size_can_be_used() {
    #[inline(never)]
    fn burn(bottom: usize, depth: usize) -> usize {
        let mut frame = [depth as u8; 512];
        std::hint::black_box(&mut frame);
        if (&raw const frame).addr() < bottom {
            depth
        } else {
            burn(bottom, depth + 1) + usize::from(frame[0]) / 256
        }
    }
    let stack = pool().get_sized(256 * 1024).unwrap();
    assert!(stack.usable_size() >= 256 * 1024);
    let bottom = stack.base_address() - stack.usable_size();
    let mut coroutine = Coroutine::<(), (), usize>::new(stack);
    // Down to the last KiB above the reserve, and (by one frame at most) into it.
    let depth = finished(start(&mut coroutine, move |_| burn(bottom + 1024, 0)));
    assert!(depth > 100, "{depth}");
}

#[test]
fn a_backtrace_inside_reaches_the_resumer() {
    #[inline(never)]
    fn the_resumer_of_this_test(coroutine: &mut Coroutine<(), (), String>) -> String {
        finished(start(coroutine, |_| std::backtrace::Backtrace::force_capture().to_string()))
    }
    let trace = the_resumer_of_this_test(&mut fresh());
    assert!(trace.contains("a_backtrace_inside_reaches_the_resumer"), "{trace}");
    if cfg!(target_arch = "x86_64") {
        assert!(trace.contains("the_resumer_of_this_test"), "{trace}");
    }
}

#[test]
fn a_panic_is_given_to_the_resumer() {
    let drops = Rc::new(Cell::new(0));
    let pool = pool();
    let mut coroutine = Coroutine::<(), (), ()>::new(pool.get().unwrap());
    let held = Dropped(Rc::clone(&drops));
    suspended(start(&mut coroutine, move |suspender| {
        let _held = held;
        suspender.suspend(());
        panic_any(17_u8);
    }));
    assert_eq!(drops.get(), 0);
    let payload = unwound(coroutine.resume(ResumeWith::Value(())));
    assert_eq!(*payload.downcast::<u8>().unwrap(), 17);
    assert_eq!(drops.get(), 1);
    assert!(!std::thread::panicking());
    finished(start(&mut coroutine, |_| ()));
    assert_eq!(pool.stats().carved, 1);
}

#[test]
fn a_panic_caught_inside_stays_inside() {
    let mut coroutine = fresh::<u32, u32, u32>();
    let out = start(&mut coroutine, |suspender| {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let got = suspender.suspend(1);
            assert!(got != 5, "five");
        }));
        let after = suspender.suspend(if caught.is_err() { 2 } else { 3 });
        after + 1
    });
    assert_eq!(suspended(out), 1);
    assert_eq!(suspended(coroutine.resume(ResumeWith::Value(5))), 2);
    assert_eq!(finished(coroutine.resume(ResumeWith::Value(6))), 7);
}

#[test]
fn many_panics_in_interleaved_coroutines() {
    let mut coroutines: Vec<_> = (0..50).map(|_| fresh::<(), u32, u32>()).collect();
    for (index, coroutine) in (0_u32..).zip(&mut coroutines) {
        suspended(start(coroutine, move |suspender| {
            let result = catch_unwind(AssertUnwindSafe(|| {
                suspender.suspend(0);
                resume_unwind(Box::new(index));
            }));
            let caught = *result.unwrap_err().downcast::<u32>().unwrap();
            suspender.suspend(caught);
            if index % 2 == 0 {
                resume_unwind(Box::new(index + 1000));
            }
            caught
        }));
    }
    for (index, coroutine) in (0_u32..50).zip(&mut coroutines).rev() {
        assert_eq!(suspended(coroutine.resume(ResumeWith::Value(()))), index);
    }
    for (index, coroutine) in (0_u32..).zip(&mut coroutines) {
        match coroutine.resume(ResumeWith::Value(())) {
            Outcome::Finished(value) => assert_eq!((value, index % 2), (index, 1)),
            Outcome::Unwound(payload) => assert_eq!(*payload.downcast::<u32>().unwrap(), index + 1000),
            Outcome::Suspended(_) => panic!("suspended"),
        }
    }
}

thread_local!(static HOOK_CALLS: Cell<u32> = const { Cell::new(0) });

fn count_hook_calls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            HOOK_CALLS.set(HOOK_CALLS.get() + 1);
            previous(info);
        }));
    });
}

#[test]
fn an_abort_unwinds_once_and_runs_no_hook() {
    count_hook_calls();
    let before = HOOK_CALLS.get();
    let drops = Rc::new(Cell::new(0));
    let mut coroutine = fresh::<(), (), ()>();
    let held = Dropped(Rc::clone(&drops));
    suspended(start(&mut coroutine, move |suspender| {
        let _held = held;
        let _nested = Dropped(Rc::clone(&_held.0));
        suspender.suspend(());
        unreachable!("told to unwind");
    }));
    let payload = unwound(coroutine.resume(ResumeWith::Unwind));
    assert!(is_abort_payload(&*payload));
    assert_eq!(drops.get(), 2);
    assert_eq!(HOOK_CALLS.get(), before);
    assert!(coroutine.is_idle());
    // A panic of the program is told apart, and does run the hook.
    let payload = unwound(start(&mut coroutine, |_| panic_any("abort")));
    assert!(!is_abort_payload(&*payload));
    assert_eq!(HOOK_CALLS.get(), before + 1);
}

#[test]
fn a_swallowed_abort_can_be_thrown_again() {
    let drops = Rc::new(Cell::new(0));
    let mut coroutine = fresh::<(), u32, &'static str>();
    let counter = Rc::clone(&drops);
    let mut out = start(&mut coroutine, move |suspender| {
        for round in 0..8 {
            let swallowed = catch_unwind(AssertUnwindSafe(|| {
                let _held = Dropped(Rc::clone(&counter));
                suspender.suspend(round);
            }));
            assert!(is_abort_payload(&*swallowed.unwrap_err()));
        }
        "left to finish"
    });
    for round in 0..8 {
        assert_eq!(suspended(out), round);
        out = coroutine.resume(ResumeWith::Unwind);
    }
    assert_eq!(finished(out), "left to finish");
    assert_eq!(drops.get(), 8);
}

#[test]
fn the_caller_may_decide_not_to_unwind() {
    let mut coroutine = fresh::<u8, (), &'static str>();
    suspended(start(&mut coroutine, |suspender| match suspender.try_suspend(()) {
        Ok(ResumeWith::Unwind) => "asked to unwind",
        other => panic!("{other:?}"),
    }));
    assert_eq!(finished(coroutine.resume(ResumeWith::Unwind)), "asked to unwind");
}

#[test]
fn an_abort_can_be_thrown_without_a_suspension() {
    let mut coroutine = fresh::<(), (), ()>();
    let payload = unwound(start(&mut coroutine, |_| throw_abort()));
    assert!(is_abort_payload(&*payload));
}

/// Tries to suspend while it is dropped.
struct SuspendsInDrop<'a>(&'a Suspender<(), u8>, Rc<Cell<Option<SuspendError<u8>>>>);

impl Drop for SuspendsInDrop<'_> {
    fn drop(&mut self) {
        self.1.set(self.0.try_suspend(9).err());
    }
}

#[test]
fn nothing_suspends_while_the_thread_unwinds() {
    let refused = Rc::new(Cell::new(None));
    let seen = Rc::clone(&refused);
    let mut coroutine = fresh::<(), u8, ()>();
    suspended(start(&mut coroutine, move |suspender| {
        let _in_drop = SuspendsInDrop(suspender, seen);
        suspender.suspend(1);
    }));
    let payload = unwound(coroutine.resume(ResumeWith::Unwind));
    assert!(is_abort_payload(&*payload));
    assert_eq!(refused.take(), Some(SuspendError::Panicking(9)));
    // Outside an unwind the same destructor does suspend.
    let seen = Rc::clone(&refused);
    assert_eq!(suspended(start(&mut coroutine, move |suspender| drop(SuspendsInDrop(suspender, seen)))), 9);
    finished(coroutine.resume(ResumeWith::Value(())));
    assert_eq!(refused.take(), None);
}

#[test]
#[cfg_attr(maniac_asan, ignore = "leaks, as it should; run it with ASAN_OPTIONS=detect_leaks=0")]
fn a_dropped_suspended_coroutine_is_left_alone_and_counted() {
    let drops = Rc::new(Cell::new(0));
    let pool = pool();
    let mut coroutine = Coroutine::<(), usize, ()>::new(pool.get().unwrap());
    let held = Dropped(Rc::clone(&drops));
    let address = suspended(start(&mut coroutine, move |suspender| {
        let _held = held;
        let on_the_stack = 0x5eed_usize;
        suspender.suspend((&raw const on_the_stack).expose_provenance());
        std::hint::black_box(&on_the_stack);
    }));
    let before = abandoned();
    drop(coroutine);
    assert!(abandoned() > before);
    assert_eq!(drops.get(), 0, "no destructor ran");
    assert_eq!(pool.stats().live, 1, "its stack stays out of the pool");
    drop(pool);
    // SAFETY: the frame was never left, and its stack stays mapped.
    assert_eq!(unsafe { *std::ptr::with_exposed_provenance::<usize>(address) }, 0x5eed);
}

#[test]
#[cfg_attr(maniac_asan, ignore = "leaks, as it should; run it with ASAN_OPTIONS=detect_leaks=0")]
fn a_thread_may_end_with_a_suspended_coroutine() {
    thread_local!(static HELD: RefCell<Option<Coroutine<(), (), ()>>> = const { RefCell::new(None) });
    let before = abandoned();
    std::thread::spawn(|| {
        let mut coroutine = fresh::<(), (), ()>();
        suspended(start(&mut coroutine, |suspender| suspender.suspend(())));
        HELD.set(Some(coroutine));
    })
    .join()
    .unwrap();
    assert!(abandoned() > before);
}

#[test]
fn a_coroutine_in_a_thread_local_destructor_works() {
    struct RunsOne;
    impl Drop for RunsOne {
        fn drop(&mut self) {
            let mut coroutine = fresh::<u8, u8, u8>();
            assert_eq!(suspended(start(&mut coroutine, |suspender| suspender.suspend(1) + 1)), 1);
            assert_eq!(finished(coroutine.resume(ResumeWith::Value(41))), 42);
        }
    }
    thread_local!(static LAST: RunsOne = const { RunsOne });
    std::thread::spawn(|| LAST.with(|_| ())).join().unwrap();
}

/// A small generator of random numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// What a coroutine of the random test does next; chosen by the resumer.
#[derive(Clone, Copy, Debug)]
enum Order {
    Suspend,
    Nest,
    PanicAndCatch,
    Finish,
    Panic,
}

fn obey(suspender: &Suspender<Order, u64>, depth: u32, steps: &Rc<Cell<u64>>) -> u64 {
    let _held = Dropped(Rc::new(Cell::new(0)));
    loop {
        let order = suspender.suspend(steps.get());
        steps.set(steps.get() + 1);
        match order {
            Order::Suspend => {}
            Order::Nest if depth < 20 => {
                obey(suspender, depth + 1, steps);
            }
            Order::PanicAndCatch => {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    suspender.suspend(steps.get());
                    resume_unwind(Box::new(steps.get()));
                }));
                assert!(caught.is_err());
            }
            Order::Nest | Order::Finish => return steps.get(),
            Order::Panic => resume_unwind(Box::new(steps.get())),
        }
    }
}

#[test]
fn random_orders_to_many_coroutines() {
    let seed: u64 =
        std::env::var("MANIAC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            now.subsec_nanos().into()
        });
    println!("MANIAC_SEED={seed}");
    let mut random = Random(seed | 1);
    let pool = StackPool::new(StackPoolConfig::new().stack_size(64 << 10).max_hot(4)).unwrap();
    type Obedient = (Coroutine<Order, u64, u64>, Rc<Cell<u64>>);
    let mut coroutines: Vec<Obedient> =
        (0..64).map(|_| (Coroutine::new(pool.get().unwrap()), Rc::default())).collect();
    let rounds = if std::env::var_os("MANIAC_DEEP").is_some() { 5_000_000 } else { 200_000 };
    for _ in 0..rounds {
        let index = usize::try_from(random.below(64)).unwrap();
        let (coroutine, steps) = &mut coroutines[index];
        let outcome = if coroutine.is_idle() {
            if random.below(4) == 0 {
                *coroutine = Coroutine::new(pool.get().unwrap());
            }
            *steps = Rc::default();
            let steps = Rc::clone(steps);
            start(coroutine, move |suspender| obey(suspender, 0, &steps))
        } else {
            coroutine.resume(match random.below(32) {
                0..=15 => ResumeWith::Value(Order::Suspend),
                16..=21 => ResumeWith::Value(Order::Nest),
                22..=26 => ResumeWith::Value(Order::PanicAndCatch),
                27..=29 => ResumeWith::Value(Order::Finish),
                30 => ResumeWith::Value(Order::Panic),
                _ => ResumeWith::Unwind,
            })
        };
        match outcome {
            Outcome::Suspended(seen) => assert_eq!(seen, steps.get()),
            Outcome::Finished(seen) => assert_eq!(seen, steps.get()),
            Outcome::Unwound(payload) if is_abort_payload(&*payload) => {}
            Outcome::Unwound(payload) => assert_eq!(*payload.downcast::<u64>().unwrap(), steps.get()),
        }
    }
    // Each that is left is told to unwind until it ends; none is abandoned.
    for (coroutine, _) in &mut coroutines {
        while coroutine.is_suspended() {
            let _ = coroutine.resume(ResumeWith::Unwind);
        }
    }
    drop(coroutines);
    assert_eq!(pool.stats().live, 0);
}
