//! Preemptible tasks: closures whose polls may be left at an arbitrary instruction of registered code, by a signal, and gone on with later.
//!
//! Their polls run on coroutines of their own kind (`maniac_context::preempt`). A poll that is left is a suspended one that waits for nothing but
//! the others' turn. Which polls are left, and when, is the monitor's business; what a poll may be left for, [`may_leave`]'s.

use super::coroutine::{Resumed, Suspended, may_suspend, suspended_as};
use super::header::TaskRef;
use super::origin::Origin;
use super::spawn::SpawnError;
use super::stackful::Stackful;
use super::{JoinHandle, or_panic, state};
use crate::role::context::{self, InPoll, PollContext};
use crate::role::{Outcome, poll_in_task, with_role};
use crate::runtime::core::Core;
use maniac_context::coroutine::{Outcome as Switch, ResumeWith};
use maniac_context::preempt::{self, Preemptible};
use maniac_sync::wait::{self, Wait};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::Ordering;

/// Spawns a closure as a stackful task that never has to yield: with [`Preemption::HandOffAndSwitch`](crate::runtime::Preemption::HandOffAndSwitch), it is left whenever it has computed
/// for longer than the quantum while others wait, provided that it is in code that [`register_code`](super::register_code) was told of and not in
/// [`no_preempt`](super::no_preempt); its thread goes on with the others, and then with it. Anywhere else its worker's role is handed off, as with any task.
///
/// It stays on its thread while it is left. An abort ends it at its next [`sync_await`](crate::sync_await); code that is left cannot be unwound. With another kind of
/// preemption, or where there is no switch, it is a stackful task on a coroutine.
///
/// # Safety
/// While registered code runs in this task, *other tasks may run on the same thread at any time*, between any two instructions. The caller promises, for all code that `f` calls:
/// - at every `sync_await`, what [`coroutines`](crate::runtime::RuntimeBuilder::coroutines) asks for;
/// - whenever registered code runs, the same, for every frame on the task's stack: no lock is held that another task on the thread may take, or that the thread
///   may take again; no thread-local is half-changed, set for the time of a call, or pointed into; no library is in the midst of a call that it must not be
///   called again in (an allocator, standard output);
/// - registered code does not run in what the runtime calls while it is at work itself (wakers, buffers), nor change the thread's signal mask or alternate signal stack.
///
/// What the compiler puts in line in registered code is registered code. Pure computing on memory of the task's own, in registered code that calls nothing, fulfils it
/// by itself.
///
/// # Panics
/// As [`spawn`](crate::spawn), and where the runtime's stacks have [no room](super::NotPreemptible) for a signal's frame.
///
/// ```
/// # use maniac_runtime as maniac;
/// use maniac::runtime::Preemption;
/// # #[cfg(target_os = "linux")]
/// mod kernel {
///     #[inline(never)]
///     #[unsafe(link_section = "my_kernels")]
///     pub fn sum(numbers: &[u64]) -> u64 {
///         numbers.iter().fold(0, |sum, number| sum ^ number.rotate_left(5))
///     }
///
///     unsafe extern "C" {
///         // The linker's names for the ends of the section.
///         #[link_name = "__start_my_kernels"]
///         static START: u8;
///         #[link_name = "__stop_my_kernels"]
///         static STOP: u8;
///     }
///
///     pub fn register() {
///         // SAFETY: all code of this section computes on its arguments.
///         unsafe { maniac_runtime::task::register_code((&raw const START).cast()..(&raw const STOP).cast()) }.unwrap();
///     }
/// }
///
/// # #[cfg(target_os = "linux")] {
/// let runtime = maniac::runtime::RuntimeBuilder::new().preemption(Preemption::HandOffAndSwitch).build()?;
/// kernel::register();
/// let _entered = runtime.handle().enter();
/// // SAFETY: the closure holds nothing while the kernel runs, and does not wait.
/// let task = unsafe { maniac::task::spawn_preemptible(|| kernel::sum(&[1, 2, 3])) };
/// assert_eq!(runtime.block_on(task).unwrap(), 32 ^ 64 ^ 96);
/// # }
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[track_caller]
pub unsafe fn spawn_preemptible<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: [caller] passed on.
    or_panic(unsafe { spawn_at(f, Origin::here(None)) })
}

/// As [`spawn_preemptible`], with an error where that panics.
///
/// # Errors
/// As [`try_spawn`](super::try_spawn), and [`SpawnError::NotPreemptible`].
///
/// # Safety
/// That of [`spawn_preemptible`].
///
/// ```
/// // SAFETY: the closure does nothing.
/// assert!(unsafe { maniac_runtime::task::try_spawn_preemptible(|| ()) }.is_err(), "outside a runtime");
/// ```
#[track_caller]
pub unsafe fn try_spawn_preemptible<F, T>(f: F) -> Result<JoinHandle<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: [caller] passed on.
    unsafe { spawn_at(f, Origin::here(None)) }
}

/// # Safety
/// That of [`spawn_preemptible`].
unsafe fn spawn_at<F, T>(f: F, origin: Origin) -> Result<JoinHandle<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let core = context::thread().ok_or(SpawnError::NoRuntime)?.core();
    let flag = if core.config().switches() { state::PREEMPTIBLE } else { state::COROUTINE };
    if flag == state::PREEMPTIBLE
        && let Some(stacks) = core.stacks()
    {
        preempt::check_reserve(stacks.signal_reserve()).map_err(SpawnError::NotPreemptible)?;
    }
    // SAFETY: [TASK-10] the closure and its value are Send; [TASK-12] the caller promised what the flag says.
    unsafe { core.spawn_pinned(Stackful::new(f), origin, flag, None) }
}

