//! A coroutine shaped for a scheduler: it lives on a pooled stack, is started again and again with a new closure
//! and without an allocation, suspends from anywhere below that closure, and is never unwound behind its back.
//!
//! Not here: when to suspend and what to run next (the runtime's work), and stacks (see [`crate::stack`]).

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stack::Stack;
use crate::switch::{self, CoroutineResult, Yielder};

/// What a panic carries, as `std::panic::catch_unwind` gives it.
pub type Payload = Box<dyn Any + Send + 'static>;

/// How a suspended coroutine goes on.
///
/// ```
/// use maniac_context::coroutine::ResumeWith;
/// assert!(matches!(ResumeWith::Value(3), ResumeWith::Value(3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeWith<In> {
    /// Its suspension point returns this value.
    Value(In),
    /// Its suspension point is to unwind: [`Suspender::suspend`] throws a payload that [`is_abort_payload`]
    /// recognises; [`Suspender::try_suspend`] leaves that to its caller.
    Unwind,
}

/// What a coroutine did until it gave control back.
///
/// ```
/// use maniac_context::coroutine::{Coroutine, Outcome};
/// use maniac_context::stack::StackPool;
///
/// # if cfg!(miri) { return Ok(()); } // the interpreter runs no assembly
/// let mut coroutine = Coroutine::<(), (), u8>::new(StackPool::new(Default::default())?.get()?);
/// // SAFETY: neither closure suspends.
/// assert!(matches!(unsafe { coroutine.start(|_| 5) }, Outcome::Finished(5)));
/// // SAFETY: as above.
/// match unsafe { coroutine.start(|_| std::panic::panic_any("lost")) } {
///     Outcome::Unwound(payload) => assert_eq!(*payload.downcast::<&str>().unwrap(), "lost"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
#[derive(Debug)]
#[must_use = "a suspended coroutine that is forgotten keeps its stack for ever"]
pub enum Outcome<Out, Ret> {
    /// It suspended with this value and waits for [`Coroutine::resume`].
    Suspended(Out),
    /// Its closure returned; the coroutine can be started again.
    Finished(Ret),
    /// Its closure unwound to the root with this payload; the coroutine can be started again.
    Unwound(Payload),
}

/// Why a suspension was refused; it holds the value that was to be given out.
///
/// ```
/// use maniac_context::coroutine::SuspendError;
/// let refused = SuspendError::Panicking("the value");
/// assert!(matches!(refused, SuspendError::Panicking("the value")));
/// assert!(refused.to_string().contains("block the thread"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuspendError<Out> {
    /// The thread is unwinding. The panic count is the thread's, so whatever ran next would run as if it panicked.
    Panicking(Out),
    /// The suspender belongs to a coroutine that is not the innermost one on this thread.
    NotCurrent(Out),
}

impl<Out> fmt::Display for SuspendError<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panicking(_) => {
                "a coroutine cannot be suspended while its thread unwinds; block the thread instead"
            }
            Self::NotCurrent(_) => {
                "only the innermost coroutine of a thread can be suspended; use its own suspender"
            }
        })
    }
}

impl<Out: fmt::Debug> std::error::Error for SuspendError<Out> {}

/// Thrown through a coroutine that is told to unwind. Private, so that nobody else can make one.
struct AbortPayload;

/// Whether a payload is the one that [`ResumeWith::Unwind`] and [`throw_abort`] throw.
///
/// ```
/// use maniac_context::coroutine::{is_abort_payload, throw_abort};
/// let payload = std::panic::catch_unwind(|| throw_abort()).unwrap_err();
/// assert!(is_abort_payload(&*payload));
/// assert!(!is_abort_payload(&*std::panic::catch_unwind(|| std::panic::panic_any(1)).unwrap_err()));
/// ```
#[must_use]
pub fn is_abort_payload(payload: &(dyn Any + Send)) -> bool {
    payload.is::<AbortPayload>()
}

/// Unwinds with the abort payload. No panic hook runs and nothing is printed.
///
/// In a program built with `panic = "abort"` this ends the process.
///
/// ```
/// use maniac_context::coroutine::{is_abort_payload, throw_abort};
/// assert!(is_abort_payload(&*std::panic::catch_unwind(|| throw_abort()).unwrap_err()));
/// ```
pub fn throw_abort() -> ! {
    resume_unwind(Box::new(AbortPayload))
}

/// Coroutines that were dropped while they were suspended, since the process began.
static ABANDONED: AtomicUsize = AtomicUsize::new(0);

