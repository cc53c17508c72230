//! Helpers for system calls on Unix.

use crate::fd::SharedFd;
use crate::ready::{self, Interest};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The result of a call that says -1 when it fails.
pub(crate) fn cvt(result: impl Into<i64>) -> io::Result<usize> {
    match result.into() {
        -1 => Err(io::Error::last_os_error()),
        done => Ok(done as usize),
    }
}

/// Repeats `call` while a signal interrupts it.
pub(crate) fn retry<R: Into<i64>>(mut call: impl FnMut() -> R) -> io::Result<usize> {
    loop {
        match cvt(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            result => return result,
        }
    }
}

/// The most that one read or write moves (read(2): MAX_RW_COUNT).
pub(crate) const MAX_TRANSFER: usize = 0x7fff_f000;

/// The length of a transfer.
pub(crate) fn transfer(len: usize) -> usize {
    len.min(MAX_TRANSFER)
}

/// The most buffers that one vectored call takes (IOV_MAX).
pub(crate) const MAX_VECTORS: usize = 1024;

pub(crate) fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: [local] F_GETFL takes no pointer.
    let flags = cvt(unsafe { libc::fcntl(raw, libc::F_GETFL) })? as i32;
    if flags & libc::O_NONBLOCK == 0 {
        // SAFETY: [local] F_SETFL takes no pointer.
        cvt(unsafe { libc::fcntl(raw, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    }
    Ok(())
}

/// Which of `events` (POLLIN, ...) hold now.
pub(crate) fn poll_now(fd: &SharedFd, events: i16) -> io::Result<i16> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: [local] one entry, alive for the call.
    retry(|| unsafe { libc::poll(&mut entry, 1, 0) })?;
    Ok(entry.revents)
}

/// Whether the kernel says that a direction of interest is closed, or cannot be asked.
pub(crate) fn is_closed(fd: &SharedFd, interest: Interest) -> bool {
    let closed = ready::READ_CLOSED | ready::WRITE_CLOSED;
    poll_now(fd, poll_events(interest)).map_or(true, |events| ready_bits(events) & closed != 0)
}

/// Waits until `fd` is readable, for `time` at most (ppoll(2)). A signal ends it too.
#[cfg(all(maniac_poll, any(target_os = "linux", target_os = "android"), not(miri)))]
pub(crate) fn wait_readable(fd: i32, time: std::time::Duration) -> io::Result<()> {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // More than 68 years are as good as for ever.
    let seconds = time.as_secs().min(i32::MAX as u64);
    let time = libc::timespec { tv_sec: seconds as _, tv_nsec: time.subsec_nanos() as _ };
    // SAFETY: [local] the entry and the time are alive for the call, and no signal mask is given.
    match cvt(unsafe { libc::ppoll(&mut entry, 1, &time, std::ptr::null()) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        result => result.map(|_| ()),
    }
}

/// A new eventfd: CLOEXEC, non-blocking.
#[cfg(maniac_uring)]
pub(crate) fn eventfd() -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: [local] takes no pointer.
    let raw = cvt(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: [local] just made, owned by nothing else.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(raw as i32) })
}

/// Adds one to an eventfd. One that is full is readable as it is, so that is no error.
#[cfg(maniac_uring)]
pub(crate) fn eventfd_add(fd: &impl AsFd) -> io::Result<()> {
    let one = 1u64.to_ne_bytes();
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: [local] eight bytes, alive for the call.
    match retry(|| unsafe { libc::write(raw, one.as_ptr().cast(), one.len()) as i64 }) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Empties an eventfd.
#[cfg(maniac_uring)]
pub(crate) fn eventfd_clear(fd: &impl AsFd) {
    let mut count = [0u8; 8];
    let raw = fd.as_fd().as_raw_fd();
    // Empty already is as well.
    // SAFETY: [local] eight bytes, alive for the call.
    let _ = retry(|| unsafe { libc::read(raw, count.as_mut_ptr().cast(), count.len()) as i64 });
}

/// What poll(2) is asked for an interest.
pub(crate) fn poll_events(interest: Interest) -> i16 {
    let mut events = 0;
    if interest.is_readable() {
        events |= libc::POLLIN;
    }
    if interest.is_readable() || interest.is_priority() {
        events |= RDHUP;
    }
    if interest.is_writable() {
        events |= libc::POLLOUT;
    }
    if interest.is_priority() {
        events |= libc::POLLPRI;
    }
    events
}

/// What POLL_ADD is asked for an interest. It is not woken for POLLPRI alone (seen on Linux 6.18), but for
/// POLLRDBAND, which comes with it and with nothing else.
#[cfg(maniac_uring)]
pub(crate) fn ring_events(interest: Interest) -> u32 {
    let band = if interest.is_priority() { libc::POLLRDBAND } else { 0 };
    u32::from((poll_events(interest) | band) as u16)
}

/// The peer writes no more.
#[cfg(any(target_os = "linux", target_os = "android"))]
const RDHUP: i16 = libc::POLLRDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RDHUP: i16 = 0;

/// The readiness that poll(2)'s answer means.
pub(crate) fn ready_bits(events: i16) -> u32 {
    let has = |mask: i16, bits: u32| if events & mask != 0 { bits } else { 0 };
    has(libc::POLLIN, ready::READABLE)
        | has(libc::POLLPRI | libc::POLLRDBAND, ready::PRIORITY)
        | has(libc::POLLOUT, ready::WRITABLE)
        | has(RDHUP, ready::READABLE | ready::READ_CLOSED)
        | has(libc::POLLHUP, ready::READABLE | ready::WRITABLE | ready::READ_CLOSED | ready::WRITE_CLOSED)
        | has(libc::POLLERR, ready::READABLE | ready::WRITABLE | ready::ERROR | ready::WRITE_CLOSED)
        | has(libc::POLLNVAL, ready::ERROR)
}

/// Whether the process ignores SIGPIPE, as programs of Rust's do from their start; the host of a library may not.
///
/// ```
/// assert!(maniac_driver::sys::ignores_sigpipe());
/// ```
#[cfg(target_os = "linux")]
pub fn ignores_sigpipe() -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: [local] the call only writes to `action`.
    let result = unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: [local] all zero before, which is a valid value, and written by the call, if anything was.
    let action = unsafe { action.assume_init() };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}