type TaskCoroutine = Preemptible<Resumed, Suspended, Outcome>;

/// The bit that tells the keys of this table from those of ordinary coroutines.
pub(super) const KEY: usize = 1 << 31;

/// Idle coroutines that a thread keeps at hand.
const IDLE: usize = 8;

/// A poll that is not over.
struct Left {
    coroutine: TaskCoroutine,
    /// What the thread's cells held when it was preempted; `None` if it suspended itself, and keeps them itself.
    poll: Option<Cells>,
}

/// What the thread's cells say of a poll.
struct Cells {
    poll: PollContext,
    /// What the poll noted that it waits for.
    noted: Option<Wait>,
}

struct Table {
    idle: Vec<TaskCoroutine>,
    left: slab::Slab<Left>,
}

impl Table {
    const fn new() -> Table {
        Table { idle: Vec::new(), left: slab::Slab::new() }
    }
}

thread_local! {
    /// As the table of ordinary coroutines: not dropped by itself.
    static TABLE: RefCell<ManuallyDrop<Table>> = const { RefCell::new(ManuallyDrop::new(Table::new())) };
}

/// Gives the stacks of idle coroutines back, and leaves others to themselves: the thread ends.
pub(super) fn clear_table() {
    let table = TABLE.replace(ManuallyDrop::new(Table::new()));
    drop(ManuallyDrop::into_inner(table));
}

/// What a request to leave a poll is answered with, in a signal's handler that interrupted registered code of it: no unless this is the very poll, the
/// code runs on the poll's own coroutine, for its task and in its runtime, and its role is still its thread's.
fn may_leave(request: u64) -> bool {
    context::runner().is_some_and(|thread| thread.is_asked_to_leave(request)) && may_suspend()
}

/// Polls a task that this thread took.
pub(crate) fn poll(task: TaskRef) -> Outcome {
    let idle = TABLE.with_borrow_mut(|table| table.idle.pop());
    let made = || {
        let stack = Core::by_number(task.core()).stacks()?.get().ok()?;
        // SAFETY: [TASK-16] `may_leave` reads cells of this thread that need no set-up, and atomics.
        unsafe { TaskCoroutine::new(stack, may_leave) }.ok()
    };
    let Some(coroutine) = idle.or_else(made) else {
        // No stack: the poll runs on the thread's own, and is not left.
        return poll_in_task(task);
    };
    run(task, coroutine, None, |coroutine| {
        // SAFETY: [TASK-12] the spawner promised that the task's code bears suspensions, and being left in registered code, in which nothing of
        // the runtime's is.
        unsafe { coroutine.start(move |_| poll_in_task(task)) }
    })
}

/// Goes on with the poll of a task that this thread took, by its key.
pub(super) fn resume(task: TaskRef, key: usize) -> Outcome {
    let Left { coroutine, poll } = TABLE.with_borrow_mut(|table| table.left.remove(key & !KEY));
    if poll.is_none() {
        return run(task, coroutine, None, |coroutine| coroutine.resume(ResumeWith::Value(Resumed)));
    }
    task.header().state.resumed(false);
    run(task, coroutine, poll, Preemptible::resume_preempted)
}

fn run(
    task: TaskRef,
    mut coroutine: TaskCoroutine,
    poll: Option<Cells>,
    step: impl FnOnce(&mut TaskCoroutine) -> Option<Switch<Suspended, Outcome>>,
) -> Outcome {
    if let Some(thread) = context::thread() {
        thread.set_preemptible();
    }
    let (switch, cells) = {
        // What the coroutine leaves in the thread's cells is its own: put back what was here.
        let _poll = InPoll::enter(None, context::budget());
        let before = context::set_on_coroutine(Some(task));
        if let Some(Cells { poll, noted }) = poll {
            context::restore(poll);
            wait::clear();
            noted.into_iter().for_each(wait::note);
        }
        let switch = step(&mut coroutine);
        let cells = Cells { poll: context::save(), noted: wait::take() };
        context::set_on_coroutine(before);
        (switch, cells)
    };
    match switch {
        None => preempted(task, Left { coroutine, poll: Some(cells) }),
        Some(Switch::Finished(outcome)) => {
            TABLE.with_borrow_mut(|table| {
                if table.idle.len() < IDLE {
                    table.idle.push(coroutine);
                }
            });
            outcome
        }
        Some(Switch::Suspended(Suspended)) => suspended_as(task, keep(Left { coroutine, poll: None })),
        // Everything that unwinds in a poll is caught inside it.
        Some(Switch::Unwound(_)) => std::process::abort(),
    }
}

fn keep(left: Left) -> usize {
    TABLE.with_borrow_mut(|table| table.left.insert(left)) | KEY
}

/// Keeps a poll that was left at an arbitrary instruction; it goes on when the others had their turn.
fn preempted(task: TaskRef, left: Left) -> Outcome {
    let Some(thread) = context::thread() else { unreachable!("a poll runs on a thread of a runtime") };
    thread.core().overdue.switched();
    task.header().coroutine.store(keep(left) as u32, Ordering::Relaxed);
    thread.note_pinned();
    task.header().state.preempted(thread.id);
    // The list grows with the tasks that are preempted at one time, which is seldom.
    match with_role(task.core(), |_, local| local.left.push_back(task.index())) {
        Ok(()) => Outcome::Idle,
        // The role is gone: the entry goes to this thread's inbox.
        Err(_) => Outcome::Again,
    }
}
