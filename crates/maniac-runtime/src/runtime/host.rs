//! Driving a single-threaded runtime from somebody else's loop: a game, a GUI, libuv.

use super::Runtime;
use super::block_on::Entered;
use super::core::Core;
use crate::role::{RoleGuard, worker};
use crate::time::Instant;

/// Tasks that one tick runs at most, so that the host's loop gets its turn.
const TICK_TASKS: usize = 1024;

impl Runtime {
    /// Runs what is ready, without waiting: tasks (a bounded number), timers that are due, completions. `true`: there is more to do, call again
    /// soon; `false`: wait until [`wake_fd`](Runtime::wake_fd) is readable or [`next_deadline`](Runtime::next_deadline) has come.
    ///
    /// Any thread may tick, one at a time; tasks pinned to a thread run when that one does.
    ///
    /// # Panics
    /// If the runtime was not built by [`Runtime::new_single_threaded`], and when another thread, or a call further down on this
    /// one's stack, is driving it.
    ///
    /// ```
    /// use maniac_runtime::runtime::Runtime;
    /// let runtime = Runtime::new_single_threaded()?;
    /// let task = runtime.spawn(async { 42 });
    /// while runtime.tick() {}
    /// assert!(task.is_finished());
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    pub fn tick(&self) -> bool {
        let core = self.handle.shared.core;
        assert!(
            core.config().host,
            "only a single-threaded runtime has a tick: its workers run a multi-threaded one"
        );
        let entered = Entered::new(core);
        let guard = core.roles()[0].claim(entered.thread());
        let guard =
            guard.expect("the runtime is being driven: by another thread, or further down on this stack");
        core.run_slice(guard)
    }

    /// When the next timer is due; `None` without timers. Asked after a [`tick`](Runtime::tick) that gave `false`.
    ///
    /// # Panics
    /// As [`Runtime::tick`].
    ///
    /// ```
    /// use maniac_runtime::{runtime::Runtime, time::{Duration, sleep}};
    /// let runtime = Runtime::new_single_threaded()?;
    /// let task = runtime.spawn(async { sleep(Duration::from_millis(2)).await });
    /// while !task.is_finished() {
    ///     if !runtime.tick() && !task.is_finished() {
    ///         let deadline = runtime.next_deadline().expect("the task sleeps");
    ///         std::thread::sleep(deadline.duration_since(maniac_runtime::time::Instant::now()));
    ///     }
    /// }
    /// # Ok::<(), maniac_runtime::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let core = self.handle.shared.core;
        let entered = Entered::new(core);
        let mut guard = core.roles()[0].claim(entered.thread()).expect("the runtime is being driven");
        let next = guard.local().wheel.next_deadline();
        guard.resign();
        next.map(|at| Instant::from_std(core.clock().instant(at)))
    }

    /// A descriptor that is readable when a [`tick`](Runtime::tick) has something to do that it had not when it last gave `false`: a completion, or a
    /// task woken by another thread. Only to be waited for, never to be read from. A copy, the caller's own to close.
    ///
    /// # Errors
    /// If the runtime has no driver, or no descriptor is left.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use maniac_runtime::runtime::Runtime;
    /// use std::os::fd::AsRawFd;
    /// let runtime = Runtime::new_single_threaded()?;
    /// let fd = runtime.wake_fd()?;
    /// while runtime.tick() {} // at rest
    /// let handle = runtime.handle().clone();
    /// let other = std::thread::spawn(move || handle.spawn(async {}));
    /// let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    /// // SAFETY: there is one entry.
    /// assert_eq!(unsafe { libc::poll(&mut entry, 1, -1) }, 1, "what a host's loop does");
    /// let task = other.join().unwrap();
    /// while !task.is_finished() {
    ///     runtime.tick();
    /// }
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn wake_fd(&self) -> std::io::Result<std::os::fd::OwnedFd> {
        use std::os::fd::AsFd;
        let core = self.handle.shared.core;
        let entered = Entered::new(core);
        let mut guard = core.roles()[0].claim(entered.thread()).expect("the runtime is being driven");
        let fd = guard.local().reactor.driver().as_fd().try_clone_to_owned();
        guard.resign();
        fd
    }
}

impl Core {
    /// One turn of a host's loop. Leaves the role announced as asleep when it gives `false`.
    fn run_slice(&'static self, guard: RoleGuard) -> bool {
        let (role, thread) = (guard.role(), guard.thread());
        self.end_sleep(role, thread);
        let Some(mut guard) = worker::housekeeping(guard) else {
            unreachable!("the role of a host loop never moves")
        };
        for _ in 0..TICK_TASKS {
            match worker::turn_with_background(guard) {
                worker::Turn::Busy(kept) => guard = kept,
                worker::Turn::Nothing(kept) => {
                    let rests = worker::prepare_host_wait(kept);
                    return !rests;
                }
                worker::Turn::Lost => unreachable!("the role of a host loop never moves"),
            }
        }
        guard.resign();
        true
    }
}
