//! Runtime calls from inside a task: the bracket around every touch of the role.
//!
//! The poll word turns even, `demote` is checked, the role is touched if it is still this thread's, and the word that was found is put back.
//! An even word means that a runtime call is under way already (a nested call), or that no task runs here: then, and when
//! the role is gone, the caller takes the remote path. Nothing inside a bracket runs foreign code: no foreign waker, no
//! destructor of a user's value, no allocation that could call a user's allocator hook for long.

use super::context;
use super::local::RoleLocal;
use super::role::Role;
use super::thread::Thread;

/// Puts the poll word back, also when a bug unwinds.
struct Restore(&'static Thread, u64);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        self.0.poll.end_call(self.1);
    }
}

/// Whether `thread`, the calling one, which has doubts, still owns the role. Leaves a trace of its poll, if one is wanted.
#[cold]
fn resolve(role: &'static Role, thread: &'static Thread, word: u64) -> bool {
    let mine = role.still_owned_by(thread);
    if !thread.is_trace_wanted() {
        return mine;
    }
    // Outside the bracket, since it allocates and takes its time: the role may go away meanwhile.
    thread.poll.end_call(word);
    thread.leave_trace();
    let again = thread.poll.begin_call();
    debug_assert_eq!(again, Some(word), "the poll is the same");
    !thread.poll.is_doubtful() || role.still_owned_by(thread)
}

/// Calls `f` with the role that this thread holds in the core of number `core`; gives `f` back if there is none to touch.
#[inline]
pub(crate) fn with_role<F, R>(core: u32, f: F) -> Result<R, F>
where
    F: FnOnce(&'static Role, &mut RoleLocal) -> R,
{
    let Some(thread) = context::thread() else { return Err(f) };
    if thread.core().number() != core {
        return Err(f);
    }
    let Some(role) = thread.role() else { return Err(f) };
    let Some(word) = thread.poll.begin_call() else { return Err(f) };
    let _restore = Restore(thread, word);
    if thread.poll.is_doubtful() && !resolve(role, thread, word) {
        return Err(f);
    }
    role.check_owner(thread);
    // SAFETY: [ROLE-4] the word was odd, so this thread is in a task and its scheduler gave its guard up; it is even
    // now, so no nested call gets here; the demote check says that the role is still this thread's, and with an even word it
    // cannot be seized.
    let local = unsafe { role.local() };
    let result = f(role, local);
    role.check_owner(thread);
    Ok(result)
}
