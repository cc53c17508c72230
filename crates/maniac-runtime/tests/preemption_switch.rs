//! The switch: a computation that never yields is left where it is, and its thread goes on with the others and then with it; refused, the role is handed off.
//!
//! No time is measured: a hog computes until the others have done what they are to do. With `max_overdue_threads(0)` nothing is handed off, so that they can
//! do it only if the hog is left.
#![cfg(all(
    any(
        all(
            target_os = "linux",
            any(
                target_arch = "x86_64",
                target_arch = "aarch64",
                target_arch = "riscv64",
                target_arch = "loongarch64"
            )
        ),
        all(windows, target_arch = "x86_64")
    ),
    target_pointer_width = "64",
    not(any(loom, miri, maniac_asan))
))]

mod hog;

use hog::{Flag, hog_until, ticker};
use maniac_runtime as maniac;
use maniac_runtime::runtime::{Preemption, PreemptionMetrics, Runtime, RuntimeBuilder, SpawnError};
use maniac_runtime::task::{self, JoinHandle, NotPreemptible, no_preempt, yield_now};
use maniac_runtime::time::{Duration, Instant, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

/// Code that may be left at every instruction.
mod kernel {
    /// Rounds of arithmetic in registers, about a millisecond of them.
    #[inline(never)]
    #[unsafe(link_section = "test_kernels")]
    pub(super) fn compute(mut x: u64) -> u64 {
        let mut rounds = 500_000_u32;
        while rounds != 0 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            rounds -= 1;
        }
        x
    }

    unsafe extern "C" {
        #[link_name = "__start_test_kernels"]
        static START: u8;
        #[link_name = "__stop_test_kernels"]
        static STOP: u8;
    }

    pub(super) fn register() {
        let code = (&raw const START).cast()..(&raw const STOP).cast();
        // SAFETY: the section's one function computes in registers.
        unsafe { maniac_runtime::task::register_code(code) }.unwrap();
    }
}

/// So often is the kernel run at most: minutes.
const MINUTES: u32 = 200_000;

/// Computes in the kernel until `done`. `false`: in vain.
fn compute_until(done: impl Fn() -> bool) -> bool {
    let mut x = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..MINUTES {
        x = std::hint::black_box(kernel::compute(x));
        if done() {
            return true;
        }
    }
    false
}

fn builder() -> RuntimeBuilder {
    kernel::register();
    Runtime::builder().worker_count(1).preemption(Preemption::HandOffAndSwitch).thread_name(name())
}

/// Runtimes of the same options count together.
fn name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("switch-{}", COUNT.fetch_add(1, SeqCst))
}

/// Nothing is handed off.
fn switching() -> Runtime {
    builder().max_overdue_threads(0).build().unwrap()
}

fn spawn<T: Send + 'static>(runtime: &Runtime, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let _entered = runtime.handle().enter();
    // SAFETY: while the kernel runs, nothing of the tests' is held but atomics and values of the task's own; likewise while they wait.
    unsafe { task::spawn_preemptible(f) }
}

fn metrics(runtime: &Runtime) -> PreemptionMetrics {
    runtime.metrics().preemption
}

#[test]
fn a_ticker_goes_on_beside_a_computation_on_the_same_thread() {
    let runtime = switching();
    assert_eq!(metrics(&runtime).last_overdue, None);
    let start = Instant::now();
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 20);
    let hog = spawn(&runtime, move || {
        let before = (thread::current().id(), task::id());
        begun.set();
        let done = compute_until(|| ticks.load(SeqCst) == 20);
        (done, before == (thread::current().id(), task::id()))
    });
    assert_eq!(runtime.block_on(hog).unwrap(), (true, true));
    runtime.block_on(task).unwrap();
    let metrics = metrics(&runtime);
    assert!(metrics.switched > 0, "{metrics:?}");
    assert!(metrics.last_overdue.is_some_and(|last| last >= start), "{metrics:?}");
    assert_eq!((metrics.seized, metrics.overdue_threads), (0, 0));
}

