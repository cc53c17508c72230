//! close(2).

use crate::fd::OwnedDescriptor;
use std::io;
use std::os::fd::IntoRawFd;

/// Closes `fd`; whatever the error, it is closed afterwards (close(2)), so an interrupted one is not repeated.
pub(super) fn close(fd: OwnedDescriptor) -> io::Result<usize> {
    let raw = fd.into_raw_fd();
    // SAFETY: [local] `raw` was just given up by its owner.
    match crate::sys::cvt(unsafe { libc::close(raw) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        result => result,
    }
}

/// The ring was asked to close `fd` and says `result`.
pub(super) fn closed(fd: OwnedDescriptor, result: &io::Result<()>) {
    match result {
        // It never came to it, so the plain call must.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ECANCELED) | None) => drop(fd),
        _ => {
            let _closed_by_the_ring = fd.into_raw_fd();
        }
    }
}
