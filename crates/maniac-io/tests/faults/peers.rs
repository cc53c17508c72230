//! Peers that reset the connection, or are gone.

use crate::support::assert_errno;
use crate::{ECONNRESET, EPIPE};
use maniac_io::fs::{File, splice};
use maniac_io::io::{copy, copy_bidirectional};
use maniac_io::net::{TcpListener, TcpStream, UnixStream, pipe};
use std::time::Duration;

on_both_drivers! {
    reset_while_reading reset_while_writing reset_while_moved gone goes_on
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Closes a connection so that the other end hears of a reset.
fn reset(stream: TcpStream) {
    stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

async fn reset_while_reading() {
    for which in 0..4 {
        let (mut a, b) = tcp_pair().await;
        let reading = maniac_runtime::spawn(async move {
            match which {
                0 => a.read(&mut [0; 10]).await.map(drop),
                1 => a.read_exact(&mut [0; 10]).await,
                2 => a.read_owned(vec![0; 10]).await.0.map(drop),
                _ => a.peek(&mut [0; 10]).await.map(drop),
            }
        });
        maniac_runtime::task::yield_now().await;
        reset(b);
        assert_errno(reading.await.unwrap(), ECONNRESET);
    }
}

async fn reset_while_writing() {
    for which in 0..3 {
        let (mut a, b) = tcp_pair().await;
        let writing = maniac_runtime::spawn(async move {
            let data = vec![7; 1 << 20];
            loop {
                let result = match which {
                    0 => a.write(&data).await.map(drop),
                    1 => a.write_all(&data).await,
                    _ => a.write_all_owned(data.clone()).await.0,
                };
                if result.is_err() {
                    // From then on it is a broken pipe.
                    return (result, a.write(b"more").await);
                }
            }
        });
        maniac_runtime::task::yield_now().await;
        reset(b);
        let (first, second) = writing.await.unwrap();
        assert_errno(first, ECONNRESET);
        assert_errno(second, EPIPE);
    }
}

/// Also when the kernel moves the bytes: an end that is none must not look like one.
async fn reset_while_moved() {
    for bytes in [0, 100, 200_000] {
        let ((mut feeder, mut from), (mut to, mut sink)) = (tcp_pair().await, UnixStream::pair().unwrap());
        let copying = maniac_runtime::spawn(async move { copy(&mut from, &mut to).await });
        feeder.write_all(&vec![7; bytes]).await.unwrap();
        sink.read_exact(&mut vec![0; bytes]).await.unwrap();
        reset(feeder);
        assert_errno(copying.await.unwrap(), ECONNRESET);
    }
    let ((feeder, from), (to, _sink)) = (tcp_pair().await, UnixStream::pair().unwrap());
    let splicing = maniac_runtime::spawn(async move { splice(from.fd(), to.fd(), 100).await });
    maniac_runtime::task::yield_now().await;
    reset(feeder);
    assert_errno(splicing.await.unwrap(), ECONNRESET);
    // After bytes were moved, their number is told first.
    for by_read in [false, true] {
        let ((mut feeder, mut from), (to, mut sink)) = (tcp_pair().await, UnixStream::pair().unwrap());
        let (src, dst) = (from.fd(), to.fd());
        let splicing = maniac_runtime::spawn(async move { splice(src, dst, 1000).await });
        feeder.write_all(&[7; 100]).await.unwrap();
        sink.read_exact(&mut [0; 100]).await.unwrap();
        reset(feeder);
        assert_eq!(splicing.await.unwrap().unwrap(), 100);
        let next = match by_read {
            true => from.read(&mut [0; 10]).await,
            false => splice(from.fd(), to.fd(), 1000).await,
        };
        assert_errno(next, ECONNRESET);
    }
}

async fn gone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), vec![7; 1 << 20]).unwrap();
    let (mut a, b) = UnixStream::pair().unwrap();
    drop(b);
    assert_errno(a.write_all(b"text").await, EPIPE);
    assert_errno(a.write_all_owned(b"text".to_vec()).await.0, EPIPE);
    let mut file = File::open(dir.path().join("file")).await.unwrap();
    assert_errno(copy(&mut file, &mut a).await, EPIPE);
    assert_eq!(file.stream_position().await.unwrap(), 0, "nothing was sent");
    assert_eq!(a.read(&mut [0]).await.unwrap(), 0);
    let (mut sender, receiver) = pipe::pipe().unwrap();
    drop(receiver);
    assert_errno(sender.write_all(b"text").await, EPIPE);
    assert_errno(splice(&file, sender.fd(), 100).await, EPIPE);
    let ((mut client, mut front), (mut back, server)) = (tcp_pair().await, tcp_pair().await);
    let relaying = maniac_runtime::spawn(async move { copy_bidirectional(&mut front, &mut back).await });
    client.write_all(b"text").await.unwrap();
    server.readable().await.unwrap();
    reset(server);
    assert_errno(relaying.await.unwrap(), ECONNRESET);
}

/// A listener outlives the connections that are reset before they are accepted.
async fn goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    for _ in 0..20 {
        reset(TcpStream::connect(addr).await.unwrap());
    }
    let mut last = TcpStream::connect(addr).await.unwrap();
    last.write_all(b"last").await.unwrap();
    let serving = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buf = [0; 4];
            match stream.read_exact(&mut buf).await {
                Ok(()) => return buf,
                Err(error) => assert_eq!(error.raw_os_error(), Some(ECONNRESET)),
            }
        }
    };
    assert_eq!(&serving.await, b"last");
}
