//! What all driver tests need: a rig with a driver of a given kind, threads for blocking calls, a directory, and counts.
#![allow(dead_code, clippy::print_stdout, reason = "each test program uses a part; seeds are printed")]

use maniac_driver::op::Operation;
use maniac_driver::{Completions, Driver, DriverConfig, DriverKind, Faults, Job, Offload, SharedFd};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Longer than anything takes; reaching it is a failure, never a pass.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A driver as a test wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// io_uring as this kernel has it.
    Uring,
    /// io_uring that stays on its thread.
    UringHost,
    /// io_uring without any set-up flag, time-outs with the wait, or repeated polling: about Linux 5.6.
    UringOld,
    /// io_uring that knows no operation but what it cannot do without: all fall back.
    UringBare,
    /// io_uring with the smallest queues, so that they are full all the time.
    UringTiny,
    /// Readiness.
    Poll,
}

/// IORING_OP_NOP, POLL_ADD, TIMEOUT, ASYNC_CANCEL
const INDISPENSABLE: [u8; 4] = [0, 6, 11, 14];

impl Flavour {
    pub fn config(self) -> DriverConfig {
        let config = DriverConfig::new().kind(DriverKind::Uring);
        match self {
            Flavour::Uring => config,
            Flavour::UringHost => config.host_loop(true),
            Flavour::UringOld => {
                let faults =
                    Faults::new().without_setup_flags(!(1 << 3)).without_features(1 << 8).without_multishot();
                config.faults(faults)
            }
            Flavour::UringBare => {
                let masked = (0..=254).filter(|opcode| !INDISPENSABLE.contains(opcode));
                config.faults(masked.fold(Faults::new(), Faults::without_opcode))
            }
            Flavour::UringTiny => config.entries(4),
            Flavour::Poll => config.kind(DriverKind::Poll),
        }
    }

    pub fn is_ring(self) -> bool {
        self != Flavour::Poll
    }

    /// Whether operations themselves go to the ring.
    pub fn in_ring(self) -> bool {
        self.is_ring() && self != Flavour::UringBare
    }
}

/// Two threads for blocking calls.
pub struct Threads {
    state: Mutex<(VecDeque<Job>, bool)>,
    more: Condvar,
    pub taken: AtomicUsize,
    /// While set, jobs wait.
    held: AtomicBool,
}

pub struct Pool {
    threads: Arc<Threads>,
    handles: Vec<std::thread::JoinHandle<()>>,
}

impl Pool {
    pub fn new() -> Self {
        let threads = Arc::new(Threads {
            state: Mutex::default(),
            more: Condvar::new(),
            taken: AtomicUsize::new(0),
            held: AtomicBool::new(false),
        });
        let run = |threads: Arc<Threads>| std::thread::spawn(move || while threads.one() {});
        let handles = (0..2).map(|_| run(threads.clone())).collect();
        Self { threads, handles }
    }

    pub fn offload(&self) -> Arc<Threads> {
        self.threads.clone()
    }

    /// Jobs are taken, but none runs until [`release`](Self::release).
    pub fn hold(&self) {
        self.threads.held.store(true, Ordering::SeqCst);
    }

    pub fn release(&self) {
        let _state = self.threads.state.lock().unwrap();
        self.threads.held.store(false, Ordering::SeqCst);
        self.threads.more.notify_all();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.release();
        self.threads.state.lock().unwrap().1 = true;
        self.threads.more.notify_all();
        self.handles.drain(..).for_each(|handle| handle.join().unwrap());
    }
}

impl Threads {
    fn one(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        loop {
            if !self.held.load(Ordering::SeqCst) {
                if let Some(job) = state.0.pop_front() {
                    drop(state);
                    job.run();
                    return true;
                }
                if state.1 {
                    return false;
                }
            }
            state = self.more.wait(state).unwrap();
        }
    }
}

impl Offload for Threads {
    fn offload(&self, job: Job) -> Result<(), Job> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.state.lock().unwrap().0.push_back(job);
        self.more.notify_one();
        Ok(())
    }
}

/// A directory that goes away.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("maniac-driver-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with contents, open for reading and writing.
    pub fn file(&self, name: &str, contents: &[u8]) -> SharedFd {
        let path = self.join(name);
        std::fs::write(&path, contents).unwrap();
        SharedFd::new(std::fs::File::options().read(true).write(true).open(path).unwrap().into())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A driver of this configuration. Where little memory may be locked (all processes of a user share that), waits for what the
/// kernel gives back of rings that are gone: it does so a while after their end.
pub fn open(config: DriverConfig, offload: Arc<dyn Offload>) -> Driver {
    let start = Instant::now();
    loop {
        match Driver::new(config.clone(), offload.clone()) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && start.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            result => return result.expect("the driver under test"),
        }
    }
}

/// A driver and what it needs.
pub struct Rig {
    pub flavour: Flavour,
    pub driver: Driver,
    pub done: Completions,
    pub dir: TempDir,
    // Last: the driver's jobs run there.
    pub pool: Pool,
}

impl Rig {
    pub fn new(flavour: Flavour) -> Self {
        Self::with(flavour, flavour.config())
    }

    pub fn with(flavour: Flavour, config: DriverConfig) -> Self {
        let rig = Self::auto(config);
        assert_eq!(rig.flavour.is_ring(), flavour.is_ring());
        Self { flavour, ..rig }
    }

    /// Whatever driver `config` gives.
    pub fn auto(config: DriverConfig) -> Self {
        let pool = Pool::new();
        let driver = open(config, pool.offload());
        let flavour = if driver.kind() == DriverKind::Uring { Flavour::Uring } else { Flavour::Poll };
        Self { flavour, driver, done: Completions::new(), dir: TempDir::new(), pool }
    }

