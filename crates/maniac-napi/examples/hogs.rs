//! The addon of `__test__/beside.spec.ts`: tasks that compute without yielding, on a runtime that preempts them, in a process of Node's.
//!
//! What `MANIAC_HOGS` says is how: `hand-off` or `switch`. Not an example of what an addon should do.

use maniac_napi::Maniac;
use maniac_runtime::runtime::{Handle, Preemption, RuntimeBuilder};
use maniac_runtime::task::spawn_preemptible;
use maniac_runtime::time::{Duration, sleep};
use napi::bindgen_prelude::{Error, Result, Status};
use napi_derive::napi;

/// Runs when the addon is loaded.
#[napi_derive::module_init]
fn init() {
    #[cfg(target_os = "linux")]
    kernel::register();
    let preemption = match std::env::var("MANIAC_HOGS").as_deref() {
        Ok("switch") => Preemption::HandOffAndSwitch,
        _ => Preemption::HandOff,
    };
    let builder = move || {
        let builder = RuntimeBuilder::new().worker_count(1).thread_name("hogs");
        builder.preemption(preemption).quantum(Duration::from_micros(100))
    };
    maniac_napi::register(Maniac::with_builder(builder));
}

mod kernel {
    /// Some milliseconds of arithmetic in registers; may be left at every instruction.
    #[inline(never)]
    #[cfg_attr(target_os = "linux", unsafe(link_section = "hogs_kernels"))]
    pub(super) fn compute(mut x: u64) -> u64 {
        let mut rounds = 2_000_000_u32;
        while rounds != 0 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            rounds -= 1;
        }
        x
    }

    #[cfg(target_os = "linux")]
    unsafe extern "C" {
        #[link_name = "__start_hogs_kernels"]
        static START: u8;
        #[link_name = "__stop_hogs_kernels"]
        static STOP: u8;
    }

    #[cfg(target_os = "linux")]
    pub(super) fn register() {
        let code = (&raw const START).cast()..(&raw const STOP).cast();
        // SAFETY: [local] the section's one function computes in registers.
        unsafe { maniac_runtime::task::register_code(code) }.expect("it is this addon's code");
    }
}

fn failed(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::GenericFailure, reason.to_string())
}

fn repeated(seed: u32, times: u32) -> u64 {
    (0..times).fold(u64::from(seed) + 1, |x, _| kernel::compute(x))
}

/// Computes in a task that may be left: by a switch where that is allowed, else by hand-off.
#[napi]
pub async fn compute(seed: u32, times: u32) -> Result<String> {
    // SAFETY: [local] while the kernel runs, nothing is held but numbers; nothing waits.
    let task = unsafe { spawn_preemptible(move || repeated(seed, times)) };
    Ok(task.await.map_err(failed)?.to_string())
}

/// The same in an ordinary task: always by hand-off.
#[napi]
pub async fn hold(seed: u32, times: u32) -> String {
    repeated(seed, times).to_string()
}

/// Waits beside them.
#[napi]
pub async fn wait(milliseconds: u32) {
    sleep(Duration::from_millis(milliseconds.into())).await;
}

/// What preemption has done.
#[napi(object)]
pub struct Counts {
    /// Roles taken from a thread in an overdue poll.
    pub seized: u32,
    /// Polls left by a switch.
    pub switched: u32,
    /// Polls that stayed where they were.
    pub refused: u32,
}

/// So far.
#[napi]
pub async fn counts() -> Result<Counts> {
    let metrics = Handle::current().metrics().preemption;
    let count = |count: u64| u32::try_from(count).map_err(failed);
    Ok(Counts {
        seized: count(metrics.seized)?,
        switched: count(metrics.switched)?,
        refused: count(metrics.refused)?,
    })
}
