//! Files where the driver has no operations for them: every call is the standard library's, on a thread of the blocking
//! pool. The same names as on Unix, but for what the module's page says is missing.

pub use crate::sys::std_fs::{FileType, Metadata, Permissions};

use super::OpenOptions;
use crate::rt;
use crate::sys::std_fs;
use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An open file. Positioned calls take `&self`, those at the cursor `&mut self`.
///
/// Cancel safety: a dropped read loses nothing, since the cursor moves only when a result is delivered. A dropped write may
/// have happened, or may still happen.
#[derive(Debug)]
pub struct File {
    /// The system's position is moved by every call, so each has the file to itself.
    file: Arc<Mutex<std_fs::File>>,
    cursor: u64,
}

fn lock(file: &Mutex<std_fs::File>) -> MutexGuard<'_, std_fs::File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenOptions {
    fn to_std(&self) -> io::Result<std_fs::OpenOptions> {
        self.check()?;
        if self.direct || self.beneath {
            let text = "neither direct nor beneath is available on this system";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let mut options = std_fs::OpenOptions::new();
        options.read(self.read).write(self.write).append(self.append).truncate(self.truncate);
        options.create(self.create).create_new(self.create_new);
        Ok(options)
    }
}

impl File {
    /// Opens a file to read.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        Self::open_with(path.as_ref(), OpenOptions::new().read(true)).await
    }

    /// Opens a file to write: empty, made if it is not there.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed; it may have been made or emptied.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = OpenOptions::new();
        Self::open_with(path.as_ref(), options.write(true).create(true).truncate(true)).await
    }

    /// Makes a file and opens it to read and write.
    ///
    /// # Errors
    ///
    /// Those of the system; `AlreadyExists` if it is there.
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed; it may have been made.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = OpenOptions::new();
        Self::open_with(path.as_ref(), options.read(true).write(true).create_new(true)).await
    }

    /// [`OpenOptions::new`].
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(super) async fn open_with(path: &Path, options: &OpenOptions) -> io::Result<File> {
        let (options, path) = (options.to_std()?, path.to_owned());
        rt::unblock(move || options.open(path)).await.map(Self::from_std)
    }

    /// Takes over a file that was opened by the standard library; the cursor begins where its position is.
    pub fn from_std(mut file: std_fs::File) -> File {
        let cursor = file.stream_position().unwrap_or(0);
        Self { file: Arc::new(Mutex::new(file)), cursor }
    }

    /// Gives the file to the standard library, its position where the cursor is.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has closed this handle.
    pub async fn into_std(self) -> io::Result<std_fs::File> {
        let (file, cursor) = (self.file, self.cursor);
        rt::unblock(move || {
            let mut file = match Arc::try_unwrap(file) {
                Ok(file) => file.into_inner().unwrap_or_else(PoisonError::into_inner),
                Err(shared) => lock(&shared).try_clone()?,
            };
            file.seek(SeekFrom::Start(cursor))?;
            Ok(file)
        })
        .await
    }

    /// Does `call` with the file on a thread of the pool.
    async fn with<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut std_fs::File) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let file = Arc::clone(&self.file);
        rt::unblock(move || call(&mut lock(&file))).await
    }

    /// Reads at `offset`. 0 is the file's end, or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buf.len().min(crate::buf::MAX_COPIED);
        let read = move |file: &mut std_fs::File| {
            let mut data = vec![0; len];
            file.seek(SeekFrom::Start(offset))?;
            let count = file.read(&mut data)?;
            data.truncate(count);
            Ok(data)
        };
        let data = self.with(read).await?;
        buf[..data.len()].copy_from_slice(&data);
        Ok(data.len())
    }

    /// Reads at `offset` until `buf` is full.
    ///
    /// # Errors
    ///
    /// Those of the system; `UnexpectedEof` if the file ends before.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    buf = &mut buf[count..];
                    offset += count as u64;
                }
            }
        }
        Ok(())
    }

    /// Writes at `offset` as much as the system takes at once.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A dropped write may have happened, or may still happen.
    pub async fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let data = buf[..buf.len().min(crate::buf::MAX_COPIED)].to_vec();
        self.with(move |file| {
            file.seek(SeekFrom::Start(offset))?;
            file.write(&data)
        })
        .await
    }

    /// Writes all of `buf` at `offset`.
    ///
    /// # Errors
    ///
    /// Those of the system; `WriteZero` if it takes nothing.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have written all, some or nothing.
    pub async fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write_at(buf, offset).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => {
                    buf = &buf[count..];
                    offset += count as u64;
                }
            }
        }
        Ok(())
    }

    /// Reads at the cursor. 0 is the file's end, or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the cursor moves only when bytes are delivered.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(buf, self.cursor).await?;
        self.cursor += count as u64;
        Ok(count)
    }

    /// Reads at the cursor until `buf` is full.
    ///
    /// # Errors
    ///
    /// Those of the system; `UnexpectedEof` if the file ends before.
    ///
    /// # Cancel safety
    ///
    /// None: how far the cursor has moved is lost.
    pub async fn read_exact(&mut self, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read(buf).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => buf = &mut buf[count..],
            }
        }
        Ok(())
    }

    /// Reads from the cursor to the file's end, behind what `buf` holds; says how much that was.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the cursor has not moved.
    pub async fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let at = self.cursor;
        let read = move |file: &mut std_fs::File| {
            let mut data = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            file.read_to_end(&mut data)?;
            Ok(data)
        };
        let mut data = self.with(read).await?;
        let count = data.len();
        self.cursor += count as u64;
        buf.append(&mut data);
        Ok(count)
    }

    /// Writes at the cursor (or at the end, if the file was opened to append) as much as the system takes at once.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A dropped write may have happened, or may still happen; the cursor has not moved.
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (at, data) = (self.cursor, buf[..buf.len().min(crate::buf::MAX_COPIED)].to_vec());
        let write = move |file: &mut std_fs::File| {
            file.seek(SeekFrom::Start(at))?;
            let count = file.write(&data)?;
            Ok((count, file.stream_position()?))
        };
        let (count, position) = self.with(write).await?;
        self.cursor = position;
        Ok(count)
    }

    /// Writes all of `buf` at the cursor.
    ///
    /// # Errors
    ///
    /// Those of the system; `WriteZero` if it takes nothing.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have written all, some or nothing.
    pub async fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write(buf).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => buf = &buf[count..],
            }
        }
        Ok(())
    }

    /// Moves the cursor; says where it is then, in bytes from the file's begin.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it would stand before the file's begin.
    ///
    /// # Cancel safety
    ///
    /// The cursor stays where it was.
    pub async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.cursor;
        self.cursor = self
            .with(move |file| {
                file.seek(SeekFrom::Start(at))?;
                file.seek(to)
            })
            .await?;
        Ok(self.cursor)
    }

    /// Brings all data, and what the system knows of the file, to the device.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.with(|file| file.sync_all()).await
    }

    /// Brings all data to the device.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.with(|file| file.sync_data()).await
    }

    /// Cuts the file to `len` bytes, or extends it with zeros.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(move |file| file.set_len(len)).await
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.with(|file| file.metadata()).await
    }

    /// Changes the permissions.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have happened, or may still happen.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.with(move |file| file.set_permissions(permissions)).await
    }
}

