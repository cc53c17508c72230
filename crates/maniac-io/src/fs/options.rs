//! How files are opened.

use super::File;
use std::io;
use std::path::Path;

/// How a file is opened: as `std::fs::OpenOptions`, and [`direct`](OpenOptions::direct).
///
/// ```
/// use maniac_io::fs::OpenOptions;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file.txt");
/// let mut file = OpenOptions::new().read(true).write(true).create(true).open(&path).await?;
/// file.write_all(b"text").await?;
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) append: bool,
    pub(super) truncate: bool,
    pub(super) create: bool,
    pub(super) create_new: bool,
    pub(super) direct: bool,
    pub(super) beneath: bool,
    pub(super) mode: u32,
    pub(super) custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing is allowed yet; files are created with mode 0o666 before the umask.
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            direct: false,
            beneath: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// To read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// To write.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// To write at the end, wherever that is at the time of the write.
    ///
    /// ```
    /// use maniac_io::fs::{self, OpenOptions};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("log");
    /// for line in ["one\n", "two\n"] {
    ///     OpenOptions::new().append(true).create(true).open(&path).await?.write_all(line.as_bytes()).await?;
    /// }
    /// assert_eq!(fs::read_to_string(&path).await?, "one\ntwo\n");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// To empty what is there.
    ///
    /// ```
    /// use maniac_io::fs::OpenOptions;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "what was there")?;
    /// let file = OpenOptions::new().write(true).truncate(true).open(&path).await?;
    /// assert_eq!(file.metadata().await?.len(), 0);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// To make the file if it is not there.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// To make the file, and fail if it is there.
    ///
    /// ```
    /// use maniac_io::fs::OpenOptions;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("new");
    /// OpenOptions::new().write(true).create_new(true).open(&path).await?;
    /// let again = OpenOptions::new().write(true).create_new(true).open(&path).await;
    /// assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// To go past the page cache (O_DIRECT): offsets, lengths and addresses must then be multiples of what the device wants,
    /// which [`AlignedBuf`](crate::buf::AlignedBuf)s of [`DEFAULT_ALIGN`](crate::buf::DEFAULT_ALIGN) bytes are. A file
    /// system without it refuses to open.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # #[cfg(unix)] {
    /// use maniac_io::{buf::{AlignedBuf, DEFAULT_ALIGN}, fs::OpenOptions};
    /// # let dir = tempfile::tempdir_in(".")?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, vec![7; 4096])?;
    /// let file = OpenOptions::new().read(true).direct(true).open(&path).await;
    /// if let Ok(file) = file {
    ///     let (count, buf) = file.read_owned_at(AlignedBuf::new(4096, DEFAULT_ALIGN).unwrap(), 0).await;
    ///     assert_eq!((count?, buf[0]), (4096, 7));
    /// } // else a file system without it
    /// # }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn direct(&mut self, direct: bool) -> &mut Self {
        self.direct = direct;
        self
    }

    /// To refuse every way out of the directory that [`Dir::open_at`](super::Dir::open_at) starts from: absolute paths, `..`
    /// beyond it, links that lead out (RESOLVE_BENEATH of openat2(2)). Linux only; an error elsewhere.
    ///
    /// ```
    /// use maniac_io::fs::{Dir, OpenOptions};
    /// # #[cfg(target_os = "linux")]
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let dir = Dir::open("/proc/self").await?;
    /// let mut options = OpenOptions::new();
    /// assert!(dir.open_at("../../etc/passwd", options.read(true)).await.is_ok());
    /// assert!(dir.open_at("../../etc/passwd", options.beneath(true)).await.is_err());
    /// # Ok(()) })
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn beneath(&mut self, beneath: bool) -> &mut Self {
        self.beneath = beneath;
        self
    }

    /// The permissions of a file that is made, before the umask. Unix only; nothing elsewhere.
    ///
    /// ```
    /// use maniac_io::fs::OpenOptions;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("key");
    /// let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).await?;
    /// # #[cfg(unix)]
    /// assert_eq!(file.metadata().await?.stat().mode & 0o777, 0o600);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// More flags of open(2). The access mode is not among them. Unix only; nothing elsewhere.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # #[cfg(target_os = "linux")] {
    /// use maniac_io::fs::OpenOptions;
    /// let directory = rustix::fs::OFlags::DIRECTORY.bits() as i32;
    /// let error = OpenOptions::new().read(true).custom_flags(directory).open("/dev/null").await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotADirectory);
    /// # }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Opens `path`.
    ///
    /// # Errors
    ///
    /// Those of open(2); `InvalidInput` if the options contradict each other.
    ///
    /// # Cancel safety
    ///
    /// A file that was opened for a dropped future is closed; one that was made or emptied stays so.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        File::open_with(path.as_ref(), self).await
    }

    /// What is wrong with the options.
    pub(super) fn check(&self) -> io::Result<()> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let writes = self.write || self.append;
        if !self.read && !writes {
            return invalid("a file must be opened to read, to write or to append");
        }
        if !writes && (self.truncate || self.create || self.create_new) {
            return invalid("a file can be made or emptied only if it is opened to write");
        }
        if self.append && self.truncate && !self.create_new {
            return invalid("a file cannot be both emptied and appended to");
        }
        Ok(())
    }

    /// The flags of open(2).
    #[cfg(unix)]
    pub(super) fn flags(&self) -> io::Result<i32> {
        use crate::sys::flags;
        self.check()?;
        let access = match (self.read, self.write || self.append) {
            (true, false) => flags::READ,
            (false, _) => flags::WRITE,
            (true, true) => flags::READ_WRITE,
        };
        let when = |set: bool, flag: i32| if set { flag } else { 0 };
        Ok(access
            | when(self.append, flags::APPEND)
            | when(self.truncate, flags::TRUNCATE)
            | when(self.create, flags::CREATE)
            | when(self.create_new, flags::CREATE_NEW)
            | when(self.direct, flags::DIRECT)
            | self.custom_flags & !flags::ACCESS)
    }

    /// The restrictions of openat2(2).
    #[cfg(unix)]
    pub(super) fn resolve(&self) -> u64 {
        /// RESOLVE_BENEATH
        const BENEATH: u64 = 0x08;
        if self.beneath { BENEATH } else { 0 }
    }
}