/// Four computations and two tasks that yield take turns.
#[test]
fn everybody_has_a_turn() {
    let runtime = switching();
    let counts: Arc<[AtomicU64; 6]> = Arc::default();
    let stop = Flag::default();
    let step = {
        let (counts, stop) = (Arc::clone(&counts), stop.clone());
        move |which: usize| {
            counts[which].fetch_add(1, SeqCst);
            if counts.iter().all(|count| count.load(SeqCst) >= 5) {
                stop.set();
            }
            stop.get()
        }
    };
    let hogs: Vec<_> = (0..4)
        .map(|which| {
            let step = step.clone();
            spawn(&runtime, move || compute_until(|| step(which)))
        })
        .collect();
    let others: Vec<_> = (4..6)
        .map(|which| {
            let step = step.clone();
            runtime.spawn(async move {
                while !step(which) {
                    yield_now().await;
                }
            })
        })
        .collect();
    for hog in hogs {
        assert!(runtime.block_on(hog).unwrap());
    }
    for other in others {
        runtime.block_on(other).unwrap();
    }
    assert!(metrics(&runtime).switched > 0);
}

/// One that computes and waits in turn, so that there is always something to do, and the monitor looks in often.
#[test]
fn a_computation_that_was_left_goes_on_beside_another_that_never_rests() {
    let runtime = switching();
    let done = Flag::default();
    let end = done.clone();
    let restless = spawn(&runtime, move || {
        (0..MINUTES).any(|_| {
            compute_until(|| true);
            maniac::sync_await(yield_now());
            end.get()
        })
    });
    let left = spawn(&runtime, || (0..30).fold(1, |x, _| std::hint::black_box(kernel::compute(x))));
    assert_ne!(runtime.block_on(left).unwrap(), 0);
    done.set();
    assert!(runtime.block_on(restless).unwrap());
}

/// Keeps computing, refused, until the ticker went on: by hand-off.
fn handed_off(work: impl FnOnce(Flag) -> bool + Send + 'static) -> PreemptionMetrics {
    let runtime = builder().build().unwrap();
    let (begun, over) = (Flag::default(), Flag::default());
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let ended = over.clone();
    let watcher = thread::spawn(move || {
        while ticks.load(SeqCst) != 5 {
            thread::yield_now();
        }
        ended.set();
    });
    let hog = spawn(&runtime, move || {
        begun.set();
        work(over)
    });
    assert!(runtime.block_on(hog).unwrap());
    runtime.block_on(task).unwrap();
    watcher.join().unwrap();
    metrics(&runtime)
}

#[test]
fn code_that_is_not_registered_is_handed_off() {
    let metrics = handed_off(|over| hog_until(&over));
    assert!(metrics.seized > 0 && metrics.switches_refused > 0, "{metrics:?}");
    assert_eq!(metrics.switched, 0);
}

#[test]
fn a_section_without_preemption_is_handed_off() {
    let metrics = handed_off(|over| no_preempt(|| compute_until(|| over.get())));
    assert!(metrics.seized > 0 && metrics.switches_refused > 0, "{metrics:?}");
    assert_eq!(metrics.switched, 0);
}

#[test]
fn on_thread_is_handed_off() {
    let metrics = handed_off(|over| maniac::on_thread(|| compute_until(|| over.get())));
    assert!(metrics.seized > 0, "{metrics:?}");
    assert_eq!(metrics.switched, 0);
}

/// Registered code in a task that nobody promised anything about.
#[test]
fn an_ordinary_task_is_handed_off() {
    let runtime = builder().build().unwrap();
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let hog = runtime.spawn(async move {
        begun.set();
        compute_until(|| ticks.load(SeqCst) == 5)
    });
    assert!(runtime.block_on(hog).unwrap());
    runtime.block_on(task).unwrap();
    let metrics = metrics(&runtime);
    assert!(metrics.seized > 0, "{metrics:?}");
    assert_eq!((metrics.switched, metrics.switches_refused), (0, 0));
}

/// Registered code in a runtime inside the task, on the task's own stack.
#[test]
fn another_runtimes_poll_inside_is_handed_off() {
    let metrics = handed_off(|over| {
        let inner = Runtime::new_single_threaded().unwrap();
        inner.block_on(async move { compute_until(|| over.get()) })
    });
    assert!(metrics.seized > 0, "{metrics:?}");
    assert_eq!(metrics.switched, 0);
}

maniac_runtime::task_local! {
    static WHO: u32;
}

