//! splice and tee between everything that they take.

use crate::support::pattern;
use maniac_io::fs::{Fd, File, OpenOptions, splice, tee};
use maniac_io::net::{TcpListener, TcpStream, UnixStream, pipe};
use std::io::{ErrorKind, SeekFrom};

on_both_drivers! {
    file_to_file file_to_socket socket_to_file socket_to_socket pipe_to_pipe the_end appending gone_reader tee_keeps_the_source
    tee_is_for_two_pipes
}

const SIZE: usize = 1_500_000;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn all(src: &Fd, dst: &Fd) -> usize {
    let mut total = 0;
    loop {
        match splice(src, dst, 700_001).await.unwrap() {
            0 => return total,
            count => total += count,
        }
    }
}

async fn file_to_file() {
    let dir = temp();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::write(&from, pattern(0, SIZE)).unwrap();
    let (mut src, mut dst) = (File::open(&from).await.unwrap(), File::create(&to).await.unwrap());
    src.seek(SeekFrom::Start(1000)).await.unwrap();
    dst.write_all(b"before ").await.unwrap();
    assert_eq!(all(&src.fd(), &dst.fd()).await, SIZE - 1000);
    // Both cursors stand behind what was moved.
    assert_eq!(src.stream_position().await.unwrap(), SIZE as u64);
    dst.write_all(b" after").await.unwrap();
    let expected = [&b"before "[..], &pattern(1000, SIZE - 1000), b" after"].concat();
    assert!(std::fs::read(&to).unwrap() == expected);
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

async fn file_to_socket() {
    let dir = temp();
    std::fs::write(dir.path().join("from"), pattern(0, SIZE)).unwrap();
    let src = File::open(dir.path().join("from")).await.unwrap();
    let (dst, mut other) = tcp_pair().await;
    let reading = maniac_runtime::spawn(async move {
        let mut got = Vec::new();
        other.read_to_end(&mut got).await.unwrap();
        got
    });
    assert_eq!(all(&src.fd(), &dst.fd()).await, SIZE);
    drop(dst);
    assert!(reading.await.unwrap() == pattern(0, SIZE));
}

async fn socket_to_file() {
    let dir = temp();
    let dst = File::create(dir.path().join("to")).await.unwrap();
    let (mut other, src) = tcp_pair().await;
    let writing = maniac_runtime::spawn(async move { other.write_all(&pattern(0, SIZE)).await.unwrap() });
    assert_eq!(all(&src.fd(), &dst.fd()).await, SIZE);
    writing.await.unwrap();
    assert!(std::fs::read(dir.path().join("to")).unwrap() == pattern(0, SIZE));
}

async fn socket_to_socket() {
    let ((mut feeder, src), (dst, mut sink)) = (tcp_pair().await, UnixStream::pair().unwrap());
    let writing = maniac_runtime::spawn(async move { feeder.write_all(&pattern(0, SIZE)).await.unwrap() });
    let reading = maniac_runtime::spawn(async move {
        let mut got = Vec::new();
        sink.read_to_end(&mut got).await.unwrap();
        got
    });
    assert_eq!(all(&src.fd(), &dst.fd()).await, SIZE);
    drop(dst);
    writing.await.unwrap();
    assert!(reading.await.unwrap() == pattern(0, SIZE));
}

async fn pipe_to_pipe() {
    let ((mut feeder, src), (dst, mut sink)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
    let writing = maniac_runtime::spawn(async move { feeder.write_all(&pattern(0, SIZE)).await.unwrap() });
    let reading = maniac_runtime::spawn(async move {
        let mut got = Vec::new();
        sink.read_to_end(&mut got).await.unwrap();
        got
    });
    assert_eq!(all(&src.fd(), &dst.fd()).await, SIZE);
    drop(dst);
    writing.await.unwrap();
    assert!(reading.await.unwrap() == pattern(0, SIZE));
}

async fn the_end() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let (src, (dst, _)) = (File::open(empty.path()).await.unwrap(), UnixStream::pair().unwrap());
    assert_eq!(splice(&src, dst.fd(), 100).await.unwrap(), 0);
    let ((sender, receiver), (_kept, other)) = (pipe::pipe().unwrap(), UnixStream::pair().unwrap());
    drop(sender);
    assert_eq!(splice(receiver.fd(), other.fd(), 100).await.unwrap(), 0);
    assert_eq!(splice(receiver.fd(), other.fd(), 0).await.unwrap(), 0);
}

/// The kernel does not splice into a file that is open to append.
async fn appending() {
    let dir = temp();
    let path = dir.path().join("to");
    let dst = OpenOptions::new().append(true).create(true).open(&path).await.unwrap();
    let (mut feeder, src) = pipe::pipe().unwrap();
    feeder.write_all(b"bytes").await.unwrap();
    assert_eq!(splice(src.fd(), &dst, 5).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

async fn gone_reader() {
    let ((mut feeder, mut src), (dst, sink)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    feeder.write_all(b"kept").await.unwrap();
    drop(sink);
    assert_eq!(splice(src.fd(), dst.fd(), 4).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    // What was on its way is not lost.
    let mut kept = [0; 4];
    src.read_exact(&mut kept).await.unwrap();
    assert_eq!(&kept, b"kept");
}

async fn tee_keeps_the_source() {
    let ((mut feeder, mut src), (dst, mut copy)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
    // Waits until there is something.
    let copying = maniac_runtime::spawn({
        let (src, dst) = (src.fd(), dst.fd());
        async move { tee(src, dst, 3).await.unwrap() }
    });
    maniac_runtime::task::yield_now().await;
    feeder.write_all(b"twice").await.unwrap();
    assert_eq!(copying.await.unwrap(), 3);
    let (mut a, mut b) = ([0; 3], [0; 5]);
    copy.read_exact(&mut a).await.unwrap();
    src.read_exact(&mut b).await.unwrap();
    assert_eq!((&a, &b), (b"twi", b"twice"));
    drop(feeder);
    assert_eq!(tee(src.fd(), dst.fd(), 3).await.unwrap(), 0);
}

async fn tee_is_for_two_pipes() {
    let (one, _other) = UnixStream::pair().unwrap();
    let file = File::open("/proc/self/status").await.unwrap();
    assert_eq!(tee(one.fd(), file.fd(), 10).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let (sender, receiver) = pipe::pipe().unwrap();
    assert_eq!(tee(receiver.fd(), sender.fd(), 10).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}
