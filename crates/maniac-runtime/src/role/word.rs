//! The poll word: how a thread says that user code runs on it, and how its role is taken away meanwhile without a fence or a locked instruction
//! on its side.
//!
//! The word is odd while user code runs. Before the thread touches its role it makes the word even and looks at `demote`; who wants the
//! role sets `demote` and looks at the word. Between the two steps of each side stands one half of an asymmetric barrier, so that one of the two sees
//! what the other did: either the thread sees `demote` and asks the arbiter, or the other sees that the word has changed and calls it off.
//! An odd word that stands unchanged behind the barrier means that the thread will see `demote` before it next touches the role.

use crate::shim::{AtomicU32, AtomicU64, Ordering, heavy_barrier, light_barrier, ordering, planted};

/// See the module's page. Only its own thread writes `word`; `demote` is written under the arbiter of the role concerned, and cleared by the
/// thread itself once it has lost the role.
#[derive(Debug)]
pub(crate) struct PollWord {
    /// `sequence << 1 | in a task`.
    word: AtomicU64,
    /// Not zero while the thread has to ask the arbiter before it touches its role.
    demote: AtomicU32,
}

impl PollWord {
    pub(crate) fn new() -> PollWord {
        PollWord { word: AtomicU64::new(0), demote: AtomicU32::new(0) }
    }

    /// The word; odd while user code runs.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// Whether user code runs on this thread, the calling one.
    #[inline]
    pub(crate) fn in_task(&self) -> bool {
        self.now() & 1 == 1
    }

    /// Enters a task, with a word that no poll had before.
    #[inline]
    pub(crate) fn enter(&self) {
        let word = self.now();
        debug_assert_eq!(word & 1, 0, "a task inside a task");
        // Release: who sees the odd word sees all that the owner did to the role before.
        self.word.store(word.wrapping_add(3), ordering("word.enter", Ordering::Release));
    }

    /// Leaves a task; `true`: the role may be lost, ask the arbiter.
    #[inline]
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        let word = self.now();
        debug_assert_eq!(word & 1, 1, "left a task twice");
        self.word.store(word & !1, Ordering::Relaxed);
        light_barrier("word.light");
        // A role reference that is held across the poll: nobody looks.
        self.is_doubtful() && !planted("role.across")
    }

    /// Begins a runtime call from inside a task; gives the word to put back. `None`: no task runs here, or a call is under way already, which this one is
    /// nested in. Afterwards [`PollWord::is_doubtful`] says whether to ask the arbiter.
    #[inline]
    pub(crate) fn begin_call(&self) -> Option<u64> {
        let word = self.now();
        if word & 1 == 0 && !planted("word.nested") {
            return None;
        }
        self.word.store(word & !1, Ordering::Relaxed);
        light_barrier("word.light");
        Some(word)
    }

    /// Ends a runtime call: the word is again what [`PollWord::begin_call`] found.
    #[inline]
    pub(crate) fn end_call(&self, found: u64) {
        let found = if planted("word.nested") { found | 1 } else { found };
        // Release: who sees the odd word sees all that the call did to the role.
        self.word.store(found, ordering("word.restore", Ordering::Release));
    }

    /// Whether somebody wants, or has, the role that this thread held.
    #[inline]
    pub(crate) fn is_doubtful(&self) -> bool {
        // Acquire: who kept this thread out and let it go on is done with its role, and what it did there is visible.
        self.demote.load(ordering("word.doubtful", Ordering::Acquire)) != 0
    }

    /// Has the thread ask the arbiter from now on. The caller holds it.
    pub(crate) fn doubt(&self) {
        self.demote.store(1, Ordering::Relaxed);
    }

    /// Takes [`PollWord::doubt`] back: by who holds the arbiter of the role that this thread owns, or by the thread itself when it owns none.
    pub(crate) fn trust(&self) {
        // Release: a thread without doubts does not ask the arbiter, whose lock orders everything else.
        self.demote.store(0, ordering("word.trust", Ordering::Release));
    }

    /// Has the thread ask the arbiter, which the caller holds, before it next touches its role; `true` if it is still in the poll whose word was
    /// `seen`, so that the role is the caller's until then. `false`: too late; the caller takes the [`PollWord::doubt`] back.
    pub(crate) fn keep_out(&self, seen: u64) -> bool {
        debug_assert_eq!(seen & 1, 1, "a thread outside its tasks cannot be kept out");
        self.doubt();
        // Acquire: what its last touch of the role did is visible here.
        heavy_barrier("word.heavy") && self.word.load(ordering("word.look", Ordering::Acquire)) == seen
    }
}
