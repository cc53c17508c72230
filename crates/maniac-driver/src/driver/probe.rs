//! What the kernel offers, and which driver was chosen for that.

use super::config::{DriverConfig, DriverKind};
use crate::offload::NoOffload;
use std::fmt;
use std::io;
use std::sync::Arc;

/// What was found about io_uring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RingProbe {
    /// Why there is no ring: the exact refusal. `None` if there is one.
    pub refusal: Option<String>,
    /// The error number of the refusal.
    pub errno: Option<i32>,
    /// Known opcodes, by number (`IORING_OP_…`).
    pub opcodes: Vec<u8>,
    /// Set-up flags that the kernel accepted, by name.
    pub setup_flags: Vec<&'static str>,
    /// Features, as the kernel's bits (`IORING_FEAT_…`).
    pub features: u32,
    /// Submission entries, after halving.
    pub entries: u32,
    /// Completion entries.
    pub completion_entries: u32,
    /// How often the size was halved for want of memory.
    pub halved: u32,
}

/// What `probe()` and `maniac doctor` tell about the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The kernel's release, such as `6.18.0`; empty where unknown.
    pub kernel: String,
    /// io_uring; `None` if this build or system has none.
    pub ring: Option<RingProbe>,
    /// The limit of locked memory in bytes (RLIMIT_MEMLOCK); `None` if there is none or it is unknown.
    pub locked_memory_limit: Option<u64>,
    /// The driver that is used.
    pub chosen: DriverKind,
    /// Why that one.
    pub reason: String,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "driver {}: {}", self.chosen, self.reason)
    }
}

/// Finds out which driver `config` would get, by setting one up and dropping it.
///
/// ```
/// # #[cfg(all(unix, feature = "mio"))] {
/// let probe = maniac_driver::probe(&maniac_driver::DriverConfig::new());
/// assert!(!probe.reason.is_empty());
/// # }
/// ```
pub fn probe(config: &DriverConfig) -> Probe {
    match super::Driver::new(config.clone(), Arc::new(NoOffload)) {
        Ok(driver) => driver.probe().clone(),
        Err(error) => Probe::new(config.kind, error.to_string()),
    }
}

impl Probe {
    /// What is known without a ring.
    pub(super) fn new(chosen: DriverKind, reason: String) -> Self {
        let (kernel, locked_memory_limit) = (kernel(), locked_memory_limit());
        Self { kernel, ring: None, locked_memory_limit, chosen, reason }
    }

    /// Notes what a ring's set-up has found.
    #[cfg(maniac_uring)]
    pub(super) fn with_ring(mut self, setup: &super::uring::Setup) -> Self {
        self.ring = Some(RingProbe {
            refusal: None,
            errno: None,
            opcodes: setup.opcodes(),
            setup_flags: setup.flag_names(),
            features: setup.features,
            entries: setup.entries,
            completion_entries: setup.completion_entries,
            halved: setup.halved,
        });
        self
    }

    /// Notes why there is no ring.
    pub(super) fn set_refusal(&mut self, error: &io::Error) {
        let (refusal, errno) = (Some(refusal(error)), error.raw_os_error());
        self.ring = Some(RingProbe { refusal, errno, ..RingProbe::default() });
    }
}

/// What a refusal means and what can be done about it.
fn refusal(error: &io::Error) -> String {
    #[cfg(target_os = "linux")]
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
            return match sysctl.trim() {
                "1" => format!(
                    "{error}: the sysctl kernel.io_uring_disabled is 1, and this process lacks CAP_SYS_ADMIN"
                ),
                "2" => format!("{error}: the sysctl kernel.io_uring_disabled is 2"),
                _ => format!("{error}: a security filter (seccomp, as in containers) forbids it"),
            };
        }
        Some(libc::ENOSYS) => return format!("{error}: this kernel has no io_uring, or a filter hides it"),
        Some(libc::ENOMEM) => return format!("{error}: raise the limit of locked memory (ulimit -l)"),
        _ => (),
    }
    error.to_string()
}

/// The kernel's release.
#[cfg(unix)]
fn kernel() -> String {
    // SAFETY: [local] all zeros is a valid structure of character arrays.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: [local] the structure is alive for the call.
    if unsafe { libc::uname(&mut names) } != 0 {
        return String::new();
    }
    let release = names.release.iter().map(|&byte| byte as u8).take_while(|&byte| byte != 0).collect();
    String::from_utf8(release).unwrap_or_default()
}

#[cfg(not(unix))]
fn kernel() -> String {
    String::new()
}

#[cfg(all(unix, not(miri)))]
fn locked_memory_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: [local] the structure is alive for the call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    #[allow(clippy::unnecessary_cast, reason = "the width differs between systems")]
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as u64)
}

#[cfg(any(not(unix), miri))]
fn locked_memory_limit() -> Option<u64> {
    None
}
