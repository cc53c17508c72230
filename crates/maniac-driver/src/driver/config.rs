//! What a driver is asked to be.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

/// Which driver.
///
/// ```
/// use maniac_driver::DriverKind;
/// assert_eq!("uring".parse(), Ok(DriverKind::Uring));
/// assert!("epol".parse::<DriverKind>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DriverKind {
    /// io_uring if the kernel allows it, else readiness. On Windows, where neither is there, a driver that sleeps and wakes, and fails every operation as unsupported.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// Readiness: epoll or kqueue, and threads for files.
    Poll,
    /// Windows' completion ports: not built yet.
    Iocp,
    /// The simulated driver: not built yet.
    Sim,
}

impl DriverKind {
    /// Its name in `MANIAC_DRIVER` and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            DriverKind::Auto => "auto",
            DriverKind::Uring => "uring",
            DriverKind::Poll => "poll",
            DriverKind::Iocp => "iocp",
            DriverKind::Sim => "sim",
        }
    }

    /// What the environment variable `MANIAC_DRIVER` asks for; `None` if it is unset or empty.
    ///
    /// # Errors
    ///
    /// If it holds something else than `auto`, `uring` or `poll`.
    pub fn from_env() -> Result<Option<DriverKind>, ParseDriverKindError> {
        match std::env::var_os("MANIAC_DRIVER") {
            Some(value) if !value.is_empty() => value.to_string_lossy().parse().map(Some),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DriverKind {
    type Err = ParseDriverKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(DriverKind::Auto),
            "uring" => Ok(DriverKind::Uring),
            "poll" => Ok(DriverKind::Poll),
            _ => Err(ParseDriverKindError { text: text.into() }),
        }
    }
}

/// A name of no driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDriverKindError {
    text: String,
}

impl fmt::Display for ParseDriverKindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no driver; MANIAC_DRIVER must be auto, uring or poll", self.text)
    }
}

impl std::error::Error for ParseDriverKindError {}

impl From<ParseDriverKindError> for io::Error {
    fn from(error: ParseDriverKindError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

/// The size of the submission queue to begin with.
pub const DEFAULT_ENTRIES: u32 = 128;
/// How long a dropped driver waits for the kernel to let go of memory.
pub const DEFAULT_DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// How a [`Driver`](crate::Driver) is set up.
///
/// ```
/// use maniac_driver::{DriverConfig, DriverKind};
/// let config = DriverConfig::new().kind(DriverKind::Poll).entries(64);
/// # let _ = config;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DriverConfig {
    pub(crate) kind: DriverKind,
    pub(crate) entries: u32,
    pub(crate) host_loop: bool,
    pub(crate) drop_timeout: Duration,
    pub(crate) faults: Faults,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            kind: DriverKind::Auto,
            entries: DEFAULT_ENTRIES,
            host_loop: false,
            drop_timeout: DEFAULT_DROP_TIMEOUT,
            faults: Faults::default(),
        }
    }
}

impl DriverConfig {
    /// Chosen by probing, [`DEFAULT_ENTRIES`] entries, free to move between threads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which driver to use.
    pub fn kind(mut self, kind: DriverKind) -> Self {
        self.kind = kind;
        self
    }

    /// How many operations are gathered for one system call: the submission queue's size. Made a power of two from 4 to
    /// 4,096, and halved while the kernel has too little memory for it.
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries.clamp(4, 4096).next_power_of_two();
        self
    }

    /// The driver stays on the thread that makes it, for a host's loop (libuv, a game): the ring may then say so to the
    /// kernel (`SINGLE_ISSUER`), which refuses all other threads.
    pub fn host_loop(mut self, host_loop: bool) -> Self {
        self.host_loop = host_loop;
        self
    }

    /// How long dropping the driver waits for the kernel to end cancelled operations, before their memory is leaked.
    pub fn drop_timeout(mut self, timeout: Duration) -> Self {
        self.drop_timeout = timeout;
        self
    }

    /// Makes a newer kernel look like an older or poorer one, for tests.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }
}

/// What a test wants to be missing. No effect on a driver without a ring.
///
/// ```
/// use maniac_driver::Faults;
/// let faults = Faults::new().without_opcode(17).refuse_setup(12);
/// # let _ = faults;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    pub(crate) opcodes: Vec<u8>,
    pub(crate) setup_flags: u32,
    pub(crate) features: u32,
    pub(crate) setup_errors: Vec<i32>,
    pub(crate) multishot: bool,
}

impl Faults {
    /// Nothing is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the environment variable `MANIAC_RING_FAULTS` asks for, so that whole test programs run as on another kernel: `old`, about
    /// Linux 5.6 (no operation that came later, no set-up flag, no time-out with the wait, no repeated polling), or `bare`, only
    /// what no ring of ours can do without, so that everything falls back. Nothing if it is unset or empty. A driver has these faults
    /// beside those of its configuration.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it holds something else.
    ///
    /// ```
    /// use maniac_driver::Faults;
    /// # if std::env::var_os("MANIAC_RING_FAULTS").is_none() {
    /// assert_eq!(Faults::from_env().unwrap(), Faults::new());
    /// # }
    /// ```
    pub fn from_env() -> io::Result<Self> {
        /// The first operation that Linux 5.6 does not know (SPLICE).
        const LATER: u8 = 30;
        /// IORING_OP_NOP, POLL_ADD, TIMEOUT, ASYNC_CANCEL
        const INDISPENSABLE: [u8; 4] = [0, 6, 11, 14];
        let value = std::env::var_os("MANIAC_RING_FAULTS").unwrap_or_default();
        let old = Self::new().without_setup_flags(!(1 << 3)).without_features(1 << 8).without_multishot();
        match value.to_str() {
            Some("") => Ok(Self::new()),
            Some("old") => Ok((LATER..=254).fold(old, Self::without_opcode)),
            Some("bare") => {
                let known = |opcode: &u8| !INDISPENSABLE.contains(opcode);
                Ok((0..=254).filter(known).fold(Self::new(), Self::without_opcode))
            }
            _ => {
                let text = format!("MANIAC_RING_FAULTS is {value:?}, but must be old or bare");
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
        }
    }

    /// These faults and those of `other`.
    #[cfg(maniac_uring)]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.opcodes.extend(other.opcodes);
        self.setup_flags |= other.setup_flags;
        self.features |= other.features;
        self.setup_errors.extend(other.setup_errors);
        self.multishot |= other.multishot;
        self
    }

    /// The kernel does not know this opcode (`IORING_OP_…`).
    pub fn without_opcode(mut self, opcode: u8) -> Self {
        self.opcodes.push(opcode);
        self
    }

    /// The kernel does not know these set-up flags (`IORING_SETUP_…`).
    pub fn without_setup_flags(mut self, flags: u32) -> Self {
        self.setup_flags |= flags;
        self
    }

    /// The kernel does not have these features (`IORING_FEAT_…`).
    pub fn without_features(mut self, features: u32) -> Self {
        self.features |= features;
        self
    }

    /// The next attempt to set a ring up fails with this error number. Each call adds one failure.
    pub fn refuse_setup(mut self, errno: i32) -> Self {
        self.setup_errors.push(errno);
        self
    }

    /// The kernel ends each multishot request after its first completion.
    pub fn without_multishot(mut self) -> Self {
        self.multishot = true;
        self
    }
}
