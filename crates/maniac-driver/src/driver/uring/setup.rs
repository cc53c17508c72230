//! Setting a ring up: as much as the kernel knows and allows, as large as its memory permits.

use crate::driver::config::{DriverConfig, Faults};
use io_uring::{IoUring, Probe, opcode};
use std::io;

/// Names and bits of the set-up flags used here (io_uring_setup(2)).
const NAMES: [(u32, &str); 6] = [
    (CQSIZE, "CQSIZE"),
    (SUBMIT_ALL, "SUBMIT_ALL"),
    (COOP_TASKRUN, "COOP_TASKRUN"),
    (TASKRUN_FLAG, "TASKRUN_FLAG"),
    (SINGLE_ISSUER, "SINGLE_ISSUER"),
    (NO_SQARRAY, "NO_SQARRAY"),
];
const CQSIZE: u32 = 1 << 3;
const SUBMIT_ALL: u32 = 1 << 7;
const COOP_TASKRUN: u32 = 1 << 8;
const TASKRUN_FLAG: u32 = 1 << 9;
const SINGLE_ISSUER: u32 = 1 << 12;
const NO_SQARRAY: u32 = 1 << 16;

/// What is tried, best first: with each line the kernel may be older (6.6, 6.1, 5.19, 5.18, 5.5).
const FREE: [u32; 4] = [
    SUBMIT_ALL | COOP_TASKRUN | TASKRUN_FLAG | NO_SQARRAY,
    SUBMIT_ALL | COOP_TASKRUN | TASKRUN_FLAG,
    SUBMIT_ALL,
    0,
];
/// The same for a ring that stays on its thread. Not DEFER_TASKRUN: with it nothing wakes who waits for the ring's
/// descriptor in poll(2) or epoll_wait(2) (seen on Linux 6.18), and that is how a host's loop waits.
const HOST: [u32; 2] = [
    SUBMIT_ALL | SINGLE_ISSUER | COOP_TASKRUN | TASKRUN_FLAG | NO_SQARRAY,
    SUBMIT_ALL | SINGLE_ISSUER | COOP_TASKRUN | TASKRUN_FLAG,
];

/// Completion entries for each submission entry: what overflows is kept by the kernel at a price.
const COMPLETIONS: u32 = 4;
/// The smallest ring that is tried.
const MIN_ENTRIES: u32 = 4;

/// IORING_FEAT_…
pub(super) const FEAT_NODROP: u32 = 1 << 1;
pub(super) const FEAT_EXT_ARG: u32 = 1 << 8;
pub(super) const FEAT_NATIVE_WORKERS: u32 = 1 << 9;

/// A ring as it was set up.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) flags: u32,
    pub(crate) features: u32,
    pub(crate) entries: u32,
    pub(crate) completion_entries: u32,
    pub(crate) halved: u32,
    known: [u64; 4],
    /// Whether POLL_ADD may be asked to repeat; cleared when the kernel refuses.
    pub(crate) multishot: bool,
    /// Whether epoll_pwait2(2) is there; cleared when the kernel refuses.
    pub(super) epoll_waits: bool,
}

impl Setup {
    /// Whether the kernel knows `opcode`.
    pub(crate) fn knows(&self, opcode: u8) -> bool {
        self.known[usize::from(opcode >> 6)] & (1 << (opcode & 63)) != 0
    }

    pub(crate) fn has(&self, feature: u32) -> bool {
        self.features & feature != 0
    }

    /// All known opcodes.
    pub(crate) fn opcodes(&self) -> Vec<u8> {
        (0..u8::MAX).filter(|&opcode| self.knows(opcode)).collect()
    }

    /// The names of the flags that the kernel accepted.
    pub(crate) fn flag_names(&self) -> Vec<&'static str> {
        NAMES.iter().filter(|(bit, _)| self.flags & bit != 0).map(|&(_, name)| name).collect()
    }
}

