//! Child processes.
//!
//! A child that is waited for is reaped by who waits. One whose [`Child`] is dropped before it has ended is reaped by a
//! thread of this module once it does, so that none stays behind as a zombie.

mod child;
mod command;
mod reaper;
mod stdio;
mod wait;

pub use child::Child;
pub use command::Command;
pub use std::process::{ExitStatus, Output, Stdio};
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};
