//! Threads that are not the runtime's own: entering it, and running one future on them.

use super::core::Core;
use crate::coop::BUDGET;
use crate::role::context::InPoll;
use crate::role::{NO_TASK, RoleGuard, Thread, context, leave_task, worker};
use crate::time::thread::Served;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The guard of [`Handle::enter`](super::Handle::enter): this thread is in a runtime as long as it lives.
///
/// Guards leave in the reverse order of entering; one that is dropped out of order leaves when the later ones have left.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// use maniac::runtime::Handle;
/// let entered = runtime.handle().enter();
/// assert!(Handle::try_current().is_some());
/// drop(entered);
/// assert!(Handle::try_current().is_none());
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Entered {
    thread: &'static Thread,
    before: Option<&'static Thread>,
    /// Belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    #[track_caller]
    pub(super) fn new(core: &'static Core) -> Entered {
        let thread = match context::find(core.number()) {
            Some(thread) => thread,
            None => context::adopt(core.acquire_thread().unwrap_or_else(|error| panic!("{error}"))),
        };
        let before = context::set_thread(Some(thread));
        Entered { thread, before, not_send: PhantomData }
    }

    pub(super) fn thread(&self) -> &'static Thread {
        self.thread
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        context::set_thread(self.before);
    }
}

/// Tasks that run between two polls of the root of a host loop.
const TURNS: usize = 16;

/// Wakes the thread that blocks on a future.
struct Blocked {
    woken: AtomicBool,
    thread: &'static Thread,
}

impl Wake for Blocked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs `future` on this thread until it is done.
#[track_caller]
pub(crate) fn block_on<F: Future>(core: &'static Core, future: F) -> F::Output {
    if context::task().is_some_and(|task| task.core() == core.number()) {
        return crate::sync_await::nested_block_on(future);
    }
    let entered = Entered::new(core);
    if core.config().host
        && let Some(guard) = core.roles()[0].claim(entered.thread)
    {
        return drive(guard, future);
    }
    block_thread(entered.thread, future)
}

/// Blocks this thread, which has no role, until the future is done. Runs the tasks pinned to it meanwhile.
fn block_thread<F: Future>(thread: &'static Thread, future: F) -> F::Output {
    let mut future = pin!(future);
    let blocked = Arc::new(Blocked { woken: AtomicBool::new(true), thread });
    let waker = Waker::from(Arc::clone(&blocked));
    loop {
        if blocked.woken.swap(false, Ordering::Acquire) {
            let _served = Served::begin();
            let _poll = InPoll::enter(None, BUDGET);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
        }
        worker::drain_pinned(thread);
        let next_timer = crate::time::thread::fire();
        thread.announce_park(None);
        if !blocked.woken.load(Ordering::Relaxed) && thread.inbox.is_empty() {
            match next_timer {
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
        }
        thread.awake();
    }
}

/// Runs the role on this thread until the future is done.
fn drive<F: Future>(guard: RoleGuard, future: F) -> F::Output {
    let mut future = pin!(future);
    let blocked = Arc::new(Blocked { woken: AtomicBool::new(true), thread: guard.thread() });
    let waker = Waker::from(Arc::clone(&blocked));
    let mut guard = Resign(Some(guard));
    loop {
        if blocked.woken.swap(false, Ordering::Acquire) {
            let held = guard.take();
            held.thread().set_running(NO_TASK);
            let thread = held.enter_task();
            let leave = LeaveOnUnwind(thread);
            let poll = {
                let _poll = InPoll::enter(None, BUDGET);
                future.as_mut().poll(&mut Context::from_waker(&waker))
            };
            guard.0 = leave.leave();
            if let Poll::Ready(output) = poll {
                return output;
            }
        }
        // A few tasks, then the root's turn again: neither keeps the other waiting.
        for _ in 0..TURNS {
            let _served = Served::suspend();
            match worker::turn(guard.take()) {
                worker::Turn::Busy(kept) => guard.0 = Some(kept),
                worker::Turn::Nothing(kept) => {
                    let woken = || blocked.woken.load(Ordering::Relaxed);
                    guard.0 = worker::idle_unless(kept, None, woken);
                    break;
                }
                worker::Turn::Lost => unreachable!("the role of a host loop never moves"),
            }
        }
    }
}

/// Gives the role up. What the future began is to be done all the same, though nobody may drive the role again.
fn give_up(mut guard: RoleGuard) {
    guard.local().reactor.submit();
    guard.resign();
}

/// Gives the role up when the thread is done with it, however that comes about.
struct Resign(Option<RoleGuard>);

impl Resign {
    fn take(&mut self) -> RoleGuard {
        self.0.take().expect("the guard is put back after each use")
    }
}

impl Drop for Resign {
    fn drop(&mut self) {
        if let Some(guard) = self.0.take() {
            give_up(guard);
        }
    }
}

/// The root future panicked: leaves the task and gives the role up, so that another `block_on` can drive it.
struct LeaveOnUnwind(&'static Thread);

impl LeaveOnUnwind {
    fn leave(self) -> Option<RoleGuard> {
        leave_task(ManuallyDrop::new(self).0)
    }
}

impl Drop for LeaveOnUnwind {
    fn drop(&mut self) {
        if let Some(guard) = leave_task(self.0) {
            give_up(guard);
        }
    }
}
