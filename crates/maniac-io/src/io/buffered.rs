//! A reader that reads ahead, and a writer that gathers: fewer, larger calls to what lies beneath.

use super::{AsyncRead, AsyncReadExt, AsyncWrite};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The room of a buffer in bytes, unless another is asked for.
pub const BUFFER_SIZE: usize = 8 << 10;
/// How long a line may be in bytes, unless [`BufReader::limit`] says something else.
pub const LINE_LIMIT: usize = 1 << 20;

/// Reads ahead, so that small reads cost no call each; gives whole lines.
///
/// What is written to it goes straight to what lies beneath.
///
/// ```
/// use maniac_io::io::{AsyncWriteExt, BufReader};
/// use maniac_io::net::UnixStream;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (mut client, server) = UnixStream::pair()?;
/// client.write_all(b"EHLO there\r\nQUIT\r\nbye").await?;
/// drop(client);
/// let mut server = BufReader::new(server);
/// assert_eq!(server.next_line().await?.as_deref(), Some("EHLO there"));
/// assert_eq!(server.next_line().await?.as_deref(), Some("QUIT"));
/// assert_eq!(server.next_line().await?.as_deref(), Some("bye"));
/// assert_eq!(server.next_line().await?, None);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct BufReader<R> {
    inner: R,
    /// What was read ahead lies from `begin` to `end`.
    buf: Vec<u8>,
    begin: usize,
    end: usize,
    limit: usize,
}

impl<R> BufReader<R> {
    /// With room for [`BUFFER_SIZE`] bytes.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(BUFFER_SIZE, inner)
    }

    /// With room for `capacity` bytes, at least one.
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        Self { inner, buf: vec![0; capacity.max(1)], begin: 0, end: 0, limit: LINE_LIMIT }
    }

    /// How long a line, its end included, may be in bytes. The buffer grows so far, and no further.
    ///
    /// ```
    /// use maniac_io::io::BufReader;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut reader = BufReader::with_capacity(4, &b"short\nmuch too long\n"[..]).limit(8);
    /// let mut line = String::new();
    /// assert_eq!(reader.read_line(&mut line).await?, 6);
    /// assert_eq!(line, "short\n");
    /// let error = reader.read_line(&mut line).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    /// # Ok(()) })
    /// # }
    /// ```
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// What was read ahead.
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.begin..self.end]
    }

    /// What lies beneath.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// What lies beneath. Who reads from it passes over what was read ahead.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// What lies beneath, and what was read ahead of it.
    ///
    /// ```
    /// use maniac_io::io::BufReader;
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut reader = BufReader::with_capacity(8, &b"head\nbody"[..]);
    /// reader.next_line().await?;
    /// assert_eq!(reader.buffer(), b"bod");
    /// assert_eq!(reader.get_ref(), b"y");
    /// *reader.get_mut() = b"ies"; // from elsewhere from now on
    /// let (rest, ahead) = reader.into_parts();
    /// assert_eq!([&ahead, rest].concat(), b"bodies");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn into_parts(self) -> (R, Vec<u8>) {
        let ahead = self.buffer().to_vec();
        (self.inner, ahead)
    }

    /// Takes the first `count` bytes of [`buffer`](Self::buffer) away; more than there are is all of them.
    pub fn consume(&mut self, count: usize) {
        self.begin = (self.begin + count).min(self.end);
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        }
    }
}

impl<R: AsyncRead + Unpin> BufReader<R> {
    /// Reads once, behind what the buffer holds; 0 means the end. There is room.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut self.buf[self.end..]))?;
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Makes room behind what the buffer holds: by moving it to the front, else by growing.
    fn make_room(&mut self) {
        if self.end < self.buf.len() {
            return;
        }
        if self.begin > 0 {
            self.buf.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        } else {
            let size = self.buf.len().saturating_mul(2).min(self.limit.max(self.end + 1));
            self.buf.resize(size, 0);
        }
    }

