//! The system calls of slabs, on Unix. Each takes an address range that its caller owns.

use std::io;
use std::sync::OnceLock;

/// `MADV_GUARD_INSTALL` of Linux 6.13, madvise(2); not yet in the `libc` crate.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// Bytes of a page.
pub(crate) fn page_size() -> usize {
    static PAGE: OnceLock<usize> = OnceLock::new();
    *PAGE.get_or_init(|| {
        if cfg!(miri) {
            return 4096;
        }
        // SAFETY: [INV-10] sysconf reads a constant of the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(page).ok().filter(|page| page.is_power_of_two()).unwrap_or(4096)
    })
}

/// Bytes that every stack keeps below what it reports as usable: the largest signal frame of this machine and 1 KiB
/// for the handler, in whole pages.
pub(crate) fn signal_reserve() -> usize {
    signal_room().next_multiple_of(page_size())
}

/// Bytes that the largest signal frame of this machine takes, and 1 KiB for its handler.
pub(crate) fn signal_room() -> usize {
    minimal_signal_stack() + 1024
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
fn minimal_signal_stack() -> usize {
    /// getauxval(3): the minimal stack for a signal's delivery, which grows with the vector registers.
    const AT_MINSIGSTKSZ: libc::c_ulong = 51;
    // SAFETY: [INV-10] getauxval reads the auxiliary vector and gives 0 for an unknown entry.
    let reported = unsafe { libc::getauxval(AT_MINSIGSTKSZ) };
    usize::try_from(reported).unwrap_or(0).max(libc::MINSIGSTKSZ)
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
fn minimal_signal_stack() -> usize {
    8192
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const RESERVE_FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
// OpenBSD runs only on stacks that were mapped as such.
#[cfg(target_os = "openbsd")]
const RESERVE_FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_STACK;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "openbsd")))]
const RESERVE_FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON;

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reserves address space that faults when touched.
#[cfg(not(miri))]
pub(crate) fn reserve(len: usize) -> io::Result<usize> {
    // SAFETY: [INV-10] a new anonymous mapping, placed where nothing is.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, RESERVE_FLAGS, -1, 0) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // A huge page would commit 2 MiB for the first byte of a stack. Kernels without huge pages refuse; fine.
        // SAFETY: [INV-10] the range was mapped above.
        let _ = unsafe { libc::madvise(address, len, libc::MADV_NOHUGEPAGE) };
    }
    Ok(address.expose_provenance())
}

/// Unmaps a range that `reserve` gave.
///
/// # Safety
/// The range is one whole reservation and nothing uses it any more.
#[cfg(not(miri))]
pub(crate) unsafe fn release(address: usize, len: usize) {
    // SAFETY: [caller] the range is the caller's.
    let result = unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(address), len) };
    debug_assert_eq!(result, 0, "munmap of a whole reservation");
}

/// Makes a part of a reservation readable and writable.
///
/// # Safety
/// The range lies within a reservation of the caller, and nothing relies on its faulting.
#[cfg(not(miri))]
pub(crate) unsafe fn allow(address: usize, len: usize) -> io::Result<()> {
    let address = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: [caller] the range is the caller's.
    check(unsafe { libc::mprotect(address, len, libc::PROT_READ | libc::PROT_WRITE) })
}

/// Makes a part of a reservation fault without a mapping of its own.
///
/// # Safety
/// The range lies within a reservation of the caller, and nothing lives in it.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
pub(crate) unsafe fn install_guard(address: usize, len: usize) -> io::Result<()> {
    if !guards_hold() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let address = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: [caller] the range is the caller's.
    check(unsafe { libc::madvise(address, len, MADV_GUARD_INSTALL) })
}