/// How many coroutines were dropped while suspended, since the process began. Each keeps its stack for ever: its
/// frames may be borrowed by others, and only running them could end those borrows.
///
/// ```
/// let before = maniac_context::coroutine::abandoned();
/// assert_eq!(before, maniac_context::coroutine::abandoned());
/// ```
#[must_use]
pub fn abandoned() -> usize {
    ABANDONED.load(Ordering::Relaxed)
}

/// What crosses a switch: the exposed address of a value in the frame of the side that sends it, which stays where it
/// is until the other side has moved the value out, right after the switch. (corosensei would put small values
/// themselves into the register, with padding and without provenance; addresses have neither.)
pub(crate) type Word = usize;

/// The word that tells a suspended coroutine to unwind. It is no value's address.
const UNWIND: Word = 0;

/// The word with which [`leave_current`] leaves a coroutine. It is no value's address.
pub(crate) const PREEMPTED: Word = 0;

/// The word for this value.
fn word_of<T>(value: &MaybeUninit<T>) -> Word {
    // A value without bytes needs no address, and its own could be anything.
    if size_of::<T>() == 0 { 1 } else { value.as_ptr().expose_provenance() }
}

/// Moves the value of a word over to this side of the switch.
///
/// # Safety
/// The word was made by [`word_of`] for an initialised `T` that has not moved since and is not used by its side again.
unsafe fn take<T>(word: Word) -> T {
    let address = if size_of::<T>() == 0 { ptr::dangling() } else { ptr::with_exposed_provenance::<T>(word) };
    // SAFETY: [caller] what the word's sender promised; without bytes, any aligned address will do.
    unsafe { address.read() }
}

/// The part of a suspender that does not depend on its types, first in memory.
struct Header {
    /// `TypeId` of the whole `Suspender`.
    kind: TypeId,
    /// What `CURRENT` was when the coroutine was entered last.
    parent: Cell<*const Header>,
    yielder: *const Yielder<Word, Word>,
}

thread_local! {
    /// The innermost coroutine running on this thread; null outside. It points into that coroutine's root frame.
    static CURRENT: Cell<*const Header> = const { Cell::new(ptr::null()) };
}

/// The handle by which code on a coroutine's stack suspends it.
///
/// It lives in the coroutine's root frame and is lent to the closure given to [`Coroutine::start`]; code further
/// down that was handed nothing finds it with [`with_current`].
///
/// ```
/// use maniac_context::coroutine::{Coroutine, Outcome, ResumeWith, Suspender, with_current};
/// use maniac_context::stack::StackPool;
///
/// /// A callback of a library that knows nothing of coroutines.
/// fn callback() -> u32 {
///     with_current(|current: Option<&Suspender<u32, &str>>| match current {
///         Some(suspender) => suspender.suspend("what is six times seven?"),
///         None => panic!("this callback needs a coroutine"),
///     })
/// }
///
/// # if cfg!(miri) { return Ok(()); } // the interpreter runs no assembly
/// let mut coroutine = Coroutine::<u32, &str, u32>::new(StackPool::new(Default::default())?.get()?);
/// // SAFETY: the closure holds nothing across its suspension that minds what else runs on the thread.
/// assert!(matches!(unsafe { coroutine.start(|_| callback()) }, Outcome::Suspended(_)));
/// assert!(matches!(coroutine.resume(ResumeWith::Value(42)), Outcome::Finished(42)));
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
#[repr(C)]
pub struct Suspender<In, Out> {
    header: Header,
    _values: PhantomData<fn(Out) -> In>,
}

impl<In, Out> fmt::Debug for Suspender<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspender").finish_non_exhaustive()
    }
}

impl<In: 'static, Out: 'static> Suspender<In, Out> {
    fn as_header(&self) -> *const Header {
        ptr::from_ref(self).cast()
    }

    /// Gives `out` to whoever resumed this coroutine, and returns what the next resumption brings.
    ///
    /// # Unwinding
    /// Told to unwind, it throws the abort payload, without running the panic hook. In a program built with
    /// `panic = "abort"` that ends the process; use [`try_suspend`](Self::try_suspend) there.
    ///
    /// # Panics
    /// If the suspension is refused (see [`SuspendError`]).
    #[inline]
    #[track_caller]
    pub fn suspend(&self, out: Out) -> In {
        match self.try_suspend(out) {
            Ok(ResumeWith::Value(value)) => value,
            Ok(ResumeWith::Unwind) => throw_abort(),
            Err(SuspendError::Panicking(_)) => panic!("{}", SuspendError::Panicking(())),
            Err(SuspendError::NotCurrent(_)) => panic!("{}", SuspendError::NotCurrent(())),
        }
    }

