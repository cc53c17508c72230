//! Signals.
//!
//! Each listener has a pipe of its own, into which the signal's handler writes a byte for each delivery. Listeners of one
//! signal do not take deliveries from each other, and handlers that the program or its libraries installed before are called
//! too. The system itself merges deliveries of one signal that are pending at the same time; beyond that, none is lost
//! (a listener keeps 65,536 on Linux, and thereafter at least knows that there were more).
//!
//! The first listener of a signal replaces what the signal did by default, and dropping the last does not bring that back: a
//! program that has listened to SIGINT is not ended by Ctrl-C any more.

pub mod unix;

use std::io;

/// Waits for the next Ctrl-C (SIGINT), from the first poll of the future on.
///
/// In a loop, make one [`unix::Signal`] instead: what comes between two calls of this function is heard by nobody.
///
/// # Errors
///
/// If the handler cannot be installed; outside a runtime.
///
/// # Cancel safety
///
/// A delivery that came before the drop is not heard again.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// use std::task::{Context, Poll, Waker};
/// let mut interrupted = std::pin::pin!(maniac_io::signal::ctrl_c());
/// # // The handler is there from the first poll on.
/// # assert!(interrupted.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// # std::process::Command::new("kill").args(["-INT", &std::process::id().to_string()]).status()?;
/// interrupted.await?;
/// println!("shutting down");
/// # Ok(()) })
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    let mut signal = unix::signal(unix::SignalKind::interrupt())?;
    match signal.recv().await {
        Some(()) => Ok(()),
        None => Err(io::Error::other("the runtime has been shut down")),
    }
}