/// Sets a ring up.
pub(super) fn set_up(config: &DriverConfig) -> io::Result<(IoUring, Setup)> {
    let mut faults = config.faults.clone().and(Faults::from_env()?);
    faults.setup_errors.reverse();
    let mut entries = config.entries;
    let mut halved = 0;
    let (ring, flags) = loop {
        match with_flags(config, &mut faults, entries) {
            Ok(done) => break done,
            // Old kernels charge rings to the locked memory; all may be out of it.
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && entries > MIN_ENTRIES => {
                entries /= 2;
                halved += 1;
            }
            Err(error) => return Err(error),
        }
    };
    let features = features(&ring) & !faults.features;
    let params = ring.params();
    let setup = Setup {
        flags,
        features,
        entries: params.sq_entries(),
        completion_entries: params.cq_entries(),
        halved,
        known: opcodes(&ring, &faults)?,
        multishot: !faults.multishot,
        // Of the same kernel, Linux 5.11.
        epoll_waits: features & FEAT_EXT_ARG != 0,
    };
    check(&setup)?;
    Ok((ring, setup))
}

/// Tries one size with ever fewer flags.
fn with_flags(config: &DriverConfig, faults: &mut Faults, entries: u32) -> io::Result<(IoUring, u32)> {
    let host = if config.host_loop { &HOST[..] } else { &[] };
    let mut refusal = io::Error::from_raw_os_error(libc::EINVAL);
    for &flags in host.iter().chain(&FREE) {
        match one(faults, flags | CQSIZE, entries) {
            Ok(ring) => return Ok((ring, flags | CQSIZE)),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refusal = error,
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}

fn one(faults: &mut Faults, flags: u32, entries: u32) -> io::Result<IoUring> {
    if let Some(errno) = faults.setup_errors.pop() {
        return Err(io::Error::from_raw_os_error(errno));
    }
    if flags & faults.setup_flags != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut builder = IoUring::builder();
    // A child must not work on its parent's rings; the descriptor is CLOEXEC by itself.
    builder.dontfork().setup_cqsize(entries * COMPLETIONS);
    if flags & SUBMIT_ALL != 0 {
        builder.setup_submit_all();
    }
    if flags & COOP_TASKRUN != 0 {
        builder.setup_coop_taskrun();
    }
    if flags & TASKRUN_FLAG != 0 {
        builder.setup_taskrun_flag();
    }
    if flags & SINGLE_ISSUER != 0 {
        builder.setup_single_issuer();
    }
    if flags & NO_SQARRAY != 0 {
        builder.setup_no_sqarray();
    }
    builder.build(entries)
}

fn features(ring: &IoUring) -> u32 {
    let params = ring.params();
    let bits = [
        params.is_feature_single_mmap(),
        params.is_feature_nodrop(),
        params.is_feature_submit_stable(),
        params.is_feature_rw_cur_pos(),
        params.is_feature_cur_personality(),
        params.is_feature_fast_poll(),
        params.is_feature_poll_32bits(),
        params.is_feature_sqpoll_nonfixed(),
        params.is_feature_ext_arg(),
        params.is_feature_native_workers(),
        params.is_feature_resource_tagging(),
        params.is_feature_skip_cqe_on_success(),
        params.is_feature_linked_file(),
    ];
    bits.iter().enumerate().map(|(at, &has)| u32::from(has) << at).sum()
}

/// The known opcodes as a bit set.
fn opcodes(ring: &IoUring, faults: &Faults) -> io::Result<[u64; 4]> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    let mut known = [0; 4];
    for opcode in
        (0..u8::MAX).filter(|&opcode| probe.is_supported(opcode) && !faults.opcodes.contains(&opcode))
    {
        known[usize::from(opcode >> 6)] |= 1 << (opcode & 63);
    }
    Ok(known)
}

/// What this driver cannot do without.
fn check(setup: &Setup) -> io::Result<()> {
    let needs = [opcode::PollAdd::CODE, opcode::AsyncCancel::CODE, opcode::Timeout::CODE];
    let missing = needs.iter().find(|&&opcode| !setup.knows(opcode));
    if missing.is_some() || !setup.has(FEAT_NODROP) {
        let message = "this kernel's io_uring is too old: completions may be lost (Linux 5.6 is needed)";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    Ok(())
}
