//! What this OS thread knows about itself: which runtime's thread it is, and the poll it is in.

use super::thread::Thread;
use crate::coop::UNLIMITED;
use crate::task::TaskRef;
use std::cell::{Cell, RefCell};
use std::ptr::null;

/// The poll that code runs in. Belongs to the task: a suspended coroutine takes it along and puts it back.
#[derive(Clone, Copy)]
pub(crate) struct PollContext {
    /// The task that is polled, if it is one.
    pub(crate) task: Option<TaskRef>,
    /// Leaf operations left.
    pub(crate) budget: u32,
    /// How deep in `no_unwind`.
    pub(crate) no_unwind: u32,
    /// How deep in `on_thread`.
    pub(crate) on_thread: u32,
    /// Abort unwinds that the task's code has swallowed.
    pub(crate) swallowed: u32,
    /// The innermost frame of task-local values.
    pub(crate) locals: *const (),
    /// The innermost runtime that the poll's code is in: the one that polls it, or one that the code entered.
    thread: Option<&'static Thread>,
    /// This OS thread in the runtime that polls.
    runner: Option<&'static Thread>,
}

impl PollContext {
    const OUTSIDE: PollContext = PollContext {
        task: None,
        budget: UNLIMITED,
        no_unwind: 0,
        on_thread: 0,
        swallowed: 0,
        locals: null(),
        thread: None,
        runner: None,
    };
}

/// The thread's own cells. `const`-initialised and without a destructor, so that reaching them is one address.
struct Context {
    thread: Cell<Option<&'static Thread>>,
    /// The number of the core that started this OS thread to run tasks or blocking work.
    works_for: Cell<Option<u32>>,
    task: Cell<Option<TaskRef>>,
    budget: Cell<u32>,
    no_unwind: Cell<u32>,
    on_thread: Cell<u32>,
    swallowed: Cell<u32>,
    locals: Cell<*const ()>,
    runner: Cell<Option<&'static Thread>>,
    /// The task whose poll the innermost coroutine holds.
    on_coroutine: Cell<Option<TaskRef>>,
}

impl Context {
    /// Whether no poll is under way, and nothing is set that one would find changed or have to put back but `runner`.
    #[inline]
    fn is_quiet(&self) -> bool {
        self.budget.get() == UNLIMITED
            && self.task.get().is_none()
            && self.locals.get().is_null()
            && self.no_unwind.get() | self.on_thread.get() == 0
    }
}

thread_local! {
    static CONTEXT: Context = const {
        Context {
            thread: Cell::new(None),
            works_for: Cell::new(None),
            task: Cell::new(None),
            budget: Cell::new(UNLIMITED),
            no_unwind: Cell::new(0),
            on_thread: Cell::new(0),
            swallowed: Cell::new(0),
            locals: Cell::new(null()),
            runner: Cell::new(None),
            on_coroutine: Cell::new(None),
        }
    };
}

/// The innermost runtime that this OS thread is in, as its thread there.
#[inline]
pub(crate) fn thread() -> Option<&'static Thread> {
    CONTEXT.with(|context| context.thread.get())
}

/// Sets the innermost runtime; returns the one before.
pub(crate) fn set_thread(thread: Option<&'static Thread>) -> Option<&'static Thread> {
    CONTEXT.with(|context| context.thread.replace(thread))
}

/// This OS thread is one of the core of this number, until it ends: also when it has left its record.
pub(crate) fn works_for(core: u32) {
    CONTEXT.with(|context| context.works_for.set(Some(core)));
}

/// Whether who waits for the core of this number to end would, on this OS thread, wait for itself: it is one of the core's, or is in its runtime.
pub(crate) fn is_within(core: u32) -> bool {
    CONTEXT.with(|context| context.works_for.get() == Some(core))
        || thread().is_some_and(|thread| thread.core().number() == core)
}

/// This OS thread in the runtime that polls the code that runs here, whatever runtime that code entered since.
#[inline]
pub(crate) fn runner() -> Option<&'static Thread> {
    CONTEXT.with(|context| context.runner.get())
}

/// Whether the innermost coroutine of this OS thread was started for the task that runs here.
pub(crate) fn is_on_own_coroutine() -> bool {
    CONTEXT.with(|context| {
        let task = context.task.get();
        task.is_some() && task == context.on_coroutine.get()
    })
}

/// Sets whose poll the innermost coroutine holds; returns whose it was before.
#[inline]
pub(crate) fn set_on_coroutine(task: Option<TaskRef>) -> Option<TaskRef> {
    CONTEXT.with(|context| context.on_coroutine.replace(task))
}

/// The task that this OS thread polls.
#[inline]
pub(crate) fn task() -> Option<TaskRef> {
    CONTEXT.with(|context| context.task.get())
}

#[inline]
pub(crate) fn budget() -> u32 {
    CONTEXT.with(|context| context.budget.get())
}

#[inline]
pub(crate) fn set_budget(budget: u32) {
    CONTEXT.with(|context| context.budget.set(budget));
}

pub(crate) fn no_unwind_depth() -> u32 {
    CONTEXT.with(|context| context.no_unwind.get())
}

