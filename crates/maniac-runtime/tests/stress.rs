//! Random use from many threads at once: each output once, each future dropped once, no wake-up lost. A seed is printed; MANIAC_SEED repeats it, and
//! MANIAC_DEEP=1 runs ten times as long.
#![cfg(not(loom))]
#![allow(clippy::print_stderr, reason = "the seed is for whoever sees the test fail")]

use maniac_runtime as maniac;
use maniac_runtime::runtime::{Handle, Runtime};
use maniac_runtime::task::{JoinHandle, yield_now};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// A small generator of numbers (xorshift64*).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn from_seed(test: &str) -> Random {
        let seed = match std::env::var("MANIAC_SEED") {
            Ok(text) => text.parse().expect("MANIAC_SEED is a number"),
            Err(_) => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                now.as_nanos() as u64 | 1
            }
        };
        eprintln!("{test}: MANIAC_SEED={seed}");
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn fork(&mut self) -> Random {
        Random(self.next() | 1)
    }
}

fn rounds(usual: u64) -> u64 {
    let usual = if cfg!(any(miri, maniac_asan)) { usual.div_ceil(10) } else { usual };
    if std::env::var_os("MANIAC_DEEP").is_some() { usual * 10 } else { usual }
}

/// Blocks this thread on a future without any runtime.
fn block_plainly<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A task of the mesh: tokens that others sent, and whom to wake for them.
#[derive(Default)]
struct Node(Mutex<(VecDeque<u32>, Option<Waker>)>);

