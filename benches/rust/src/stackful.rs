//! Tasks with a stack of their own, and `sync_await` in them.

use crate::measure::{Entry, Options, bench, resident_here, wall};
use crate::peers::{go, green, maniac, tokio, wake_and_wait};
use maniac_runtime::runtime::Runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub const NAME: &str = "maniac, coroutines";
const BLOCK_IN_PLACE: &str = "tokio, block_in_place";

const SPAWNS: usize = 50_000;
const WAITS: usize = 500_000;

/// A runtime of one worker whose tasks wait on their stacks.
fn start() -> Runtime {
    let builder = Runtime::builder().worker_count(1);
    // SAFETY: the tasks here hold no lock, no thread-local and no pointer into either across a wait.
    unsafe { builder.coroutines() }.build().unwrap()
}

pub fn run(options: &Options) {
    let group = "stackful";
    bench(options, group, "spawn+join, 1 worker", "ns", || {
        let runtime = start();
        let ours = move || wall(SPAWNS, || maniac::run(&runtime, spawn_join(SPAWNS)));
        green::start_with_stacks();
        let may = || wall(SPAWNS, || green::spawn_join(SPAWNS));
        let mut entries = vec![
            Entry { name: NAME, round: Box::new(ours) },
            Entry { name: green::NAME, round: Box::new(may) },
        ];
        entries.extend(go::entry(1, format!("spawn-join {SPAWNS}")));
        entries
    });
    bench(options, group, "sync_await of what is ready", "ns", || {
        waits(|| maniac_runtime::sync_await(async {}), async || {})
    });
    bench(options, group, "sync_await of what is pending once", "ns", || {
        waits(|| maniac_runtime::sync_await(wake_and_wait()), wake_and_wait)
    });
}

/// The same wait in a stackful task of ours and in a blocking section of tokio's.
fn waits<F: AsyncFn() + Copy + 'static>(ours: fn(), theirs: F) -> Vec<Entry> {
    let runtime = start();
    let peer = tokio::start(1);
    let in_stackful = move || {
        let task = async move {
            let waiting =
                maniac_runtime::spawn_stackful(move || wall(WAITS, || (0..WAITS).for_each(|_| ours())));
            waiting.await.unwrap()
        };
        maniac::run(&runtime, task)
    };
    let in_place = move || {
        // On the thread that entered the runtime: block_in_place and block_on once for each wait, as code that is not async would have it.
        peer.block_on(async {
            wall(WAITS / 10, || {
                for _ in 0..WAITS / 10 {
                    ::tokio::task::block_in_place(|| ::tokio::runtime::Handle::current().block_on(theirs()));
                }
            })
        })
    };
    vec![
        Entry { name: NAME, round: Box::new(in_stackful) },
        Entry { name: BLOCK_IN_PLACE, round: Box::new(in_place) },
    ]
}

/// Spawns and joins in batches of 10,000.
async fn spawn_join(count: usize) {
    for _ in 0..count / 10_000 {
        let handles: Vec<_> = (0..10_000_usize).map(|n| maniac_runtime::spawn_stackful(move || n)).collect();
        for handle in handles {
            std::hint::black_box(handle.await.unwrap());
        }
    }
}

/// The bytes of a stackful task that waits.
pub fn memory_each(count: usize) -> f64 {
    let runtime = start();
    maniac::run(&runtime, async move {
        park(1).await;
        let before = resident_here();
        park(count).await;
        (resident_here() - before) / count as f64
    })
}

/// Leaves `count` stackful tasks waiting.
async fn park(count: usize) {
    let parked = Arc::new(AtomicUsize::new(0));
    for _ in 0..count {
        let parked = Arc::clone(&parked);
        drop(maniac_runtime::spawn_stackful(move || {
            parked.fetch_add(1, Ordering::Relaxed);
            maniac_runtime::sync_await(std::future::pending::<()>());
        }));
    }
    while parked.load(Ordering::Relaxed) < count {
        maniac::yield_now().await;
    }
}
