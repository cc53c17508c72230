//! How much a runtime holds, and what that costs in memory.
//!
//! All in one test: each part reads what the process as a whole uses, so no other may run beside it.
#![cfg(all(target_os = "linux", not(maniac_asan)))]
#![allow(clippy::print_stderr, reason = "the figures are worth reading")]

use maniac_runtime as maniac;
use maniac_runtime::runtime::{HugePages, Preemption, Runtime, TaskArenaConfig};
use maniac_runtime::task::JoinHandle;
use std::io::Read;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

#[test]
fn what_tasks_cost_in_memory() {
    a_million_parked_tasks();
    preinitialized_spawns_fault_in_nothing();
    huge_pages_are_there_or_refused();
}

/// Waits until it is told to go.
struct Parked {
    seat: usize,
    hall: Arc<Hall>,
}

struct Hall {
    wakers: Vec<Mutex<Option<Waker>>>,
    open: AtomicBool,
    seated: AtomicU64,
}

impl Future for Parked {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let mut waker = self.hall.wakers[self.seat].lock().unwrap();
        if self.hall.open.load(Ordering::SeqCst) {
            return Poll::Ready(self.seat);
        }
        if waker.replace(cx.waker().clone()).is_none() {
            self.hall.seated.fetch_add(1, Ordering::SeqCst);
        }
        Poll::Pending
    }
}

/// Each costs at most 128 bytes and its future; each is woken and joined.
fn a_million_parked_tasks() {
    const TASKS: usize = 1_000_000;
    // The program's own memory is there before the first reading: the places of the wakers and of the handles.
    let hall = Arc::new(Hall {
        wakers: (0..TASKS).map(|_| Mutex::new(None)).collect(),
        open: AtomicBool::new(false),
        seated: AtomicU64::new(0),
    });
    let mut handles: Vec<Option<JoinHandle<usize>>> = Vec::with_capacity(TASKS);
    handles.resize_with(TASKS, || None);
    let runtime = Runtime::builder().worker_count(2).build().unwrap();
    let before = resident_bytes();
    for (seat, handle) in handles.iter_mut().enumerate() {
        *handle = Some(runtime.spawn(Parked { seat, hall: Arc::clone(&hall) }));
    }
    while hall.seated.load(Ordering::SeqCst) < TASKS as u64 {
        std::thread::yield_now();
    }
    let each = (resident_bytes() - before) / TASKS as u64;
    eprintln!("{each} bytes a parked task, its future of {} bytes included", size_of::<Parked>());
    assert!(each <= 128 + size_of::<Parked>() as u64, "{each} bytes a parked task");
    assert_eq!(runtime.metrics().live_tasks, TASKS as u64);
    hall.open.store(true, Ordering::SeqCst);
    for waker in &hall.wakers {
        let waker = waker.lock().unwrap().take().expect("every task waits");
        waker.wake();
    }
    runtime.block_on(async {
        for (seat, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.unwrap().await.unwrap(), seat);
        }
    });
    assert_eq!(runtime.metrics().live_tasks, 0);
}

fn preinitialized_spawns_fault_in_nothing() {
    const TASKS: u64 = 32_768;
    // One leaf of 4,096 more than they fill: this test's own tasks need places too.
    let arena = TaskArenaConfig::new(9, 4096).unwrap();
    // A spawner whose role was taken, as it may be on a busy machine, spawns elsewhere.
    let builder = Runtime::builder().worker_count(1).arena(arena).preinitialize(true);
    let runtime = builder.preemption(Preemption::Off).build().unwrap();
    let faults = runtime.spawn(async {
        let mut reader = FaultReader::new();
        // The code itself, and what the first spawn and the first reading touch.
        let warm: Vec<_> = (0..64).map(|n| maniac::spawn(waits_for_ever(n))).collect();
        reader.read();
        let before = reader.read();
        for n in 0..TASKS {
            drop(maniac::spawn(waits_for_ever(n)));
        }
        let faults = reader.read() - before;
        drop(warm);
        faults
    });
    assert_eq!(runtime.block_on(faults).unwrap(), 0, "page faults while tasks were spawned");
}

async fn waits_for_ever(n: u64) {
    std::future::pending::<()>().await;
    std::hint::black_box(n);
}

fn huge_pages_are_there_or_refused() {
    let runtime = Runtime::builder().worker_count(1).huge_pages(true).preinitialize(true).build().unwrap();
    let outcome = runtime.metrics().huge_pages;
    let huge = huge_kibibytes();
    eprintln!("{outcome:?}: {huge} KiB in huge pages");
    match outcome {
        HugePages::Advised => {
            assert!(huge > 0 || !kernel_gives_huge_pages(), "the kernel took the advice and gave none");
        }
        other => assert!(matches!(other, HugePages::Refused(_)), "{other:?}"),
    }
}

/// How many KiB of the mappings that were advised so are in huge pages. Others may have some that nobody asked for.
fn huge_kibibytes() -> u64 {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut here, mut sum) = (0, 0);
    // The flags end what is said of a mapping.
    for line in smaps.lines() {
        if let Some(rest) = line.strip_prefix("AnonHugePages:") {
            here = rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        } else if let Some(flags) = line.strip_prefix("VmFlags:")
            && flags.split_whitespace().any(|flag| flag == "hg")
        {
            sum += here;
        }
    }
    sum
}

/// Whether the system's administrator lets programs ask for them.
fn kernel_gives_huge_pages() -> bool {
    std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .is_ok_and(|enabled| !enabled.contains("[never]"))
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Reads how many pages the calling thread had to fault in, into a buffer that is there already.
struct FaultReader {
    text: Vec<u8>,
}

impl FaultReader {
    fn new() -> FaultReader {
        FaultReader { text: vec![1; 4096] }
    }

    fn read(&mut self) -> u64 {
        let mut file = std::fs::File::open("/proc/thread-self/stat").unwrap();
        let len = file.read(&mut self.text).unwrap();
        let text = std::str::from_utf8(&self.text[..len]).unwrap();
        // Field 10 of proc_pid_stat(5); the name in parentheses is the second.
        let after_name = text.rsplit(')').next().unwrap();
        after_name.split_whitespace().nth(7).unwrap().parse().unwrap()
    }
}
