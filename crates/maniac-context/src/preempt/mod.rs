//! Preemption by a switch: a coroutine that computes without ever giving control back is left where it is, at an arbitrary instruction, and gone on with
//! later as if nothing had happened.
//!
//! On Unix the handler of a signal does it. It runs on the coroutine's own stack, above the frame in which the kernel saved every register there is, and
//! suspends the coroutine like any other suspension. Resumed, it returns, and the kernel puts all registers back from that frame. So no register needs to be
//! named here, and none can be forgotten. Windows has no signals: there the thread is suspended for a moment and goes on in a trampoline, which
//! makes such a frame itself, then does what the handler does, and puts all back.
//!
//! What may be interrupted is chosen narrowly: [`Preemptible`] coroutines, in code that [`register_code`] was told of, outside [`no_preempt`], where
//! the stack has room, and when the scheduler's own [`Gate`] says yes. Else nothing happens.
//!
//! Not here: when to interrupt whom (the runtime's work). Linux on x86-64, AArch64, RISC-V 64 and LoongArch64; Windows on x86-64; macOS, where it has
//! never run. Elsewhere [`SUPPORTED`] is `false`, and [`Preemptible::new`] says so.

#[cfg(preemption)]
mod arch;
#[cfg(preemption)]
mod armed;
#[cfg(all(preemption, unix))]
#[path = "signal.rs"]
mod imp;
#[cfg(all(preemption, windows))]
#[path = "suspend.rs"]
mod imp;
#[cfg(not(preemption))]
#[path = "unsupported.rs"]
mod imp;
mod ranges;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::coroutine::{Coroutine, Outcome, PREEMPTED, ResumeWith, Suspender, Switched};
use crate::stack::Stack;
use crate::switch::CoroutineResult;

#[cfg(preemption)]
use armed::{deepen, run};
pub use imp::{Target, install, let_through};
#[cfg(not(preemption))]
use imp::{deepen, run};
pub use ranges::{MAX_RANGES, RangeError, register_code};

/// Whether this target has preemption by a switch.
///
/// ```
/// # #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
/// assert!(maniac_context::preempt::SUPPORTED);
/// ```
pub const SUPPORTED: bool = cfg!(preemption);

/// How many low bits of a request go over to the [`Gate`].
pub const REQUEST_BITS: u32 = 48;

/// What a scheduler says, on the interrupted thread and from within the signal's handler, to a request: the value that [`Target::request`] was given,
/// in its low [`REQUEST_BITS`] bits. `false`: the coroutine goes on.
pub type Gate = fn(request: u64) -> bool;

/// Why a stack cannot carry a [`Preemptible`].
///
/// ```
/// use maniac_context::preempt::NotPreemptible;
/// use maniac_context::stack::{StackPool, StackPoolConfig};
/// # use maniac_context::preempt::Preemptible;
/// # if !maniac_context::preempt::SUPPORTED { return Ok(()); }
/// let pool = StackPool::new(StackPoolConfig::new().signal_reserve(0))?;
/// // SAFETY: the gate does nothing.
/// let refused = unsafe { Preemptible::<(), (), ()>::new(pool.get()?, |_| true) }.unwrap_err();
/// assert!(matches!(refused, NotPreemptible::NoReserve { has: 0, .. }));
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPreemptible {
    /// This target has no preemption by a switch; see [`SUPPORTED`].
    Unsupported,
    /// There is no room for a signal's frame below what the stack's calls may use.
    NoReserve {
        /// Bytes that are there: [`Stack::signal_reserve`].
        has: usize,
        /// Bytes that a frame and its handler may take on this machine.
        needs: usize,
    },
}

impl fmt::Display for NotPreemptible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("there is no preemption by a switch on this target"),
            Self::NoReserve { has, needs } => write!(
                f,
                "the stack keeps {has} bytes for a signal's frame, which may take {needs} on this machine; leave signal_reserve at its default"
            ),
        }
    }
}

impl std::error::Error for NotPreemptible {}

/// Whether stacks of this [`signal_reserve`](crate::stack::StackPool::signal_reserve) can carry a [`Preemptible`].
///
/// # Errors
/// [`NotPreemptible`].
///
/// ```
/// assert!(maniac_context::preempt::check_reserve(0).is_err());
/// ```
pub fn check_reserve(has: usize) -> Result<(), NotPreemptible> {
    let needs = room().ok_or(NotPreemptible::Unsupported)?;
    if has < needs { Err(NotPreemptible::NoReserve { has, needs }) } else { Ok(()) }
}

/// Bytes that a stack needs below what its calls use; `None` if nothing can be preempted here.
pub(crate) fn room() -> Option<usize> {
    imp::room()
}

/// Why a thread was not asked.
///
/// ```
/// use maniac_context::preempt::{Refused, Target};
/// assert!(matches!(Target::new().request(1), Err(Refused::NoThread)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// No thread is bound to the target.
    NoThread,
    /// The signal's handler is not [installed](install), or somebody put another in its place, whose signal it is now.
    NoHandler,
    /// The system refused to send the signal, or to suspend the thread.
    System,
    /// It is not where it may be left. That is seen at once where threads are suspended (Windows); a signal's handler tells nobody.
    Elsewhere,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoThread => "no thread is bound to the target",
            Self::NoHandler => "the handler of SIGURG is somebody else's",
            Self::System => "the system refused to interrupt the thread",
            Self::Elsewhere => "the thread is not in code that may be left",
        })
    }
}

impl std::error::Error for Refused {}

