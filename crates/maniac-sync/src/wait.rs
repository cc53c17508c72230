//! What the code that runs here waits for: told by leaf futures where they give `Pending`, and taken by whoever polls.
//!
//! A leaf notes, an executor that cares takes the note when the poll is over ([`take`]) and keeps it where others may read it ([`AtomicWait`]). To the leaf
//! it is one store into a cell of its thread; where no executor cares nothing comes of it.
//!
//! A [`Wait`] is one pointer: to a [`Word`], or a number, told apart by the low bits.

use std::cell::Cell;
use std::fmt;
use std::ptr::{null, without_provenance};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::task::Poll;

/// A name for what is waited for, to be kept in a `static` or a constant.
///
/// ```
/// use maniac_sync::wait::{self, Reason, Wait, Word};
/// static POOL: Word = Word::new("a connection of the pool");
/// wait::note(Wait::on(&POOL));
/// let wait = wait::take().unwrap();
/// assert_eq!(wait.reason(), Reason::On("a connection of the pool"));
/// assert!(wait.is_sole() && wait::take().is_none());
/// ```
// The low bits of its address are free for the marks of a `Wait`.
#[derive(Debug)]
#[repr(align(8))]
pub struct Word {
    text: &'static str,
    is_operation: bool,
}

impl Word {
    /// This text, to follow "waits for".
    #[must_use]
    pub const fn new(text: &'static str) -> Word {
        Word { text, is_operation: false }
    }

    /// An operation of the operating system, by its name.
    #[must_use]
    pub const fn operation(name: &'static str) -> Word {
        Word { text: name, is_operation: true }
    }
}

/// What is waited for, in one word of memory; see [`Word`] for an example.
///
/// ```
/// use maniac_sync::wait::{Reason, Wait, Word};
/// static READ: Word = Word::operation("read");
/// assert_eq!(Wait::on(&READ).reason(), Reason::Operation("read"));
/// # #[cfg(target_pointer_width = "64")] {
/// assert_eq!(Wait::until(1_000).reason(), Reason::Until(1_000));
/// assert_eq!(Wait::lock(3).reason(), Reason::Lock(3));
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Wait(*const ());