    /// One turn, which may wait; wakes what is to be woken.
    pub fn turn(&mut self) {
        let start = Instant::now();
        self.driver.poll(Some(PATIENCE), &mut self.done).expect("a turn of the driver");
        assert!(start.elapsed() < PATIENCE, "{:?} waits in vain: {:?}", self.flavour, self.driver);
        self.done.wake_all();
    }

    /// A turn that does not wait.
    pub fn glance(&mut self) {
        self.driver.poll(Some(Duration::ZERO), &mut self.done).expect("a turn of the driver");
        self.done.wake_all();
    }

    /// Runs one operation to its end.
    pub fn run<T: Operation>(&mut self, op: T) -> T::Output {
        let op = self.driver.submit(op);
        self.wait(op)
    }

    /// Runs a future to its end.
    pub fn wait<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let flag = Arc::new(Flag::new(&self.driver));
        let waker = Waker::from(flag.clone());
        let start = Instant::now();
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            while !flag.taken() {
                assert!(start.elapsed() < PATIENCE, "{:?} waits in vain: {:?}", self.flavour, self.driver);
                self.turn();
            }
        }
    }

    /// Turns until `condition` holds.
    pub fn until(&mut self, mut condition: impl FnMut(&mut Driver) -> bool) {
        let start = Instant::now();
        while !condition(&mut self.driver) {
            assert!(start.elapsed() < PATIENCE, "{:?} waits in vain: {:?}", self.flavour, self.driver);
            self.driver.poll(Some(Duration::from_millis(2)), &mut self.done).expect("a turn of the driver");
            self.done.wake_all();
        }
    }

    /// How many entries the kernel says it took from the ring.
    pub fn kernel_entries(&self) -> u64 {
        let path = format!("/proc/self/fdinfo/{}", self.driver.as_fd().as_raw_fd());
        let info = std::fs::read_to_string(path).expect("the driver's descriptor");
        let line = info.lines().find_map(|line| line.strip_prefix("SqHead:"));
        line.map_or(0, |value| value.trim().parse().expect("a number"))
    }

    /// Fails unless the kernel's own count says that this driver was used.
    pub fn assert_used(&self) {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", self.driver.as_fd().as_raw_fd())).unwrap();
        let link = link.to_string_lossy().into_owned();
        let metrics = self.driver.metrics();
        if self.flavour.is_ring() {
            assert_eq!(link, "anon_inode:[io_uring]");
            // One more: the no-op of the set-up.
            let queued = metrics.entries + 1;
            let taken = self.kernel_entries();
            assert!(taken <= queued && taken > 1, "kernel took {taken} entries of {queued}");
            assert!(metrics.enters > 0);
        } else {
            assert_eq!(link, "anon_inode:[eventpoll]");
            assert_eq!(metrics.entries, 0);
        }
    }
}

/// A waker that sets a flag, and ends the driver's wait if it is called elsewhere.
struct Flag {
    set: AtomicBool,
    unparker: maniac_driver::Unparker,
}

impl Flag {
    fn new(driver: &Driver) -> Self {
        Self { set: AtomicBool::new(false), unparker: driver.unparker() }
    }

    fn taken(&self) -> bool {
        self.set.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.set.store(true, Ordering::SeqCst);
        self.unparker.unpark();
    }
}

/// Two futures at once.
pub async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut left, mut right) = (None, None);
    std::future::poll_fn(move |cx| {
        if left.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            left = Some(value);
        }
        if right.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            right = Some(value);
        }
        if left.is_some() && right.is_some() {
            return Poll::Ready((left.take().unwrap(), right.take().unwrap()));
        }
        Poll::Pending
    })
    .await
}

/// Polls a future once, without a waker.
pub fn peek<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The error number of a failure.
pub fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    let error = result.expect_err("should have failed");
    error.raw_os_error().unwrap_or_else(|| panic!("no error of the system's: {error:?}"))
}

/// The descriptors that this process has, each with what it is. Without those of /proc and /sys: the listing's own, and files
/// that the C library reads while another thread starts.
pub fn open_descriptors() -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        // Gone meanwhile, or passing.
        let target = std::fs::read_link(&path).ok()?;
        let passing = target.starts_with("/proc") || target.starts_with("/sys");
        (!passing).then(|| format!("{}: {}", path.display(), target.display()))
    };
    std::fs::read_dir("/proc/self/fd").unwrap().filter_map(name).collect()
}

/// A pair of connected Unix stream sockets.
pub fn pair() -> (SharedFd, SharedFd) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    (SharedFd::new(a.into()), SharedFd::new(b.into()))
}

/// A pipe: the end to read from, the end to write to.
pub fn pipe() -> (SharedFd, SharedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (SharedFd::new(reader.into()), SharedFd::new(writer.into()))
}

/// Small, fast and good enough for tests (SplitMix64, Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    /// From `MANIAC_SEED` or the clock; prints it.
    pub fn from_env(name: &str) -> Self {
        let seed = match std::env::var("MANIAC_SEED") {
            Ok(text) => text.parse().expect("MANIAC_SEED must be a number"),
            Err(_) => {
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
            }
        };
        println!("{name}: MANIAC_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// Whether to search deeper than by default.
pub fn deep() -> bool {
    std::env::var_os("MANIAC_DEEP").is_some()
}

/// Whether rings pretend to know next to nothing: a test program that is run on such a ring has no other.
pub fn is_bare() -> bool {
    std::env::var_os("MANIAC_RING_FAULTS").is_some_and(|faults| faults == "bare")
}
