//! Halves of a socket, to read and write it at the same time.

use super::stream::Stream;
use super::{TcpStream, UnixStream};
use std::fmt;
use std::net::Shutdown;
use std::sync::Arc;

mod sealed {
    /// A socket that halves can be made of.
    #[allow(private_interfaces, reason = "for this crate alone")]
    pub trait Splits {
        #[doc(hidden)]
        fn whole(&self) -> &super::Stream;
    }
}

pub(crate) use sealed::Splits;

#[allow(private_interfaces, reason = "for this crate alone")]
impl Splits for TcpStream {
    fn whole(&self) -> &Stream {
        self.stream()
    }
}

#[allow(private_interfaces, reason = "for this crate alone")]
impl Splits for UnixStream {
    fn whole(&self) -> &Stream {
        self.stream()
    }
}

/// The reading half of a borrowed socket. Made by `split`.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// use maniac_io::net::UnixStream;
/// let (mut a, mut b) = UnixStream::pair()?;
/// let (mut reader, mut writer) = a.split();
/// writer.write_all(b"ping").await?;
/// let mut buf = [0; 4];
/// b.read_exact(&mut buf).await?;
/// b.write_all(&buf).await?;
/// reader.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"ping");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct ReadHalf<'a, S> {
    socket: &'a S,
}

/// The writing half of a borrowed socket. Made by `split`. Dropping it changes nothing.
///
/// ```
/// use maniac_io::net::{UnixStream, WriteHalf};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// async fn greet(mut writer: WriteHalf<'_, UnixStream>) -> std::io::Result<()> {
///     writer.write_all(b"hello").await
/// }
/// let (mut a, mut b) = UnixStream::pair()?;
/// greet(a.split().1).await?;
/// b.read_exact(&mut [0; 5]).await?;
/// assert!(b.try_read(&mut [0]).is_err(), "nothing was shut: more may come");
/// # drop(a);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct WriteHalf<'a, S> {
    socket: &'a S,
}

/// The reading half of a socket. Made by `into_split`.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// use maniac_io::net::UnixStream;
/// let (a, mut b) = UnixStream::pair()?;
/// let (mut reader, mut writer) = a.into_split();
/// let writing = maniac_runtime::spawn(async move { writer.write_all(b"from a task").await });
/// let mut all = Vec::new();
/// b.read_to_end(&mut all).await?;
/// assert_eq!(all, b"from a task");
/// writing.await.unwrap()?;
/// drop(b);
/// assert_eq!(reader.read(&mut [0; 4]).await?, 0);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf<S> {
    socket: Arc<S>,
}

/// The writing half of a socket. Made by `into_split`. Dropping it shuts writing, unless it is
/// [forgotten](OwnedWriteHalf::forget).
///
/// ```
/// use maniac_io::net::{OwnedWriteHalf, UnixStream};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (a, mut b) = UnixStream::pair()?;
/// let (reader, writer) = a.into_split();
/// let writer: OwnedWriteHalf<UnixStream> = writer;
/// assert!(writer.socket().take_error()?.is_none());
/// drop(writer);
/// assert_eq!(b.read(&mut [0]).await?, 0, "the end");
/// # drop(reader);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf<S: Splits> {
    socket: Arc<S>,
    shut_on_drop: bool,
}

/// Two halves are not of the same socket; gives them back.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// use maniac_io::net::UnixStream;
/// let (a, b) = UnixStream::pair()?;
/// let ((a_reader, a_writer), (b_reader, b_writer)) = (a.into_split(), b.into_split());
/// let error = a_reader.reunite(b_writer).unwrap_err();
/// let a = error.0.reunite(a_writer).unwrap();
/// let b = b_reader.reunite(error.1).unwrap();
/// # drop((a, b));
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct ReuniteError<S: Splits>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: Splits> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these halves are of two different sockets")
    }
}

impl<S: Splits + fmt::Debug> std::error::Error for ReuniteError<S> {}

