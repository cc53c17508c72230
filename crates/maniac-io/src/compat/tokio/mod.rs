//! tokio's I/O traits, which need nothing of its runtime; and, with the feature `tokio-compat-rt`, a runtime of tokio's for types that do (its
//! sockets, its timers).
//!
//! So whatever takes a stream by these traits takes one of ours: a socket as it is, what has only the traits of [`io`](crate::io) in a
//! [`TokioCompat`]. Framing, for one, is that of `tokio_util` (its feature `codec`):
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use maniac_io::compat::tokio::TokioCompat;
//! use maniac_io::io::BufReader;
//! use maniac_io::net::{TcpListener, TcpStream};
//! use tokio_util::codec::{Framed, FramedRead, LinesCodec};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let client = TcpStream::connect(listener.local_addr()?).await?;
//! let (server, _) = listener.accept().await?;
//!
//! // A limit, since the peer decides how long a line is.
//! let mut client = Framed::new(client, LinesCodec::new_with_max_length(1024));
//! client.send("one").await?;
//! client.send("two").await?;
//! drop(client);
//!
//! let source = TokioCompat::new(BufReader::new(server));
//! let mut lines = FramedRead::new(source, LinesCodec::new_with_max_length(1024));
//! assert_eq!(lines.next().await.transpose()?.as_deref(), Some("one"));
//! assert_eq!(lines.next().await.transpose()?.as_deref(), Some("two"));
//! assert!(lines.next().await.is_none());
//! # Ok(()) })
//! # }
//! ```

#[cfg(feature = "tokio-compat-rt")]
mod reactor;

#[cfg(feature = "tokio-compat-rt")]
pub use reactor::{InTokio, Reactor};

use crate::io::{AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

pin_project! {
    /// Gives what has tokio's traits the traits of [`io`](crate::io), and what has those tokio's.
    ///
    /// ```
    /// use maniac_io::compat::tokio::TokioCompat;
    /// use maniac_io::io::{AsyncReadExt, AsyncWriteExt};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (one, other) = tokio::io::duplex(64);
    /// let (mut one, mut other) = (TokioCompat::new(one), TokioCompat::new(other));
    /// one.write_all(b"hello").await?;
    /// let mut buf = [0; 5];
    /// other.read_exact(&mut buf).await?;
    /// assert_eq!(&buf, b"hello");
    ///
    /// // The other way round: a source of ours for a function that asks for one of tokio's.
    /// let mut text = String::new();
    /// let mut source = TokioCompat::new(&b"our own"[..]);
    /// tokio::io::AsyncReadExt::read_to_string(&mut source, &mut text).await?;
    /// assert_eq!(text, "our own");
    /// # Ok(()) })
    /// # }
    /// ```
    #[derive(Debug, Clone, Default)]
    pub struct TokioCompat<T> {
        #[pin]
        inner: T,
    }
}

impl<T> TokioCompat<T> {
    /// Wraps a stream.
    ///
    /// ```
    /// # use maniac_io::compat::tokio::TokioCompat;
    /// assert_eq!(TokioCompat::new(7).into_inner(), 7);
    /// ```
    pub fn new(inner: T) -> Self {
        Self { inner }
    }

    /// The stream.
    ///
    /// ```
    /// # use maniac_io::compat::tokio::TokioCompat;
    /// assert_eq!(*TokioCompat::new(7).get_ref(), 7);
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The stream, to change it.
    ///
    /// ```
    /// # use maniac_io::compat::tokio::TokioCompat;
    /// let mut stream = TokioCompat::new(7);
    /// *stream.get_mut() += 1;
    /// assert_eq!(*stream.get_ref(), 8);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The stream by itself. Nothing is lost: the wrapper keeps no bytes.
    ///
    /// ```
    /// # use maniac_io::compat::tokio::TokioCompat;
    /// assert_eq!(TokioCompat::new("stream").into_inner(), "stream");
    /// ```
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: tokio::io::AsyncRead> AsyncRead for TokioCompat<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(self.project().inner.poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl<T: AsyncRead> tokio::io::AsyncRead for TokioCompat<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = ready!(self.project().inner.poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: tokio::io::AsyncWrite> AsyncWrite for TokioCompat<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

impl<T: AsyncWrite> tokio::io::AsyncWrite for TokioCompat<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_close(cx)
    }
}
