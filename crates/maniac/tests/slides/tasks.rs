//! Slides 20, 22, 28 to 31 and 39: channels, blocking work, building, spawning, time, errors.

use crate::run;

#[test]
#[rustfmt::skip]
fn slide_20_2() {
    mod shapes {
        // slide 20.2 begin
// Lock-free multi-producer single-consumer
// deviates: docs/decisions/0004-slides-that-need-words.md
//- pub struct AsyncMpscSender<T> { ... }
//- pub struct AsyncMpscReceiver<T> { ... }
//- pub struct BlockingMpscSender<T> { ... }
//- pub struct BlockingMpscReceiver<T> { ... }
pub use maniac::sync::mpsc::{AsyncMpscReceiver, AsyncMpscSender, BlockingMpscReceiver, BlockingMpscSender};
// deviates end
        // slide 20.2 end
    }
    // Async and blocking ends of one channel.
    let (sender, receiver) = maniac::sync::mpsc::channel::<u32>(4);
    let blocking: shapes::BlockingMpscSender<u32> = sender.clone().into();
    let sender: shapes::AsyncMpscSender<u32> = sender.into();
    let (_, other) = maniac::sync::mpsc::channel::<u32>(1);
    let _other: shapes::BlockingMpscReceiver<u32> = other.into();
    let mut receiver: shapes::AsyncMpscReceiver<u32> = receiver.into();
    let sum = run(async move {
        let thread = std::thread::spawn(move || (0..10).for_each(|n| blocking.send(n).unwrap()));
        maniac::spawn(async move {
            for n in 10..20 {
                sender.send(n).await.unwrap();
            }
        });
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        thread.join().unwrap();
        sum
    });
    assert_eq!(sum, 190);
}

#[test]
#[rustfmt::skip]
fn slide_22_1() {
    let content = run(async {
        async {
    // slide 22.1 begin
// Run blocking code without blocking the runtime
let content = maniac::blocking::unblock(|| {
    // deviates: docs/decisions/0004-slides-that-need-words.md
    //- std::fs::read_to_string("large_file.txt")
    std::fs::read_to_string("Cargo.toml")
    // deviates end
}).await?;
    // slide 22.1 end
            Ok::<_, std::io::Error>(content)
        }
        .await
    });
    assert!(content.unwrap().contains("maniac"));
}

#[test]
#[rustfmt::skip]
fn slide_28_1() -> Result<(), Box<dyn std::error::Error>> {
    use maniac::runtime::RuntimeBuilder;
    mod num_cpus {
        /// As the crate of that name: at least two, so that the slide's `- 1` leaves one.
        pub fn get() -> usize {
            std::thread::available_parallelism().map_or(2, |count| count.get().max(2))
        }
    }
    // slide 28.1 begin
use maniac::runtime::{Runtime, TaskArenaConfig, TaskArenaOptions};

// Full control
let runtime = Runtime::new(
    TaskArenaConfig::new(
        8,      // leaf_count (8 × 4096 = 32K tasks)
        4096,   // tasks_per_leaf
    )?,
    TaskArenaOptions::new(
        true,   // use_huge_pages
        true,   // preinitialize
    ),
    num_cpus::get() - 1,  // worker_count
)?;

// Or use builder pattern
let runtime = RuntimeBuilder::new()
    .worker_count(8)
    .max_tasks(65536)
    .huge_pages(true)
    .build()?;

// Run async code
runtime.block_on(async {
    // Your async code here
});
    // slide 28.1 end
    Ok(())
}

async fn do_work() {
    maniac::task::yield_now().await;
}

async fn compute() -> u32 {
    42
}

#[test]
#[rustfmt::skip]
fn slide_29_1() {
    let result = run(async {
        // slide 29.1 begin
// Spawn and forget
maniac::spawn(async {
    do_work().await;
});

// Spawn and await result
let handle = maniac::spawn(async {
    compute().await
});
let result = handle.await?;
        // slide 29.1 end
        Ok::<_, maniac::task::JoinError>(result)
    });
    assert_eq!(result.unwrap(), 42);
}

#[test]
#[rustfmt::skip]
fn slide_29_2() {
    fn expensive_sync_operation() -> u64 {
        (1..=10).product()
    }
    let result = run(async {
        // slide 29.2 begin
// Offload to thread pool
let result = maniac::blocking::unblock(|| {
    expensive_sync_operation()
}).await;
        // slide 29.2 end
        result
    });
    assert_eq!(result, 3_628_800);
}

