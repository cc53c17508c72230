//! may: stackful coroutines. Its interface is not async, so that the programs are written anew for it.

use may::coroutine;

pub const NAME: &str = "may";

/// May has one scheduler a process: its workers are set once.
pub fn start(workers: usize) {
    may::config().set_workers(workers).set_stack_size(0x1000);
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> coroutine::JoinHandle<T> {
    // SAFETY: the coroutines here use no thread-locals and little stack.
    unsafe { coroutine::spawn(work) }
}

pub fn spawn_join(count: usize) {
    let outer = spawn(move || {
        for _ in 0..count / 10_000 {
            let handles: Vec<_> = (0..10_000_usize).map(|n| spawn(move || n)).collect();
            for handle in handles {
                std::hint::black_box(handle.join().unwrap());
            }
        }
    });
    outer.join().unwrap();
}

pub fn yields(count: usize) {
    let handles: Vec<_> = (0..10)
        .map(|_| {
            spawn(move || {
                for _ in 0..count / 10 {
                    coroutine::yield_now();
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
}
