//! What is done to paths.

use super::dir::{create, hard_link as link, remove, rename as move_to, symlink as link_to};
use super::{Metadata, Permissions};
use crate::rt;
use crate::sys::std_fs;
use maniac_driver::op::{Inline, ReadLinkAt, StatAt, try_inline};
use std::io;
use std::path::{Path, PathBuf};

/// Makes a directory, with mode 0o777 before the umask.
///
/// # Errors
///
/// Those of mkdir(2).
///
/// # Cancel safety
///
/// A dropped one may have happened.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("new_dir");
/// fs::create_dir(&path).await?;
/// assert!(fs::metadata(&path).await?.is_dir());
/// # Ok(()) })
/// # }
/// ```
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    create(None, path.as_ref()).await
}

/// Makes a directory and all that lead to it. That it is there already is no error.
///
/// # Errors
///
/// Those of mkdir(2).
///
/// # Cancel safety
///
/// A dropped one may have made some or all.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// fs::create_dir_all(dir.path().join("a/b/c")).await?;
/// fs::create_dir_all(dir.path().join("a/b/c")).await?;
/// # Ok(()) })
/// # }
/// ```
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    // Upwards until one can be made, then down again.
    let mut missing: Vec<&Path> = Vec::new();
    for at in path.ancestors().take_while(|at| !at.as_os_str().is_empty()) {
        match create(None, at).await {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(at),
            // Another may have made it meanwhile; and a root or a read-only file system says anything.
            Err(_) if metadata(at).await.is_ok_and(|metadata| metadata.is_dir()) => break,
            Err(error) => return Err(error),
        }
    }
    while let Some(at) = missing.pop() {
        match create(None, at).await {
            Err(_) if metadata(at).await.is_ok_and(|metadata| metadata.is_dir()) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Removes a file.
///
/// # Errors
///
/// Those of unlink(2).
///
/// # Cancel safety
///
/// A dropped one may have happened.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("old_file");
/// fs::write(&path, "").await?;
/// fs::remove_file(&path).await?;
/// assert!(!fs::try_exists(&path).await?);
/// # Ok(()) })
/// # }
/// ```
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    remove(None, path.as_ref(), false).await
}

/// Removes an empty directory.
///
/// # Errors
///
/// Those of rmdir(2).
///
/// # Cancel safety
///
/// A dropped one may have happened.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("empty");
/// fs::create_dir(&path).await?;
/// fs::remove_dir(&path).await?;
/// # Ok(()) })
/// # }
/// ```
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    remove(None, path.as_ref(), true).await
}

/// Removes a directory and all that is in it, following no links. A thread of the blocking pool does it.
///
/// # Errors
///
/// The first one met; what was removed before stays so.
///
/// # Cancel safety
///
/// A dropped one goes on to its end.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("tree");
/// fs::create_dir_all(path.join("a/b")).await?;
/// fs::write(path.join("a/file"), "").await?;
/// fs::remove_dir_all(&path).await?;
/// # Ok(()) })
/// # }
/// ```
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    rt::unblock(move || std_fs::remove_dir_all(path)).await
}

/// Renames a file or directory, replacing what is there.
///
/// # Errors
///
/// Those of rename(2).
///
/// # Cancel safety
///
/// A dropped one may have happened.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let (old, new) = (dir.path().join("old"), dir.path().join("new"));
/// fs::write(&old, "text").await?;
/// fs::rename(&old, &new).await?;
/// assert_eq!(fs::read_to_string(&new).await?, "text");
/// # Ok(()) })
/// # }
/// ```
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    move_to(None, from.as_ref(), None, to.as_ref()).await
}

/// What the system knows of what `path` leads to.
///
/// A plain call: what is cached costs a microsecond. What is not is waited for on this thread.
///
/// # Errors
///
/// Those of statx(2).
///
/// # Cancel safety
///
/// Nothing is changed.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// assert!(maniac_io::fs::metadata("/").await?.is_dir());
/// # Ok(()) })
/// # }
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    state(path.as_ref(), true).await
}