/// A preemptible coroutine as whoever interrupts it sees it: lives in the frame of the function that entered it.
#[cfg_attr(not(preemption), expect(dead_code, reason = "nobody looks"))]
struct Armed<'a> {
    /// Where its stack pointer may be for a signal's frame to have room, up to the base.
    addresses: Range<usize>,
    /// How deep it is in [`no_preempt`].
    depth: &'a AtomicU32,
    gate: Gate,
}

/// A coroutine that can be preempted. Like a [`Coroutine`], but each of its steps may also end with `None`: then it was left at an arbitrary
/// instruction of registered code, and [`resume_preempted`](Self::resume_preempted) is the next step.
///
/// ```
/// use maniac_context::coroutine::Outcome;
/// use maniac_context::preempt::Preemptible;
/// use maniac_context::stack::StackPool;
///
/// # if !maniac_context::preempt::SUPPORTED { return Ok(()); }
/// // SAFETY: the gate does nothing.
/// let coroutine = unsafe { Preemptible::<(), (), u64>::new(StackPool::new(Default::default())?.get()?, |_| true) };
/// let mut coroutine = coroutine.expect("the pool's stacks have a reserve");
/// // SAFETY: the closure does not suspend, and bears being left wherever registered code is.
/// let mut step = unsafe { coroutine.start(|_| (1..=10).sum()) };
/// let outcome = loop {
///     match step {
///         Some(outcome) => break outcome,
///         None => step = coroutine.resume_preempted(), // after something else
///     }
/// };
/// assert!(matches!(outcome, Outcome::Finished(55)));
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
pub struct Preemptible<In: 'static, Out: 'static, Ret: 'static> {
    coroutine: Coroutine<In, Out, Ret>,
    addresses: Range<usize>,
    depth: AtomicU32,
    gate: Gate,
    preempted: bool,
}

impl<In, Out, Ret> fmt::Debug for Preemptible<In, Out, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut show = f.debug_struct("Preemptible");
        show.field("coroutine", &self.coroutine).field("preempted", &self.preempted).finish_non_exhaustive()
    }
}

impl<In: 'static, Out: 'static, Ret: 'static> Preemptible<In, Out, Ret> {
    /// An idle coroutine on this stack.
    ///
    /// # Errors
    /// [`NotPreemptible`].
    ///
    /// # Safety
    /// `gate` is called where the coroutine was interrupted, on Unix from a signal handler, so it must be async-signal-safe (signal-safety(7)), and it must not unwind.
    pub unsafe fn new(stack: Stack, gate: Gate) -> Result<Self, NotPreemptible> {
        check_reserve(stack.signal_reserve())?;
        let base = stack.base_address();
        let addresses = base - stack.usable_size()..base;
        let coroutine = Coroutine::new(stack);
        Ok(Self { coroutine, addresses, depth: AtomicU32::new(0), gate, preempted: false })
    }

    /// Whether it was preempted: [`resume_preempted`](Self::resume_preempted) is the next step.
    #[must_use]
    pub fn is_preempted(&self) -> bool {
        self.preempted
    }

    /// Runs `entry` until it suspends, ends, or is preempted (`None`).
    ///
    /// # Safety
    /// That of [`Coroutine::start`], where a suspension may come at every instruction of [registered](register_code) code, unless within [`no_preempt`].
    ///
    /// # Panics
    /// If the coroutine is suspended or preempted.
    pub unsafe fn start<F>(&mut self, entry: F) -> Option<Outcome<Out, Ret>>
    where
        F: FnOnce(&Suspender<In, Out>) -> Ret + 'static,
    {
        let armed = Armed { addresses: self.addresses.clone(), depth: &self.depth, gate: self.gate };
        // SAFETY: [caller] passed on.
        let (raw, switched) =
            unsafe { self.coroutine.enter(entry, |raw, word| run(&armed, || raw.resume(word))) };
        self.coroutine.keep(raw);
        self.settle(switched)
    }

    /// Goes on after a suspension.
    ///
    /// # Panics
    /// If the coroutine is not suspended, or was preempted.
    pub fn resume(&mut self, with: ResumeWith<In>) -> Option<Outcome<Out, Ret>> {
        assert!(!self.preempted, "a preempted coroutine takes no value; use resume_preempted");
        self.step(with)
    }

    /// Goes on after a preemption.
    ///
    /// # Panics
    /// If the coroutine was not preempted.
    pub fn resume_preempted(&mut self) -> Option<Outcome<Out, Ret>> {
        assert!(self.preempted, "only a preempted coroutine can be resumed like that");
        self.preempted = false;
        imp::hold();
        // The word means nothing to whom was preempted.
        self.step(ResumeWith::Unwind)
    }

    fn step(&mut self, with: ResumeWith<In>) -> Option<Outcome<Out, Ret>> {
        let armed = Armed { addresses: self.addresses.clone(), depth: &self.depth, gate: self.gate };
        let switched = self.coroutine.step(with, |raw, word| run(&armed, || raw.resume(word)));
        self.settle(switched)
    }

    fn settle(&mut self, switched: Switched<Ret>) -> Option<Outcome<Out, Ret>> {
        self.preempted = was_preempted(&switched);
        if self.preempted { None } else { Some(self.coroutine.settle(switched)) }
    }
}

fn was_preempted<Ret>(switched: &Switched<Ret>) -> bool {
    matches!(switched, CoroutineResult::Yield(PREEMPTED))
}

/// Calls `f`, during which the innermost coroutine of this thread, if it is a [`Preemptible`], is not preempted, whatever code runs.
///
/// ```
/// assert_eq!(maniac_context::preempt::no_preempt(|| 6 * 7), 42);
/// ```
pub fn no_preempt<R>(f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            deepen(u32::MAX);
        }
    }
    // Ends on the same coroutine that it began on, which is preemptible at both times or at neither.
    let _leave = deepen(1).then_some(Leave);
    f()
}
