//! [`Child`].

use super::wait::Ended;
use super::{ChildStderr, ChildStdin, ChildStdout, ExitStatus, Output, reaper};
use crate::io::AsyncReadExt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

/// A running child process.
///
/// Dropping it leaves the child running, unless it is to be [killed](super::Command::kill_on_drop); either way it is reaped
/// when it ends.
///
/// ```
/// use maniac_io::process::Command;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// assert!(child.try_wait()?.is_none());
/// child.kill().await?;
/// assert!(!child.wait().await?.success());
/// assert_eq!(child.id(), None);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct Child {
    /// Present until drop.
    running: Option<Running>,
    /// Its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
}

#[derive(Debug)]
struct Running {
    std: std::process::Child,
    ended: Ended,
    /// Once it was reaped; its number may be another's then.
    status: Option<ExitStatus>,
    kill_on_drop: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.status.is_some() {
            return;
        }
        if self.kill_on_drop {
            // Fails if it has ended meanwhile, which is as well.
            let _ = self.std.kill();
        }
        reaper::adopt(&mut self.std);
    }
}

impl Child {
    pub(super) fn new(mut std: std::process::Child, kill_on_drop: bool) -> io::Result<Child> {
        let (stdin, stdout, stderr) = (std.stdin.take(), std.stdout.take(), std.stderr.take());
        let ended = match Ended::of(std.id()) {
            Ok(ended) => ended,
            Err(error) => {
                reaper::adopt(&mut std);
                return Err(error);
            }
        };
        let running = Running { std, ended, status: None, kill_on_drop };
        Ok(Child {
            running: Some(running),
            stdin: stdin.map(ChildStdin::new).transpose()?,
            stdout: stdout.map(ChildStdout::new).transpose()?,
            stderr: stderr.map(ChildStderr::new).transpose()?,
        })
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("present until drop")
    }

    /// The process's number; `None` once it was waited for, since it may be another's then.
    pub fn id(&self) -> Option<u32> {
        let running = self.running.as_ref().expect("present until drop");
        if running.status.is_some() { None } else { Some(running.std.id()) }
    }

    /// Waits for its end. Its standard input is closed first, so that it does not wait for that.
    ///
    /// # Errors
    ///
    /// Those of waitpid(2): `ECHILD` if somebody else has waited for it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        let Running { std, ended, status, .. } = self.running();
        if let Some(status) = *status {
            return Ok(status);
        }
        let done = poll_fn(|cx| ended.poll(cx, std)).await?;
        *status = Some(done);
        Ok(done)
    }

    /// How it ended; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Child::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let running = self.running();
        if running.status.is_none() {
            running.status = running.std.try_wait()?;
        }
        Ok(running.status)
    }

    /// Kills it (SIGKILL), without waiting for its end. That it has ended is no error.
    ///
    /// # Errors
    ///
    /// Those of kill(2).
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// use std::os::unix::process::ExitStatusExt;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.start_kill()?;
    /// assert_eq!(child.wait().await?.signal(), Some(9));
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn start_kill(&mut self) -> io::Result<()> {
        let running = self.running();
        if running.status.is_some() { Ok(()) } else { running.std.kill() }
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of kill(2) and of [`wait`](Child::wait).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is killed.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Closes its standard input, collects what it says, and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of reading and of [`wait`](Child::wait).
    ///
    /// # Cancel safety
    ///
    /// None: what was collected is lost, and the child is dropped.
    ///
    /// ```
    /// use maniac_io::process::{Command, Stdio};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "echo said; echo complained >&2"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    /// let output = command.spawn()?.wait_with_output().await?;
    /// assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"said\n"[..], &b"complained\n"[..]));
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        self.stdin = None;
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        let status = {
            let mut parts = (
                pin!(collect(&mut stdout, &mut said)),
                pin!(collect(&mut stderr, &mut complained)),
                pin!(self.wait()),
            );
            let (mut out, mut err, mut status) = (None, None, None);
            poll_fn(|cx| {
                poll_part(&mut out, parts.0.as_mut(), cx);
                poll_part(&mut err, parts.1.as_mut(), cx);
                poll_part(&mut status, parts.2.as_mut(), cx);
                match (&out, &err, &status) {
                    (Some(_), Some(_), Some(_)) => Poll::Ready(()),
                    _ => Poll::Pending,
                }
            })
            .await;
            out.transpose()?;
            err.transpose()?;
            status.expect("waited for above")?
        };
        Ok(Output { status, stdout: said, stderr: complained })
    }
}

/// Polls a part of a whole, unless it is done.
fn poll_part<F: Future>(done: &mut Option<F::Output>, part: Pin<&mut F>, cx: &mut std::task::Context<'_>) {
    if done.is_none()
        && let Poll::Ready(output) = part.poll(cx)
    {
        *done = Some(output);
    }
}

async fn collect<R: crate::io::AsyncRead + Unpin>(
    pipe: &mut Option<R>,
    into: &mut Vec<u8>,
) -> io::Result<()> {
    match pipe {
        Some(pipe) => pipe.read_to_end(into).await.map(drop),
        None => Ok(()),
    }
}