/// As [`metadata`], of a symbolic link itself if `path` names one.
///
/// # Errors
///
/// Those of statx(2).
///
/// # Cancel safety
///
/// Nothing is changed.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("link");
/// fs::symlink("nowhere", &path).await?;
/// assert!(fs::symlink_metadata(&path).await?.is_symlink());
/// assert!(fs::metadata(&path).await.is_err());
/// # Ok(()) })
/// # }
/// ```
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    state(path.as_ref(), false).await
}

async fn state(path: &Path, follow: bool) -> io::Result<Metadata> {
    rt::charge().await;
    let stat = match try_inline(StatAt::new(None, path, follow)?) {
        Inline::Done(stat) => stat?,
        Inline::Pending(op) => rt::run(op).await?,
    };
    Ok(Metadata::of(stat))
}

/// Whether `path` leads to something.
///
/// # Errors
///
/// Those of statx(2), but for `NotFound`: then nobody knows.
///
/// # Cancel safety
///
/// Nothing is changed.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// assert!(maniac_io::fs::try_exists("/").await?);
/// assert!(!maniac_io::fs::try_exists("/no/such/thing").await?);
/// # Ok(()) })
/// # }
/// ```
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the file `original` the name `link` too.
///
/// # Errors
///
/// Those of link(2).
///
/// # Cancel safety
///
/// A dropped one may have happened.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// fs::write(&one, "same").await?;
/// fs::hard_link(&one, &two).await?;
/// assert_eq!(fs::metadata(&two).await?.stat().nlink, 2);
/// # Ok(()) })
/// # }
/// ```
pub async fn hard_link(original: impl AsRef<Path>, link_path: impl AsRef<Path>) -> io::Result<()> {
    link(None, original.as_ref(), None, link_path.as_ref()).await
}

/// Makes `link` a symbolic link that says `target`.
///
/// # Errors
///
/// Those of symlink(2).
///
/// # Cancel safety
///
/// A dropped one may have happened.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// let link = dir.path().join("link");
/// fs::symlink("/target", &link).await?;
/// assert_eq!(fs::read_link(&link).await?, std::path::Path::new("/target"));
/// # Ok(()) })
/// # }
/// ```
pub async fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    link_to(target.as_ref(), None, link.as_ref()).await
}

/// What a symbolic link says.
///
/// # Errors
///
/// Those of readlink(2).
///
/// # Cancel safety
///
/// Nothing is changed.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let link = dir.path().join("link");
/// fs::symlink("../shared", &link).await?;
/// assert_eq!(fs::read_link(&link).await?, std::path::Path::new("../shared"), "as it was written");
/// # Ok(()) })
/// # }
/// ```
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    rt::charge().await;
    rt::run(ReadLinkAt::new(None, path)?).await
}

/// The one absolute path without links, `.` and `..` that leads where `path` does. A thread of the blocking pool finds it.
///
/// # Errors
///
/// Those of realpath(3).
///
/// # Cancel safety
///
/// Nothing is changed.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// assert_eq!(maniac_io::fs::canonicalize("/dev/../").await?, std::path::Path::new("/"));
/// # Ok(()) })
/// # }
/// ```
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    rt::unblock(move || std_fs::canonicalize(path)).await
}

/// Changes the permissions of what `path` leads to.
///
/// # Errors
///
/// Those of chmod(2).
///
/// # Cancel safety
///
/// A dropped one may have happened, or may still happen.
///
/// ```
/// use maniac_io::fs;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// fs::write(&path, "").await?;
/// let mut permissions = fs::metadata(&path).await?.permissions();
/// permissions.set_readonly(true);
/// fs::set_permissions(&path, permissions).await?;
/// assert!(fs::metadata(&path).await?.permissions().readonly());
/// # Ok(()) })
/// # }
/// ```
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    rt::unblock(move || std_fs::set_permissions(path, permissions)).await
}
