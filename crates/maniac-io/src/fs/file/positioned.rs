//! Reading and writing at offsets, which move no cursor.

use super::File;
use crate::buf::{BufResult, RawBufRead, RawBufWrite, Slice};
use crate::rt;
use maniac_driver::op::{ReadVectoredAt, WriteVectoredAt};
use std::io::{self, IoSlice, IoSliceMut};

impl File {
    /// Reads at `offset`. 0 is the file's end, or that `buf` is empty.
    ///
    /// What the page cache holds comes by one system call straight into `buf`; the rest by way of a pooled buffer, at most
    /// [`MAX_COPIED`](crate::buf::MAX_COPIED) bytes a call. [`read_owned_at`](File::read_owned_at) copies nothing.
    ///
    /// # Errors
    ///
    /// Those of pread(2).
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "abcdef")?;
    /// let file = File::open(&path).await?;
    /// let mut buf = [0; 2];
    /// assert_eq!(file.read_at(&mut buf, 3).await?, 2);
    /// assert_eq!(&buf, b"de");
    /// file.read_exact_at(&mut buf, 1).await?;
    /// assert_eq!(&buf, b"bc");
    /// assert!(file.read_exact_at(&mut buf, 5).await.is_err(), "there is only one byte more");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        rt::charge().await;
        self.inner.read_at(buf, offset).await
    }

    /// Reads at `offset` until `buf` is full.
    ///
    /// # Errors
    ///
    /// Those of pread(2); `UnexpectedEof` if the file ends before.
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

    /// Writes at `offset` as much as the system takes at once, at most [`MAX_COPIED`](crate::buf::MAX_COPIED) bytes where it
    /// must be copied. On Linux a file opened to append is written at its end in any case.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2).
    ///
    /// # Cancel safety
    ///
    /// A dropped write may have happened, wholly or in part, or may still happen; it is over before the next write to this
    /// file begins.
    ///
    /// ```
    /// use maniac_io::fs::{self, File};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let file = File::create(&path).await?;
    /// file.write_all_at(b"world", 7).await?;
    /// assert_eq!(file.write_at(b"hello, ", 0).await?, 7);
    /// assert_eq!(fs::read(&path).await?, b"hello, world");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        rt::charge().await;
        self.inner.write_at(buf, offset).await
    }

    /// Writes all of `buf` at `offset`.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2); `WriteZero` if the system takes nothing.
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

    /// Reads at `offset` into an owned buffer, up to its capacity, without a copy.
    ///
    /// # Errors
    ///
    /// Those of pread(2).
    ///
    /// # Cancel safety
    ///
    /// The file is not changed; the buffer is lost.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "abcdef")?;
    /// let file = File::open(&path).await?;
    /// let (count, buf) = file.read_owned_at(Vec::with_capacity(4), 1).await;
    /// assert_eq!((count?, &buf[..]), (4, &b"bcde"[..]));
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read_owned_at<B: RawBufWrite>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        rt::charge().await;
        self.inner.read_owned_at(buf, offset).await
    }

    /// Writes an owned buffer at `offset`, as much as the system takes at once, without a copy.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2).
    ///
    /// # Cancel safety
    ///
    /// As for [`write_at`](File::write_at); the buffer is lost.
    ///
    /// ```
    /// use maniac_io::fs::{self, File};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let file = File::create(&path).await?;
    /// let (count, buf) = file.write_owned_at(b"owned".to_vec(), 0).await;
    /// assert_eq!(fs::read(&path).await?, buf[..count?]);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write_owned_at<B: RawBufRead>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        rt::charge().await;
        self.inner.write_owned_at(buf, offset).await
    }

    /// Writes all of an owned buffer at `offset`, without a copy.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2); `WriteZero` if the system takes nothing.
    ///
    /// # Cancel safety
    ///
    /// A dropped one may have written all, some or nothing; the buffer is lost.
    ///
    /// ```
    /// use maniac_io::fs::{self, File};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let file = File::create(&path).await?;
    /// let (done, buf) = file.write_all_owned_at(b"owned".to_vec(), 0).await;
    /// done?;
    /// assert_eq!(fs::read(&path).await?, buf);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write_all_owned_at<B: RawBufRead>(&self, mut buf: B, offset: u64) -> BufResult<(), B> {
        let mut done = 0;
        while done < buf.buf_len() {
            let part = Slice::new(buf, done..);
            let (result, part) = self.write_owned_at(part, offset + done as u64).await;
            buf = part.into_inner();
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buf),
                Ok(count) => done += count,
                Err(error) => return (Err(error), buf),
            }
        }
        (Ok(()), buf)
    }

    /// Reads at `offset` into several buffers, one after the other; says how much that was.
    ///
    /// # Errors
    ///
    /// Those of pread(2), if nothing was read before.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed.
    ///
    /// ```
    /// use maniac_io::fs::File;
    /// use std::io::IoSliceMut;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "abcdef")?;
    /// let file = File::open(&path).await?;
    /// let (mut a, mut b) = ([0; 2], [0; 8]);
    /// assert_eq!(file.read_vectored_at(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)], 1).await?, 5);
    /// assert_eq!((&a, &b[..3]), (b"bc", &b"def"[..]));
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read_vectored_at(&self, bufs: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let mut total = 0;
        for buf in bufs {
            match self.read_at(buf, offset + total as u64).await {
                Ok(count) => {
                    total += count;
                    if count < buf.len() {
                        break;
                    }
                }
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    /// Writes several buffers at `offset`, one after the other; says how much that was.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2), if nothing was written before.
    ///
    /// # Cancel safety
    ///
    /// As for [`write_all_at`](File::write_all_at).
    ///
    /// ```
    /// use maniac_io::fs::{self, File};
    /// use std::io::IoSlice;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let file = File::create(&path).await?;
    /// assert_eq!(file.write_vectored_at(&[IoSlice::new(b"head"), IoSlice::new(b"body")], 0).await?, 8);
    /// assert_eq!(fs::read(&path).await?, b"headbody");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut total = 0;
        for buf in bufs {
            match self.write_at(buf, offset + total as u64).await {
                Ok(count) => {
                    total += count;
                    if count < buf.len() {
                        break;
                    }
                }
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    /// Reads at `offset` into several owned buffers by one call (preadv(2)); at most 1,024 are used.
    ///
    /// # Errors
    ///
    /// Those of preadv(2).
    ///
    /// # Cancel safety
    ///
    /// The file is not changed; the buffers are lost.
    pub async fn read_vectored_owned_at<B: RawBufWrite>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> BufResult<usize, Vec<B>> {
        rt::charge().await;
        rt::run_owned(ReadVectoredAt::new(self.inner.fd.clone(), bufs, offset)).await
    }

    /// Writes several owned buffers at `offset` by one call (pwritev(2)); at most 1,024 are used.
    ///
    /// # Errors
    ///
    /// Those of pwritev(2).
    ///
    /// # Cancel safety
    ///
    /// As for [`write_at`](File::write_at); the buffers are lost.
    ///
    /// ```
    /// use maniac_io::fs::{self, File};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// let file = File::create_new(&path).await?;
    /// let (count, _) = file.write_vectored_owned_at(vec![b"one ".to_vec(), b"two".to_vec()], 0).await;
    /// assert_eq!(count?, 7);
    /// let (count, bufs) = file.read_vectored_owned_at(vec![[0; 4], [0; 4]], 0).await;
    /// assert_eq!((count?, &bufs[0]), (7, b"one "));
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write_vectored_owned_at<B: RawBufRead>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> BufResult<usize, Vec<B>> {
        rt::charge().await;
        self.inner.write_vectored_at(WriteVectoredAt::new(self.inner.fd.clone(), bufs, offset)).await
    }
}
