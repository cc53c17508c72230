//! Reading and writing at the cursor.

use super::File;
use crate::rt;
use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::task::{Context, Poll, ready};

impl File {
    /// Reads at the cursor. 0 is the file's end, or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// Those of read(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the cursor moves only when bytes are delivered.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "abcdef")?;
    /// let mut file = File::open(&path).await?;
    /// let mut buf = [0; 4];
    /// assert_eq!(file.read(&mut buf).await?, 4);
    /// assert_eq!(file.read(&mut buf).await?, 2);
    /// assert_eq!(file.read(&mut buf).await?, 0);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read_at_cursor(cx, buf)).await
    }

    /// Reads at the cursor until `buf` is full.
    ///
    /// # Errors
    ///
    /// Those of read(2); `UnexpectedEof` if the file ends before.
    ///
    /// # Cancel safety
    ///
    /// None: how far the cursor has moved is lost. [`read_exact_at`](File::read_exact_at) moves none.
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
    /// Those of read(2). What was read before lies in `buf`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost of a file with positions: the cursor has not moved. What was read from a FIFO or a terminal lies in
    /// `buf`.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "abcdef")?;
    /// let mut text = String::new();
    /// let mut file = File::open(&path).await?;
    /// file.seek(std::io::SeekFrom::Start(3)).await?;
    /// assert_eq!(file.read_to_string(&mut text).await?, 3);
    /// assert_eq!(text, "def");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.flush().await?;
        if !self.inner.is_stream() {
            let at = self.inner.position()?;
            // The kernel fills a vector that it owns: the caller's, if there is nothing in it to lose.
            let own = if buf.is_empty() { std::mem::take(buf) } else { Vec::new() };
            let (mut own, result) = self.inner.read_rest(own, at).await;
            let count = own.len();
            self.inner.set_position(at + count as u64);
            if buf.is_empty() {
                *buf = own;
            } else {
                buf.append(&mut own);
            }
            match result {
                Err(error) if count == 0 && self.inner.has_no_positions(&error)? => {}
                result => return result.map(|()| count),
            }
        }
        crate::io::read_to_end(self, buf).await
    }

    /// As [`read_to_end`](File::read_to_end), for text.
    ///
    /// # Errors
    ///
    /// Those of read(2); `InvalidData` if what was read is no UTF-8, and `buf` is then as it was.
    ///
    /// # Cancel safety
    ///
    /// None, as for `read_to_end`; `buf` is as it was.
    pub async fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).await?;
        let text =
            String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        buf.push_str(&text);
        Ok(text.len())
    }

    /// Writes at the cursor (or at the end, if the file was opened to append) as much as the system takes at once, at most
    /// [`MAX_COPIED`](crate::buf::MAX_COPIED) bytes where it must be copied.
    ///
    /// # Errors
    ///
    /// Those of write(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped write may have happened, or may still happen; the cursor has not moved, so what is written next replaces it.
    /// What a dropped copy or splice has brought is not replaced: the cursor stands behind it.
    ///
    /// ```
    /// use maniac_io::fs::{self, File};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let mut file = File::create(&path).await?;
    /// let count = file.write(b"first").await?;
    /// assert_eq!(file.stream_position().await?, count as u64);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        rt::charge().await;
        // What was dropped may move the cursor when it ends.
        self.inner.unfinished.settle().await?;
        if !self.inner.is_stream() {
            let at = self.inner.position()?;
            match self.inner.write_at(buf, at).await {
                Ok(count) => {
                    self.inner.wrote(at, count);
                    return Ok(count);
                }
                Err(error) if self.inner.has_no_positions(&error)? => {}
                Err(error) => return Err(error),
            }
        }
        poll_fn(|cx| self.poll_write_stream(cx, buf)).await
    }

    /// Writes all of `buf` at the cursor.
    ///
    /// # Errors
    ///
    /// Those of write(2); `WriteZero` if the system takes nothing.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have written all, some or nothing, and the cursor stands behind what is known to be written.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let mut file = File::options().read(true).write(true).create(true).open(&path).await?;
    /// file.write_all(b"header").await?;
    /// file.flush().await?;
    /// file.rewind().await?;
    /// let mut head = [0; 4];
    /// file.read_exact(&mut head).await?;
    /// assert_eq!(&head, b"head");
    /// let mut rest = Vec::new();
    /// assert_eq!(file.read_to_end(&mut rest).await?, 2);
    /// assert_eq!(rest, b"er");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write(buf).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => buf = &buf[count..],
            }
        }
        Ok(())
    }

    /// Waits for writes that [`poll_write`](crate::io::AsyncWrite::poll_write) has taken, and for what dropped futures have
    /// left. It does not bring data to the device: [`sync_all`](File::sync_all) does.
    ///
    /// # Errors
    ///
    /// Those of such a write.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn flush(&self) -> io::Result<()> {
        self.inner.unfinished.settle().await
    }

    /// Moves the cursor; says where it is then, in bytes from the file's begin. It may stand beyond the file's end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it would stand before the file's begin.
    ///
    /// # Cancel safety
    ///
    /// The cursor stays where it was.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// use std::io::SeekFrom;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "abcdef")?;
    /// let mut file = File::open(&path).await?;
    /// assert_eq!(file.seek(SeekFrom::End(-2)).await?, 4);
    /// assert_eq!(file.seek(SeekFrom::Current(-3)).await?, 1);
    /// assert!(file.seek(SeekFrom::Current(-2)).await.is_err());
    /// assert_eq!(file.stream_position().await?, 1);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        poll_fn(|cx| self.poll_seek(cx, to)).await
    }

    /// As [`seek`](File::seek), to be polled.
    ///
    /// # Errors
    ///
    /// As for `seek`.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// use std::{future::poll_fn, io::SeekFrom};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let mut file = File::create(dir.path().join("file")).await?;
    /// assert_eq!(poll_fn(|cx| file.poll_seek(cx, SeekFrom::Start(7))).await?, 7);
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn poll_seek(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        ready!(self.inner.unfinished.poll_settled(cx))?;
        Poll::Ready(self.move_cursor(to))
    }

    /// See [`seek`](File::seek); nothing is unfinished.
    pub(crate) fn move_cursor(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.inner.position()?, by),
            SeekFrom::End(by) => (self.inner.stat()?.size, by),
        };
        // The kernel's positions are signed.
        let at = base.checked_add_signed(by).filter(|&at| i64::try_from(at).is_ok()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the file's begin or beyond 2^63")
        })?;
        self.inner.set_position(at);
        Ok(at)
    }

    /// Moves the cursor to the file's begin.
    ///
    /// # Errors
    ///
    /// As for [`flush`](File::flush).
    ///
    /// # Cancel safety
    ///
    /// The cursor stays where it was.
    pub async fn rewind(&mut self) -> io::Result<()> {
        self.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// Where the cursor is, in bytes from the file's begin.
    ///
    /// # Errors
    ///
    /// As for [`flush`](File::flush).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    pub async fn stream_position(&self) -> io::Result<u64> {
        self.flush().await?;
        self.inner.position()
    }
}
