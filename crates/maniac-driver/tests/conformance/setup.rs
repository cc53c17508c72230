//! Set-up: what is refused, what is halved, what is told. Tests that need a ring say so in their names, for runs without one.

use crate::support::Flavour;
use maniac_driver::{Driver, DriverConfig, DriverKind, Faults, NoOffload, probe};
use std::io::ErrorKind;
use std::sync::Arc;

fn open(config: DriverConfig) -> std::io::Result<Driver> {
    Driver::new(config, Arc::new(NoOffload))
}

#[test]
fn drivers_that_are_not_built_say_so() {
    for kind in [DriverKind::Iocp, DriverKind::Sim] {
        let error = open(DriverConfig::new().kind(kind)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!probe(&DriverConfig::new().kind(kind)).reason.is_empty());
    }
}

#[test]
fn auto_takes_uring_and_says_why() {
    let driver = open(DriverConfig::new()).unwrap();
    assert_eq!(driver.kind(), DriverKind::Uring);
    let report = driver.probe();
    let ring = report.ring.as_ref().unwrap();
    assert_eq!(ring.refusal, None);
    assert!(ring.opcodes.len() > 30 && ring.entries == 128 && ring.halved == 0);
    assert!(!ring.setup_flags.contains(&"SINGLE_ISSUER") && !ring.setup_flags.contains(&"DEFER_TASKRUN"));
    assert!(ring.setup_flags.contains(&"COOP_TASKRUN") && ring.setup_flags.contains(&"TASKRUN_FLAG"));
    assert!(report.kernel.starts_with(|first: char| first.is_ascii_digit()));
    let host = open(DriverConfig::new().host_loop(true)).unwrap();
    let flags = &host.probe().ring.as_ref().unwrap().setup_flags;
    assert!(flags.contains(&"SINGLE_ISSUER") && !flags.contains(&"DEFER_TASKRUN"));
}

#[test]
fn uring_is_halved_while_memory_is_short() {
    let short =
        Faults::new().refuse_setup(libc::ENOMEM).refuse_setup(libc::ENOMEM).refuse_setup(libc::ENOMEM);
    let driver = open(DriverConfig::new().kind(DriverKind::Uring).entries(128).faults(short)).unwrap();
    let ring = driver.probe().ring.clone().unwrap();
    assert_eq!((ring.halved, ring.entries), (3, 16));
    assert!(ring.setup_flags.contains(&"COOP_TASKRUN"), "less memory must not cost flags");
    // Short for all sizes: an error for the ring, the other driver for auto.
    let none = (0..20).fold(Faults::new(), |faults, _| faults.refuse_setup(libc::ENOMEM));
    let error = open(DriverConfig::new().kind(DriverKind::Uring).faults(none.clone())).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    let auto = open(DriverConfig::new().faults(none)).unwrap();
    assert_eq!(auto.kind(), DriverKind::Poll);
    let ring = auto.probe().ring.clone().unwrap();
    assert_eq!(ring.errno, Some(libc::ENOMEM));
    assert!(ring.refusal.unwrap().contains("locked memory"));
}

#[test]
fn refusals_lead_to_readiness() {
    for (errno, word) in [(libc::EPERM, "seccomp"), (libc::ENOSYS, "no io_uring")] {
        let refused = Faults::new().refuse_setup(errno);
        let driver = open(DriverConfig::new().faults(refused.clone())).unwrap();
        assert_eq!(driver.kind(), DriverKind::Poll);
        let ring = driver.probe().ring.clone().unwrap();
        assert_eq!(ring.errno, Some(errno));
        assert!(ring.refusal.clone().unwrap().contains(word), "{ring:?}");
        let error = open(DriverConfig::new().kind(DriverKind::Uring).faults(refused)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
    }
}

#[test]
fn flags_unknown_to_uring_are_left_out() {
    let masked = |bits: u32| {
        let driver = open(DriverConfig::new().faults(Faults::new().without_setup_flags(bits))).unwrap();
        driver.probe().ring.clone().unwrap().setup_flags
    };
    assert_eq!(masked(1 << 16), ["CQSIZE", "SUBMIT_ALL", "COOP_TASKRUN", "TASKRUN_FLAG"]);
    assert_eq!(masked(1 << 8), ["CQSIZE", "SUBMIT_ALL"]);
    assert_eq!(masked(1 << 7 | 1 << 8), ["CQSIZE"]);
}

#[test]
fn too_old_an_uring_is_none() {
    // Without POLL_ADD, or where completions may be lost (IORING_FEAT_NODROP).
    for faults in [Faults::new().without_opcode(6), Faults::new().without_features(1 << 1)] {
        let error = open(DriverConfig::new().kind(DriverKind::Uring).faults(faults.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(open(DriverConfig::new().faults(faults)).unwrap().kind(), DriverKind::Poll);
    }
}

#[test]
fn masks_of_uring_show_in_the_report() {
    let ring = probe(&Flavour::UringBare.config()).ring.unwrap();
    assert_eq!(ring.opcodes, [0, 6, 11, 14]);
    let ring = probe(&Flavour::UringOld.config()).ring.unwrap();
    assert_eq!(ring.setup_flags, ["CQSIZE"]);
}

#[test]
fn names_of_drivers() {
    for kind in [DriverKind::Auto, DriverKind::Uring, DriverKind::Poll] {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    let error = "epoll".parse::<DriverKind>().unwrap_err();
    assert!(error.to_string().contains("MANIAC_DRIVER"));
}
