//! What the addon tells of itself: the driver and why, counters; and what it was told at the start.

use crate::pool::{self, Settings};
use maniac::driver::host::{Driver, DriverConfig, huge_pages_allowed};
use maniac::driver::{DriverKind, Probe};
use maniac::runtime::HugePages;
use napi::bindgen_prelude::{Error, Result, Status};
use napi_derive::napi;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The driver that `configure` asked for.
static DRIVER: Mutex<Option<DriverKind>> = Mutex::new(None);
/// What the last engine found.
static FOUND: Mutex<Option<Probe>> = Mutex::new(None);

/// The driver to use: what the program asked for, else what `MANIAC_DRIVER` says, else the best there is.
pub(crate) fn wanted_driver() -> Result<DriverKind> {
    if let Some(kind) = *DRIVER.lock().unwrap_or_else(PoisonError::into_inner) {
        return Ok(kind);
    }
    let from_env = DriverKind::from_env();
    from_env.map(Option::unwrap_or_default).map_err(|error| Error::new(Status::InvalidArg, error.to_string()))
}

/// Notes how an engine came by its driver.
pub(crate) fn opened(driver: &Driver) {
    *FOUND.lock().unwrap_or_else(PoisonError::into_inner) = Some(driver.probe().clone());
}

/// What a program may set before its first operation.
#[napi(object)]
pub struct RuntimeOptions {
    /// Workers of the process's runtime, from 1.
    pub workers: Option<u32>,
    /// Tasks at most.
    pub max_tasks: Option<f64>,
    /// Whether task memory is asked of the system in huge pages.
    pub huge_pages: Option<bool>,
    /// Milliseconds that a task may run while others wait.
    pub quantum: Option<f64>,
    /// `auto`, `uring` or `poll`.
    pub driver: Option<String>,
}

/// Sets what engines and the process's runtime begin with. Fails once the runtime runs.
#[napi]
pub fn configure(options: RuntimeOptions) -> Result<()> {
    let kind = options.driver.as_deref().map(str::parse::<DriverKind>).transpose();
    let kind = kind.map_err(|error| Error::new(Status::InvalidArg, error.to_string()))?;
    let settings = Settings {
        workers: options.workers.map(|count| count as usize),
        max_tasks: options.max_tasks.map(|count| count as u64),
        huge_pages: options.huge_pages,
        quantum: options.quantum.map(|milliseconds| Duration::from_secs_f64(milliseconds.max(0.0) / 1e3)),
    };
    if !pool::configure(settings) {
        return Err(Error::new(Status::GenericFailure, "the runtime runs already"));
    }
    if kind.is_some() {
        *DRIVER.lock().unwrap_or_else(PoisonError::into_inner) = kind;
    }
    Ok(())
}

/// Counters of the process's runtime.
#[napi(object)]
pub struct PoolReport {
    /// Whether it has been started: the first call that may block does that.
    pub started: bool,
    /// Threads for blocking calls.
    pub threads: u32,
    /// Of these, those that wait for work.
    pub idle: u32,
    /// Calls that wait for a thread.
    pub queued: u32,
}

/// The threads that blocking calls run on.
#[napi]
pub fn pool_metrics() -> PoolReport {
    let metrics = pool::metrics();
    let of = |count: Option<usize>| count.unwrap_or(0) as u32;
    PoolReport {
        started: metrics.is_some(),
        threads: of(metrics.map(|metrics| metrics.threads)),
        idle: of(metrics.map(|metrics| metrics.idle)),
        queued: of(metrics.map(|metrics| metrics.queued)),
    }
}

/// How the driver was chosen.
#[napi(object)]
pub struct DriverReport {
    /// `uring` or `poll`.
    pub driver: String,
    /// Why that one.
    pub reason: String,
    /// The kernel's release.
    pub kernel: String,
    /// Why the kernel refused io_uring, if it did.
    pub uring_refusal: Option<String>,
    /// Submission entries of the ring.
    pub ring_entries: Option<u32>,
    /// Set-up flags that the kernel accepted.
    pub ring_flags: Vec<String>,
    /// The limit of locked memory in bytes; none if unlimited or unknown.
    pub locked_memory_limit: Option<f64>,
    /// What came of asking for huge pages: `off`, `advised`, or `refused` and why; none before the runtime runs.
    pub huge_pages: Option<String>,
    /// The package's version.
    pub version: String,
}

/// In words. Advice that the system's administrator has the kernel ignore is refused too, although the call succeeds.
fn outcome(huge: HugePages) -> String {
    match huge {
        HugePages::Off => "off".into(),
        HugePages::Advised if huge_pages_allowed() == Some(false) => {
            "refused: /sys/kernel/mm/transparent_hugepage/enabled says never".into()
        }
        HugePages::Advised => "advised".into(),
        HugePages::Refused(errno) => format!("refused: {}", std::io::Error::from_raw_os_error(errno)),
        _ => "refused: this platform has no such advice".into(),
    }
}

/// Which driver this process's engines have or would have, and why.
#[napi]
pub fn probe() -> Result<DriverReport> {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let found = match found {
        Some(found) => found,
        None => maniac::driver::host::probe(&DriverConfig::new().kind(wanted_driver()?)),
    };
    let ring = found.ring.unwrap_or_default();
    Ok(DriverReport {
        driver: found.chosen.name().into(),
        reason: found.reason,
        kernel: found.kernel,
        uring_refusal: ring.refusal,
        ring_entries: (ring.entries > 0).then_some(ring.entries),
        ring_flags: ring.setup_flags.into_iter().map(Into::into).collect(),
        locked_memory_limit: found.locked_memory_limit.map(|limit| limit as f64),
        huge_pages: pool::huge_pages().map(outcome),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}