#[test]
fn what_belongs_to_a_task_stays_with_it() {
    let runtime = switching();
    let turns = Arc::new(AtomicU64::new(0));
    let hogs: Vec<_> = (0..3_u32)
        .map(|who| {
            let turns = Arc::clone(&turns);
            spawn(&runtime, move || {
                WHO.sync_scope(who, || {
                    let me = task::id();
                    let done = compute_until(|| {
                        assert_eq!((WHO.get(), task::id()), (who, me));
                        turns.load(SeqCst) >= 3
                    });
                    turns.fetch_add(1, SeqCst);
                    // Waits between its computations like any other task.
                    let slept = maniac::sync_await(async {
                        sleep(Duration::from_millis(1)).await;
                        WHO.get()
                    });
                    (done, slept == who, task::id() == me)
                })
            })
        })
        .collect();
    let count = Arc::clone(&turns);
    runtime
        .block_on(runtime.spawn(async move {
            for _ in 0..3 {
                sleep(Duration::from_millis(1)).await;
                count.fetch_add(1, SeqCst);
            }
        }))
        .unwrap();
    for hog in hogs {
        assert_eq!(runtime.block_on(hog).unwrap(), (true, true, true));
    }
    assert!(metrics(&runtime).switched > 0);
}

#[test]
fn an_abort_ends_it_at_its_next_wait() {
    struct Count(Arc<AtomicU64>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let runtime = switching();
    let (begun, aborted, drops) = (Flag::default(), Flag::default(), Arc::new(AtomicU64::new(0)));
    let (begin, until, counts) = (begun.clone(), aborted.clone(), Arc::clone(&drops));
    let hog = spawn(&runtime, move || {
        let _count = Count(counts);
        begin.set();
        let done = compute_until(|| until.get());
        maniac::sync_await(yield_now());
        done
    });
    let handle = hog.abort_handle();
    // Runs only if the computation is left; that is aborted then while it is.
    runtime
        .block_on(runtime.spawn(async move {
            while !begun.get() {
                yield_now().await;
            }
            handle.abort();
            aborted.set();
        }))
        .unwrap();
    assert!(runtime.block_on(hog).unwrap_err().is_cancelled());
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn panics_reach_the_handle() {
    let runtime = switching();
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let hog = spawn(&runtime, move || {
        begun.set();
        assert!(compute_until(|| ticks.load(SeqCst) == 5));
        std::panic::resume_unwind(Box::new(7_u32))
    });
    let error = runtime.block_on::<_>(async move {
        let result: Result<(), _> = hog.await;
        result.unwrap_err()
    });
    assert_eq!(error.into_panic().downcast_ref(), Some(&7_u32));
    runtime.block_on(task).unwrap();
}

#[test]
fn a_shutdown_waits_for_what_was_left() {
    let runtime = switching();
    let (begun, stop) = (Flag::default(), Flag::default());
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let (begin, until) = (begun.clone(), stop.clone());
    let hog = spawn(&runtime, move || {
        begin.set();
        compute_until(|| until.get())
    });
    runtime.block_on(task).unwrap();
    assert_eq!(ticks.load(SeqCst), 5);
    stop.set();
    assert!(runtime.shutdown_timeout(Duration::from_secs(600)).is_clean());
    drop(hog);
}

#[test]
fn stacks_without_a_reserve_are_refused_at_the_spawn() {
    let runtime = builder().signal_reserve(0).build().unwrap();
    let _entered = runtime.handle().enter();
    // SAFETY: the closure does nothing.
    let refused = unsafe { task::try_spawn_preemptible(|| ()) }.unwrap_err();
    assert!(
        matches!(refused, SpawnError::NotPreemptible(NotPreemptible::NoReserve { has: 0, .. })),
        "{refused:?}"
    );
}

#[test]
fn without_the_switch_it_is_a_task_like_any_other() {
    kernel::register();
    let runtime = Runtime::builder().worker_count(1).signal_reserve(0).thread_name(name()).build().unwrap();
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let hog = spawn(&runtime, move || {
        begun.set();
        compute_until(|| ticks.load(SeqCst) == 5)
    });
    assert!(runtime.block_on(hog).unwrap());
    runtime.block_on(task).unwrap();
    let metrics = metrics(&runtime);
    assert!(metrics.seized > 0);
    assert_eq!((metrics.switched, metrics.switches_refused), (0, 0));
}

/// Threads that a runtime starts inherit the mask of those that start them.
#[cfg(unix)]
#[test]
fn a_signal_that_was_blocked_where_the_runtime_began_is_let_through() {
    let runtime = thread::spawn(|| {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: writes the set.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: changes the set, and knows the signal.
        unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGURG) };
        // SAFETY: reads the set.
        let blocked = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) };
        assert_eq!(blocked, 0);
        switching()
    });
    let runtime = runtime.join().unwrap();
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let hog = spawn(&runtime, move || {
        begun.set();
        compute_until(|| ticks.load(SeqCst) == 5)
    });
    assert!(runtime.block_on(hog).unwrap(), "the signal does not come through");
    runtime.block_on(task).unwrap();
}

