//! Whether this process is a forked child of the one that made a value.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// Knows in which process it was made: a child made by fork(2) sees so by one load.
///
/// On Linux it is a page that the kernel wipes in the child (`MADV_WIPEONFORK`, Linux 4.14), which no way of forking
/// escapes; on other Unix systems, and where that is refused, a handler of pthread_atfork(3), which sees only `fork`
/// itself. On Windows nothing forks.
///
/// ```
/// use maniac_context::fork::ForkGuard;
/// let guard = ForkGuard::new()?;
/// assert!(!guard.is_child());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ForkGuard {
    /// A page of its own, or [`FORKS`].
    word: imp::Word,
    /// What the word holds in the process that made this.
    expected: u32,
}

impl ForkGuard {
    /// A guard of the calling process.
    ///
    /// # Errors
    /// If the system gives no memory, or room for a fork handler.
    pub fn new() -> io::Result<Self> {
        let (word, expected) = imp::word()?;
        Ok(Self { word, expected })
    }

    /// Whether the calling process was forked from the one that made this.
    #[inline]
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.word.get().load(Ordering::Relaxed) != self.expected
    }
}

/// Counts forks, in the child.
static FORKS: AtomicU32 = AtomicU32::new(0);

#[cfg(all(unix, not(miri)))]
mod imp {
    use std::io;
    use std::ptr::NonNull;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::FORKS;

    /// Mapped bytes for one word: a page, in whatever size the kernel has.
    const LEN: usize = size_of::<AtomicU32>();

    #[derive(Debug)]
    pub(super) struct Word {
        word: NonNull<AtomicU32>,
        mapped: bool,
    }

    // SAFETY: [INV-9] it gives out only shared references to an atomic that lives as long as itself.
    unsafe impl Send for Word {}
    // SAFETY: [INV-9] as above.
    unsafe impl Sync for Word {}

    impl Word {
        #[inline]
        pub(super) fn get(&self) -> &AtomicU32 {
            // SAFETY: [INV-9] either a static or a page that is unmapped when this value is dropped.
            unsafe { self.word.as_ref() }
        }
    }

    impl Drop for Word {
        fn drop(&mut self) {
            if self.mapped {
                // SAFETY: [INV-9] our own mapping, whole; no reference outlives `self`.
                let _ = unsafe { libc::munmap(self.word.as_ptr().cast(), LEN) };
            }
        }
    }

    pub(super) fn word() -> io::Result<(Word, u32)> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(word) = wiped_page()? {
            word.get().store(1, Ordering::Relaxed);
            return Ok((word, 1));
        }
        count_forks()?;
        let word = Word { word: NonNull::from(&FORKS), mapped: false };
        Ok((word, FORKS.load(Ordering::Relaxed)))
    }

    /// No advice that madvise(2) knows.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const NONSENSE: libc::c_int = 0x7fff_0000;

    /// A page that is zero in a child; `None` if the kernel cannot wipe.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn wiped_page() -> io::Result<Option<Word>> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: [INV-10] a new anonymous mapping, placed where nothing is.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), LEN, access, flags, -1, 0) };
        let Some(word) = NonNull::new(page.cast::<AtomicU32>()).filter(|_| page != libc::MAP_FAILED) else {
            return Err(io::Error::last_os_error());
        };
        let word = Word { word, mapped: true };
        // An emulator may accept advice that it does not know and do nothing (qemu's user mode does).
        // SAFETY: [INV-10] our own mapping; a kernel refuses this.
        let credulous = unsafe { libc::madvise(page, LEN, NONSENSE) } == 0;
        // SAFETY: [INV-10] our own mapping; the advice changes only what a child sees.
        let accepted = unsafe { libc::madvise(page, LEN, libc::MADV_WIPEONFORK) } == 0;
        Ok((accepted && !credulous).then_some(word))
    }

    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    fn count_forks() -> io::Result<()> {
        static REGISTERED: OnceLock<libc::c_int> = OnceLock::new();
        let result = *REGISTERED.get_or_init(|| {
            // SAFETY: [local] the handler only adds to an atomic.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) }
        });
        if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
    }
}

#[cfg(any(not(unix), miri))]
mod imp {
    use std::io;
    use std::sync::atomic::AtomicU32;

    #[derive(Debug)]
    pub(super) struct Word;

    impl Word {
        #[inline]
        pub(super) fn get(&self) -> &AtomicU32 {
            &super::FORKS
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as where it can fail")]
    pub(super) fn word() -> io::Result<(Word, u32)> {
        Ok((Word, 0))
    }
}