pub(crate) fn split<S>(socket: &mut S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    let socket = &*socket;
    (ReadHalf { socket }, WriteHalf { socket })
}

pub(crate) fn into_split<S: Splits>(socket: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let socket = Arc::new(socket);
    (OwnedReadHalf { socket: socket.clone() }, OwnedWriteHalf { socket, shut_on_drop: true })
}

/// An example's two ends: halves of a pair of sockets.
macro_rules! halves {
    () => {
        "# let (a, b) = maniac_io::net::UnixStream::pair()?;\n\
         # let ((_a_reader, mut a), (mut b, _b_writer)) = (a.into_split(), b.into_split());"
    };
}

macro_rules! borrowed_halves {
    () => {
        "# let (left, mut right) = maniac_io::net::UnixStream::pair()?;\n\
         # let (_left_reader, mut a) = left.into_split();\n\
         # let (mut b, _b_writer) = right.split();"
    };
}

macro_rules! borrowed_write_halves {
    () => {
        "# let (mut left, mut right) = maniac_io::net::UnixStream::pair()?;\n\
         # let (_a_reader, mut a) = left.split();\n\
         # let (mut b, _b_writer) = right.split();"
    };
}

impl<S: Splits> ReadHalf<'_, S> {
    fn stream(&self) -> &Stream {
        self.socket.whole()
    }

    read_methods!(borrowed_halves!());
    recv_methods!(borrowed_halves!());
}

impl<S: Splits> WriteHalf<'_, S> {
    fn stream(&self) -> &Stream {
        self.socket.whole()
    }

    write_methods!(borrowed_write_halves!());
    send_methods!(borrowed_write_halves!());
}

impl<S: Splits> OwnedReadHalf<S> {
    fn stream(&self) -> &Stream {
        self.socket.whole()
    }

    read_methods!(halves!());
    recv_methods!(halves!());

    /// Puts two halves of a socket together again.
    ///
    /// # Errors
    ///
    /// Gives both back if they are of two different sockets.
    pub fn reunite(self, writer: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.socket, &writer.socket) {
            return Err(ReuniteError(self, writer));
        }
        writer.forget();
        match Arc::try_unwrap(self.socket) {
            Ok(socket) => Ok(socket),
            Err(_) => unreachable!("a socket has two halves"),
        }
    }

    /// The whole socket, for a look.
    pub fn socket(&self) -> &S {
        &self.socket
    }
}

impl<S: Splits> OwnedWriteHalf<S> {
    fn stream(&self) -> &Stream {
        self.socket.whole()
    }

    write_methods!(halves!());
    send_methods!(halves!());

    /// Drops the half without shutting anything.
    ///
    /// ```
    /// use maniac_io::net::UnixStream;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (a, b) = UnixStream::pair()?;
    /// let (reader, writer) = a.into_split();
    /// writer.forget();
    /// assert!(b.try_read(&mut [0]).is_err(), "no end: nothing was shut");
    /// reader.socket().shutdown(std::net::Shutdown::Both)?;
    /// b.readable().await?;
    /// assert_eq!(b.try_read(&mut [0])?, 0);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn forget(mut self) {
        self.shut_on_drop = false;
    }

    /// The whole socket, for a look.
    pub fn socket(&self) -> &S {
        &self.socket
    }
}

impl<S: Splits> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.shut_on_drop {
            // The peer may be gone already.
            let _ = shut_writing(self.stream());
        }
    }
}

/// Tells the peer that no more comes; that it is gone is as well.
pub(crate) fn shut_writing(stream: &Stream) -> std::io::Result<()> {
    match socket2::SockRef::from(stream.fd()).shutdown(Shutdown::Write) {
        Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

impl_async_read!({<S: Splits>} ReadHalf<'_, S>);
impl_async_read!({<S: Splits>} OwnedReadHalf<S>);
impl_async_write!({<S: Splits>} WriteHalf<'_, S>, this => shut_writing(this.stream()));
impl_async_write!({<S: Splits>} OwnedWriteHalf<S>, this => shut_writing(this.stream()));
