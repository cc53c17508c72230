//! Polls on coroutines: for tasks whose spawner, or whose runtime's builder, promised that their code bears a suspension in its midst.
//!
//! The poll of such a task runs on a coroutine of its thread. When `sync_await` suspends, the coroutine goes into the thread's table, its key into the
//! slot's header, and the thread goes on with another one. The task is PINNED to the thread meanwhile. Resumed, its poll runs on where it stopped;
//! when it ends the coroutine's stack is free for the next poll.

use super::header::TaskRef;
use super::id::Id;
use super::preemptible;
use super::state::{Finish, generation};
use crate::role::context::{self, InPoll};
use crate::role::{Outcome, begins_to_wait, poll_in_task};
use crate::runtime::RuntimeBuilder;
use maniac_context::coroutine::{self, Coroutine, Outcome as Switch, ResumeWith};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::Ordering;

/// What goes into a coroutine of ours when it is resumed: types of its own keep others' coroutines apart.
pub(crate) struct Resumed;
/// What comes out of a coroutine of ours when it is suspended.
pub(crate) struct Suspended;

type TaskCoroutine = Coroutine<Resumed, Suspended, Outcome>;

/// Idle coroutines that a thread keeps at hand.
const IDLE: usize = 64;

struct Table {
    idle: Vec<TaskCoroutine>,
    suspended: slab::Slab<TaskCoroutine>,
}

impl Table {
    const fn new() -> Table {
        Table { idle: Vec::new(), suspended: slab::Slab::new() }
    }
}

thread_local! {
    /// Never dropped by itself, so that it is there as long as tasks that are pinned to this thread can be resumed: when the thread ends they are,
    /// to unwind, and then [`clear_table`] is called.
    static TABLE: RefCell<ManuallyDrop<Table>> = const { RefCell::new(ManuallyDrop::new(Table::new())) };
}

/// Gives the stacks of idle coroutines back, and leaves suspended ones to themselves: the thread ends.
pub(crate) fn clear_table() {
    let table = TABLE.replace(ManuallyDrop::new(Table::new()));
    drop(ManuallyDrop::into_inner(table));
    preemptible::clear_table();
}

/// Polls a task that this thread took, on a coroutine if there is a stack for one.
pub(crate) fn poll(task: TaskRef) -> Outcome {
    let idle = TABLE.with_borrow_mut(|table| table.idle.pop());
    let coroutine = match idle {
        Some(coroutine) => coroutine,
        None => {
            match crate::runtime::core::Core::by_number(task.core()).stacks().and_then(|pool| pool.get().ok())
            {
                Some(stack) => Coroutine::new(stack),
                // No stack: the poll runs on the thread's own, and waits by blocking it.
                None => return poll_in_task(task),
            }
        }
    };
    run(task, coroutine, |coroutine| {
        // SAFETY: [TASK-12] the task is marked for coroutines: whoever marked it (an unsafe contract) promised that its code bears
        // suspensions; `poll_in_task` itself holds nothing across them but the poll's own guard, which is saved with it.
        unsafe { coroutine.start(move |_| poll_in_task(task)) }
    })
}

/// Resumes the suspended poll of a task that this thread took.
pub(crate) fn resume(task: TaskRef) -> Outcome {
    let key = task.header().coroutine.load(Ordering::Relaxed) as usize;
    if key & preemptible::KEY != 0 {
        return preemptible::resume(task, key);
    }
    let coroutine = TABLE.with_borrow_mut(|table| table.suspended.remove(key));
    run(task, coroutine, |coroutine| coroutine.resume(ResumeWith::Value(Resumed)))
}

fn run(
    task: TaskRef,
    mut coroutine: TaskCoroutine,
    step: impl FnOnce(&mut TaskCoroutine) -> Switch<Suspended, Outcome>,
) -> Outcome {
    let switch = {
        // What the coroutine leaves in the thread's cells when it suspends is its own: put back what was here.
        let _poll = InPoll::enter(None, context::budget());
        let before = context::set_on_coroutine(Some(task));
        let switch = step(&mut coroutine);
        context::set_on_coroutine(before);
        switch
    };
    match switch {
        Switch::Finished(outcome) => {
            TABLE.with_borrow_mut(|table| {
                if table.idle.len() < IDLE {
                    table.idle.push(coroutine);
                }
            });
            outcome
        }
        Switch::Suspended(Suspended) => suspended(task, coroutine),
        // Everything that unwinds in a poll is caught inside it.
        Switch::Unwound(_) => std::process::abort(),
    }
}

