//! Copies that go through the kernel where they can, and arrive all the same where they cannot.

use crate::support::{descriptors, in_subprocess, pattern};
use maniac_io::fs::{File, OpenOptions};
use maniac_io::io::{AsyncRead, AsyncWrite, InKernel, copy, copy_bidirectional};
use maniac_io::net::{TcpListener, TcpStream, UnixStream, pipe};
use maniac_runtime::task::JoinHandle;
use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

on_both_drivers! {
    file_to_socket streams_to_streams both_ways little_at_a_time file_to_pipe file_to_file not_cached appending the_same_open_file no_regular_files past_the_cache
    gone_reader grows_and_shrinks dropped_half_way dropped_between_files many_stalled without_a_signal
}

const SIZE: usize = 1_500_000;
/// What is left at the end is not worth a way of its own.
const LITTLE: usize = 32 << 10;

/// A source that counts what is read from it, and says where its bytes come from all the same.
struct Counting<R> {
    inner: R,
    read: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for Counting<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Poll::Ready(Ok(count)) = result {
            self.read += count;
        }
        result
    }

    fn source_in_kernel(&self) -> Option<InKernel<'_>> {
        self.inner.source_in_kernel()
    }
}

/// A file that holds the pattern, in a directory of its own.
fn file(dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("from");
    std::fs::write(&path, pattern(0, SIZE)).unwrap();
    path
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// All that comes out of `from`, read slowly.
fn drain(mut from: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<Vec<u8>> {
    maniac_runtime::spawn(async move {
        let (mut all, mut buf) = (Vec::new(), vec![0; 30_000]);
        loop {
            match maniac_io::io::AsyncReadExt::read(&mut from, &mut buf).await.unwrap() {
                0 => return all,
                count => all.extend_from_slice(&buf[..count]),
            }
            maniac_runtime::task::yield_now().await;
        }
    })
}

/// Copies the pattern from 1,000 on; says how much went through memory.
async fn copy_file(path: &PathBuf, sink: &mut (impl AsyncWrite + Unpin)) -> usize {
    let mut file = File::open(path).await.unwrap();
    file.seek(SeekFrom::Start(1000)).await.unwrap();
    let mut source = Counting { inner: file, read: 0 };
    assert_eq!(copy(&mut source, sink).await.unwrap(), (SIZE - 1000) as u64);
    assert_eq!(source.inner.stream_position().await.unwrap(), SIZE as u64);
    source.read
}

async fn file_to_socket() {
    let dir = temp();
    let path = file(&dir);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sink = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let reading = drain(listener.accept().await.unwrap().0);
    sink.write_all(b"before").await.unwrap();
    assert!(copy_file(&path, &mut sink).await < LITTLE, "it went through memory");
    sink.write_all(b"after").await.unwrap();
    drop(sink);
    assert!(reading.await.unwrap() == [b"before", &pattern(1000, SIZE - 1000)[..], b"after"].concat());
    // By way of references, boxes and halves too.
    let (sink, other) = UnixStream::pair().unwrap();
    let (_reader, mut writer) = sink.into_split();
    let reading = drain(other);
    let mut source: Box<dyn AsyncRead + Send + Unpin> = Box::new(File::open(&path).await.unwrap());
    assert_eq!(copy(&mut &mut source, &mut writer).await.unwrap(), SIZE as u64);
    drop(writer);
    assert!(reading.await.unwrap() == pattern(0, SIZE));
}

/// Writes the pattern in one go.
fn feed(mut to: impl AsyncWrite + Send + Unpin + 'static) {
    let _detached = maniac_runtime::spawn(async move {
        maniac_io::io::AsyncWriteExt::write_all(&mut to, &pattern(0, SIZE)).await.unwrap();
    });
}

/// What comes in quantity is moved by the kernel, from whatever to whatever.
async fn streams_to_streams() {
    for which in 0..4 {
        let ((feeder, from), (to, sink)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let ((pipe_feeder, pipe_from), (pipe_to, pipe_sink)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
        let (source, reading): (Box<dyn AsyncRead + Send + Unpin>, _) = if which & 1 == 0 {
            feed(feeder);
            (Box::new(from), if which & 2 == 0 { drain(sink) } else { drain(pipe_sink) })
        } else {
            feed(pipe_feeder);
            (Box::new(pipe_from), if which & 2 == 0 { drain(sink) } else { drain(pipe_sink) })
        };
        let mut sink: Box<dyn AsyncWrite + Send + Unpin> =
            if which & 2 == 0 { Box::new(to) } else { Box::new(pipe_to) };
        let mut source = Counting { inner: source, read: 0 };
        assert_eq!(copy(&mut source, &mut sink).await.unwrap(), SIZE as u64);
        assert!(source.read < SIZE, "all went through memory");
        drop(sink);
        assert!(reading.await.unwrap() == pattern(0, SIZE), "from {} to {}", which & 1, which & 2);
    }
}

async fn both_ways() {
    let ((client, mut front), (mut back, server)) =
        (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let echo = maniac_runtime::spawn(async move {
        let (mut reader, mut writer) = server.into_split();
        copy(&mut reader, &mut writer).await.unwrap()
    });
    let (reader, writer) = client.into_split();
    let reading = drain(reader);
    feed(writer);
    let size = SIZE as u64;
    assert_eq!(copy_bidirectional(&mut front, &mut back).await.unwrap(), (size, size));
    assert_eq!(echo.await.unwrap(), size);
    assert!(reading.await.unwrap() == pattern(0, SIZE));
}

/// A few bytes at a time are not worth a pipe; nor does one stay for them after a quantity.
async fn little_at_a_time() {
    let ((mut feeder, mut source), (mut sink, mut other)) =
        (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let copying = maniac_runtime::spawn(async move { copy(&mut source, &mut sink).await.unwrap() });
    let mut buf = vec![0; 100_000];
    for len in [1, 100, 100_000, 1, 16 << 10, 100] {
        feeder.write_all(&pattern(0, len)).await.unwrap();
        other.read_exact(&mut buf[..len]).await.unwrap();
        assert!(buf[..len] == pattern(0, len));
    }
    drop(feeder);
    assert_eq!(copying.await.unwrap(), 1 + 100 + 100_000 + 1 + (16 << 10) + 100);
}

async fn file_to_pipe() {
    let dir = temp();
    let (mut sink, other) = pipe::pipe().unwrap();
    let reading = drain(other);
    assert!(copy_file(&file(&dir), &mut sink).await < LITTLE, "it went through memory");
    drop(sink);
    assert!(reading.await.unwrap() == pattern(1000, SIZE - 1000));
}

async fn file_to_file() {
    let dir = temp();
    let to = dir.path().join("to");
    let mut sink = File::create(&to).await.unwrap();
    sink.write_all(b"before").await.unwrap();
    assert_eq!(copy_file(&file(&dir), &mut sink).await, 0);
    // The cursor stands behind what was copied.
    sink.write_all(b"after").await.unwrap();
    assert!(std::fs::read(&to).unwrap() == [b"before", &pattern(1000, SIZE - 1000)[..], b"after"].concat());
}

/// What must be waited for is read by the driver.
async fn not_cached() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = file(&dir);
    let std = std::fs::File::open(&path).unwrap();
    std.sync_all().unwrap();
    rustix::fs::fadvise(&std, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let (mut sink, other) = UnixStream::pair().unwrap();
    let reading = drain(other);
    let read = copy_file(&path, &mut sink).await;
    assert!(read < SIZE, "{read} bytes went through memory, though the rest had been brought meanwhile");
    drop(sink);
    assert!(reading.await.unwrap() == pattern(1000, SIZE - 1000));
}

/// The kernel copies no range to a file that is open to append.
async fn appending() {
    let dir = temp();
    let to = dir.path().join("to");
    std::fs::write(&to, "before").unwrap();
    let mut sink = OpenOptions::new().append(true).open(&to).await.unwrap();
    assert_eq!(copy_file(&file(&dir), &mut sink).await, SIZE - 1000);
    assert!(std::fs::read(&to).unwrap() == [b"before", &pattern(1000, SIZE - 1000)[..]].concat());
}

/// Two handles with one cursor: what is read is written behind itself, where then is the end.
async fn the_same_open_file() {
    let dir = temp();
    let path = dir.path().join("file");
    std::fs::write(&path, "0123456789").unwrap();
    let mut source = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
    let mut sink = source.try_clone().unwrap();
    assert_eq!(copy(&mut source, &mut sink).await.unwrap(), 10);
    assert_eq!(std::fs::read(&path).unwrap(), b"01234567890123456789");
}

/// Files that say that they are empty, devices, named pipes.
async fn no_regular_files() {
    let dir = temp();
    let to = dir.path().join("to");
    let mut status = File::open("/proc/self/status").await.unwrap();
    let count = copy(&mut status, &mut File::create(&to).await.unwrap()).await.unwrap();
    assert!(count > 100 && std::fs::read_to_string(&to).unwrap().contains("Name:"));
    let (mut sink, other) = UnixStream::pair().unwrap();
    let reading = drain(other);
    let mut limits = File::open("/proc/self/limits").await.unwrap();
    copy(&mut limits, &mut sink).await.unwrap();
    drop(sink);
    assert!(reading.await.unwrap().starts_with(b"Limit"));
    let fifo = dir.path().join("fifo");
    pipe::make_fifo(&fifo, 0o600).await.unwrap();
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::write(fifo, pattern(0, SIZE)).unwrap()
    });
    let mut source = File::open(&fifo).await.unwrap();
    assert_eq!(copy(&mut source, &mut File::create(&to).await.unwrap()).await.unwrap(), SIZE as u64);
    writer.join().unwrap();
    assert!(std::fs::read(&to).unwrap() == pattern(0, SIZE));
    let mut null = OpenOptions::new().write(true).open("/dev/null").await.unwrap();
    assert_eq!(copy(&mut File::open(&to).await.unwrap(), &mut null).await.unwrap(), SIZE as u64);
}

/// A file that does not use the page cache has nothing in it to be sent.
async fn past_the_cache() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = file(&dir);
    let mut source = match OpenOptions::new().read(true).direct(true).open(&path).await {
        Ok(file) => file,
        Err(error) => return eprintln!("skipped: this file system has no O_DIRECT: {error}"),
    };
    let (mut sink, other) = UnixStream::pair().unwrap();
    let reading = drain(other);
    let copied = copy(&mut source, &mut sink).await;
    drop(sink);
    let all = reading.await.unwrap();
    assert!(copied.unwrap() == SIZE as u64 && all == pattern(0, SIZE));
}

async fn gone_reader() {
    let dir = temp();
    let path = file(&dir);
    let (mut sink, other) = UnixStream::pair().unwrap();
    drop(other);
    let error = copy(&mut File::open(&path).await.unwrap(), &mut sink).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let mut read_only = File::open(&path).await.unwrap();
    let error = copy(&mut File::open(&path).await.unwrap(), &mut read_only).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(9), "it is not open to write (EBADF)");
}

/// What is there when it is its turn is copied.
async fn grows_and_shrinks() {
    let dir = temp();
    let path = file(&dir);
    let (mut sink, mut other) = UnixStream::pair().unwrap();
    let mut source = File::open(&path).await.unwrap();
    let copying = maniac_runtime::spawn(async move { copy(&mut source, &mut sink).await.unwrap() });
    // The socket is full before all of it went there.
    let mut first = vec![0; 1000];
    other.read_exact(&mut first).await.unwrap();
    let grown = OpenOptions::new().write(true).open(&path).await.unwrap();
    grown.write_all_at(&pattern(SIZE as u64, 1000), SIZE as u64).await.unwrap();
    let rest = drain(other).await.unwrap();
    assert_eq!(copying.await.unwrap(), SIZE as u64 + 1000);
    assert!([first, rest].concat() == pattern(0, SIZE + 1000));
    let (mut sink, mut other) = UnixStream::pair().unwrap();
    let mut source = File::open(&path).await.unwrap();
    let copying = maniac_runtime::spawn(async move { copy(&mut source, &mut sink).await.unwrap() });
    other.read_exact(&mut [0; 1000]).await.unwrap();
    grown.set_len(1000).await.unwrap();
    let rest = drain(other).await.unwrap();
    assert_eq!(copying.await.unwrap(), 1000 + rest.len() as u64);
    assert!(rest.len() < SIZE, "the end is where it was cut");
}

/// What has been sent is what the cursor says; a file that is written has what the cursor says, or will have before it is changed.
async fn dropped_half_way() {
    let dir = temp();
    let path = file(&dir);
    let (mut sink, other) = UnixStream::pair().unwrap();
    let mut source = File::open(&path).await.unwrap();
    let same = source.try_clone().unwrap();
    {
        let mut copying = std::pin::pin!(copy(&mut source, &mut sink));
        while same.stream_position().await.unwrap() == 0 {
            let begun = std::future::poll_fn(|cx| Poll::Ready(copying.as_mut().poll(cx))).await;
            assert!(begun.is_pending(), "the socket holds less, and nobody reads");
            maniac_runtime::task::yield_now().await;
        }
    }
    let cursor = source.stream_position().await.unwrap();
    let reading = drain(other);
    assert_eq!(copy(&mut source, &mut sink).await.unwrap(), SIZE as u64 - cursor);
    drop(sink);
    assert!(reading.await.unwrap() == pattern(0, SIZE));
    let to = dir.path().join("to");
    let mut sink = File::create(&to).await.unwrap();
    source.rewind().await.unwrap();
    {
        let mut copying = std::pin::pin!(copy(&mut source, &mut sink));
        let _ = std::future::poll_fn(|cx| Poll::Ready(copying.as_mut().poll(cx))).await;
    }
    copy(&mut source, &mut sink).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == pattern(0, SIZE));
}

/// Whoever uses either cursor after a dropped copy between files finds it behind what the kernel has copied since.
async fn dropped_between_files() {
    /// What one call copies: it lasts.
    const LONG: usize = 16 << 20;
    let dir = temp();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let all = pattern(0, LONG);
    std::fs::write(&from, &all).unwrap();
    for way in 0..6 {
        let (mut source, mut sink) = (File::open(&from).await.unwrap(), File::create(&to).await.unwrap());
        {
            let mut copying = std::pin::pin!(copy(&mut source, &mut sink));
            // With a budget that is used up the first poll would only yield.
            maniac_runtime::task::yield_now().await;
            let begun = std::future::poll_fn(|cx| Poll::Ready(copying.as_mut().poll(cx))).await;
            assert!(begun.is_pending(), "a thread of the pool does it");
            // Once it has begun it is not called off.
            while std::fs::metadata(&to).unwrap().len() == 0 {
                maniac_runtime::task::yield_now().await;
            }
        }
        let mut head = [0; 100];
        match way % 3 {
            // What is written comes behind what was copied.
            0 => {
                sink.write_all(b"after").await.unwrap();
                let copied = source.stream_position().await.unwrap() as usize;
                assert!(copied > 0, "it had begun");
                assert!(std::fs::read(&to).unwrap() == [&all[..copied], b"after"].concat());
            }
            // The source's cursor is where its owner has set it, whenever the sink is used.
            1 => {
                source.rewind().await.unwrap();
                sink.set_len(0).await.unwrap();
                source.read_exact(&mut head).await.unwrap();
                assert!(head == all[..100]);
                assert_eq!(source.stream_position().await.unwrap(), 100);
            }
            // What is read next is what was not copied.
            _ => {
                let rest = source.read_to_end(&mut Vec::new()).await.unwrap();
                let copied = sink.stream_position().await.unwrap() as usize;
                assert_eq!((copied > 0, copied + rest), (true, LONG));
            }
        }
    }
}

/// How many pipes' ends this process has, and the size of the largest.
fn pipes() -> (usize, usize) {
    let mut sizes = Vec::new();
    for (number, what) in descriptors() {
        // What another thread has closed meanwhile is none.
        if what.starts_with("pipe:")
            && let Ok(pipe) = std::fs::File::open(format!("/proc/self/fd/{number}"))
        {
            sizes.push(rustix::pipe::fcntl_getpipe_size(&pipe).unwrap());
        }
    }
    (sizes.len(), sizes.into_iter().max().unwrap_or(0))
}

/// A copy whose sink takes nothing more: mostly what is under way is in a pipe of its own, else in its buffer. Both ends belong to it.
async fn stalled() -> (UnixStream, UnixStream, JoinHandle<()>) {
    let ((mut feeder, mut from), (mut to, mut sink)) =
        (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    rustix::net::sockopt::set_socket_send_buffer_size(&to, 4096).unwrap();
    feeder.write_all(&pattern(0, 100_000)).await.unwrap();
    let copying = maniac_runtime::spawn(async move {
        copy(&mut from, &mut to).await.unwrap();
    });
    // The first buffer is carried.
    sink.read_exact(&mut [0; 16 << 10]).await.unwrap();
    (feeder, sink, copying)
}

/// Whether this test has the process for itself. If not, it has run in one of its own.
async fn is_alone(test: &str) -> bool {
    const ALONE: &str = "MANIAC_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let test = format!("copies::{test}::{}", crate::support::metrics().await.0);
    let output = maniac_runtime::blocking::spawn_blocking(move || in_subprocess(&test, ALONE, "1"));
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// Slow sinks keep 64 small pipes at most; who comes then is carried through memory, until one is free.
async fn many_stalled() {
    if !is_alone("many_stalled").await {
        return;
    }
    // Where the system is frugal.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let (before, _) = pipes();
    let mut all = Vec::new();
    // Some more, for those that have none.
    let mut more = 0;
    while more < 16 {
        all.push(stalled().await);
        let (count, largest) = pipes();
        assert!(count <= before + 128 && largest <= 64 << 10, "{count} ends, {largest} bytes");
        more += usize::from(count == before + 128);
    }
    assert_eq!(copied_by_reading().await, SIZE);
    while pipes().0 == before + 128 {
        let (_feeder, _sink, copying) = all.pop().unwrap();
        copying.abort();
        assert!(copying.await.is_err());
    }
    assert!(copied_by_reading().await < SIZE, "there was a pipe for it");
    // Those that waited have lost nothing.
    for (feeder, sink, copying) in all {
        drop(feeder);
        assert!(drain(sink).await.unwrap() == pattern(16 << 10, 100_000 - (16 << 10)));
        copying.await.unwrap();
    }
    while pipes().0 > before {
        maniac_runtime::task::yield_now().await;
    }
}

/// Copies from a socket to a socket; says how much of it went through memory.
async fn copied_by_reading() -> usize {
    let ((feeder, from), (mut to, sink)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    feed(feeder);
    let reading = drain(sink);
    let mut source = Counting { inner: from, read: 0 };
    assert_eq!(copy(&mut source, &mut to).await.unwrap(), SIZE as u64);
    drop(to);
    assert!(reading.await.unwrap() == pattern(0, SIZE));
    source.read
}

/// A host that does not ignore SIGPIPE gets none when a socket's peer is gone.
async fn without_a_signal() {
    if !is_alone("without_a_signal").await {
        return;
    }
    let raised = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGPIPE, raised.clone()).unwrap();
    let dir = temp();
    let (mut sink, other) = UnixStream::pair().unwrap();
    drop(other);
    let error = copy(&mut File::open(&file(&dir)).await.unwrap(), &mut sink).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(
        !raised.load(std::sync::atomic::Ordering::SeqCst),
        "it would have ended a process that has no handler"
    );
}
