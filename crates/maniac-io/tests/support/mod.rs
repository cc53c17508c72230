//! What all tests of this crate need: each runs on both drivers, and says which one did the work.
#![allow(dead_code, unused_macros, unreachable_pub, reason = "each test program uses a part")]

use maniac_runtime::driver;
use maniac_runtime::runtime::{DriverKind, Runtime};
use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than anything takes; reaching it is a failure, never a pass.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How many workers a runtime has.
pub const WORKERS: usize = 2;

/// Makes two tests of each function: one for each driver.
macro_rules! on_both_drivers {
    ($($name:ident)+) => {
        $(mod $name {
            #[test]
            fn uring() {
                crate::support::run(maniac_runtime::runtime::DriverKind::Uring, super::$name);
            }

            #[test]
            fn poll() {
                crate::support::run(maniac_runtime::runtime::DriverKind::Poll, super::$name);
            }
        })+
    };
}

/// A runtime with this driver; `None`, with the reason printed, if the environment asks for another or the system refuses it.
pub fn runtime(kind: DriverKind) -> Option<Runtime> {
    match DriverKind::from_env().expect("MANIAC_DRIVER") {
        None | Some(DriverKind::Auto) => {}
        Some(asked) if asked == kind => {}
        Some(asked) => {
            eprintln!("skipped: MANIAC_DRIVER asks for {asked}");
            return None;
        }
    }
    // Where little memory may be locked the kernel gives back what a ring had only a while after its end.
    let short = |error: &dyn Error| {
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        source.is_some_and(|source| source.kind() == io::ErrorKind::OutOfMemory)
    };
    let start = Instant::now();
    let built = loop {
        match Runtime::builder().worker_count(WORKERS).driver(kind).build() {
            Err(error) if short(&error) && start.elapsed() < PATIENCE => std::thread::yield_now(),
            built => break built,
        }
    };
    match built {
        Ok(runtime) => Some(runtime),
        Err(error) if kind == DriverKind::Uring => {
            eprintln!("skipped: io_uring is not available here: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs `test` in a task, then checks that the driver under test was there and spoke with the kernel.
pub fn run<F>(kind: DriverKind, test: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(runtime) = runtime(kind) else { return };
    let task = runtime.spawn(async move {
        let test = async {
            test().await;
            used(kind).await;
        };
        maniac_runtime::time::timeout(PATIENCE, test).await.expect("a test waits for ever");
    });
    if let Err(error) = runtime.block_on(task) {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// This worker's driver. A poll that took long, on a busy machine, may have lost its role to another thread: the next has one.
pub async fn metrics() -> (DriverKind, maniac_driver::Metrics) {
    loop {
        match driver::metrics() {
            Some(metrics) => return metrics,
            None => maniac_runtime::task::yield_now().await,
        }
    }
}

/// Checks that this worker's driver is of `kind`, and that it has made system calls.
pub async fn used(kind: DriverKind) {
    let (reader, mut writer) = io::pipe().unwrap();
    let mut receiver = maniac_io::net::pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    let writing = std::thread::spawn(move || io::Write::write_all(&mut writer, b"x").unwrap());
    receiver.read_exact(&mut [0]).await.unwrap();
    writing.join().unwrap();
    // The wait above may have been too short for the driver to be asked, or may have ended on another worker: wait for a timer,
    // which this worker does in its driver.
    loop {
        let (used, metrics) = metrics().await;
        assert_eq!(used, kind);
        if metrics.enters > 0 {
            return;
        }
        maniac_runtime::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The open descriptors of this process, by number and what they are.
pub fn descriptors() -> BTreeSet<(u32, String)> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let entry = |entry: io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        let number = path.file_name()?.to_str()?.parse().ok()?;
        // The descriptor of this very listing is gone by now.
        Some((number, std::fs::read_link(&path).ok()?.to_string_lossy().into_owned()))
    };
    entries.filter_map(entry).collect()
}

/// A generator of random numbers (splitmix64), so that a seed tells the whole run.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
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
}

/// Bytes that tell where they stand.
pub fn pattern(from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Fails unless `error` is this one of the system's.
#[track_caller]
pub fn assert_errno<T: std::fmt::Debug>(result: io::Result<T>, errno: i32) {
    assert_eq!(result.unwrap_err().raw_os_error(), Some(errno));
}

/// Runs one test of this program alone in a process of its own, with an environment variable set that tells it so.
pub fn in_subprocess(test: &str, variable: &str, value: &str) -> std::process::Output {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .output()
        .unwrap()
}

/// Whether the path's file system does what `what` says.
pub fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}
