//! What a switch costs, beside bare corosensei. Each iteration is a resumption and a suspension: two switches.
//!
//! `cargo bench -p maniac-context`

use divan::{Bencher, black_box};
use maniac_context::coroutine::{Coroutine, Outcome, ResumeWith, Suspender};
use maniac_context::stack::{Stack, StackPool};

fn main() {
    divan::main();
}

fn pool() -> StackPool {
    StackPool::new(Default::default()).expect("the default configuration is valid")
}

fn stack() -> Stack {
    pool().get().expect("one stack")
}

/// corosensei alone on the same stack: the floor.
#[divan::bench(sample_size = 10_000)]
fn round_trip_bare_corosensei(bencher: Bencher) {
    let mut coroutine = corosensei::Coroutine::<(), (), (), _>::with_stack(stack(), |yielder, ()| {
        loop {
            yielder.suspend(());
        }
    });
    bencher.bench_local(|| coroutine.resume(()));
    // SAFETY: nothing on its stack needs to be dropped.
    unsafe { coroutine.force_reset() };
}

#[divan::bench(sample_size = 10_000)]
fn round_trip_value_bare_corosensei(bencher: Bencher) {
    let mut coroutine =
        corosensei::Coroutine::<usize, usize, (), _>::with_stack(stack(), |yielder, mut input| {
            loop {
                input = yielder.suspend(input);
            }
        });
    bencher.bench_local(|| coroutine.resume(black_box(1)));
    // SAFETY: nothing on its stack needs to be dropped.
    unsafe { coroutine.force_reset() };
}

fn echo(suspender: &Suspender<usize, usize>) {
    let mut value = 0;
    loop {
        value = suspender.suspend(value);
        if value == usize::MAX {
            return;
        }
    }
}

#[divan::bench(sample_size = 10_000)]
fn round_trip_value(bencher: Bencher) {
    let mut coroutine = Coroutine::<usize, usize, ()>::new(stack());
    // SAFETY: the closure holds nothing across its suspensions.
    let _ = unsafe { coroutine.start(echo) };
    bencher.bench_local(|| match coroutine.resume(ResumeWith::Value(black_box(1))) {
        Outcome::Suspended(value) => black_box(value),
        _ => unreachable!(),
    });
    let _ = coroutine.resume(ResumeWith::Value(usize::MAX));
}

/// As the runtime uses it: no value, found through the thread-local, unwinding left to the caller.
#[divan::bench(sample_size = 10_000)]
fn round_trip_through_current(bencher: Bencher) {
    let mut coroutine = Coroutine::<(), (), ()>::new(stack());
    // SAFETY: the closure holds nothing across its suspensions.
    let _ = unsafe {
        coroutine.start(|_| {
            while let Ok(ResumeWith::Value(())) =
                maniac_context::coroutine::with_current::<(), (), _>(|current| {
                    current.expect("on a coroutine").try_suspend(())
                })
            {}
        })
    };
    bencher.bench_local(|| match coroutine.resume(ResumeWith::Value(())) {
        Outcome::Suspended(()) => (),
        _ => unreachable!(),
    });
    let _ = coroutine.resume(ResumeWith::Unwind);
}

/// A coroutine that is started and ends: two switches and the preparation of the stack.
#[divan::bench(sample_size = 10_000)]
fn start_and_finish(bencher: Bencher) {
    let mut coroutine = Coroutine::<(), (), usize>::new(stack());
    bencher.bench_local(|| {
        let value = black_box(1);
        // SAFETY: the closure does not suspend.
        match unsafe { coroutine.start(move |_| value) } {
            Outcome::Finished(value) => black_box(value),
            _ => unreachable!(),
        }
    });
}

/// The same with a stack out of the pool each time.
#[divan::bench(sample_size = 10_000)]
fn get_start_finish_put(bencher: Bencher) {
    let pool = pool();
    bencher.bench_local(|| {
        let mut coroutine = Coroutine::<(), (), usize>::new(pool.get().expect("one stack"));
        let value = black_box(1);
        // SAFETY: the closure does not suspend.
        match unsafe { coroutine.start(move |_| value) } {
            Outcome::Finished(value) => black_box(value),
            _ => unreachable!(),
        }
    });
}

#[divan::bench(sample_size = 10_000)]
fn pool_get_put(bencher: Bencher) {
    let pool = pool();
    bencher.bench_local(|| drop(black_box(pool.get())));
}

#[divan::bench(sample_size = 10_000)]
fn barrier_heavy() {
    let _ = black_box(maniac_context::membarrier::heavy());
}

/// A preemption and what comes back, without the way of a signal from one processor to another: code that sends the signal to its own thread, again and again.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod preemption {
    use maniac_context::preempt::{Preemptible, install, register_code};
    use maniac_context::stack::StackPool;

    std::arch::global_asm!(
        ".globl bench_signal, bench_signal_end",
        // rt_tgsigqueueinfo(process: rdi, thread: rsi, SIGURG, info: rdx), for ever.
        "bench_signal:",
        "mov r10, rdx",
        "2: mov edx, 23",
        "mov eax, 297",
        "syscall",
        "jmp 2b",
        "bench_signal_end: nop",
    );

    unsafe extern "C" {
        fn bench_signal(process: i32, thread: i32, info: *const [u64; 16]) -> !;
        static bench_signal_end: u8;
    }

    #[divan::bench]
    fn send_leave_and_go_on(bencher: divan::Bencher<'_, '_>) {
        install().unwrap();
        let code = (bench_signal as *const ())..(&raw const bench_signal_end).cast();
        // SAFETY: it makes a system call from its own registers, and holds nothing.
        unsafe { register_code(code) }.unwrap();
        // SAFETY: the gate does nothing.
        let mut coroutine = unsafe {
            Preemptible::<(), (), ()>::new(StackPool::new(Default::default()).unwrap().get().unwrap(), |_| {
                true
            })
        }
        .unwrap();
        let process = std::process::id();
        // SAFETY: reads a number.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
        // SI_QUEUE, the process, and the mark, as the crate's README says.
        let info = Box::new(std::array::from_fn(|at| match at {
            0 => libc::SIGURG as u64,
            1 => u64::from(libc::SI_QUEUE as u32),
            2 => u64::from(process),
            3 => 0x6d61 << 48,
            _ => 0,
        }));
        // SAFETY: it reads the box, and never ends.
        let send = move || unsafe { bench_signal(process as i32, thread, &raw const *info) };
        // SAFETY: the closure holds a box, which nobody else knows.
        let step = unsafe { coroutine.start(move |_| send()) };
        assert!(step.is_none());
        bencher.bench_local(|| assert!(coroutine.resume_preempted().is_none()));
    }
}
