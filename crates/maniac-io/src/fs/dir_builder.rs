//! [`DirBuilder`].

use crate::rt;
use crate::sys::std_fs;
use std::io;
use std::path::Path;

/// How a directory is made, where [`create_dir`](super::create_dir) and [`create_dir_all`](super::create_dir_all) do not suffice.
///
/// ```
/// use maniac_io::fs::{self, DirBuilder};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("private/keys");
/// DirBuilder::new().recursive(true).mode(0o700).create(&path).await?;
/// # #[cfg(unix)]
/// assert_eq!(fs::metadata(&path).await?.stat().mode & 0o777, 0o700);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct DirBuilder {
    recursive: bool,
    mode: Option<u32>,
}

impl DirBuilder {
    /// One directory, with mode 0o777 before the umask.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the directories that lead to it are made too; that it is there already is no error then.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permissions of what is made, before the umask. Unix only; nothing elsewhere.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory. A thread of the blocking pool does it.
    ///
    /// # Errors
    ///
    /// Those of mkdir(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped one goes on to its end.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let (path, mut builder) = (path.as_ref().to_owned(), std_fs::DirBuilder::new());
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        }
        rt::unblock(move || builder.create(path)).await
    }
}
