//! Virtual time for tests: the clock of a single-threaded runtime stands still until it is moved, or until all tasks wait for it.

use super::Duration;
use crate::role::context;
use crate::runtime::core::Core;
use crate::task::spawn::NO_RUNTIME;

#[track_caller]
fn virtual_core() -> &'static Core {
    let Some(thread) = context::thread() else { panic!("{NO_RUNTIME}") };
    let core = thread.core();
    assert!(
        core.config().host,
        "only the clock of a single-threaded runtime can be paused: build it with Runtime::new_single_threaded()"
    );
    core
}

/// Stops the clock of this single-threaded runtime. When everything waits for time it jumps to the next timer.
///
/// # Panics
/// Outside a single-threaded runtime, and if the clock stands still already.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, Instant, pause, sleep};
/// let runtime = maniac::runtime::Runtime::new_single_threaded()?;
/// runtime.block_on(async {
///     pause();
///     let start = Instant::now();
///     sleep(Duration::from_secs(86_400)).await; // a day passes at once
///     assert!(start.elapsed() >= Duration::from_secs(86_400));
/// });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn pause() {
    assert!(virtual_core().clock().freeze(), "the clock is paused already");
}

/// Lets the clock go on from where it stands.
///
/// # Panics
/// Outside a single-threaded runtime, and if the clock was not paused.
///
/// ```
/// # use maniac_runtime as maniac;
/// let runtime = maniac::runtime::Runtime::new_single_threaded()?;
/// runtime.block_on(async {
///     maniac::time::pause();
///     maniac::time::resume();
/// });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub fn resume() {
    assert!(virtual_core().clock().resume(), "the clock was not paused");
}

/// Moves the paused clock on by `duration` and lets the tasks whose timers are due run.
///
/// # Panics
/// Outside a single-threaded runtime, and if the clock was not paused.
///
/// # Cancel safety
/// Not cancel-safe: the clock has moved already.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::time::{Duration, Instant, advance, pause};
/// let runtime = maniac::runtime::Runtime::new_single_threaded()?;
/// runtime.block_on(async {
///     pause();
///     let start = Instant::now();
///     advance(Duration::from_millis(250)).await;
///     assert_eq!(start.elapsed(), Duration::from_millis(250));
/// });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub async fn advance(duration: Duration) {
    let clock = virtual_core().clock();
    assert!(clock.is_frozen(), "the clock was not paused");
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    clock.jump_to(clock.now().saturating_add(nanos));
    crate::task::yield_now().await;
}
