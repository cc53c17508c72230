//! Memory from the operating system: mapped, zeroed, never unmapped.
//!
//! Where there is no `mmap` (Windows, WebAssembly, miri) the memory comes from the allocator and is leaked instead.

use std::io;
use std::ptr::NonNull;

/// What came of a wish for huge pages.
///
/// ```
/// use maniac_arena::{Arena, ArenaOptions, HugePages};
/// let arena = Arena::new(ArenaOptions::new()).unwrap();
/// assert_eq!(arena.huge_pages(), HugePages::Off);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HugePages {
    /// Nobody asked for them.
    Off,
    /// The kernel took the advice (`MADV_HUGEPAGE`); whether it follows shows in `AnonHugePages` of `/proc/self/smaps`.
    Advised,
    /// The kernel refused, with this `errno`; the arena uses ordinary pages.
    Refused(i32),
    /// This platform has no such advice.
    Unsupported,
}

/// The size of a page, in bytes.
#[must_use]
pub fn page_size() -> usize {
    imp::page_size()
}

/// A piece of zeroed memory that stays for the life of the process.
pub(crate) struct Chunk {
    pub(crate) base: NonNull<u8>,
    pub(crate) bytes: usize,
}

impl Chunk {
    /// Maps `bytes` (a multiple of [`Chunk::ALIGN`]) at an address that is a multiple of [`Chunk::ALIGN`].
    pub(crate) fn map(bytes: usize) -> io::Result<Chunk> {
        debug_assert!(bytes.is_multiple_of(Self::ALIGN));
        imp::map(bytes).map(|base| Chunk { base, bytes })
    }

    /// A huge page's size on the platforms that matter (x86_64, and aarch64 and riscv64 with 4 KiB pages).
    pub(crate) const ALIGN: usize = 2 << 20;
}

pub(crate) use imp::{advise_huge, discard, populate};

#[cfg(all(unix, not(miri)))]
mod imp {
    use super::{Chunk, HugePages};
    use std::io;
    use std::ptr::NonNull;

    pub(super) fn page_size() -> usize {
        // SAFETY: [INV-4] sysconf only reads a constant of the system.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).unwrap_or(4096)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const FLAGS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const FLAGS: i32 = libc::MAP_PRIVATE | libc::MAP_ANON;

    pub(super) fn map(bytes: usize) -> io::Result<NonNull<u8>> {
        // One alignment more than asked for, so that an aligned piece is inside; the rest goes back.
        let reserve = bytes.checked_add(Chunk::ALIGN).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: [INV-4] an anonymous mapping at an address of the kernel's choice touches nobody's memory.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), reserve, libc::PROT_READ | libc::PROT_WRITE, FLAGS, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = start.cast::<u8>();
        let head = start.align_offset(Chunk::ALIGN);
        let base = start.wrapping_add(head);
        unmap(start, head);
        unmap(base.wrapping_add(bytes), reserve - head - bytes);
        NonNull::new(base).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Gives back an edge of a mapping that nobody has seen yet.
    fn unmap(start: *mut u8, bytes: usize) {
        if bytes == 0 {
            return;
        }
        // SAFETY: [INV-1] the range is the unaligned edge of the mapping made just above; no slot lies in it.
        let result = unsafe { libc::munmap(start.cast(), bytes) };
        debug_assert_eq!(result, 0);
    }

    pub(crate) fn advise_huge(base: NonNull<u8>, bytes: usize) -> HugePages {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // SAFETY: [INV-4] the advice changes how our own mapping is backed, never what it holds.
            let result = unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
            if result == 0 {
                HugePages::Advised
            } else {
                HugePages::Refused(io::Error::last_os_error().raw_os_error().unwrap_or(0))
            }
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            let _ = (base, bytes);
            HugePages::Unsupported
        }
    }

    /// Makes the pages present now, without changing what they hold.
    pub(crate) fn populate(base: NonNull<u8>, bytes: usize) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            const MADV_POPULATE_WRITE: i32 = 23; // Linux 5.14
            // SAFETY: [INV-4] prefaulting our own mapping changes nothing that it holds.
            // Only to be faster: older kernels refuse it, and an emulator may accept advice that it does not know and do nothing.
            let _ = unsafe { libc::madvise(base.as_ptr().cast(), bytes, MADV_POPULATE_WRITE) };
        }
        super::touch(base, bytes, page_size());
    }

    /// Gives the pages back; the range reads as zeros afterwards.
    ///
    /// # Safety
    /// No slot in the range is in use.
    pub(crate) unsafe fn discard(base: NonNull<u8>, bytes: usize) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // SAFETY: [INV-3] passed on: no slot is in use; on Linux the range then reads as zeros.
            let result = unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_DONTNEED) };
            if result == 0 {
                return;
            }
        }
        // SAFETY: [INV-3] passed on: no slot is in use, so nobody reads or writes the range.
        unsafe { base.as_ptr().write_bytes(0, bytes) };
    }
}

#[cfg(any(not(unix), miri))]
mod imp {
    use super::{Chunk, HugePages};
    use std::alloc::Layout;
    use std::io;
    use std::ptr::NonNull;

    pub(super) fn page_size() -> usize {
        4096
    }

    pub(super) fn map(bytes: usize) -> io::Result<NonNull<u8>> {
        let layout = Layout::from_size_align(bytes, Chunk::ALIGN).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: [INV-4] a chunk is never of size zero.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        NonNull::new(base).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    pub(crate) fn advise_huge(_base: NonNull<u8>, _bytes: usize) -> HugePages {
        HugePages::Unsupported
    }

    pub(crate) fn populate(base: NonNull<u8>, bytes: usize) {
        super::touch(base, bytes, page_size());
    }

    /// Zeroes the range.
    ///
    /// # Safety
    /// No slot in the range is in use.
    pub(crate) unsafe fn discard(base: NonNull<u8>, bytes: usize) {
        // SAFETY: [INV-3] passed on: no slot is in use, so nobody reads or writes the range.
        unsafe { base.as_ptr().write_bytes(0, bytes) };
    }
}

/// Writes to each page what it holds, so that it is present.
fn touch(base: NonNull<u8>, bytes: usize, page: usize) {
    use std::sync::atomic::{AtomicU8, Ordering};
    for offset in (0..bytes).step_by(page) {
        let byte = base.as_ptr().wrapping_add(offset);
        // SAFETY: [INV-2] the byte lies in a chunk, which stays mapped for ever.
        let byte = unsafe { AtomicU8::from_ptr(byte) };
        byte.fetch_or(0, Ordering::Relaxed);
    }
}