    /// Like [`suspend`](Self::suspend), but never throws: the caller sees [`ResumeWith::Unwind`] and decides.
    ///
    /// # Errors
    /// [`SuspendError::Panicking`] while this thread unwinds, [`SuspendError::NotCurrent`] if another coroutine runs
    /// inside this one. Nothing has happened then, and the error holds `out`.
    #[inline]
    pub fn try_suspend(&self, out: Out) -> Result<ResumeWith<In>, SuspendError<Out>> {
        if std::thread::panicking() {
            return Err(SuspendError::Panicking(out));
        }
        // A coroutine never changes its thread, so one lookup of the thread-local serves both sides of the switch.
        CURRENT.with(|current| {
            if !ptr::eq(current.get(), self.as_header()) {
                return Err(SuspendError::NotCurrent(out));
            }
            current.set(self.header.parent.get());
            // SAFETY: [INV-2] the yielder lives at the top of this stack as long as the coroutine's root frame
            // does, and `self` is in that frame.
            let yielder = unsafe { &*self.header.yielder };
            let out = MaybeUninit::new(out);
            let word = yielder.suspend(word_of(&out));
            self.header.parent.set(current.replace(self.as_header()));
            if word == UNWIND {
                return Ok(ResumeWith::Unwind);
            }
            // SAFETY: [INV-1] `resume` sent the word of an `In` in its own frame, to which control has not returned.
            Ok(ResumeWith::Value(unsafe { take(word) }))
        })
    }
}

/// Calls `f` with the suspender of the innermost coroutine on this thread; with `None` outside coroutines and in a
/// coroutine of other types.
///
/// ```
/// maniac_context::coroutine::with_current::<(), (), _>(|current| assert!(current.is_none()));
/// ```
#[inline]
pub fn with_current<In: 'static, Out: 'static, R>(f: impl FnOnce(Option<&Suspender<In, Out>>) -> R) -> R {
    let header = CURRENT.with(Cell::get);
    if header.is_null() {
        return f(None);
    }
    // SAFETY: [INV-2] a non-null CURRENT points to the header in the root frame of the coroutine that runs here.
    let kind = unsafe { (*header).kind };
    if kind != TypeId::of::<Suspender<In, Out>>() {
        return f(None);
    }
    // SAFETY: [INV-2] as above; the type id says that the header begins a `Suspender<In, Out>`. The borrow ends
    // with this call, which runs above the root frame on the same stack, so it cannot outlive it.
    f(Some(unsafe { &*header.cast::<Suspender<In, Out>>() }))
}

/// Whether the root frame of the innermost coroutine of this thread lies in these addresses. Async-signal-safe.
#[cfg(preemption)]
#[inline]
pub(crate) fn current_is_within(addresses: &std::ops::Range<usize>) -> bool {
    addresses.contains(&CURRENT.with(Cell::get).addr())
}

/// Leaves the innermost coroutine of this thread with [`PREEMPTED`], wherever it is; returns when it is resumed, with whatever word.
/// Async-signal-safe.
///
/// # Safety
/// A coroutine runs on this thread, its stack is the one that this is called on, and what is live there bears that other code runs.
#[cfg(preemption)]
#[inline]
pub(crate) unsafe fn leave_current() {
    CURRENT.with(|current| {
        let header = current.get();
        // SAFETY: [INV-2, caller] a coroutine runs here, and this is its header.
        let Header { parent, yielder, .. } = unsafe { &*header };
        current.set(parent.get());
        // SAFETY: [INV-2] the yielder lives at the base of the same stack.
        let yielder = unsafe { &**yielder };
        let _ignored = yielder.suspend(PREEMPTED);
        parent.set(current.replace(header));
    });
}

pub(crate) type Raw<Ret> = switch::Coroutine<Word, Word, Result<Ret, Payload>, Stack>;

/// What a switch into a coroutine came back with.
pub(crate) type Switched<Ret> = CoroutineResult<Word, Result<Ret, Payload>>;

enum State<Ret> {
    /// Nothing runs; ready for `start`.
    Idle(Stack),
    /// Suspended. Never dropped: see [INV-3].
    Suspended(ManuallyDrop<Raw<Ret>>),
    /// Between the two, inside a method of the coroutine.
    Running,
}