pub(crate) fn set_no_unwind_depth(depth: u32) {
    CONTEXT.with(|context| context.no_unwind.set(depth));
}

pub(crate) fn on_thread_depth() -> u32 {
    CONTEXT.with(|context| context.on_thread.get())
}

pub(crate) fn set_on_thread_depth(depth: u32) {
    CONTEXT.with(|context| context.on_thread.set(depth));
}

/// Counts an abort unwind that begins; gives how many have begun in this poll.
pub(crate) fn count_unwind() -> u32 {
    CONTEXT.with(|context| {
        context.swallowed.set(context.swallowed.get() + 1);
        context.swallowed.get()
    })
}

#[inline]
pub(crate) fn locals() -> *const () {
    CONTEXT.with(|context| context.locals.get())
}

#[inline]
pub(crate) fn set_locals(locals: *const ()) {
    CONTEXT.with(|context| context.locals.set(locals));
}

/// The poll that this OS thread is in.
#[inline]
pub(crate) fn save() -> PollContext {
    CONTEXT.with(|context| PollContext {
        task: context.task.get(),
        budget: context.budget.get(),
        no_unwind: context.no_unwind.get(),
        on_thread: context.on_thread.get(),
        swallowed: context.swallowed.get(),
        locals: context.locals.get(),
        thread: context.thread.get(),
        runner: context.runner.get(),
    })
}

/// Puts a poll back that [`save`] gave.
#[inline]
pub(crate) fn restore(poll: PollContext) {
    CONTEXT.with(|context| {
        context.task.set(poll.task);
        context.budget.set(poll.budget);
        context.no_unwind.set(poll.no_unwind);
        context.on_thread.set(poll.on_thread);
        context.swallowed.set(poll.swallowed);
        context.locals.set(poll.locals);
        context.thread.set(poll.thread);
        context.runner.set(poll.runner);
    });
}

/// A poll: what code asks about itself is this poll's until the guard is dropped.
pub(crate) struct InPoll(PollContext);

impl InPoll {
    #[inline]
    pub(crate) fn enter(task: Option<TaskRef>, budget: u32) -> InPoll {
        let before = save();
        let thread = before.thread;
        restore(PollContext { task, budget, thread, runner: thread, ..PollContext::OUTSIDE });
        InPoll(before)
    }
}

impl Drop for InPoll {
    #[inline]
    fn drop(&mut self) {
        restore(self.0);
    }
}

/// Polls `task` by `f`: a poll that [`InPoll`] would enclose, from the scheduler's loop, where there is nearly always nothing to save.
#[inline]
pub(crate) fn in_task<R>(task: TaskRef, budget: u32, f: impl FnOnce() -> R) -> R {
    match Quiet::enter(task, budget) {
        Some(_quiet) => f(),
        None => {
            let _poll = InPoll::enter(Some(task), budget);
            f()
        }
    }
}

/// A poll that began where no other was under way. Puts back what was there then, also where the poll's code was suspended for good in the midst
/// of something.
struct Quiet {
    thread: Option<&'static Thread>,
    runner: Option<&'static Thread>,
}

impl Quiet {
    #[inline]
    fn enter(task: TaskRef, budget: u32) -> Option<Quiet> {
        CONTEXT.with(|context| {
            context.is_quiet().then(|| {
                context.task.set(Some(task));
                context.budget.set(budget);
                let thread = context.thread.get();
                Quiet { thread, runner: context.runner.replace(thread) }
            })
        })
    }
}

impl Drop for Quiet {
    #[inline]
    fn drop(&mut self) {
        CONTEXT.with(|context| {
            context.task.set(None);
            context.budget.set(UNLIMITED);
            context.no_unwind.set(0);
            context.on_thread.set(0);
            context.swallowed.set(0);
            context.locals.set(null());
            context.thread.set(self.thread);
            context.runner.set(self.runner);
        });
    }
}

thread_local! {
    /// The records of this OS thread in the runtimes that it entered; they go back when it ends.
    static ADOPTED: Adopted = const { Adopted(RefCell::new(Vec::new())) };
}

struct Adopted(RefCell<Vec<&'static Thread>>);

impl Drop for Adopted {
    fn drop(&mut self) {
        for thread in self.0.take() {
            thread.core().retire_thread(thread);
        }
        crate::task::coroutine::clear_table();
    }
}

/// This OS thread's record in the core of this number, if it has one.
pub(crate) fn find(core: u32) -> Option<&'static Thread> {
    if let Some(thread) = thread().filter(|thread| thread.core().number() == core) {
        return Some(thread);
    }
    // A thread that is ending has no list any more.
    let find =
        |adopted: &Adopted| adopted.0.borrow().iter().copied().find(|thread| thread.core().number() == core);
    ADOPTED.try_with(find).ok().flatten()
}

/// Makes `thread` this OS thread's record in its core until the OS thread ends.
pub(crate) fn adopt(thread: &'static Thread) -> &'static Thread {
    thread.bind();
    // A destructor of a thread that is ending may come too late for the list: the record is not used again then.
    let _ = ADOPTED.try_with(|adopted| adopted.0.borrow_mut().push(thread));
    thread
}