    /// Reads if the buffer is empty; gives what it holds. Nothing means the end.
    ///
    /// # Errors
    ///
    /// What the source says.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what was read is in the buffer.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut reader = maniac_io::io::BufReader::new(&b"abc"[..]);
    /// assert_eq!(reader.fill_buf().await?, b"abc");
    /// reader.consume(1);
    /// assert_eq!(reader.fill_buf().await?, b"bc");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.begin == self.end {
            poll_fn(|cx| self.poll_more(cx)).await?;
        }
        Ok(self.buffer())
    }

    /// How many bytes there are up to and with `byte`, or to the end; reads as long as neither is there.
    async fn find(&mut self, byte: u8) -> io::Result<usize> {
        let mut seen = 0;
        loop {
            let within = (self.end - self.begin).min(self.limit);
            if let Some(at) = self.buffer()[seen..within].iter().position(|&one| one == byte) {
                return Ok(seen + at + 1);
            }
            if within == self.limit {
                let message = format!("nothing ends here within {} bytes", self.limit);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            seen = within;
            self.make_room();
            if poll_fn(|cx| self.poll_more(cx)).await? == 0 {
                return Ok(seen);
            }
        }
    }

    /// Appends all up to and with `byte`, or to the end, to `buf`; says how many bytes that were. 0 means the end.
    ///
    /// # Errors
    ///
    /// What the source says; `InvalidData` if it is longer than [`limit`](Self::limit) allows, and stays in the buffer.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it is appended when all of it is there.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut reader = maniac_io::io::BufReader::new(&b"key=value"[..]);
    /// let mut key = Vec::new();
    /// assert_eq!(reader.read_until(b'=', &mut key).await?, 4);
    /// assert_eq!(key, b"key=");
    /// # Ok(()) })
    /// # }
    /// ```
    pub async fn read_until(&mut self, byte: u8, buf: &mut Vec<u8>) -> io::Result<usize> {
        let count = self.find(byte).await?;
        buf.extend_from_slice(&self.buffer()[..count]);
        self.consume(count);
        Ok(count)
    }

    /// Appends the next line, its end included, to `buf`; says how many bytes that were. 0 means the end.
    ///
    /// # Errors
    ///
    /// As for [`read_until`](Self::read_until); `InvalidData` also if it is no UTF-8, and stays in the buffer.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it is appended when all of it is there.
    pub async fn read_line(&mut self, buf: &mut String) -> io::Result<usize> {
        let count = self.find(b'\n').await?;
        buf.push_str(text(&self.buffer()[..count])?);
        self.consume(count);
        Ok(count)
    }

    /// The next line without its end (`\n` or `\r\n`); `None` at the end.
    ///
    /// # Errors
    ///
    /// As for [`read_line`](Self::read_line).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a line is taken when all of it is there.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        let count = self.find(b'\n').await?;
        let line = text(&self.buffer()[..count])?;
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let line = (count > 0).then(|| line.to_owned());
        self.consume(count);
        Ok(line)
    }

    /// Reads into `buf`; 0 means the end, or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// What the source says.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, as far as the source loses nothing.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        AsyncReadExt::read(self, buf).await
    }
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl<R: AsyncRead + Unpin> AsyncRead for BufReader<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.begin == this.end {
            if buf.len() >= this.buf.len() {
                return Pin::new(&mut this.inner).poll_read(cx, buf);
            }
            ready!(this.poll_more(cx))?;
        }
        let count = buf.len().min(this.end - this.begin);
        buf[..count].copy_from_slice(&this.buffer()[..count]);
        this.consume(count);
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BufReader<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_close(cx)
    }
}

/// Gathers what is written, and passes it on when the buffer is full or flushed. What is in the buffer when it is dropped is lost:
/// [flush](super::AsyncWriteExt::flush) or [close](super::AsyncWriteExt::close) it.
///
/// What is read from it comes straight from what lies beneath.
///
/// ```
/// use maniac_io::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
/// use maniac_io::net::UnixStream;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (client, mut server) = UnixStream::pair()?;
/// let mut client = BufWriter::new(client);
/// for word in ["one ", "call ", "for ", "all"] {
///     client.write_all(word.as_bytes()).await?;
/// }
/// client.flush().await?;
/// let mut buf = [0; 32];
/// let count = server.read(&mut buf).await?;
/// assert_eq!(&buf[..count], b"one call for all");
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct BufWriter<W> {
    inner: W,
    buf: Vec<u8>,
    capacity: usize,
}

impl<W> BufWriter<W> {
    /// With room for [`BUFFER_SIZE`] bytes.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(BUFFER_SIZE, inner)
    }

    /// With room for `capacity` bytes.
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        Self { inner, buf: Vec::with_capacity(capacity), capacity }
    }

    /// What was not passed on yet.
    pub fn buffer(&self) -> &[u8] {
        &self.buf
    }

    /// What lies beneath.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// What lies beneath. What is written to it overtakes what is in the buffer.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// What lies beneath, and what was not passed on to it.
    ///
    /// ```
    /// use maniac_io::io::{AsyncWriteExt, BufWriter};
    /// # fn main() -> std::io::Result<()> {
    /// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
    /// let mut writer = BufWriter::with_capacity(4, Vec::new());
    /// writer.write_all(b"one").await?;
    /// writer.write_all(b"two").await?;
    /// assert_eq!((writer.get_ref().as_slice(), writer.buffer()), (&b"one"[..], &b"two"[..]));
    /// writer.get_mut().push(b' ');
    /// let (written, kept) = writer.into_parts();
    /// assert_eq!([written, kept].concat(), b"one two");
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn into_parts(self) -> (W, Vec<u8>) {
        (self.inner, self.buf)
    }
}

impl<W: AsyncWrite + Unpin> BufWriter<W> {
    /// Passes everything on. What is written leaves the buffer at once, so that an error or a dropped future repeats nothing.
    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut done = 0;
        let result = loop {
            if done == self.buf.len() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.inner).poll_write(cx, &self.buf[done..]) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => done += count,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.buf.drain(..done);
        result
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for BufWriter<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.len() > this.capacity - this.buf.len() {
            ready!(this.poll_pass_on(cx))?;
        }
        if buf.len() >= this.capacity {
            return Pin::new(&mut this.inner).poll_write(cx, buf);
        }
        this.buf.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pass_on(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pass_on(cx))?;
        Pin::new(&mut this.inner).poll_close(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BufWriter<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buf)
    }
}
