//! The driver as code inside a runtime reaches it: for operations and registrations of crates that build on this one.

use crate::role::{NEXT, Thread, context, with_role};
use crate::runtime::Preemption;
use crate::runtime::core::Core;
use crate::task::spawn::NO_RUNTIME;
use maniac_driver::op::Operation;
use maniac_driver::{DriverKind, Op, Probe, Remote};
use std::convert::Infallible;
use std::io;

/// Tasks that run at most before what was gathered goes to the kernel.
const SOON: u32 = 16;
// All whose operations were gathered find a place in `next` when those complete. (Models get by with fewer.)
const _: () = assert!(NEXT >= SOON || cfg!(loom));

fn core() -> io::Result<&'static Core> {
    context::thread().map(Thread::core).ok_or_else(|| io::Error::other(NO_RUNTIME))
}

fn gone() -> io::Error {
    io::Error::other("the runtime is shutting down: it takes no more operations")
}

/// Begins `op`: on this worker's own driver, or, outside the workers, on one of theirs.
///
/// # Errors
/// Outside a runtime, and when the runtime is shut down.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac_driver::{SharedFd, op::ReadAt};
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # #[cfg(unix)]
/// runtime.block_on(async {
///     let file = SharedFd::new(std::fs::File::open("/proc/self/status").or(std::fs::File::open("/dev/zero")).unwrap().into());
///     let (result, buf) = maniac::driver::submit(ReadAt::new(file, vec![0; 16], 0)).unwrap().await;
///     assert_eq!(result.unwrap(), buf.len());
/// });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub fn submit<T: Operation>(op: T) -> io::Result<Op<T>> {
    try_submit(op).map_err(|(error, _)| error)
}

/// As [`submit`], for operations that hold what the caller wants back.
///
/// # Errors
/// As [`submit`], with the operation.
///
/// ```
/// # #[cfg(unix)] {
/// use maniac_driver::op::StatAt;
/// let root = StatAt::new(None, "/", true).unwrap();
/// let (error, _root) = maniac_runtime::driver::try_submit(root).unwrap_err();
/// println!("{error}"); // outside a runtime
/// # }
/// ```
pub fn try_submit<T: Operation>(op: T) -> Result<Op<T>, (io::Error, T)> {
    let core = match core() {
        Ok(core) => core,
        Err(error) => return Err((error, op)),
    };
    let mut op = Some(op);
    let own = with_role(core.number(), |_, local| op.take().map(|op| local.reactor.driver().submit(op)));
    if let Some(submitted) = own.ok().flatten() {
        return Ok(submitted);
    }
    let Some(op) = op else { unreachable!("what the driver did not take is still here") };
    match core.a_role().driver_remote() {
        Some(remote) => Ok(remote.submit(op)),
        None => Err((gone(), op)),
    }
}

/// Begins the operation that `make` gives, if it then goes to the kernel together with those of other tasks: this worker has more tasks to run
/// before it next speaks with the kernel, and its driver gathers such operations. Else `None`, and a plain call is cheaper.
///
/// `make` runs while the worker's state is in use: it must be short, and may call nothing of the runtime.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac_driver::op::Send;
/// let nowhere = || -> Send<Vec<u8>> { unreachable!("no worker gathers it") };
/// assert!(maniac::driver::gather(nowhere).is_none(), "outside a runtime");
/// ```
#[inline]
pub fn gather<T: Operation>(make: impl FnOnce() -> T) -> Option<Op<T>> {
    try_gather(|| Ok::<_, Infallible>(make())).map(|Ok(op)| op)
}

/// As [`gather`], of an operation that may turn out not to be possible; then nothing begins.
///
/// ```
/// # use maniac_runtime as maniac;
/// # #[cfg(unix)] {
/// use maniac_driver::op::StatAt;
/// assert!(maniac::driver::try_gather(|| StatAt::new(None, "/", true)).is_none(), "outside a runtime");
/// # }
/// ```
#[inline]
pub fn try_gather<T: Operation, E>(make: impl FnOnce() -> Result<T, E>) -> Option<Result<Op<T>, E>> {
    let core = core().ok()?;
    // A task may block its thread until its peer has what it wrote; only where the role is handed on then does that go out.
    if core.config().host || core.config().preemption == Preemption::Off {
        return None;
    }
    let own = with_role(core.number(), |role, local| {
        let driver = local.reactor.driver();
        let gathers = role.runs_on() && driver.gathers::<T>();
        gathers.then(|| {
            let op = make()?;
            // Soon: it would have gone at once.
            local.look_around_within(SOON);
            Ok(local.reactor.driver().submit(op))
        })
    });
    own.ok().flatten()
}

/// The driver of this worker, or, outside the workers, of one of them: for registrations of descriptors.
///
/// # Errors
/// Outside a runtime, and when the runtime is shut down.
///
/// ```
/// # use maniac_runtime as maniac;
/// assert!(maniac::driver::remote().is_err(), "outside a runtime");
/// ```
pub fn remote() -> io::Result<Remote> {
    let core = core()?;
    let own = with_role(core.number(), |role, _| role);
    let role = own.unwrap_or_else(|_| core.a_role());
    role.driver_remote().ok_or_else(gone)
}

/// Which driver the runtime uses, and why.
///
/// # Errors
/// Outside a runtime, and when the runtime is shut down.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let probe = runtime.block_on(runtime.spawn(async { maniac::driver::probe() })).unwrap()?;
/// println!("{probe:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn probe() -> io::Result<Probe> {
    let core = core()?;
    match with_role(core.number(), |_, local| local.reactor.driver().probe().clone()) {
        Ok(probe) => Ok(probe),
        Err(_) => Ok(maniac_driver::probe(&maniac_driver::DriverConfig::new().kind(core.config().driver))),
    }
}

/// Counts of what this worker's driver has done; `None` outside the workers.
///
/// ```
/// assert!(maniac_runtime::driver::metrics().is_none());
/// ```
#[must_use]
pub fn metrics() -> Option<(DriverKind, maniac_driver::Metrics)> {
    let core = core().ok()?;
    with_role(core.number(), |_, local| {
        let driver = local.reactor.driver();
        (driver.kind(), driver.metrics())
    })
    .ok()
}
