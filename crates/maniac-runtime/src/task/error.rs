//! Why a task gave no value.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Why a task gave no value: it panicked, or it was cancelled.
///
/// ```
/// # use maniac_runtime as maniac;
/// # let runtime = maniac::runtime::Runtime::new_multi_threaded(1, 64)?;
/// let error = runtime.block_on(async { maniac::spawn(async { panic!("out of cheese") }).await }).unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"out of cheese"));
///
/// let handle = runtime.spawn(std::future::pending::<()>());
/// handle.abort();
/// let error = runtime.block_on(handle).unwrap_err();
/// assert!(error.is_cancelled() && error.try_into_panic().is_err());
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
pub struct JoinError(Reason);

enum Reason {
    Cancelled,
    // The lock makes the error `Sync`; the payload of a panic need not be.
    Panic(Mutex<Box<dyn Any + Send>>),
}

impl JoinError {
    pub(crate) fn cancelled() -> JoinError {
        JoinError(Reason::Cancelled)
    }

    pub(crate) fn panic(payload: Box<dyn Any + Send>) -> JoinError {
        JoinError(Reason::Panic(Mutex::new(payload)))
    }

    /// Whether the task was aborted, or its runtime shut down before it was done.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Reason::Cancelled)
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Reason::Panic(_))
    }

    /// The panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    /// If the task was cancelled; see [`JoinError::try_into_panic`].
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("the task was cancelled: there is no panic to take out")
    }

    /// The panic's payload, or this error back if the task was cancelled.
    ///
    /// # Errors
    /// Gives `self` back if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.0 {
            Reason::Panic(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Reason::Cancelled => Err(self),
        }
    }
}

/// Runs code of a user's whose panic is nobody's business here; nor is that of the panic's payload when it is dropped.
pub(crate) fn contain(f: impl FnOnce()) {
    let contained = catch_unwind(AssertUnwindSafe(f));
    if let Err(payload) = contained
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        // It could go on like this: the second payload is leaked.
        let _ = ManuallyDrop::new(again);
    }
}

/// The text of a panic's payload, where it is a string.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a payload that is no string"
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Cancelled => f.write_str("JoinError::Cancelled"),
            Reason::Panic(payload) => {
                let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
                write!(f, "JoinError::Panic({:?})", panic_text(&**payload))
            }
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Cancelled => f.write_str("the task was cancelled"),
            Reason::Panic(payload) => {
                let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
                write!(f, "the task panicked: {}", panic_text(&**payload))
            }
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> std::io::Error {
        std::io::Error::other(error)
    }
}
