//! Moving bytes between descriptors inside the kernel.
//!
//! splice(2) needs a pipe at one end. Where neither is one, the bytes go through a pipe of this module's own
//! ([`transit`]). Between streams they are moved by plain calls once both are ready, each of which is whole; from and to
//! files by operations of the driver, since those may wait for a device.

mod end;
mod slots;
mod transit;

use super::Fd;
use crate::rt;
use crate::sys;
use end::End;
use slots::Slot;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use transit::Transit;

/// Moves `len` bytes from `src` to `dst` without copying them through memory of this process; says how many that were.
/// Fewer mean that the source has ended, or that something failed after they were moved: the next call then says what.
///
/// Either may be a file, a socket or a pipe. A file is used at its cursor, which moves along; [`Fd`] says what that is for
/// a descriptor of another origin. Linux only.
///
/// # Errors
///
/// Those of splice(2): `InvalidInput` for a file that was opened to append, and for what cannot be spliced, as a terminal. `BrokenPipe`
/// comes with SIGPIPE, which Rust's programs ignore; a process that does not, as the host of a library, is ended by it.
///
/// # Cancel safety
///
/// Nothing is lost: bytes that were taken from a socket and not delivered yet are what is read from it next (by its own
/// methods, or by another splice); if `dst` is a file, they are still written, before anything else is. How many bytes were
/// moved is not told, but by the cursors of files. A dropped splice from a file into a pipe may have moved bytes without
/// the cursor.
///
/// ```
/// use maniac_io::fs::{self, File, splice};
/// use maniac_io::net::UnixStream;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// fs::write(&from, "to be moved").await?;
/// let (src, dst) = (File::open(&from).await?, File::create(&to).await?);
/// let (one, mut other) = UnixStream::pair()?;
/// assert_eq!(splice(&src, &one, 5).await?, 5);
/// assert_eq!(splice(&src, &dst, 1000).await?, 6);
/// let mut buf = [0; 5];
/// other.read_exact(&mut buf).await?;
/// assert_eq!((&buf, &fs::read(&to).await?[..]), (b"to be", &b" moved"[..]));
/// # Ok(()) })
/// # }
/// ```
pub async fn splice(src: impl Into<Fd>, dst: impl Into<Fd>, len: usize) -> io::Result<usize> {
    let (src, dst) = (End::new(src.into())?, End::new(dst.into())?);
    src.settle_cursor().await?;
    dst.settle().await?;
    let mut moved = 0;
    let result = if src.is_pipe() || dst.is_pipe() {
        directly(&src, &dst, len, &mut moved).await
    } else {
        through_pipe(&src, &dst, len, &mut moved).await
    };
    match result {
        Ok(()) => Ok(moved),
        Err(Failure { error, .. }) if moved == 0 => Err(error),
        Err(Failure { error, of_source }) => {
            if let (true, Some(leftover)) = (of_source, src.leftover()) {
                leftover.fail(error);
            }
            Ok(moved)
        }
    }
}

/// An error, and whether it is the source's: that is told once by the system, as a reset, and then looks like the end. A target
/// tells its own again.
struct Failure {
    error: io::Error,
    of_source: bool,
}

/// Moves what `src` has now, up to the room of a pipe at a time; says how many bytes that were. 0: it has nothing now, has ended, or
/// [too many](slots) are under way. A pipe of our own exists only meanwhile, which is as long as `dst` takes. Dropped, it loses
/// nothing, as [`splice`].
///
/// # Errors
///
/// Those of splice(2). They may come after bytes were moved.
pub(crate) async fn relay(src: Fd, dst: Fd) -> io::Result<usize> {
    let Some(_slot) = Slot::take() else { return Ok(0) };
    let (src, dst) = (End::new(src)?, End::new(dst)?);
    dst.settle().await?;
    let mut moved = 0;
    if src.is_pipe() || dst.is_pipe() {
        while let Some(count @ 1..) = now(end::step(&src, &dst, transit::ROOM)).await.transpose()? {
            moved += count;
        }
        return Ok(moved);
    }
    let mut transit = Transit::new(&src, &dst, slots::ROOM)?;
    while let Some(1..) = now(transit.fill(slots::ROOM)).await.transpose()? {
        while transit.is_loaded() {
            moved += transit.deliver().await?;
        }
    }
    Ok(moved)
}

/// What `future` gives without waiting.
async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// One end is a pipe already.
async fn directly(src: &End, dst: &End, len: usize, moved: &mut usize) -> Result<(), Failure> {
    // A pipe fails only for want of a reader.
    let failed = |error: io::Error| Failure {
        of_source: !src.is_pipe() && error.kind() != io::ErrorKind::BrokenPipe,
        error,
    };
    while *moved < len {
        match end::step(src, dst, len - *moved).await.map_err(failed)? {
            0 => break,
            count => *moved += count,
        }
    }
    Ok(())
}

/// Neither end is a pipe.
async fn through_pipe(src: &End, dst: &End, len: usize, moved: &mut usize) -> Result<(), Failure> {
    let failed = |of_source| move |error| Failure { error, of_source };
    let mut transit = Transit::new(src, dst, transit::ROOM).map_err(failed(false))?;
    while *moved < len && transit.fill(len - *moved).await.map_err(failed(true))? > 0 {
        while transit.is_loaded() {
            *moved += transit.deliver().await.map_err(failed(false))?;
        }
    }
    Ok(())
}

/// Copies up to `len` bytes from one pipe to another and leaves them in the first (tee(2)); says how many that were. 0 means
/// that the first is empty and nobody writes to it. Linux only.
///
/// # Errors
///
/// Those of tee(2): `InvalidInput` if one is no pipe, or both are the same.
///
/// # Cancel safety
///
/// Dropped, it has copied nothing.
///
/// ```
/// use maniac_io::fs::tee;
/// use maniac_io::net::pipe;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let ((mut a_in, mut a_out), (b_in, mut b_out)) = (pipe::pipe()?, pipe::pipe()?);
/// a_in.write_all(b"twice").await?;
/// assert_eq!(tee(&a_out, &b_in, 100).await?, 5);
/// let (mut a, mut b) = ([0; 5], [0; 5]);
/// a_out.read_exact(&mut a).await?;
/// b_out.read_exact(&mut b).await?;
/// assert_eq!((&a, &b), (b"twice", b"twice"));
/// # Ok(()) })
/// # }
/// ```
pub async fn tee(src: impl Into<Fd>, dst: impl Into<Fd>, len: usize) -> io::Result<usize> {
    let (src, dst) = (End::new(src.into())?, End::new(dst.into())?);
    rt::charge().await;
    end::between(&src, &dst, || sys::tee(src.fd(), dst.fd(), len)).await
}
