//! [`Command`].

use super::{Child, ExitStatus, Output, Stdio};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// How a child process is started: as `std::process::Command`, with calls that wait without blocking a thread.
///
/// Starting a process blocks the calling thread for as long as the system needs to make it (vfork(2)), about half a
/// millisecond.
///
/// ```
/// use maniac_io::process::Command;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let output = Command::new("echo").arg("hello").output().await?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    std: std::process::Command,
    kill_on_drop: bool,
}

impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Self {
        Self { std, kill_on_drop: false }
    }
}

impl Command {
    /// To run `program`, which is looked up in PATH unless it holds a slash.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        std::process::Command::new(program).into()
    }

    /// One argument more.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.std.arg(arg);
        self
    }

    /// More arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Command {
        self.std.args(args);
        self
    }

    /// What the program is told that it is called (Unix).
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let output = Command::new("sh").arg0("alias").args(["-c", "echo $0"]).output().await?;
    /// assert_eq!(output.stdout, b"alias\n");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        std::os::unix::process::CommandExt::arg0(&mut self.std, arg);
        self
    }

    /// Sets a variable of the environment.
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let output = Command::new("sh").args(["-c", "echo $NAME"]).env("NAME", "value").output().await?;
    /// assert_eq!(output.stdout, b"value\n");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.std.env(key, value);
        self
    }

    /// Sets variables of the environment.
    pub fn envs(
        &mut self,
        vars: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Command {
        self.std.envs(vars);
        self
    }

    /// Leaves a variable of the environment out.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Leaves the whole environment out.
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut command = Command::new("/usr/bin/env");
    /// command.env_clear().envs([("A", "1"), ("B", "2")]).env_remove("B");
    /// assert_eq!(command.output().await?.stdout, b"A=1\n");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// The directory to run in.
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// assert_eq!(Command::new("pwd").current_dir("/").output().await?.stdout, b"/\n");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Command {
        self.std.current_dir(dir);
        self
    }

    /// What its standard input is. Inherited by default; nothing for [`output`](Command::output).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Command {
        self.std.stdin(stdin);
        self
    }

    /// What its standard output is. Inherited by default; a pipe for [`output`](Command::output).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Command {
        self.std.stdout(stdout);
        self
    }

    /// What its standard error is. Inherited by default; a pipe for [`output`](Command::output).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Command {
        self.std.stderr(stderr);
        self
    }

    /// The user to run as.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        std::os::unix::process::CommandExt::uid(&mut self.std, id);
        self
    }

    /// The group to run as.
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    /// let output = Command::new("id").arg("-u").uid(user).gid(group).output().await?;
    /// assert_eq!(output.stdout, format!("{user}\n").into_bytes());
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn gid(&mut self, id: u32) -> &mut Command {
        std::os::unix::process::CommandExt::gid(&mut self.std, id);
        self
    }

    /// The process group; 0 makes one of its own, which the terminal's Ctrl-C does not reach.
    ///
    /// ```
    /// use maniac_io::process::{Command, Stdio};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "kill -TERM 0"]).process_group(0).stderr(Stdio::null()); // all of its group: itself
    /// assert!(!command.status().await?.success());
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn process_group(&mut self, group: i32) -> &mut Command {
        std::os::unix::process::CommandExt::process_group(&mut self.std, group);
        self
    }

    /// Whether the child is killed when its [`Child`] is dropped. It is not, by default.
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let sleeper = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?;
    /// drop(sleeper);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// The standard library's command inside, for what is missing here.
    pub fn as_std(&self) -> &std::process::Command {
        &self.std
    }

    /// The standard library's command inside, for what is missing here, such as `pre_exec`.
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut command = Command::new("echo");
    /// command.as_std_mut().arg("hello");
    /// assert_eq!(command.as_std().get_args().count(), 1);
    /// assert_eq!(command.output().await?.stdout, b"hello\n");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }

    /// Starts the child.
    ///
    /// # Errors
    ///
    /// Those of fork(2) and execve(2): `NotFound` if there is no such program; outside a runtime.
    ///
    /// ```
    /// use maniac_io::process::{Command, Stdio};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// child.stdin.take().unwrap().write_all(b"hello").await?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"hello");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        // Without a runtime nothing could wait for the child or talk with it: say so before it is there.
        maniac_runtime::driver::remote()?;
        Child::new(self.std.spawn()?, self.kill_on_drop)
    }

    /// Starts the child and waits for its end.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Command::spawn), and those of waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the child runs on, unless it is to be [killed](Command::kill_on_drop).
    ///
    /// ```
    /// use maniac_io::process::Command;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// assert_eq!(Command::new("sh").args(["-c", "exit 3"]).status().await?.code(), Some(3));
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait().await
    }

    /// Starts the child without input, collects what it says, and waits for its end.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Command::spawn), and those of reading and waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropped, what was collected is lost; the child runs on, unless it is to be [killed](Command::kill_on_drop), and finds
    /// that nobody reads.
    pub async fn output(&mut self) -> io::Result<Output> {
        self.std.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn()?.wait_with_output().await
    }
}