#[test]
#[rustfmt::skip]
fn slide_29_3() {
    let done = std::rc::Rc::new(std::cell::Cell::new(false));
    let (same, seen) = (done.clone(), done.clone());
    let local_work = move || async move { same.set(true) };
    run(async {
        // slide 29.3 begin
// Stay on current worker (cache locality)
maniac::spawn_local(async {
    local_work().await;
// deviates: docs/decisions/0004-slides-that-need-words.md
//- });
}).await.unwrap();
// deviates end
        // slide 29.3 end
    });
    assert!(seen.get());
}

#[test]
#[rustfmt::skip]
fn slide_30_1() {
    async fn slow_operation() -> &'static str {
        maniac::time::sleep(std::time::Duration::from_millis(1)).await;
        "slow"
    }
    run(async {
        // slide 30.1 begin
use maniac::time::{timeout, Duration};

match timeout(Duration::from_secs(5), slow_operation()).await {
    Ok(result) => println!("Completed: {:?}", result),
    Err(_) => println!("Timed out!"),
}
        // slide 30.1 end
        assert_eq!(timeout(Duration::from_secs(5), slow_operation()).await, Ok("slow"));
        assert!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
    });
}

/// Runs a slide that waits for seconds in virtual time; gives the seconds that passed.
fn in_virtual_time(future: impl Future<Output = ()>) -> f64 {
    maniac::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
        maniac::time::pause();
        let start = maniac::time::Instant::now();
        future.await;
        start.elapsed().as_secs_f64()
    })
}

#[test]
#[rustfmt::skip]
fn slide_30_2() {
    let passed = in_virtual_time(async {
        // slide 30.2 begin
use maniac::time::{sleep, Instant};
// deviates: docs/decisions/0004-slides-that-need-words.md
use maniac::time::{sleep_until, Duration};
// deviates end

// Sleep for duration
sleep(Duration::from_millis(100)).await;

// Sleep until instant
sleep_until(Instant::now() + Duration::from_secs(1)).await;
        // slide 30.2 end
    });
    assert!((1.1..1.2).contains(&passed), "{passed}");
}

#[test]
#[rustfmt::skip]
fn slide_30_3() {
    use maniac::time::Duration;
    let ticks = std::cell::Cell::new(0);
    let periodic_task = || ticks.set(ticks.get() + 1);
    let passed = in_virtual_time(async {
        let forever = async {
            // slide 30.3 begin
use maniac::time::interval;

let mut interval = interval(Duration::from_secs(1));
loop {
    interval.tick().await;
    periodic_task();
}
            // slide 30.3 end
        };
        let _: Result<(), _> = maniac::time::timeout(Duration::from_millis(3500), forever).await;
    });
    assert_eq!(ticks.get(), 4);
    assert!((3.5..3.6).contains(&passed), "{passed}");
}

#[test]
#[rustfmt::skip]
fn slide_31_1() {
    run(async {
        // slide 31.1 begin
// Panics are caught and converted to errors
let handle = maniac::spawn(async {
    panic!("Something went wrong!");
});

match handle.await {
    // deviates: docs/decisions/0004-slides-that-need-words.md
    //- Ok(result) => println!("Success: {:?}", result),
    Ok(()) => panic!("the task should have panicked"),
    // deviates end
    Err(e) if e.is_panic() => println!("Task panicked!"),
    Err(e) => println!("Other error: {:?}", e),
}
        // slide 31.1 end
    });
}

#[test]
#[rustfmt::skip]
fn slide_31_2() {
    async fn long_running_task() {
        std::future::pending::<()>().await;
    }
    run(async {
        // slide 31.2 begin
let handle = maniac::spawn(async {
    long_running_task().await
});

// Cancel the task
handle.abort();

// Or let it drop (implicit cancel)
// deviates: docs/decisions/0001-dropping-a-join-handle-detaches.md
//- drop(handle);
let cancelled = handle.abort_handle();
drop(handle.abort_on_drop());
// deviates end
        // slide 31.2 end
        while !cancelled.is_finished() {
            maniac::task::yield_now().await;
        }
    });
}

#[test]
fn slide_39_1() {
    // slide 39.1 begin
    #[maniac::main]
    async fn main() {
        println!("Hello from maniac!");

        let result = maniac::spawn(async { 42 }).await.unwrap();

        println!("Result: {}", result);
    }
    // slide 39.1 end
    main();
}