/// The home thread of the role that the computation runs on waits for it; nobody else does.
#[test]
fn a_computation_is_left_for_the_thread_that_wants_its_role_back() {
    // Now and then a busy machine gives the computation's thread no processor in time, and the role is taken from it.
    for _ in 0..100 {
        let runtime = builder().build().unwrap();
        let (begun, demoted, over) = (Flag::default(), Flag::default(), Flag::default());
        let (begin, until) = (begun.clone(), demoted.clone());
        let home = runtime.spawn(async move {
            begin.set();
            hog_until(&until)
        });
        hog::eventually("the home thread is held", || begun.get());
        let (computes, until) = (demoted.clone(), over.clone());
        let hog = spawn(&runtime, move || {
            computes.set();
            compute_until(|| until.get())
        });
        assert!(runtime.block_on(home).unwrap());
        // The home thread was the first.
        hog::eventually("something is done about the computation", || {
            let metrics = metrics(&runtime);
            metrics.switched > 0 || metrics.seized > 1
        });
        over.set();
        assert!(runtime.block_on(hog).unwrap());
        if metrics(&runtime).switched > 0 {
            return;
        }
    }
    panic!("it is never left, only handed off");
}

/// What its poll noted before it was left is what it waits for in the end.
#[test]
fn a_dump_tells_what_a_task_waits_for_that_was_left_in_its_poll() {
    use maniac::runtime::{TaskState, WaitsFor};
    let runtime = switching();
    let begun = Flag::default();
    let (task, ticks) = ticker(&runtime, &begun, 5);
    let waits = spawn(&runtime, move || {
        let mut first = true;
        maniac::sync_await(std::future::poll_fn(|_| -> std::task::Poll<()> {
            maniac_sync::wait::note_word(const { &maniac_sync::wait::Word::new("an answer") });
            if std::mem::take(&mut first) {
                begun.set();
                assert!(compute_until(|| ticks.load(SeqCst) == 5));
            }
            std::task::Poll::Pending
        }));
    });
    runtime.block_on(task).unwrap();
    let waiting = || {
        let dump = runtime.handle().dump();
        let task = dump.tasks.into_iter().find(|task| task.id == waits.id()).unwrap();
        matches!(task.state, TaskState::Suspended { .. }).then_some(task.waits_for)
    };
    // Suspended it is while it is left, too.
    hog::eventually("it waits", || {
        let ready = runtime.spawn(async {});
        runtime.block_on(ready).unwrap();
        waiting() == Some(Some(WaitsFor::Other("an answer")))
    });
    assert!(metrics(&runtime).switched > 0);
    waits.abort();
}

/// One that was left waits for nothing, and nothing can be asked of it: whoever asks for backtraces does not wait for its.
#[test]
fn backtraces_are_not_awaited_of_what_was_left() {
    let runtime = switching();
    let (begun, over) = (Flag::default(), Flag::default());
    let (begin, until) = (begun.clone(), over.clone());
    let hog = spawn(&runtime, move || {
        begin.set();
        compute_until(|| until.get())
    });
    hog::eventually("it computes", || begun.get());
    let (asked, handle) = (Flag::default(), runtime.handle().clone());
    let answered = asked.clone();
    let id = hog.id();
    // Runs only when the computation was left, and keeps it so.
    let other = runtime.spawn(async move {
        let asks = thread::spawn(move || {
            let dump = handle.dump_with_backtraces(Duration::from_secs(3600));
            answered.set();
            dump
        });
        hog_until(&asked).then(|| asks.join().unwrap())
    });
    let dump = runtime.block_on(other).unwrap().expect("it waits for a backtrace that cannot come");
    assert!(dump.tasks.iter().any(|task| task.id == id && task.backtrace.is_none()));
    over.set();
    assert!(runtime.block_on(hog).unwrap());
}
