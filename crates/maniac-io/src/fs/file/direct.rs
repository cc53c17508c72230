//! Reading and writing past the page cache (O_DIRECT).

use super::File;
use crate::buf::AlignedBuf;
use crate::rt;
use std::io;
use std::mem;

/// The smallest block that a device has: what is no multiple of it cannot be right.
const SMALLEST_BLOCK: u64 = 512;

/// A caller's buffer while the kernel has it. In its place lies a stand-in; if the future is dropped, an empty buffer of the
/// same size.
struct Loan<'a> {
    place: &'a mut AlignedBuf,
    capacity: usize,
    align: usize,
    out: bool,
}

impl<'a> Loan<'a> {
    fn take(place: &'a mut AlignedBuf) -> (Loan<'a>, AlignedBuf) {
        let (capacity, align) = (place.capacity(), place.align());
        let stand_in = AlignedBuf::new(1, 1).expect("one byte is a valid layout");
        let buf = mem::replace(place, stand_in);
        (Loan { place, capacity, align, out: true }, buf)
    }

    fn give_back(mut self, buf: AlignedBuf) {
        *self.place = buf;
        self.out = false;
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if self.out {
            *self.place = AlignedBuf::new(self.capacity, self.align).expect("as the buffer that it replaces");
        }
    }
}

/// What the device would refuse without saying why.
fn check(offset: u64, len: usize) -> io::Result<()> {
    if offset.is_multiple_of(SMALLEST_BLOCK) && (len as u64).is_multiple_of(SMALLEST_BLOCK) {
        return Ok(());
    }
    let text = format!(
        "past the page cache, offset ({offset}) and length ({len}) must be multiples of the device's block size, \
         mostly {SMALLEST_BLOCK} or 4096"
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

impl File {
    /// Reads at the cursor past the page cache, up to the capacity of `buf`, whose former contents are forgotten.
    ///
    /// A file that was not opened with [`OpenOptions::direct`](super::OpenOptions::direct) is opened a second time for this
    /// (by way of /proc), and that descriptor is kept.
    ///
    /// # Errors
    ///
    /// Those of pread(2); `InvalidInput` if the cursor is at no multiple of a block; the file system's refusal of O_DIRECT.
    ///
    /// # Cancel safety
    ///
    /// The cursor moves only when bytes are delivered. The kernel keeps the buffer of a dropped read for as long as it
    /// needs; in its place lies an empty one of the same size.
    ///
    /// ```
    /// use maniac_io::buf::{AlignedBuf, DEFAULT_ALIGN};
    /// use maniac_io::fs::File;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir_in(".")?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, vec![7; 10_000])?;
    /// let mut file = File::open(&path).await?;
    /// let mut aligned_buf = AlignedBuf::new(8192, DEFAULT_ALIGN).unwrap();
    /// # let result = file.read_direct(&mut aligned_buf).await;
    /// # if result.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::InvalidInput) {
    /// #     return Ok(()); // This file system has no O_DIRECT.
    /// # }
    /// # file.rewind().await?;
    /// assert_eq!(file.read_direct(&mut aligned_buf).await?, 8192);
    /// assert_eq!(file.read_direct(&mut aligned_buf).await?, 1808);
    /// assert_eq!(aligned_buf[..], [7; 1808]);
    /// assert_eq!(file.read_direct_at(&mut aligned_buf, 4096).await?, 10_000 - 4096);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read_direct(&mut self, buf: &mut AlignedBuf) -> io::Result<usize> {
        self.flush().await?;
        let at = self.inner.position()?;
        let count = self.read_direct_at(buf, at).await?;
        self.inner.set_position(at + count as u64);
        Ok(count)
    }

    /// As [`read_direct`](File::read_direct), at `offset`.
    ///
    /// # Errors
    ///
    /// As for `read_direct`.
    ///
    /// # Cancel safety
    ///
    /// The file is not changed; for the buffer as for `read_direct`.
    pub async fn read_direct_at(&self, buf: &mut AlignedBuf, offset: u64) -> io::Result<usize> {
        rt::charge().await;
        check(offset, buf.capacity())?;
        let (loan, mut taken) = Loan::take(buf);
        taken.set_len(0);
        let (result, taken) = self.inner.read_direct_at(taken, offset).await;
        loan.give_back(taken);
        result
    }

    /// Writes `buf` at the cursor past the page cache, as much of it as the system takes at once.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2); `InvalidInput` if cursor or length are no multiple of a block.
    ///
    /// # Cancel safety
    ///
    /// A dropped write may have happened, or may still happen; it is over before the next write begins. The cursor has not
    /// moved. For the buffer as for [`read_direct`](File::read_direct).
    ///
    /// ```
    /// use maniac_io::buf::{AlignedBuf, DEFAULT_ALIGN};
    /// use maniac_io::fs::{self, File};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// # let dir = tempfile::tempdir_in(".")?;
    /// # let path = dir.path().join("file");
    /// let mut file = File::create_new(&path).await?;
    /// let mut block = AlignedBuf::new(4096, DEFAULT_ALIGN).unwrap();
    /// block.extend_from_slice(&[9; 4096]);
    /// # let result = file.write_direct(&mut block).await;
    /// # if result.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::InvalidInput) {
    /// #     return Ok(()); // This file system has no O_DIRECT.
    /// # }
    /// # file.rewind().await?;
    /// assert_eq!(file.write_direct(&mut block).await?, 4096);
    /// assert_eq!(file.write_direct_at(&mut block, 4096).await?, 4096);
    /// assert_eq!(fs::read(&path).await?, [9; 8192]);
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn write_direct(&mut self, buf: &mut AlignedBuf) -> io::Result<usize> {
        self.flush().await?;
        let at = self.inner.position()?;
        let count = self.write_direct_at(buf, at).await?;
        self.inner.wrote(at, count);
        Ok(count)
    }

    /// As [`write_direct`](File::write_direct), at `offset`.
    ///
    /// # Errors
    ///
    /// As for `write_direct`.
    ///
    /// # Cancel safety
    ///
    /// As for `write_direct`.
    pub async fn write_direct_at(&self, buf: &mut AlignedBuf, offset: u64) -> io::Result<usize> {
        rt::charge().await;
        check(offset, buf.len())?;
        let (loan, taken) = Loan::take(buf);
        let (result, taken) = self.inner.write_direct_at(taken, offset).await;
        loan.give_back(taken);
        result
    }
}