/// A coroutine on a pooled stack. It takes `In`, gives `Out` at each suspension and `Ret` at its end.
///
/// Started with a closure it runs until it suspends or ends; suspended it goes on with [`resume`](Self::resume);
/// ended it can be started again, on the same stack, without an allocation. It never leaves its thread.
///
/// ```
/// use maniac_context::coroutine::{Coroutine, Outcome, ResumeWith};
/// use maniac_context::stack::StackPool;
///
/// # if cfg!(miri) { return Ok(()); } // the interpreter runs no assembly
/// let pool = StackPool::new(Default::default())?;
/// let mut coroutine = Coroutine::<u32, &str, u32>::new(pool.get()?);
/// // SAFETY: the closure holds nothing across its suspension that minds what else runs on the thread.
/// let first = unsafe { coroutine.start(|suspender| suspender.suspend("waiting") + 1) };
/// assert!(matches!(first, Outcome::Suspended("waiting")));
/// assert!(matches!(coroutine.resume(ResumeWith::Value(41)), Outcome::Finished(42)));
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
///
/// It is not `Send`:
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<maniac_context::coroutine::Coroutine<(), (), ()>>();
/// ```
///
/// # Dropping
/// A suspended coroutine that is dropped is neither unwound nor freed: destructors on its stack do not run, its
/// stack stays mapped for ever, and [`abandoned`] counts it. To end one, resume it with [`ResumeWith::Unwind`].
pub struct Coroutine<In: 'static, Out: 'static, Ret: 'static> {
    state: State<Ret>,
    _values: PhantomData<fn(In) -> Out>,
    /// Neither `Send` nor `Sync`: frames on the stack may hold things of this thread.
    _thread_bound: PhantomData<*mut ()>,
}

impl<In, Out, Ret> fmt::Debug for Coroutine<In, Out, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle(_) => "idle",
            State::Suspended(_) => "suspended",
            State::Running => "running",
        };
        f.debug_struct("Coroutine").field("state", &state).finish_non_exhaustive()
    }
}