impl Node {
    fn send(&self, hops: u32) {
        let mut inner = self.0.lock().unwrap();
        inner.0.push_back(hops);
        let waker = inner.1.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn receive(&self) -> u32 {
        std::future::poll_fn(|cx| {
            let mut inner = self.0.lock().unwrap();
            match inner.0.pop_front() {
                Some(hops) => Poll::Ready(hops),
                None => {
                    inner.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Tells a node to end.
const END: u32 = u32::MAX;

/// A hop of a token, and its end where it has none left.
fn pass_on(nodes: &[Node], left: &AtomicU64, hops: u32, random: &mut Random) {
    if hops > 0 {
        nodes[random.below(nodes.len() as u64) as usize].send(hops - 1);
    } else if left.fetch_sub(1, SeqCst) == 1 {
        nodes.iter().for_each(|node| node.send(END));
    }
}

/// Tasks pass tokens on to random others: a lost wake-up leaves a token lying, and the test hangs; the count of hops must come out exact.
#[test]
fn a_mesh_of_tasks_loses_no_wake_up() {
    let mut random = Random::from_seed("mesh");
    for workers in 1..=7 {
        let runtime = Runtime::new_multi_threaded(workers, 4096).unwrap();
        let nodes: Arc<Vec<Node>> = Arc::new((0..64).map(|_| Node::default()).collect());
        let (tokens, hops) = (random.below(48) + 1, rounds(400) as u32);
        let (left, passed) = (Arc::new(AtomicU64::new(tokens)), Arc::new(AtomicU64::new(0)));
        let tasks: Vec<JoinHandle<()>> = (0..nodes.len())
            .map(|me| {
                let (nodes, left, passed) = (nodes.clone(), left.clone(), passed.clone());
                let mut random = random.fork();
                let stackful = random.below(4) == 0;
                let task = async move {
                    loop {
                        let receive = nodes[me].receive();
                        let hops = if stackful && random.below(64) == 0 {
                            maniac::sync_await(receive)
                        } else {
                            receive.await
                        };
                        if hops == END {
                            return;
                        }
                        passed.fetch_add(1, Relaxed);
                        pass_on(&nodes, &left, hops, &mut random);
                    }
                };
                runtime.spawn(task)
            })
            .collect();
        for _ in 0..tokens {
            nodes[random.below(64) as usize].send(hops);
        }
        tasks.into_iter().for_each(|task| block_plainly(task).unwrap());
        assert_eq!(passed.load(Relaxed), tokens * (u64::from(hops) + 1), "{workers} workers");
    }
}

/// What was made and dropped.
#[derive(Default)]
struct Ledger {
    futures: AtomicU64,
    futures_dropped: AtomicU64,
    outputs: AtomicU64,
    outputs_dropped: AtomicU64,
}

impl Ledger {
    fn check(&self) {
        let (made, dropped) = (self.futures.load(SeqCst), self.futures_dropped.load(SeqCst));
        assert_eq!(made, dropped, "futures made and dropped");
        let (made, dropped) = (self.outputs.load(SeqCst), self.outputs_dropped.load(SeqCst));
        assert_eq!(made, dropped, "outputs made and dropped");
    }
}

/// Part of a future, which must be dropped once.
struct Inside(Arc<Ledger>, Box<u64>);

impl Inside {
    fn new(ledger: &Arc<Ledger>) -> Inside {
        ledger.futures.fetch_add(1, SeqCst);
        Inside(ledger.clone(), Box::new(1))
    }

    fn output(&self) -> Output {
        self.0.outputs.fetch_add(1, SeqCst);
        Output(self.0.clone(), Box::new(2))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        assert_eq!(std::mem::take(&mut *self.1), 1, "a future was dropped twice");
        self.0.futures_dropped.fetch_add(1, SeqCst);
    }
}

struct Output(Arc<Ledger>, Box<u64>);

impl Drop for Output {
    fn drop(&mut self) {
        assert_eq!(std::mem::take(&mut *self.1), 2, "an output was dropped twice");
        self.0.outputs_dropped.fetch_add(1, SeqCst);
    }
}

/// A task of one of many kinds.
fn spawn_any(runtime: &Handle, ledger: &Arc<Ledger>, random: &mut Random) -> JoinHandle<Output> {
    let inside = Inside::new(ledger);
    let yields = random.below(5);
    match random.below(6) {
        0 => runtime.spawn(async move { inside.output() }),
        1 => runtime.spawn(async move {
            for _ in 0..yields {
                yield_now().await;
            }
            inside.output()
        }),
        // Too large for a slot.
        2 => runtime.spawn(async move {
            let ballast = [yields; 200];
            yield_now().await;
            assert_eq!(ballast[199], yields);
            inside.output()
        }),
        3 => runtime.spawn(async move {
            std::future::pending::<()>().await;
            inside.output()
        }),
        4 => {
            let ledger = ledger.clone();
            runtime.spawn(async move {
                let child = Inside::new(&ledger);
                let child = maniac::spawn(async move { child.output() });
                drop(child.await);
                inside.output()
            })
        }
        _ => runtime.spawn_blocking(move || inside.output()),
    }
}

/// Spawns, aborts, joins and drops at random.
fn churn(runtime: &Handle, ledger: &Arc<Ledger>, mut random: Random, steps: u64) {
    let mut held: Vec<JoinHandle<Output>> = Vec::new();
    for _ in 0..steps {
        if held.len() < 16 || random.below(2) == 0 {
            held.push(spawn_any(runtime, ledger, &mut random));
            continue;
        }
        let handle = held.swap_remove(random.below(held.len() as u64) as usize);
        match random.below(5) {
            0 => drop(handle),
            1 => drop(handle.abort_on_drop()),
            // Polled once, so that a waker is stored, and dropped.
            2 => {
                let mut handle = pin!(handle);
                let _ = handle.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                handle.abort();
            }
            3 => {
                let abort = handle.abort_handle();
                let aborter = thread::spawn(move || abort.abort());
                drop(block_plainly(handle));
                aborter.join().unwrap();
            }
            _ => {
                handle.abort();
                drop(block_plainly(handle));
            }
        }
    }
    // The rest is left to the runtime's end, with its handles here.
    held.iter().for_each(JoinHandle::abort);
    held.into_iter().for_each(|handle| drop(block_plainly(handle)));
}

#[test]
fn each_future_and_output_goes_once() {
    let mut random = Random::from_seed("churn");
    for workers in [1, 2, 3, 7] {
        let runtime = Runtime::new_multi_threaded(workers, 1 << 20).unwrap();
        let ledger = Arc::new(Ledger::default());
        thread::scope(|scope| {
            for _ in 0..4 {
                let (handle, ledger, random) = (runtime.handle(), &ledger, random.fork());
                scope.spawn(move || churn(handle, ledger, random, rounds(600)));
            }
        });
        drop(runtime);
        ledger.check();
    }
}

/// Runtimes of one shape come and go, so that one core serves them all, while threads of the user's own spawn into whichever is there and
/// keep handles beyond its end: each handle gives a result, and everything is dropped once.
#[test]
fn runtimes_come_and_go_under_their_users() {
    let mut random = Random::from_seed("come and go");
    let ledger = Arc::new(Ledger::default());
    let current: Mutex<Option<Handle>> = Mutex::new(None);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            let (current, done, ledger, mut random) = (&current, &done, &ledger, random.fork());
            scope.spawn(move || {
                let mut held = VecDeque::new();
                while !done.load(Relaxed) {
                    let Some(runtime) = current.lock().unwrap().clone() else { continue };
                    let _entered = runtime.enter();
                    for _ in 0..random.below(8) {
                        let inside = Inside::new(ledger);
                        let yields = random.below(3);
                        held.push_back(maniac::spawn(async move {
                            for _ in 0..yields {
                                yield_now().await;
                            }
                            inside.output()
                        }));
                    }
                    while held.len() > random.below(12) as usize {
                        let handle: JoinHandle<Output> = held.pop_front().unwrap();
                        if random.below(2) == 0 {
                            drop(block_plainly(handle));
                        }
                    }
                }
                held.into_iter().for_each(|handle| drop(block_plainly(handle)));
            });
        }
        for _ in 0..rounds(60) {
            let runtime = Runtime::new_multi_threaded(2, 4096).unwrap();
            *current.lock().unwrap() = Some(runtime.handle().clone());
            let work: Vec<_> =
                (0..random.below(20)).map(|_| spawn_any(runtime.handle(), &ledger, &mut random)).collect();
            for handle in work {
                if random.below(2) == 0 {
                    handle.abort();
                    drop(block_plainly(handle));
                }
            }
            drop(runtime);
        }
        *current.lock().unwrap() = None;
        done.store(true, Relaxed);
    });
    ledger.check();
}

/// Tasks that are not Send, on many threads at once, woken and aborted from others.
#[test]
fn local_tasks_stay_on_their_threads() {
    let mut random = Random::from_seed("local");
    let runtime = Runtime::new_multi_threaded(3, 4096).unwrap();
    let ledger = Arc::new(Ledger::default());
    thread::scope(|scope| {
        for _ in 0..4 {
            let (handle, ledger, mut random) = (runtime.handle().clone(), &ledger, random.fork());
            scope.spawn(move || {
                for _ in 0..rounds(20) {
                    handle.block_on(some_local_tasks(ledger, &mut random));
                    // And on a worker, which has more threads beside it.
                    let (ledger, mut random) = (ledger.clone(), random.fork());
                    let local = move || async move { some_local_tasks(&ledger, &mut random).await };
                    let on_worker = handle.spawn(async move { maniac::spawn_local(local()).await.unwrap() });
                    block_plainly(on_worker).unwrap();
                }
            });
        }
    });
    drop(runtime);
    ledger.check();
}

async fn some_local_tasks(ledger: &Arc<Ledger>, random: &mut Random) {
    let sum = Rc::new(std::cell::Cell::new(0));
    let mut handles = Vec::new();
    let mut expected = 0;
    for n in 0..8 {
        let (sum, inside) = (sum.clone(), Inside::new(ledger));
        let yields = random.below(4);
        let home = thread::current().id();
        let handle = maniac::spawn_local(async move {
            for _ in 0..yields {
                yield_now().await;
                // Woken from elsewhere.
                maniac::spawn(async {}).await.unwrap();
                assert_eq!(thread::current().id(), home);
            }
            sum.set(sum.get() + n);
            let _output = inside.output();
        });
        if random.below(4) == 0 {
            let abort = handle.abort_handle();
            drop(maniac::spawn(async move { abort.abort() }));
            drop(handle.await);
        } else {
            expected += n;
            handles.push(handle);
        }
    }
    for handle in handles {
        handle.await.unwrap();
    }
    assert!(sum.get() >= expected);
}

/// Stackful tasks that wait at random depths, aborted at random points: destructors run once, also where the unwind is caught.
#[test]
fn stackful_tasks_bear_aborts_anywhere() {
    let mut random = Random::from_seed("stackful");
    for coroutines in [true, false] {
        let builder = Runtime::builder().worker_count(3);
        // SAFETY: the tasks of this test hold no lock and no scoped thread-local across their waits.
        let builder = if coroutines { unsafe { builder.coroutines() } } else { builder };
        let runtime = builder.build().unwrap();
        let ledger = Arc::new(Ledger::default());
        for _ in 0..rounds(30) {
            let tasks: Vec<_> = (0..16)
                .map(|_| {
                    let (ledger, mut random) = (ledger.clone(), random.fork());
                    let _entered = runtime.handle().enter();
                    maniac::spawn_stackful(move || dive(&ledger, &mut random, 3))
                })
                .collect();
            for task in tasks {
                if random.below(2) == 0 {
                    task.abort();
                }
                drop(block_plainly(task));
            }
        }
        drop(runtime);
        ledger.check();
    }
}

fn dive(ledger: &Arc<Ledger>, random: &mut Random, depth: u32) {
    let inside = Inside::new(ledger);
    match random.below(3) {
        0 => maniac::sync_await(yield_now()),
        1 => {
            let other = Inside::new(ledger);
            drop(maniac::sync_await(maniac::spawn(async move { other.output() })));
        }
        _ => {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _inside = Inside::new(ledger);
                maniac::sync_await(yield_now());
            }));
            if let Err(payload) = caught {
                std::panic::resume_unwind(payload);
            }
        }
    }
    if depth > 0 {
        dive(ledger, random, depth - 1);
    }
    drop(inside);
}
