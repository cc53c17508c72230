//! Signals of Unix, by kind.

use crate::sys;
use maniac_driver::{Interest, Registration, SharedFd};
use maniac_runtime::{coop, driver};
use signal_hook::consts::{self, FORBIDDEN};
use signal_hook::{SigId, low_level};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

/// Which signal.
///
/// ```
/// use maniac_io::signal::unix::SignalKind;
/// assert_eq!(SignalKind::from_raw(15), SignalKind::terminate());
/// assert_eq!(SignalKind::interrupt().as_raw(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalKind(i32);

/// Kinds with a name.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $name:ident = $number:ident;)+) => {
        impl SignalKind {
            $($(#[$doc])+
            pub const fn $name() -> SignalKind {
                SignalKind(consts::$number)
            })+
        }
    };
}

kinds! {
    /// SIGALRM: a timer of the system.
    alarm = SIGALRM;
    /// SIGCHLD: a child process has ended or stopped.
    child = SIGCHLD;
    /// SIGHUP: the terminal is gone; by custom, read the configuration again.
    hangup = SIGHUP;
    /// SIGINT: Ctrl-C.
    interrupt = SIGINT;
    /// SIGIO: a descriptor is ready.
    io = SIGIO;
    /// SIGPIPE: a write to what nobody reads.
    pipe = SIGPIPE;
    /// SIGQUIT: Ctrl-\.
    quit = SIGQUIT;
    /// SIGTERM: a request to end.
    terminate = SIGTERM;
    /// SIGUSR1: for the program's own use.
    user_defined1 = SIGUSR1;
    /// SIGUSR2: for the program's own use.
    user_defined2 = SIGUSR2;
    /// SIGWINCH: the terminal's window has another size.
    window_change = SIGWINCH;
}

impl SignalKind {
    /// The signal of this number.
    pub const fn from_raw(number: i32) -> SignalKind {
        SignalKind(number)
    }

    /// Its number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

/// Listens to a signal, from now on until it is dropped.
///
/// # Errors
///
/// `InvalidInput` for signals that cannot be listened to (SIGKILL, SIGSTOP, SIGSEGV, SIGILL, SIGFPE) and numbers of none; those of
/// pipe(2); outside a runtime.
///
/// ```
/// use maniac_io::signal::unix::{SignalKind, signal};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut hangup = signal(SignalKind::hangup())?;
/// # std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status()?;
/// hangup.recv().await;
/// println!("reading the configuration again");
/// # Ok(()) })
/// # }
/// ```
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    if FORBIDDEN.contains(&kind.0) {
        let text = format!("signal {} cannot be listened to: the system does not allow it", kind.0);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let (reader, writer) = sys::pipe()?;
    let pipe = Registration::new(SharedFd::new(reader), &driver::remote()?)?;
    let id = low_level::pipe::register(kind.0, writer)?;
    Ok(Signal { kind, pipe, id })
}

/// A listener of one signal. Made by [`signal`].
///
/// ```
/// use maniac_io::signal::unix::{Signal, SignalKind, signal};
/// use std::future::poll_fn;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut user: Signal = signal(SignalKind::user_defined1())?;
/// # std::process::Command::new("kill").args(["-USR1", &std::process::id().to_string()]).status()?;
/// assert_eq!(poll_fn(|cx| user.poll_recv(cx)).await, Some(()));
/// # Ok(()) })
/// # }
/// ```
pub struct Signal {
    kind: SignalKind,
    pipe: Registration,
    id: SigId,
}

impl Signal {
    /// Waits for the next delivery. `None` if the runtime has been shut down.
    ///
    /// # Cancel safety
    ///
    /// No delivery is lost.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Signal::recv), to be polled.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let unit = ready!(coop::poll_proceed(cx));
        // One byte, one delivery.
        let read = self.pipe.poll_io(cx, Interest::READABLE, || sys::read(self.pipe.fd(), &mut [0]));
        let result = ready!(read);
        unit.made_progress();
        Poll::Ready(result.ok().filter(|&count| count > 0).map(drop))
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        // Before the pipe is closed: a handler that runs now is waited for.
        low_level::unregister(self.id);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind).finish_non_exhaustive()
    }
}
