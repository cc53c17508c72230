//! Whole files at once.

use super::File;
use super::open_file::OpenFile;
#[cfg(target_os = "linux")]
use super::unfinished::Change;
use crate::rt;
use crate::sys::std_fs;
#[cfg(target_os = "linux")]
use maniac_driver::op::CopyRange;
#[cfg(target_os = "linux")]
use maniac_runtime::driver;
use std::io;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::sync::Arc;

/// Reads a whole file.
///
/// # Errors
///
/// Those of open(2) and read(2).
///
/// # Cancel safety
///
/// Nothing is changed.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file.txt");
/// maniac_io::fs::write(&path, b"Hello").await?;
/// let content = maniac_io::fs::read(&path).await?;
/// assert_eq!(content, b"Hello");
/// # Ok(()) })
/// # }
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    rt::charge().await;
    let file = match OpenFile::open_or_read(path.as_ref()).await? {
        Ok(content) => return Ok(content),
        Err(file) => file,
    };
    let (content, result) = file.read_rest(Vec::new(), 0).await;
    match result {
        // A FIFO or the like.
        Err(error) if content.is_empty() && file.has_no_positions(&error)? => {
            let mut content = Vec::new();
            File::of(file).read_to_end(&mut content).await?;
            Ok(content)
        }
        result => result.map(|()| content),
    }
}

/// Reads a whole file of text.
///
/// # Errors
///
/// Those of open(2) and read(2); `InvalidData` if it is no UTF-8.
///
/// # Cancel safety
///
/// Nothing is changed.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file.txt");
/// maniac_io::fs::write(&path, "Grüße").await?;
/// assert_eq!(maniac_io::fs::read_to_string(&path).await?, "Grüße");
/// # Ok(()) })
/// # }
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let content = read(path).await?;
    String::from_utf8(content).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Makes `contents` the whole contents of a file, which is made if it is not there.
///
/// # Errors
///
/// Those of open(2) and write(2).
///
/// # Cancel safety
///
/// Dropped half-way, the file may be empty, or hold a part.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// maniac_io::fs::write(dir.path().join("file.txt"), b"Hello").await?;
/// # Ok(()) })
/// # }
/// ```
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path).await?.write_all(contents.as_ref()).await
}

/// Copies a file's contents and permissions to another, which is replaced; says how many bytes that were. A thread of the
/// blocking pool does it, inside the kernel where the file systems allow it (copy_file_range(2)).
///
/// # Errors
///
/// Those of open(2), read(2) and write(2); `InvalidInput` if `from` is no regular file.
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
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// fs::write(&from, "text").await?;
/// assert_eq!(fs::copy(&from, &to).await?, 4);
/// assert_eq!(fs::read(&to).await?, b"text");
/// # Ok(()) })
/// # }
/// ```
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    rt::unblock(move || std_fs::copy(from, to)).await
}

/// Copies a part of one file to another, from cursor to cursor, and moves both; says how many bytes that were. Dropped, it may still
/// happen: whoever changes either file or uses its cursor next waits for it, and finds the cursors behind what was copied.
#[cfg(target_os = "linux")]
pub(crate) async fn copy_range(from: Arc<OpenFile>, to: Arc<OpenFile>) -> io::Result<usize> {
    /// Some milliseconds where the data is copied indeed: a thread of the pool does no more at a time.
    const PART: usize = 16 << 20;
    rt::charge().await;
    from.unfinished.settle().await?;
    to.unfinished.settle().await?;
    let (at, goal) = (from.position()?, to.position()?);
    let op = CopyRange::new((from.fd.clone(), at), (to.fd.clone(), goal), PART);
    let (source, sink) = (Arc::downgrade(&from), Arc::downgrade(&to));
    let note = move |result: io::Result<usize>| {
        let Ok(count) = result else { return };
        if let Some(from) = source.upgrade() {
            from.set_position(at + count as u64);
        }
        if let Some(to) = sink.upgrade() {
            to.wrote(goal, count);
        }
    };
    let both = [&*from, &*to].map(|file| &file.unfinished);
    let count = Change::of_both(driver::submit(op)?, both, note).await?;
    from.set_position(at + count as u64);
    to.wrote(goal, count);
    Ok(count)
}