/// Keeps a suspended poll; from here on a wake brings the task back to this thread.
fn suspended(task: TaskRef, coroutine: TaskCoroutine) -> Outcome {
    let key = TABLE.with_borrow_mut(|table| table.suspended.insert(coroutine));
    suspended_as(task, key)
}

/// Has the task be resumed by this key.
pub(super) fn suspended_as(task: TaskRef, key: usize) -> Outcome {
    let Some(thread) = context::thread() else { unreachable!("a poll runs on a thread of a runtime") };
    task.header().coroutine.store(key as u32, Ordering::Relaxed);
    thread.note_pinned();
    let id = Id::new(task.index(), generation(task.header().state.load()));
    match task.header().state.suspend(thread.id, true) {
        Finish::Idle => {
            begins_to_wait(task.core(), id);
            Outcome::Idle
        }
        Finish::Enqueue => Outcome::Again,
        Finish::Cancel => unreachable!("an aborted task is resumed, never cancelled"),
    }
}

/// Whether the code that runs here is on a coroutine of its task, which may be suspended.
pub(crate) fn may_suspend() -> bool {
    context::on_thread_depth() == 0
        && !std::thread::panicking()
        && context::is_on_own_coroutine()
        && coroutine::with_current::<Resumed, Suspended, _>(|current| current.is_some())
}

/// Suspends this coroutine until its task is resumed; `false` if it is not one that may be suspended now.
pub(crate) fn suspend() -> bool {
    let poll = context::save();
    let result = coroutine::with_current::<Resumed, Suspended, _>(|current| {
        current.is_some_and(|suspender| suspender.try_suspend(Suspended).is_ok())
    });
    context::restore(poll);
    result
}

/// Has a stack overflow in a coroutine end the process with a message that names the task.
pub(crate) fn report_overflows() {
    // SAFETY: [TASK-14] `name_task` reads this thread's cells, which need no set-up, and plain memory of the task that runs; it formats into the fixed
    // buffer it is given, without allocation or lock.
    unsafe { maniac_context::overflow::set_task_namer(name_task) };
    // Refused (no signal handler can be set): Rust's own report has to do.
    let _ = maniac_context::overflow::install_overflow_handler();
}

fn name_task(name: &mut maniac_context::overflow::TaskName) {
    use std::fmt::Write;
    super::with_origin(|origin| {
        let place = origin.location();
        if let Some(given) = origin.name() {
            let _ = write!(name, "{given}, ");
        }
        let _ = write!(name, "spawned at {}:{}", place.file(), place.line());
    });
}

impl RuntimeBuilder {
    /// Lets every task wait in `sync_await` by suspending its stack instead of blocking a thread: some nanoseconds instead of some
    /// microseconds, and a page of memory instead of a thread. [`spawn_stackful`](crate::spawn_stackful) tasks then are green threads.
    ///
    /// # Safety
    /// While a task is suspended in `sync_await`, *other tasks run on the same thread*. The caller promises for all code that this runtime's tasks
    /// call (libraries included) that nothing live on a task's stack across a `sync_await` relies on that not happening:
    /// - no lock is held that another task on the thread may take (the thread would wait for itself), and none that the *thread* may take again, such
    ///   as a recursive mutex of a C library (two tasks would be inside it at once);
    /// - no thread-local is set and reset in the order of a stack (`scoped-tls` and the like: finished out of order, they dangle);
    /// - no pointer to a thread-local's content, or to another's stack frame on this thread, is kept across it.
    ///
    /// `sync_await` inside [`on_thread`](crate::on_thread) always blocks the thread, which is sound for all of these.
    ///
    /// ```
    /// use maniac_runtime::{self as maniac, runtime::Runtime};
    /// // SAFETY: what these tasks call holds nothing of its thread across a wait.
    /// let runtime = unsafe { Runtime::builder().worker_count(1).coroutines() }.build()?;
    /// let (send, receive) = maniac_sync::oneshot::channel();
    /// let _entered = runtime.handle().enter();
    /// let green = maniac::spawn_stackful(|| maniac::sync_await(receive)); // waits without a thread of its own
    /// send.send(7).unwrap();
    /// assert_eq!(runtime.block_on(green).unwrap(), Ok(7));
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    pub unsafe fn coroutines(self) -> RuntimeBuilder {
        self.with_coroutines()
    }
}