/// Functions of paths, as the standard library's of the same names.
macro_rules! functions {
    ($($(#[$doc:meta])+ $name:ident($($arg:ident),+) -> $result:ty;)+) => {
        $($(#[$doc])+
        ///
        /// # Errors
        ///
        /// Those of the system.
        ///
        /// # Cancel safety
        ///
        /// Once begun it runs to its end, also if the future is dropped.
        pub async fn $name($($arg: impl AsRef<Path>),+) -> io::Result<$result> {
            $(let $arg = $arg.as_ref().to_owned();)+
            rt::unblock(move || std_fs::$name($($arg),+)).await
        })+
    };
}

functions! {
    /// Reads a whole file.
    read(path) -> Vec<u8>;
    /// Reads a whole file of text.
    read_to_string(path) -> String;
    /// Copies a file's contents and permissions to another; says how many bytes that were.
    copy(from, to) -> u64;
    /// Makes a directory.
    create_dir(path) -> ();
    /// Makes a directory and all that lead to it.
    create_dir_all(path) -> ();
    /// Removes a file.
    remove_file(path) -> ();
    /// Removes an empty directory.
    remove_dir(path) -> ();
    /// Removes a directory and all that is in it.
    remove_dir_all(path) -> ();
    /// Renames a file or directory, replacing what is there.
    rename(from, to) -> ();
    /// What the system knows of what `path` leads to.
    metadata(path) -> Metadata;
    /// What the system knows of `path` itself.
    symlink_metadata(path) -> Metadata;
    /// Gives the file `original` the name `link` too.
    hard_link(original, link) -> ();
    /// What a symbolic link says.
    read_link(path) -> PathBuf;
    /// The one absolute path that leads where `path` does.
    canonicalize(path) -> PathBuf;
    /// Whether `path` leads to something.
    exists(path) -> bool;
}

pub use exists as try_exists;

/// Makes `contents` the whole contents of a file, which is made if it is not there.
///
/// # Errors
///
/// Those of the system.
///
/// # Cancel safety
///
/// Once begun it runs to its end, also if the future is dropped.
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, contents) = (path.as_ref().to_owned(), contents.as_ref().to_vec());
    rt::unblock(move || std_fs::write(path, contents)).await
}

/// Changes the permissions of what `path` leads to.
///
/// # Errors
///
/// Those of the system.
///
/// # Cancel safety
///
/// Once begun it runs to its end, also if the future is dropped.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    rt::unblock(move || std_fs::set_permissions(path, permissions)).await
}

/// The entries of a directory.
#[derive(Debug)]
pub struct ReadDir {
    entries: std::vec::IntoIter<io::Result<std_fs::DirEntry>>,
}

/// The entries of the directory `path`, all read at once.
///
/// # Errors
///
/// Those of the system.
///
/// # Cancel safety
///
/// Nothing is changed.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    let entries = rt::unblock(move || Ok(std_fs::read_dir(path)?.collect::<Vec<_>>())).await?;
    Ok(ReadDir { entries: entries.into_iter() })
}

impl ReadDir {
    /// The next entry; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// No entry is lost.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        rt::charge().await;
        Ok(self.entries.next().transpose()?.map(|entry| DirEntry { entry: Arc::new(entry) }))
    }
}

/// One entry of a directory.
#[derive(Debug)]
pub struct DirEntry {
    entry: Arc<std_fs::DirEntry>,
}

impl DirEntry {
    /// The path that [`read_dir`] was given, with the name behind it.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name.
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// What kind of thing it is; a symbolic link is not followed.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn file_type(&self) -> io::Result<FileType> {
        let entry = Arc::clone(&self.entry);
        rt::unblock(move || entry.file_type()).await
    }

    /// What the system knows of it; a symbolic link is not followed.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let entry = Arc::clone(&self.entry);
        rt::unblock(move || entry.metadata()).await
    }
}
