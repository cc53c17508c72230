//! Task-local values: visible to a future and everything it calls, across threads and suspensions.
//!
//! A scope's value lies in its future. While that is polled, a frame on the stack points to it, and the thread's context to the innermost frame; each frame
//! points to the next. A coroutine that suspends takes the pointer along.

use crate::role::context;
use pin_project_lite::pin_project;
use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Declares task-local keys.
///
/// ```
/// # use maniac_runtime as maniac;
/// maniac::task_local! {
///     /// Who asked.
///     pub static USER: String;
/// }
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// # runtime.block_on(async {
/// let length = USER.scope("ada".to_string(), async { USER.with(String::len) }).await;
/// assert_eq!(length, 3);
/// assert!(USER.try_with(|_| ()).is_err());
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty);* $(;)?) => {
        $($(#[$attribute])* $visibility static $name: $crate::task::LocalKey<$type> = $crate::task::LocalKey::new();)*
    };
}

/// A task-local key; see [`task_local!`](crate::task_local).
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// maniac::task_local! {
///     static DEPTH: u32;
/// }
/// fn descend() -> u32 {
///     if DEPTH.get() == 3 { 3 } else { DEPTH.sync_scope(DEPTH.get() + 1, descend) }
/// }
/// assert_eq!(runtime.block_on(DEPTH.scope(0, async { descend() })), 3);
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[derive(Debug)]
pub struct LocalKey<T: 'static> {
    /// Not of size zero, so that two keys have two addresses.
    _place: u8,
    value: PhantomData<fn() -> T>,
}

/// There is no value of this key here: the code runs in no scope of it.
///
/// ```
/// use maniac_runtime::{self as maniac, task::AccessError};
/// maniac::task_local! {
///     static USER: String;
/// }
/// let error: AccessError = USER.try_with(String::len).unwrap_err();
/// assert_eq!(error.to_string(), "the task-local has no value here: this code runs in no scope of it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task-local has no value here: this code runs in no scope of it")
    }
}

impl std::error::Error for AccessError {}

/// A value that is visible, as long as the poll that put it here lasts.
struct Frame {
    key: *const (),
    of: TypeId,
    value: *const (),
    next: *const (),
}

impl<T: 'static> LocalKey<T> {
    /// For [`task_local!`](crate::task_local).
    #[doc(hidden)]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "made by the macro alone")]
    pub const fn new() -> LocalKey<T> {
        LocalKey { _place: 0, value: PhantomData }
    }

    /// Runs `future` with this key's value.
    ///
    /// # Cancel safety
    /// That of `future`; the value is dropped with it.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scoped<T, F> {
        Scoped { key: self, value, future }
    }

    /// Runs `f` with this key's value.
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        self.enter(&value, f)
    }

    /// Calls `f` with the value of the innermost scope.
    ///
    /// # Panics
    /// Outside a scope of this key; see [`LocalKey::try_with`].
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `f` with the value of the innermost scope.
    ///
    /// # Errors
    /// Outside a scope of this key.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let mut frame = context::locals().cast::<Frame>();
        // SAFETY: [TASK-13] the context's pointer is null or that of a frame further down on the stack that this code runs on, and so on.
        while let Some(found) = unsafe { frame.as_ref() } {
            if found.key == self.address() && found.of == TypeId::of::<T>() {
                // SAFETY: [TASK-13] a frame of this key and type points to a `T` that is borrowed as long as the frame is reachable.
                return Ok(f(unsafe { &*found.value.cast::<T>() }));
            }
            frame = found.next.cast();
        }
        Err(AccessError)
    }

    /// A copy of the value of the innermost scope.
    ///
    /// # Panics
    /// Outside a scope of this key.
    #[track_caller]
    #[must_use]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    fn address(&'static self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    fn enter<R>(&'static self, value: &T, f: impl FnOnce() -> R) -> R {
        struct Leave(*const ());
        impl Drop for Leave {
            fn drop(&mut self) {
                context::set_locals(self.0);
            }
        }
        let leave = Leave(context::locals());
        let frame = Frame {
            key: self.address(),
            of: TypeId::of::<T>(),
            value: std::ptr::from_ref(value).cast(),
            next: leave.0,
        };
        context::set_locals((&raw const frame).cast());
        f()
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`].
    ///
    /// ```
    /// use maniac_runtime::{self as maniac, task::Scoped};
    /// maniac::task_local! {
    ///     static USER: &'static str;
    /// }
    /// // A service that names the futures it makes.
    /// fn serve(user: &'static str) -> Scoped<&'static str, impl Future<Output = String>> {
    ///     USER.scope(user, async { format!("hello, {}", USER.get()) })
    /// }
    /// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
    /// assert_eq!(runtime.block_on(serve("ada")), "hello, ada");
    /// # Ok::<(), maniac::runtime::BuildError>(())
    /// ```
    #[must_use = "futures do nothing unless awaited"]
    pub struct Scoped<T: 'static, F> {
        key: &'static LocalKey<T>,
        value: T,
        #[pin]
        future: F,
    }
}

impl<T, F> fmt::Debug for Scoped<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

impl<T, F: Future> Future for Scoped<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future;
        this.key.enter(this.value, || future.poll(cx))
    }
}
