//! Pipes: anonymous, and named ones (FIFOs).

use super::stream::{Kind, Stream};
use crate::rt;
use crate::sys::{self, flags};
use maniac_driver::op::OpenAt;
use maniac_driver::op::path::OpenHow;
use maniac_driver::sys::FileKind;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The end of a pipe that bytes go into.
///
/// A write of at most PIPE_BUF bytes (4,096 on Linux) is not mixed with another's.
///
/// Writing to a pipe that nobody reads raises SIGPIPE, which Rust programs ignore; the call then says `BrokenPipe`.
///
/// ```
/// use maniac_io::net::pipe::{Sender, pipe};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// async fn report(mut to: Sender) -> std::io::Result<()> {
///     to.write_all(b"done").await
/// }
/// let (sender, mut receiver) = pipe()?;
/// report(sender).await?;
/// let mut said = Vec::new();
/// receiver.read_to_end(&mut said).await?;
/// assert_eq!(said, b"done");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct Sender {
    stream: Stream,
}

/// The end of a pipe that bytes come out of.
///
/// ```
/// use maniac_io::net::pipe::{Receiver, pipe};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// async fn first_byte(from: &mut Receiver) -> std::io::Result<u8> {
///     let mut byte = [0];
///     from.read_exact(&mut byte).await?;
///     Ok(byte[0])
/// }
/// let (mut sender, mut receiver) = pipe()?;
/// sender.write_all(b"abc").await?;
/// assert_eq!(first_byte(&mut receiver).await?, b'a');
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct Receiver {
    stream: Stream,
}

/// An example's two ends.
macro_rules! connected {
    () => {
        "# let (mut a, mut b) = maniac_io::net::pipe::pipe()?;"
    };
}

/// A new pipe.
///
/// # Errors
///
/// Those of pipe(2); outside a runtime.
///
/// ```
/// use maniac_io::net::pipe;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (mut sender, mut receiver) = pipe::pipe()?;
/// sender.write_all(b"through the pipe").await?;
/// drop(sender);
/// let mut all = Vec::new();
/// receiver.read_to_end(&mut all).await?;
/// assert_eq!(all, b"through the pipe");
/// # Ok(()) })
/// # }
/// ```
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (reader, writer) = sys::pipe()?;
    Ok((Sender::of(writer)?, Receiver::of(reader)?))
}

/// Makes a named pipe, with permissions `mode` before the umask.
///
/// # Errors
///
/// Those of mkfifo(3); `Unsupported` on Apple's systems.
///
/// # Cancel safety
///
/// A dropped one may have happened.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # #[cfg(target_os = "linux")] {
/// use maniac_io::{fs, net::pipe};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("fifo");
/// pipe::make_fifo(&path, 0o600).await?;
/// assert_eq!(fs::metadata(&path).await?.file_type().kind(), fs::FileKind::Fifo);
/// # }
/// # Ok(()) })
/// # }
/// ```
pub async fn make_fifo(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    rt::unblock(move || sys::make_fifo(&path, mode)).await
}

/// How a named pipe is opened. Neither way waits for the other end.
///
/// ```
/// # #[cfg(target_os = "linux")]
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// use maniac_io::net::pipe;
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("fifo");
/// pipe::make_fifo(&path, 0o600).await?;
/// let error = pipe::OpenOptions::new().open_sender(&path).await.unwrap_err();
/// assert_eq!(error.raw_os_error(), Some(6), "nobody reads (ENXIO)");
/// let mut receiver = pipe::OpenOptions::new().open_receiver(&path).await?;
/// let mut sender = pipe::OpenOptions::new().open_sender(&path).await?;
/// sender.write_all(b"hello").await?;
/// receiver.read_exact(&mut [0; 5]).await?;
/// # Ok(()) })
/// # }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// One end only, of what is a named pipe.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens both ends at a time, so that a sender needs no receiver to be there, and a receiver does not find the end when
    /// the last sender leaves. Linux only; elsewhere it is undefined what that does (POSIX).
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # #[cfg(target_os = "linux")] {
    /// use maniac_io::net::pipe;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("fifo");
    /// pipe::make_fifo(&path, 0o600).await?;
    /// let mut sender = pipe::OpenOptions::new().read_write(true).open_sender(&path).await?;
    /// sender.write_all(b"kept until somebody reads").await?;
    /// # }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn read_write(&mut self, both: bool) -> &mut Self {
        self.read_write = both;
        self
    }

    /// Does not look whether it is a named pipe.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # #[cfg(target_os = "linux")] {
    /// use maniac_io::net::pipe;
    /// # let dir = tempfile::tempdir()?;
    /// # let (path, file) = (dir.path().join("fifo"), dir.path().join("file"));
    /// std::fs::write(&file, "")?;
    /// assert!(pipe::OpenOptions::new().open_receiver(&file).await.is_err(), "this is no named pipe");
    /// pipe::make_fifo(&path, 0o600).await?;
    /// let receiver = pipe::OpenOptions::new().unchecked(true).open_receiver(&path).await?; // known to be one
    /// # drop(receiver);
    /// # }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn unchecked(&mut self, unchecked: bool) -> &mut Self {
        self.unchecked = unchecked;
        self
    }

    /// Opens the end to write. Somebody must have opened the other, unless [`read_write`](OpenOptions::read_write) is set.
    ///
    /// # Errors
    ///
    /// Those of open(2): `ENXIO` if nobody reads; `InvalidInput` if it is no named pipe.
    ///
    /// # Cancel safety
    ///
    /// What was opened for a dropped future is closed.
    pub async fn open_sender(&self, path: impl AsRef<Path>) -> io::Result<Sender> {
        Sender::of(self.open(path.as_ref(), flags::WRITE).await?)
    }

    /// Opens the end to read. Until somebody writes, it finds the end.
    ///
    /// # Errors
    ///
    /// Those of open(2); `InvalidInput` if it is no named pipe.
    ///
    /// # Cancel safety
    ///
    /// What was opened for a dropped future is closed.
    pub async fn open_receiver(&self, path: impl AsRef<Path>) -> io::Result<Receiver> {
        Receiver::of(self.open(path.as_ref(), flags::READ).await?)
    }

    async fn open(&self, path: &Path, access: i32) -> io::Result<OwnedFd> {
        rt::charge().await;
        let access = if self.read_write { flags::READ_WRITE } else { access };
        let fd = rt::run(OpenAt::new(None, path, OpenHow::new(access | flags::NONBLOCK))?).await?;
        if self.unchecked {
            return Ok(fd);
        }
        let fd = maniac_driver::SharedFd::new(fd);
        if crate::fs::stat_fd(&fd)?.kind() != FileKind::Fifo {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no named pipe"));
        }
        fd.try_unwrap().map_err(|_| io::Error::other("a descriptor that was just opened is shared"))
    }
}