impl<In: 'static, Out: 'static, Ret: 'static> Coroutine<In, Out, Ret> {
    /// An idle coroutine on this stack.
    #[must_use]
    pub fn new(stack: Stack) -> Self {
        Self { state: State::Idle(stack), _values: PhantomData, _thread_bound: PhantomData }
    }

    /// Whether it is suspended: [`resume`](Self::resume) is the next step.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        matches!(self.state, State::Suspended(_))
    }

    /// Whether nothing runs on it: [`start`](Self::start) is the next step.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }

    /// Takes the stack out of an idle coroutine.
    ///
    /// # Errors
    /// Gives the coroutine back if it is suspended.
    pub fn into_stack(mut self) -> Result<Stack, Self> {
        match std::mem::replace(&mut self.state, State::Running) {
            State::Idle(stack) => Ok(stack),
            other => {
                self.state = other;
                Err(self)
            }
        }
    }

    /// Runs `entry` on the stack until it suspends or ends. A panic of `entry` is caught at the root and given back
    /// as [`Outcome::Unwound`].
    ///
    /// # Safety
    /// Whenever `entry` suspends, other code runs on this thread before it goes on. The caller promises that nothing
    /// that is live on the coroutine's stack at a suspension relies on that not happening. Three things of safe
    /// code do: locks held across it (the thread may wait for itself), locks that the thread may take again
    /// (the other code enters the critical section), and thread-locals that are set and reset in the order of a stack
    /// (`scoped-tls`: finished out of order they dangle). Nor may the stack be left by other ways than its suspender, its
    /// end or a panic, such as `longjmp` or another library's switch. A closure that never suspends and leaves by its
    /// end needs no promise.
    ///
    /// # Panics
    /// If the coroutine is suspended.
    pub unsafe fn start<F>(&mut self, entry: F) -> Outcome<Out, Ret>
    where
        F: FnOnce(&Suspender<In, Out>) -> Ret + 'static,
    {
        // SAFETY: [caller] passed on.
        let (raw, switched) = unsafe { self.enter(entry, Raw::resume) };
        self.keep(raw);
        self.settle(switched)
    }

    /// Begins `entry` on the stack: `switch` resumes the coroutine that is made for it, once. The caller gives that back to [`keep`](Self::keep).
    ///
    /// # Safety
    /// That of [`start`](Self::start).
    ///
    /// # Panics
    /// If the coroutine is suspended.
    #[inline]
    pub(crate) unsafe fn enter<F>(
        &mut self,
        entry: F,
        switch: impl FnOnce(&mut Raw<Ret>, Word) -> Switched<Ret>,
    ) -> (Raw<Ret>, Switched<Ret>)
    where
        F: FnOnce(&Suspender<In, Out>) -> Ret + 'static,
    {
        let stack = match std::mem::replace(&mut self.state, State::Running) {
            State::Idle(stack) => stack,
            other => {
                self.state = other;
                panic!("a suspended coroutine cannot be started; resume it");
            }
        };
        // The closure stays in this frame until the root, entered below before this frame is left, moves it over.
        let mut entry = ManuallyDrop::new(entry);
        let entry: *mut F = &raw mut *entry;
        let mut raw = Raw::<Ret>::with_stack(stack, move |yielder, _first_word| {
            // SAFETY: [INV-1] this runs once, during the resumption below; the closure is still in the frame of
            // `enter`, which never touches it again.
            root::<In, Out, Ret, F>(yielder, unsafe { ptr::read(entry) })
        });
        let switched = switch(&mut raw, UNWIND);
        (raw, switched)
    }

    /// Goes on with a suspended coroutine.
    ///
    /// # Panics
    /// If the coroutine is not suspended.
    #[inline]
    pub fn resume(&mut self, with: ResumeWith<In>) -> Outcome<Out, Ret> {
        let switched = self.step(with, Raw::resume);
        self.settle(switched)
    }

    /// Has `switch` resume the suspended coroutine with the word for `with`.
    ///
    /// # Panics
    /// If the coroutine is not suspended.
    #[inline]
    pub(crate) fn step(
        &mut self,
        with: ResumeWith<In>,
        switch: impl FnOnce(&mut Raw<Ret>, Word) -> Switched<Ret>,
    ) -> Switched<Ret> {
        let State::Suspended(raw) = &mut self.state else {
            panic!("only a suspended coroutine can be resumed; start it");
        };
        let mut value = MaybeUninit::uninit();
        let word = match with {
            ResumeWith::Value(input) => {
                value.write(input);
                word_of(&value)
            }
            ResumeWith::Unwind => UNWIND,
        };
        switch(raw, word)
    }

    /// Keeps what [`enter`](Self::enter) made.
    #[inline]
    pub(crate) fn keep(&mut self, raw: Raw<Ret>) {
        self.state = State::Suspended(ManuallyDrop::new(raw));
    }

    /// What the coroutine, which left by itself, did; idle again if it ended.
    #[inline]
    pub(crate) fn settle(&mut self, switched: Switched<Ret>) -> Outcome<Out, Ret> {
        match switched {
            // SAFETY: [INV-1] the coroutine suspended with the word of an `Out` in its frame, and waits there.
            CoroutineResult::Yield(word) => Outcome::Suspended(unsafe { take(word) }),
            CoroutineResult::Return(result) => {
                if let State::Suspended(raw) = std::mem::replace(&mut self.state, State::Running) {
                    self.state = State::Idle(ManuallyDrop::into_inner(raw).into_stack());
                }
                Outcome::from_result(result)
            }
        }
    }
}

impl<Out, Ret> Outcome<Out, Ret> {
    fn from_result(result: Result<Ret, Payload>) -> Self {
        match result {
            Ok(value) => Self::Finished(value),
            Err(payload) => Self::Unwound(payload),
        }
    }
}

/// The first frame of every coroutine: publishes the suspender and catches what unwinds.
fn root<In: 'static, Out: 'static, Ret, F>(yielder: &Yielder<Word, Word>, entry: F) -> Result<Ret, Payload>
where
    F: FnOnce(&Suspender<In, Out>) -> Ret,
{
    let suspender = Suspender::<In, Out> {
        header: Header {
            kind: TypeId::of::<Suspender<In, Out>>(),
            parent: Cell::new(ptr::null()),
            yielder: ptr::from_ref(yielder),
        },
        _values: PhantomData,
    };
    suspender.header.parent.set(CURRENT.with(|current| current.replace(suspender.as_header())));
    // Whatever `entry` left half-done is the resumer's to judge, as with a thread that panicked.
    let result = catch_unwind(AssertUnwindSafe(|| entry(&suspender)));
    CURRENT.with(|current| current.set(suspender.header.parent.get()));
    result
}

impl<In, Out, Ret> Drop for Coroutine<In, Out, Ret> {
    fn drop(&mut self) {
        // A suspended one stays as it is: `ManuallyDrop` keeps corosensei from unwinding it and the stack from
        // going back to its pool. [INV-3]
        if matches!(self.state, State::Suspended(_)) {
            ABANDONED.fetch_add(1, Ordering::Relaxed);
        }
    }
}
