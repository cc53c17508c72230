//! Operations of every family, ended at random points by drop, abort and time-out, on both drivers. What the documentation says is
//! kept is kept: no byte is lost or comes twice, no stale write comes late, no descriptor, buffer or child process stays behind.
//!
//! A seed is printed; `MANIAC_SEED` repeats it (the kernel's timing aside), `MANIAC_DEEP=1` cancels 400,000 times.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "the seed and the counts are for whoever reads the log")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod cut;
mod files;
mod paths;
mod processes;
mod sockets;
mod splices;
mod streams;
mod whole;

use cut::{Counts, Cutter};
use maniac_io::buf::shared_pool;
use maniac_runtime::runtime::{DriverKind, Runtime};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use support::Random;

/// How many tasks cancel at the same time.
const TASKS: u64 = 16;

/// A family's name, and one round of it.
type Family = (&'static str, fn(Cutter) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// In the order in which tasks go through them, round and round.
const FAMILIES: &[Family] = &[
    ("tcp", |cutter| Box::pin(streams::tcp(cutter))),
    ("files", |cutter| Box::pin(files::blocks(cutter))),
    ("unix", |cutter| Box::pin(streams::unix(cutter))),
    ("accept", |cutter| Box::pin(sockets::tcp_connections(cutter))),
    ("paths", |cutter| Box::pin(paths::paths(cutter))),
    ("pipe", |cutter| Box::pin(streams::pipe(cutter))),
    ("write_all", |cutter| Box::pin(whole::whole(cutter))),
    ("udp", |cutter| Box::pin(sockets::udp(cutter))),
    ("cursor", |cutter| Box::pin(files::cursor(cutter))),
    ("opens", |cutter| Box::pin(files::opens(cutter))),
    ("halves", |cutter| Box::pin(streams::halves(cutter))),
    ("unix accept", |cutter| Box::pin(sockets::unix_connections(cutter))),
    ("splice", |cutter| Box::pin(splices::splices(cutter))),
    ("udp in batches", |cutter| Box::pin(sockets::udp_batches(cutter))),
    ("unix datagrams", |cutter| Box::pin(sockets::unix_datagrams(cutter))),
    ("tee", |cutter| Box::pin(splices::tees(cutter))),
    ("names", |cutter| Box::pin(sockets::names(cutter))),
    ("processes", |cutter| Box::pin(processes::processes(cutter))),
];

/// How many cancellations there are to be, of each driver.
fn goal() -> u64 {
    if std::env::var_os("MANIAC_DEEP").is_some() { 200_000 } else { 3_000 }
}

fn seed() -> u64 {
    match std::env::var("MANIAC_SEED") {
        Ok(text) => text.parse().expect("MANIAC_SEED is a number"),
        Err(_) => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            now.as_nanos() as u64
        }
    }
}

/// Descriptors are counted, which are the whole process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn uring() {
    torture(DriverKind::Uring);
}

#[test]
fn poll() {
    torture(DriverKind::Poll);
}

fn torture(kind: DriverKind) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = seed();
    eprintln!("{kind}: MANIAC_SEED={seed}");
    // What the process keeps for good (the thread that reaps orphans, caches of the system's library) is made by a first round.
    if run(kind, seed, 1).is_none() {
        return;
    }
    let before = support::descriptors();
    let counts = run(kind, seed, goal()).expect("it could be built before");
    let after = support::descriptors();
    assert_eq!(before, after, "descriptors stay behind");
    report(kind, seed, &counts);
}

/// Runs all families until there were `goal` cancellations. `None`: there is no such driver here.
fn run(kind: DriverKind, seed: u64, goal: u64) -> Option<Arc<Counts>> {
    let runtime = support::runtime(kind)?;
    let counts = Arc::new(Counts::new(goal));
    let mut random = Random(seed);
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let cutter = Cutter::new(random.next(), &counts);
            runtime.spawn(cancel_until_enough(cutter, number as usize))
        })
        .collect();
    for task in tasks {
        if let Err(error) = runtime.block_on(task) {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    let checks = runtime.spawn(async move {
        support::used(kind).await;
        quiet().await;
    });
    if let Err(error) = runtime.block_on(checks) {
        std::panic::resume_unwind(error.into_panic());
    }
    drivers_are_idle(&runtime);
    let report = runtime.shutdown_timeout(support::PATIENCE);
    assert!(report.is_clean(), "{report:?}");
    Some(counts)
}

/// One round of each family at least, then on until there were enough cancellations.
async fn cancel_until_enough(cutter: Cutter, first: usize) {
    for turn in 0.. {
        if turn >= FAMILIES.len() && cutter.is_enough() {
            return;
        }
        let (name, round) = FAMILIES[(first + turn) % FAMILIES.len()];
        let round = round(cutter.fork(name));
        maniac_runtime::time::timeout(support::PATIENCE * 2, round)
            .await
            .unwrap_or_else(|_| panic!("{name}: a round waits for ever"));
    }
}

/// Waits until nothing is under way any more: no buffer lent, no child process.
async fn quiet() {
    let patient = async {
        while shared_pool().stats().lent > 0 || shared_pool().stats().waiting > 0 || has_children() {
            maniac_runtime::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if maniac_runtime::time::timeout(support::PATIENCE, patient).await.is_err() {
        panic!("something stays under way: {:?}, children: {}", shared_pool().stats(), has_children());
    }
}

/// Waits until no worker's driver has an operation in hand. Tasks that are spawned from outside go to the workers in turn.
fn drivers_are_idle(runtime: &Runtime) {
    let begun = std::time::Instant::now();
    let mut workers = BTreeMap::new();
    while workers.len() < support::WORKERS || workers.values().any(|in_flight| *in_flight != 0) {
        assert!(begun.elapsed() < support::PATIENCE, "operations stay under way: {workers:?}");
        let looks: Vec<_> = (0..8).map(|_| runtime.spawn(in_flight())).collect();
        for look in looks {
            let (thread, in_flight) = runtime.block_on(look).unwrap();
            workers.insert(thread, in_flight);
        }
    }
}

/// This worker's thread, and how many operations its driver has in hand.
async fn in_flight() -> (String, u64) {
    let (_, metrics) = support::metrics().await;
    (format!("{:?}", std::thread::current().id()), metrics.submitted - metrics.completed)
}

fn has_children() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    threads.filter_map(Result::ok).any(|thread| {
        // A thread may end meanwhile.
        std::fs::read_to_string(thread.path().join("children")).is_ok_and(|children| !children.is_empty())
    })
}

fn report(kind: DriverKind, seed: u64, counts: &Counts) {
    let families = counts.families.lock().unwrap();
    for (name, family) in families.iter() {
        eprintln!("{kind}: {name:20} {:8} cancelled {:8} completed", family.cancelled, family.completed);
    }
    let [dropped, aborted, timed_out] = counts.by_way();
    let total = dropped + aborted + timed_out;
    eprintln!(
        "{kind}: {total} cancellations: {dropped} dropped, {aborted} aborted, {timed_out} timed out; MANIAC_SEED={seed}"
    );
    assert!(total >= counts.goal);
    for (name, family) in families.iter() {
        assert!(family.cancelled > 0, "{name} was never cancelled");
    }
}
