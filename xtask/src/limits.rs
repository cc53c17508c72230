//! Runs a program under the limits that containers and old systems set: a filter that refuses io_uring, little locked memory.
//! Both are inherited by everything that the program starts.

#[cfg(not(target_os = "linux"))]
use crate::Outcome;

#[cfg(not(target_os = "linux"))]
pub(crate) fn without_uring(_: &str, _: &[String]) -> Outcome {
    Err("io_uring is Linux's".to_owned())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn little_locked_memory(_: &str, _: &[String]) -> Outcome {
    Err("this limit is Linux's".to_owned())
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{little_locked_memory, without_uring};

#[cfg(target_os = "linux")]
mod linux {
    use crate::Outcome;
    use rustix::io::Errno;
    use rustix::process::{Resource, Rlimit, setrlimit};
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
    use std::collections::BTreeMap;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    /// io_uring_setup(2); the number is the same on every architecture.
    const IO_URING_SETUP: i64 = 425;
    const LOCKED_MEMORY: u64 = 64 << 10;

    pub(crate) fn without_uring(program: &str, arguments: &[String]) -> Outcome {
        refuse_uring().map_err(|error| format!("the filter could not be set: {error}"))?;
        match io_uring::IoUring::new(8) {
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                exec(program, arguments)
            }
            Err(error) => Err(format!("io_uring_setup fails, but not by the filter: {error}")),
            Ok(_) => Err("io_uring_setup works in spite of the filter".to_owned()),
        }
    }

    fn refuse_uring() -> Result<(), Box<dyn std::error::Error>> {
        // No rule: whatever the arguments.
        let rules = BTreeMap::from([(IO_URING_SETUP, Vec::new())]);
        let refusal = SeccompAction::Errno(Errno::PERM.raw_os_error().unsigned_abs());
        let filter =
            SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(apply_filter(&program)?)
    }

    pub(crate) fn little_locked_memory(program: &str, arguments: &[String]) -> Outcome {
        limit_locked_memory().map_err(|error| format!("the limit could not be set: {error}"))?;
        exec(program, arguments)
    }

    fn limit_locked_memory() -> Result<(), Errno> {
        setrlimit(Resource::Memlock, Rlimit { current: Some(LOCKED_MEMORY), maximum: Some(LOCKED_MEMORY) })?;
        let mut sets = capabilities(None)?;
        if sets.permitted.contains(CapabilitySet::IPC_LOCK) {
            // Out of the bounding set it does not come back by exec, not even for root.
            rustix::thread::remove_capability_from_bounding_set(CapabilitySet::IPC_LOCK)?;
            sets.inheritable.remove(CapabilitySet::IPC_LOCK);
            sets.effective.remove(CapabilitySet::IPC_LOCK);
            sets.permitted.remove(CapabilitySet::IPC_LOCK);
            set_capabilities(None, sets)?;
        }
        Ok(())
    }

    /// Becomes `program`; returns only if that fails.
    fn exec(program: &str, arguments: &[String]) -> Outcome {
        let error = Command::new(program).args(arguments).exec();
        Err(format!("{program} could not be started: {error}"))
    }
}
