//! The pipes to a child process.

use crate::net::pipe::{Receiver, Sender};
use std::io;
use std::process::Stdio;

/// What is written here, the child reads. Dropping it ends the child's input.
///
/// ```
/// use maniac_io::process::{ChildStdin, Command, Stdio};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut stdin: ChildStdin = child.stdin.take().unwrap();
/// stdin.write_all(b"hello").await?;
/// drop(stdin); // the end of its input
/// assert_eq!(child.wait_with_output().await?.stdout, b"hello");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct ChildStdin {
    pipe: Sender,
}

/// What the child writes to its standard output.
///
/// ```
/// use maniac_io::process::{ChildStdout, Command, Stdio};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let said: ChildStdout = echo.stdout.take().unwrap();
/// let mut shout = Command::new("tr");
/// shout.args(["a-z", "A-Z"]).stdin(said.into_stdio().await?).stdout(Stdio::piped());
/// assert_eq!(shout.spawn()?.wait_with_output().await?.stdout, b"HELLO\n");
/// assert!(echo.wait().await?.success());
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct ChildStdout {
    pipe: Receiver,
}

/// What the child writes to its standard error.
///
/// ```
/// use maniac_io::process::{ChildStderr, Command, Stdio};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let mut child = Command::new("sh").args(["-c", "echo oops >&2"]).stderr(Stdio::piped()).spawn()?;
/// let mut complaints: ChildStderr = child.stderr.take().unwrap();
/// complaints.pipe().readable().await?;
/// let mut text = Vec::new();
/// complaints.read_to_end(&mut text).await?;
/// assert_eq!(text, b"oops\n");
/// assert!(child.wait().await?.success());
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct ChildStderr {
    pipe: Receiver,
}

/// Pipes that are another type's, with a way to give them to another child.
macro_rules! pipes {
    ($($type:ident($inner:ident);)+) => {
        $(impl $type {
            pub(super) fn new(std: std::process::$type) -> io::Result<Self> {
                Ok(Self { pipe: $inner::from_owned_fd(std.into())? })
            }

            /// Gives the pipe to another child.
            ///
            /// # Errors
            ///
            /// Those of fcntl(2).
            ///
            /// # Cancel safety
            ///
            /// Dropped, it has closed the pipe's end.
            pub async fn into_stdio(self) -> io::Result<Stdio> {
                let fd = self.pipe.into_owned_fd().await?;
                crate::sys::set_blocking(&fd)?;
                Ok(fd.into())
            }

            /// The pipe itself, for its other methods.
            pub fn pipe(&mut self) -> &mut $inner {
                &mut self.pipe
            }

            fn stream(&self) -> &crate::net::Stream {
                self.pipe.stream()
            }
        }

        impl_as_fd!($type, this => &this.pipe);

        impl From<&$type> for crate::fs::Fd {
            fn from(pipe: &$type) -> Self {
                pipe.pipe.fd()
            }
        })+
    };
}

pipes! {
    ChildStdin(Sender);
    ChildStdout(Receiver);
    ChildStderr(Receiver);
}

/// An example's two ends: a child that echoes.
macro_rules! echoing {
    () => {
        "# use maniac_io::process::{Command, Stdio};\n\
         # let mut command = Command::new(\"cat\");\n\
         # let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;\n\
         # let (mut a, mut b) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());"
    };
}

/// As above, on standard error.
macro_rules! echoing_errors {
    () => {
        "# use maniac_io::process::{Command, Stdio};\n\
         # let mut command = Command::new(\"sh\");\n\
         # command.args([\"-c\", \"exec cat >&2\"]);\n\
         # let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;\n\
         # let (mut a, mut b) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());"
    };
}

impl ChildStdin {
    write_methods!(echoing!());
}

impl ChildStdout {
    read_methods!(echoing!());
}

impl ChildStderr {
    read_methods!(echoing_errors!());
}

impl_async_write!(ChildStdin, this => { let _ = this; Ok(()) });
impl_async_read!(ChildStdout);
impl_async_read!(ChildStderr);