/// Whether an installed guard does fault. An emulator may accept advice that it does not know and do nothing (qemu's
/// user mode does), so the success of the call proves too little; found out once, on a page of its own.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
fn guards_hold() -> bool {
    static HOLD: OnceLock<bool> = OnceLock::new();
    *HOLD.get_or_init(|| {
        let Ok(address) = reserve(page_size()) else { return false };
        // SAFETY: [local] the reservation is ours.
        let allowed = unsafe { allow(address, page_size()) };
        let page = std::ptr::with_exposed_provenance_mut(address);
        let before = kernel_can_read(page);
        // SAFETY: [local] the page is ours, and nothing lives in it.
        let advised = check(unsafe { libc::madvise(page, page_size(), MADV_GUARD_INSTALL) });
        let after = kernel_can_read(page);
        // SAFETY: [local] one whole reservation, used by nobody.
        unsafe { release(address, page_size()) };
        allowed.is_ok() && advised.is_ok() && before == Some(true) && after == Some(false)
    })
}

/// Whether the kernel can read a byte at this address; `None` if that cannot be found out.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
fn kernel_can_read(address: *const libc::c_void) -> Option<bool> {
    use std::os::fd::AsRawFd;

    let (_reader, writer) = io::pipe().ok()?;
    // SAFETY: [INV-10] write(2) reads one byte into a pipe, or gives EFAULT where there is nothing to read.
    // tidy-allow: architecture: the only question put to the kernel that a guard answers without a fault
    match unsafe { libc::write(writer.as_raw_fd(), address, 1) } {
        1 => Some(true),
        _ if io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT) => Some(false),
        _ => None,
    }
}

/// Elsewhere there is no such call.
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
pub(crate) unsafe fn install_guard(_address: usize, _len: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives the memory of a range back to the system; its address space stays, its content becomes arbitrary.
///
/// # Safety
/// The range lies within a reservation of the caller, and nothing lives in it.
#[cfg(not(miri))]
pub(crate) unsafe fn discard(address: usize, len: usize) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const ADVICE: libc::c_int = libc::MADV_DONTNEED;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const ADVICE: libc::c_int = libc::MADV_FREE;
    // Refused on locked memory, where the stack merely stays resident.
    // SAFETY: [caller] the range is the caller's.
    let _ = unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(address), len, ADVICE) };
}

/// The limit on the mappings of a process (`vm.max_map_count`), where there is one.
pub(crate) fn max_mappings() -> Option<usize> {
    if cfg!(all(any(target_os = "linux", target_os = "android"), not(miri))) {
        // tidy-allow: architecture: a limit of the machine, read before there is a driver
        std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
    } else {
        None
    }
}

/// How many mappings this process has. It allocates nothing: where mappings have run out, allocation may fail.
pub(crate) fn mappings() -> usize {
    use std::io::Read;

    if cfg!(miri) {
        return 0;
    }
    // tidy-allow: architecture: a fact about this process, read where mappings have run out
    let Ok(mut maps) = std::fs::File::open("/proc/self/maps") else { return 0 };
    let mut lines = 0;
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = maps.read(&mut buffer) {
        lines += buffer[..read].iter().filter(|&&byte| byte == b'\n').count();
    }
    lines
}

#[cfg(miri)]
pub(crate) use mocked::{allow, discard, release, reserve};

/// Heap memory in place of mappings, so that the interpreter can run the pool's bookkeeping.
#[cfg(miri)]
mod mocked {
    use std::alloc::{Layout, alloc, dealloc};
    use std::io;

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len, 4096).expect("a reservation's length is valid")
    }

    pub(crate) fn reserve(len: usize) -> io::Result<usize> {
        // SAFETY: [local] the length of a reservation is not zero.
        let address = unsafe { alloc(layout(len)) };
        if address.is_null() {
            Err(io::ErrorKind::OutOfMemory.into())
        } else {
            Ok(address.expose_provenance())
        }
    }

    pub(crate) unsafe fn release(address: usize, len: usize) {
        // SAFETY: [caller] a whole reservation.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(address), layout(len)) }
    }

    #[expect(clippy::unnecessary_wraps, reason = "stands for a system call")]
    pub(crate) unsafe fn allow(_address: usize, _len: usize) -> io::Result<()> {
        Ok(())
    }

    pub(crate) unsafe fn discard(address: usize, len: usize) {
        // SAFETY: [caller] nothing lives in the range.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address).write_bytes(0xa5, len) }
    }
}