impl Sender {
    fn of(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { stream: Stream::new(fd, Kind::Pipe)? })
    }

    /// Takes over the writing end of a pipe.
    ///
    /// # Errors
    ///
    /// Outside a runtime; those of fcntl(2).
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Sender> {
        Self::of(fd)
    }

    /// Gives the descriptor; it is non-blocking.
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has closed the pipe's end.
    pub async fn into_owned_fd(self) -> io::Result<OwnedFd> {
        self.stream.into_descriptor().await
    }

    /// A handle for calls that take any descriptor, as [`splice`](crate::fs::splice).
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # #[cfg(target_os = "linux")] {
    /// use maniac_io::{fs::splice, net::pipe::pipe};
    /// let ((mut a_in, a_out), (b_in, mut b_out)) = (pipe()?, pipe()?);
    /// a_in.write_all(b"from pipe to pipe").await?;
    /// assert_eq!(splice(a_out.fd(), b_in.fd(), 17).await?, 17);
    /// b_out.read_exact(&mut [0; 17]).await?;
    /// # }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn fd(&self) -> crate::fs::Fd {
        self.stream.handle()
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    write_methods!(connected!());
}

impl Receiver {
    fn of(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { stream: Stream::new(fd, Kind::Pipe)? })
    }

    /// Takes over the reading end of a pipe.
    ///
    /// # Errors
    ///
    /// Outside a runtime; those of fcntl(2).
    ///
    /// ```
    /// use maniac_io::net::pipe::Receiver;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (reader, writer) = std::io::pipe()?;
    /// drop(writer);
    /// let mut receiver = Receiver::from_owned_fd(reader.into())?;
    /// assert_eq!(receiver.read(&mut [0; 4]).await?, 0);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Receiver> {
        Self::of(fd)
    }

    /// Gives the descriptor; it is non-blocking.
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has closed the pipe's end.
    ///
    /// ```
    /// use maniac_io::net::pipe::{Receiver, Sender, pipe};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (sender, receiver) = pipe()?;
    /// let mut sender = Sender::from_owned_fd(sender.into_owned_fd().await?)?;
    /// let mut receiver = Receiver::from_owned_fd(receiver.into_owned_fd().await?)?;
    /// sender.write_all(b"still a pipe").await?;
    /// receiver.read_exact(&mut [0; 12]).await?;
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn into_owned_fd(self) -> io::Result<OwnedFd> {
        self.stream.into_descriptor().await
    }

    /// A handle for calls that take any descriptor, as [`splice`](crate::fs::splice).
    pub fn fd(&self) -> crate::fs::Fd {
        self.stream.handle()
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    read_methods!(connected!());
}

impl From<&Sender> for crate::fs::Fd {
    fn from(sender: &Sender) -> Self {
        sender.fd()
    }
}

impl From<&Receiver> for crate::fs::Fd {
    fn from(receiver: &Receiver) -> Self {
        receiver.fd()
    }
}

impl_async_write!(Sender, this => { let _ = this; Ok(()) });
impl_async_read!(Receiver);
impl_as_fd!(Sender, this => this.stream.fd());
impl_as_fd!(Receiver, this => this.stream.fd());
