//! The driver of a run is the one that `MANIAC_DRIVER` asks for, by the kernel's own count. Alone in its process, so that no other
//! test's rings are counted.
#![cfg(all(target_os = "linux", any(feature = "iouring", feature = "mio"), not(any(loom, miri))))]
#![allow(clippy::print_stdout, reason = "a test says what it counted")]

#[path = "support/kernel.rs"]
mod kernel;

use maniac_driver::op::StatAt;
use maniac_runtime::runtime::Runtime;

#[test]
fn the_kernel_counts_the_driver_that_was_asked_for() {
    let runtime = Runtime::builder().worker_count(2).build().unwrap();
    let active = runtime.block_on(runtime.spawn(async {
        for _ in 0..100 {
            let root = maniac_runtime::driver::submit(StatAt::new(None, "/", true).unwrap()).unwrap();
            assert!(root.await.unwrap().is_dir());
        }
        let (kind, _) = maniac_runtime::driver::metrics().expect("a worker has a driver");
        format!("{kind:?}").to_lowercase()
    }));
    kernel::assert_driver(&active.unwrap());
}
