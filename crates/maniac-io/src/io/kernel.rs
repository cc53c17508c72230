//! Moving bytes from a source to a sink inside the kernel, without bringing them through memory of this process.
//!
//! | from | to | how |
//! |---|---|---|
//! | a file | a socket, a pipe | what the page cache holds, by sendfile(2): it does not wait for a device |
//! | a socket, a pipe | a socket, a pipe | splice(2), once more comes at a time than a buffer holds; 64 copies of the process at a time |
//! | a file | a file | copy_file_range(2) on a thread of the pool: some file systems only note that the data is shared |
//!
//! All else is carried through a buffer, and so is what the kernel does not take this way: what is not cached (the next may be, since
//! reading brings more than was asked for), and what says no to the call. The carrying also finds the end, and the errors. What goes to a
//! socket is carried too in a process that does not ignore SIGPIPE, which sendfile(2) and splice(2) would raise once the peer is gone.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

#[cfg(target_os = "linux")]
use linux::{Copying, Side};

/// What a copy inside the kernel needs to know of a source or a sink. Made by this crate's files, sockets and pipes; a wrapper that
/// changes no bytes and holds none may pass it on.
///
/// ```
/// use maniac_io::io::{AsyncRead, InKernel, copy};
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// struct Named<R>(&'static str, R);
///
/// impl<R: AsyncRead + Unpin> AsyncRead for Named<R> {
///     fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<std::io::Result<usize>> {
///         Pin::new(&mut self.1).poll_read(cx, buf)
///     }
///
///     fn source_in_kernel(&self) -> Option<InKernel<'_>> {
///         self.1.source_in_kernel()
///     }
/// }
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # std::fs::write(&path, "text")?;
/// let mut file = Named("text", maniac_io::fs::File::open(&path).await?);
/// let mut to = maniac_io::fs::File::create(dir.path().join(file.0)).await?;
/// assert_eq!(copy(&mut file, &mut to).await?, 4);
/// # Ok(()) })
/// # }
/// ```
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "never made there"))]
pub struct InKernel<'a>(Side<'a>);

#[cfg(not(target_os = "linux"))]
type Side<'a> = std::marker::PhantomData<&'a std::convert::Infallible>;

impl fmt::Debug for InKernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InKernel").finish_non_exhaustive()
    }
}

/// What a copy knows of the way through the kernel.
#[derive(Default)]
pub(super) struct Mover {
    refused: bool,
    /// Whether it was asked if the process is to hear of SIGPIPE.
    #[cfg(target_os = "linux")]
    asked: bool,
    /// How much of a file the stream took last; 0 at first.
    taken: usize,
    /// A copy between files, or between streams, that is under way.
    #[cfg(target_os = "linux")]
    copying: Option<Copying>,
}

impl fmt::Debug for Mover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mover").field("refused", &self.refused).finish_non_exhaustive()
    }
}

#[cfg(not(target_os = "linux"))]
impl Mover {
    pub(super) fn poll_move(
        &mut self,
        _: Option<InKernel<'_>>,
        _: Option<InKernel<'_>>,
        _: bool,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Context, InKernel, Mover, Poll, io};
    use crate::fs::{OpenFile, copy_range, relay};
    use crate::net::Stream;
    use crate::sys::{self, Errno};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::ready;

    pub(super) enum Side<'a> {
        File(&'a Arc<OpenFile>),
        Stream(&'a Stream),
    }

    pub(super) type Copying = Pin<Box<dyn Future<Output = io::Result<usize>> + Send + Sync>>;

    impl<'a> InKernel<'a> {
        pub(crate) fn file(file: &'a Arc<OpenFile>) -> Option<Self> {
            Some(Self(Side::File(file)))
        }

        pub(crate) fn stream(stream: &'a Stream) -> Option<Self> {
            Some(Self(Side::Stream(stream)))
        }
    }

    impl Mover {
        /// Moves some bytes, and both cursors; says how many. 0: the next are to be carried. `much` says that the last carried
        /// filled the buffer.
        ///
        /// # Errors
        ///
        /// Those that carrying would not find again.
        pub(in crate::io) fn poll_move(
            &mut self,
            source: Option<InKernel<'_>>,
            sink: Option<InKernel<'_>>,
            much: bool,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<usize>> {
            if !self.asked {
                self.asked = true;
                let to_socket = matches!(&sink, Some(InKernel(Side::Stream(stream))) if !stream.is_pipe());
                self.refused = to_socket && !sys::ignores_sigpipe();
            }
            if self.refused {
                return Poll::Ready(Ok(0));
            }
            let result = match (source, sink) {
                (Some(InKernel(Side::File(file))), Some(InKernel(Side::Stream(stream)))) => {
                    // What is asked for is looked for in the page cache, and what there is no room for is asked for in vain.
                    let most = self.taken.saturating_mul(2).clamp(LEAST, MOST);
                    let result = ready!(stream.poll_send_file(cx, file, most));
                    self.taken = *result.as_ref().unwrap_or(&0);
                    result
                }
                (Some(InKernel(Side::File(from))), Some(InKernel(Side::File(to))))
                    if !Arc::ptr_eq(from, to) =>
                {
                    let begin = || copy_range(Arc::clone(from), Arc::clone(to));
                    let result = ready!(self.poll_copying(cx, begin));
                    // Nothing left, or nothing that can be copied so.
                    self.refused = matches!(result, Ok(0));
                    result
                }
                (Some(InKernel(Side::Stream(from))), Some(InKernel(Side::Stream(to))))
                    if much || self.copying.is_some() =>
                {
                    ready!(self.poll_copying(cx, || relay(from.handle(), to.handle())))
                }
                _ => Ok(0),
            };
            Poll::Ready(match result {
                Err(error) if is_refusal(&error) => {
                    self.refused = true;
                    Ok(0)
                }
                result => result,
            })
        }
    }

    impl Mover {
        fn poll_copying<F>(
            &mut self,
            cx: &mut Context<'_>,
            begin: impl FnOnce() -> F,
        ) -> Poll<io::Result<usize>>
        where
            F: Future<Output = io::Result<usize>> + Send + Sync + 'static,
        {
            let copying = self.copying.get_or_insert_with(|| Box::pin(begin()));
            let result = ready!(copying.as_mut().poll(cx));
            self.copying = None;
            Poll::Ready(result)
        }
    }

    /// How much of a file is sent by one call at least, and at most: it is one poll's work.
    const LEAST: usize = 256 << 10;
    const MOST: usize = 4 << 20;

    /// Whether the error is about the way, not about the bytes.
    fn is_refusal(error: &io::Error) -> bool {
        // An old kernel or a filter; a file system or a kind of file that does not know it, another one, a file open to append.
        const REFUSALS: [Errno; 11] = [
            Errno::NOSYS,
            Errno::PERM,
            Errno::OPNOTSUPP,
            Errno::INVAL,
            Errno::XDEV,
            Errno::BADF,
            Errno::SPIPE,
            Errno::TXTBSY,
            Errno::OVERFLOW,
            // No room for a pipe.
            Errno::MFILE,
            Errno::NFILE,
        ];
        REFUSALS.iter().any(|&errno| sys::is(error, errno))
    }
}
