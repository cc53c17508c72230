//! An alternate signal stack for threads that have none.

use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

use crate::stack::sys;

/// Bytes of the stack that handlers run on, beside the signal frame.
const HANDLER_BYTES: usize = 32 << 10;

/// Sees to it that this thread has an alternate signal stack while the value lives; one that it has already is left
/// alone.
///
/// ```
/// # #[cfg(not(miri))] {
/// let _alternate = maniac_context::overflow::AltStack::for_this_thread()?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct AltStack {
    /// The reservation made for it; `None` if the thread had a stack.
    own: Option<(usize, usize)>,
    /// It belongs to one thread.
    _thread_bound: PhantomData<*mut ()>,
}

impl AltStack {
    /// Gives this thread an alternate signal stack unless it has one.
    ///
    /// # Errors
    /// What the system says.
    pub fn for_this_thread() -> io::Result<Self> {
        if current()?.ss_flags & libc::SS_DISABLE == 0 {
            return Ok(Self { own: None, _thread_bound: PhantomData });
        }
        let page = sys::page_size();
        let len = page + (sys::signal_reserve() + HANDLER_BYTES).next_multiple_of(page);
        let address = sys::reserve(len)?;
        let stack = Self { own: Some((address, len)), _thread_bound: PhantomData };
        // SAFETY: [INV-4] our own fresh reservation; its first page goes on faulting.
        unsafe { sys::allow(address + page, len - page) }?;
        set(&libc::stack_t {
            ss_sp: ptr::with_exposed_provenance_mut(address + page),
            ss_flags: 0,
            ss_size: len - page,
        })?;
        Ok(stack)
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let Some((address, len)) = self.own else { return };
        match current() {
            // Ours is in place: take it away, then unmap it.
            Ok(stack) if (address..address + len).contains(&stack.ss_sp.addr()) => {
                let disabled =
                    libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: len };
                // Refused while a handler runs on it: then it stays mapped.
                if set(&disabled).is_err() {
                    return;
                }
            }
            // Somebody put another in its place, or it never was set.
            Ok(_) => {}
            Err(_) => return,
        }
        // SAFETY: [INV-5] a whole reservation that the kernel no longer knows as a stack.
        unsafe { sys::release(address, len) };
    }
}

fn current() -> io::Result<libc::stack_t> {
    let mut stack = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: [local] the call only writes to `stack`.
    if unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: [local] the call succeeded and wrote it.
    Ok(unsafe { stack.assume_init() })
}

fn set(stack: &libc::stack_t) -> io::Result<()> {
    // SAFETY: [INV-4] the memory it names is a reservation of ours that nothing else uses, or it disables the stack.
    if unsafe { libc::sigaltstack(stack, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