/// What a [`Wait`] says.
///
/// ```
/// use maniac_sync::wait::{Reason, Wait, Word};
/// fn report(wait: Wait) -> String {
///     match wait.reason() {
///         Reason::On(what) => format!("waits for {what}"),
///         Reason::Operation(name) => format!("waits for the operation {name}"),
///         Reason::Task(number) => format!("waits for task {number}"),
///         other => format!("waits: {other:?}"),
///     }
/// }
/// static ANSWER: Word = Word::new("an answer");
/// assert_eq!(report(Wait::on(&ANSWER)), "waits for an answer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something with a name.
    On(&'static str),
    /// An operation of the operating system, by its name.
    Operation(&'static str),
    /// A point in time, in nanoseconds of the executor's clock.
    Until(u64),
    /// A task, by a number that the executor knows.
    Task(u64),
    /// A lock, by a number that who made the lock knows.
    Lock(u64),
}

/// The low bits: what kind of number the others are, none of them for the address of a [`Word`].
const KIND: usize = 3;
const UNTIL: usize = 1;
const TASK: usize = 2;
const LOCK: usize = 3;
/// The same poll noted something else before.
const OTHERS: usize = 4;
const SHIFT: u32 = 3;

impl Wait {
    /// Something with a name.
    #[inline]
    #[must_use]
    pub const fn on(word: &'static Word) -> Wait {
        Wait(std::ptr::from_ref(word).cast())
    }

    /// A point in time, in nanoseconds of the executor's clock.
    #[inline]
    #[must_use]
    pub fn until(nanos: u64) -> Wait {
        static TIME: Word = Word::new("a point in time");
        Wait::number(UNTIL, nanos, &TIME)
    }

    /// A task of the executor, by a number below 2^61.
    #[inline]
    #[must_use]
    pub fn task(number: u64) -> Wait {
        static OTHER: Word = Word::new("another task");
        Wait::number(TASK, number, &OTHER)
    }

    /// A lock, by a number below 2^61.
    #[inline]
    #[must_use]
    pub fn lock(number: u64) -> Wait {
        static ANY: Word = Word::new("a lock");
        Wait::number(LOCK, number, &ANY)
    }

    /// Where addresses have no room for the number, its kind alone.
    #[inline]
    fn number(kind: usize, number: u64, short: &'static Word) -> Wait {
        if usize::BITS < u64::BITS {
            return Wait::on(short);
        }
        Wait(without_provenance((number as usize) << SHIFT | kind))
    }

    /// What this says.
    #[must_use]
    pub fn reason(self) -> Reason {
        let number = (self.0.addr() >> SHIFT) as u64;
        match self.0.addr() & KIND {
            UNTIL => Reason::Until(number),
            TASK => Reason::Task(number),
            LOCK => Reason::Lock(number),
            _ => {
                let word = self.0.map_addr(|address| address & !OTHERS).cast::<Word>();
                // SAFETY: [INV-9] without a number's mark it is the address of a static word.
                let word = unsafe { &*word };
                if word.is_operation { Reason::Operation(word.text) } else { Reason::On(word.text) }
            }
        }
    }

    /// Whether nothing else was noted in the same poll.
    #[must_use]
    pub fn is_sole(self) -> bool {
        self.0.addr() & OTHERS == 0
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("reason", &self.reason()).field("sole", &self.is_sole()).finish()
    }
}

thread_local! {
    // `const`-initialised and without a destructor, so that reaching it is one address.
    static NOTED: Cell<*const ()> = const { Cell::new(null()) };
}

/// Notes what the poll that runs here waits for. To be called where a leaf future gives `Pending`.
///
/// ```
/// use maniac_sync::wait::{self, Wait, Word};
/// static ANSWER: Word = Word::new("an answer");
/// wait::note(Wait::on(&ANSWER));
/// assert_eq!(wait::take(), Some(Wait::on(&ANSWER)));
/// ```
#[inline]
pub fn note(wait: Wait) {
    NOTED.with(|noted| {
        let before = noted.get();
        let sole = before.is_null() || before == wait.0;
        noted.set(if sole { wait.0 } else { wait.0.map_addr(|address| address | OTHERS) });
    });
}

/// As [`note`], of something with a name.
///
/// ```
/// use maniac_sync::wait::{self, Reason, Word};
/// wait::note_word(const { &Word::new("an answer") });
/// wait::note_word(const { &Word::new("a signal to stop") });
/// let wait = wait::take().unwrap();
/// assert_eq!(wait.reason(), Reason::On("a signal to stop"), "the last word counts");
/// assert!(!wait.is_sole());
/// ```
#[inline]
pub fn note_word(word: &'static Word) {
    note(Wait::on(word));
}

/// As [`note_word`], on the way out of a poll.
///
/// ```
/// use maniac_sync::wait::{self, Word};
/// use std::task::Poll;
/// fn poll_leaf(done: bool) -> Poll<()> {
///     if done { Poll::Ready(()) } else { wait::pending_on(const { &Word::new("a leaf") }) }
/// }
/// assert!(poll_leaf(false).is_pending() && wait::take().is_some());
/// ```
#[inline]
pub fn pending_on<R>(word: &'static Word) -> Poll<R> {
    note_word(word);
    Poll::Pending
}

/// Takes the last note of this thread.
///
/// ```
/// use maniac_sync::wait::{self, Wait, Word};
/// static ANSWER: Word = Word::new("an answer");
/// assert_eq!(wait::take(), None);
/// wait::note_word(&ANSWER);
/// assert_eq!(wait::take(), Some(Wait::on(&ANSWER)), "for an executor to keep");
/// assert_eq!(wait::take(), None);
/// ```
#[inline]
#[must_use]
pub fn take() -> Option<Wait> {
    let noted = NOTED.replace(null());
    (!noted.is_null()).then_some(Wait(noted))
}

/// Forgets what was noted on this thread: a poll begins.
///
/// ```
/// use maniac_sync::wait::{self, Word};
/// static ANSWER: Word = Word::new("an answer");
/// wait::note_word(&ANSWER);
/// wait::clear(); // before a poll
/// assert_eq!(wait::take(), None);
/// ```
#[inline]
pub fn clear() {
    NOTED.set(null());
}

/// A place for a [`Wait`] that any thread may read. Zeros are an empty one.
///
/// ```
/// use maniac_sync::wait::{AtomicWait, Wait};
/// let place = AtomicWait::default();
/// assert_eq!(place.load(), None);
/// place.store(Some(Wait::task(7)));
/// assert_eq!(place.load(), Some(Wait::task(7)));
/// ```
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct AtomicWait(AtomicPtr<()>);

impl AtomicWait {
    /// Puts a wait here. Who loads it sees what this thread did before.
    #[inline]
    pub fn store(&self, wait: Option<Wait>) {
        self.0.store(wait.map_or(null(), |wait| wait.0).cast_mut(), Ordering::Release);
    }

    /// What is here.
    #[must_use]
    pub fn load(&self) -> Option<Wait> {
        let wait = self.0.load(Ordering::Acquire).cast_const();
        (!wait.is_null()).then_some(Wait(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn numbers_come_back_and_kinds_are_kept_apart() {
        for number in [0, 1, 7, 1 << 40, (1 << 61) - 1] {
            assert_eq!(Wait::until(number).reason(), Reason::Until(number));
            assert_eq!(Wait::task(number).reason(), Reason::Task(number));
            assert_eq!(Wait::lock(number).reason(), Reason::Lock(number));
        }
    }

    #[test]
    fn the_last_note_counts_and_says_whether_it_is_the_only_one() {
        static A: Word = Word::new("a");
        clear();
        note_word(&A);
        note_word(&A);
        assert!(take().unwrap().is_sole(), "the same thing twice");
        note(Wait::task(1));
        note_word(&A);
        note_word(&A);
        let wait = take().unwrap();
        assert_eq!((wait.reason(), wait.is_sole()), (Reason::On("a"), false));
        assert!(take().is_none());
    }
}
