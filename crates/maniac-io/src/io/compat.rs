//! The I/O traits of other crates, by way of our own.

use super::{AsyncRead, AsyncWrite};
use crate::fs::File;
use crate::net::half::Splits;
use crate::net::pipe::{Receiver, Sender};
use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, UnixStream, WriteHalf};
use crate::process::{ChildStderr, ChildStdin, ChildStdout};
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// For each type, the traits of each enabled feature.
macro_rules! readers {
    ($($({$($generics:tt)*})? $type:ty;)+) => {
        $(#[cfg(feature = "futures")]
        impl $($($generics)*)? futures_io::AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                AsyncRead::poll_read(self, cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [io::IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                AsyncRead::poll_read_vectored(self, cx, bufs)
            }
        }

        #[cfg(feature = "tokio-compat")]
        impl $($($generics)*)? tokio::io::AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let count = ready!(AsyncRead::poll_read(self, cx, buf.initialize_unfilled()))?;
                buf.advance(count);
                Poll::Ready(Ok(()))
            }
        })+
    };
}

macro_rules! writers {
    ($($({$($generics:tt)*})? $type:ty;)+) => {
        $(#[cfg(feature = "futures")]
        impl $($($generics)*)? futures_io::AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write(self, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write_vectored(self, cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_flush(self, cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_close(self, cx)
            }
        }

        #[cfg(feature = "tokio-compat")]
        impl $($($generics)*)? tokio::io::AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write(self, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write_vectored(self, cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                AsyncWrite::is_write_vectored(self)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_flush(self, cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_close(self, cx)
            }
        })+
    };
}

readers! {
    File;
    TcpStream;
    UnixStream;
    {<S: Splits>} ReadHalf<'_, S>;
    {<S: Splits>} OwnedReadHalf<S>;
    Receiver;
    ChildStdout;
    ChildStderr;
}

writers! {
    File;
    TcpStream;
    UnixStream;
    {<S: Splits>} WriteHalf<'_, S>;
    {<S: Splits>} OwnedWriteHalf<S>;
    Sender;
    ChildStdin;
}

#[cfg(feature = "futures")]
impl futures_io::AsyncSeek for File {
    fn poll_seek(self: Pin<&mut Self>, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        self.get_mut().poll_seek(cx, to)
    }
}

/// The seek is done when it is started, and told when it is completed.
#[cfg(feature = "tokio-compat")]
impl tokio::io::AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.get_mut().move_cursor(to).map(drop)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().poll_seek(cx, SeekFrom::Current(0))
    }
}
