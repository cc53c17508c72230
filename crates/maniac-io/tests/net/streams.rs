//! Reading and writing connections, whole and in halves.

use crate::support::pattern;
use crate::{echo_back, tcp_pair};
use maniac_io::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use maniac_io::net::{OwnedReadHalf, TcpStream, UnixStream, pipe};
use maniac_runtime::runtime::DriverKind;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::time::Duration;

on_both_drivers! {
    echo large_transfer half_close reset broken_pipe peeks vectored owned splits reunites tries proxy short_reads urgent_data readers_of_a_gone_peer moved_between_workers
    gathered
}

async fn echo() {
    let (mut client, server) = tcp_pair().await;
    let server = maniac_runtime::spawn(echo_back(server));
    for n in 0..200 {
        let sent = pattern(n, 64);
        client.write_all(&sent).await.unwrap();
        let mut got = [0; 64];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got[..], sent);
    }
    drop(client);
    assert_eq!(server.await.unwrap().unwrap(), 200 * 64);
}

/// More than all buffers hold, both ways at the same time.
async fn large_transfer() {
    const SIZE: usize = 8 << 20;
    let (client, server) = tcp_pair().await;
    let (mut server_reader, mut server_writer) = server.into_split();
    let echo = maniac_runtime::spawn(async move {
        maniac_io::io::copy(&mut server_reader, &mut server_writer).await.unwrap()
    });
    let (mut reader, mut writer) = client.into_split();
    let sending = maniac_runtime::spawn(async move {
        writer.write_all(&pattern(0, SIZE)).await.unwrap();
    });
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    sending.await.unwrap();
    assert_eq!(echo.await.unwrap(), SIZE as u64);
    assert!(all == pattern(0, SIZE));
}

async fn half_close() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = Vec::new();
    server.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");
    server.write_all(b"answer").await.unwrap();
    AsyncWriteExt::close(&mut server).await.unwrap();
    let mut answer = String::new();
    AsyncReadExt::read_to_string(&mut client, &mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    // Closing once more is no error.
    AsyncWriteExt::close(&mut server).await.unwrap();
}

async fn reset() {
    let (mut client, server) = tcp_pair().await;
    server.set_linger(Some(Duration::ZERO)).unwrap();
    assert_eq!(server.linger().unwrap(), Some(Duration::ZERO));
    drop(server);
    let error = client.read(&mut [0; 4]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0, "the error is told once");
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Writing to who is gone is an error, not the end of this process.
async fn broken_pipe() {
    let (mut one, other) = UnixStream::pair().unwrap();
    drop(other);
    assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(one.write_vectored(&[IoSlice::new(b"x")]).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(one.write_owned(vec![1]).await.0.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let (mut sender, receiver) = pipe::pipe().unwrap();
    drop(receiver);
    assert_eq!(sender.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    // One that waits for room hears of it too.
    let (mut client, server) = tcp_pair().await;
    let writing = maniac_runtime::spawn(async move {
        loop {
            if let Err(error) = client.write(&[0; 65_536]).await {
                return error.kind();
            }
        }
    });
    maniac_runtime::time::sleep(Duration::from_millis(5)).await;
    drop(server);
    assert!(matches!(writing.await.unwrap(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
}

async fn peeks() {
    let (mut client, mut server) = tcp_pair().await;
    let mut buf = [0; 8];
    let waiting = maniac_runtime::spawn(async move {
        assert_eq!(server.peek(&mut buf).await.unwrap(), 3);
        assert_eq!(server.peek(&mut buf[..2]).await.unwrap(), 2);
        assert_eq!(server.read(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf[..3], b"abc");
        assert_eq!(server.peek(&mut buf).await.unwrap(), 0, "the end");
    });
    maniac_runtime::task::yield_now().await;
    client.write_all(b"abc").await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    waiting.await.unwrap();
}

async fn vectored() {
    let (mut client, mut server) = tcp_pair().await;
    let parts: Vec<Vec<u8>> = (0..2000).map(|n| pattern(n * 7, 7)).collect();
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    // More than one call takes.
    assert_eq!(client.write_vectored(&slices).await.unwrap(), 1024 * 7);
    let (mut a, mut b) = (vec![0; 100], vec![0; 1024 * 7 - 100]);
    let mut into = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut []), IoSliceMut::new(&mut b)];
    assert_eq!(server.read_vectored(&mut into).await.unwrap(), 1024 * 7);
    assert_eq!([a, b].concat(), pattern(0, 1024 * 7));
    assert_eq!(client.try_write_vectored(&slices[..2]).unwrap(), 14);
    server.readable().await.unwrap();
    let mut back = [0; 14];
    assert_eq!(server.try_read_vectored(&mut [IoSliceMut::new(&mut back)]).unwrap(), 14);
}

async fn owned() {
    const SIZE: usize = 4 << 20;
    let (mut client, mut server) = tcp_pair().await;
    let sending = maniac_runtime::spawn(async move {
        let (done, buf) = client.write_all_owned(pattern(0, SIZE)).await;
        done.unwrap();
        buf.len()
    });
    let mut all = Vec::new();
    let mut buf = Vec::with_capacity(100_000);
    loop {
        let (count, filled) = server.read_owned(buf).await;
        if count.unwrap() == 0 {
            break;
        }
        all.extend_from_slice(&filled);
        buf = filled;
    }
    assert_eq!(sending.await.unwrap(), SIZE);
    assert!(all == pattern(0, SIZE));
}

async fn splits() {
    let (mut client, mut server) = tcp_pair().await;
    let (mut reader, mut writer) = client.split();
    let exchange = async {
        writer.write_all(b"hello").await.unwrap();
        let mut buf = [0; 5];
        reader.read_exact(&mut buf).await.unwrap();
        buf
    };
    let answer = async {
        let mut buf = [0; 5];
        server.read_exact(&mut buf).await.unwrap();
        server.write_all(&buf).await.unwrap();
    };
    let ((), buf) = both(answer, exchange).await;
    assert_eq!(&buf, b"hello");
    drop(client);
    assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
}

/// Polls two futures until both are done.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut left, mut right) = (None, None);
    std::future::poll_fn(|cx| {
        if left.is_none()
            && let std::task::Poll::Ready(done) = a.as_mut().poll(cx)
        {
            left = Some(done);
        }
        if right.is_none()
            && let std::task::Poll::Ready(done) = b.as_mut().poll(cx)
        {
            right = Some(done);
        }
        if left.is_some() && right.is_some() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    (left.unwrap(), right.unwrap())
}

async fn reunites() {
    let (client, mut server) = tcp_pair().await;
    let (reader, writer) = client.into_split();
    let mut client = reader.reunite(writer).unwrap();
    client.write_all(b"still open").await.unwrap();
    server.read_exact(&mut [0; 10]).await.unwrap();
    let (mut reader, writer): (OwnedReadHalf<TcpStream>, _) = client.into_split();
    writer.forget();
    server.write_all(b"and now").await.unwrap();
    reader.read_exact(&mut [0; 7]).await.unwrap();
    assert!(server.try_read(&mut [0; 4]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    drop(reader);
    assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
}

async fn tries() {
    let (client, server) = tcp_pair().await;
    let mut buf = [0; 8];
    assert_eq!(server.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(client.try_write(b"ab").unwrap(), 2);
    server.readable().await.unwrap();
    assert_eq!(server.try_read(&mut buf).unwrap(), 2);
    // Until it is full.
    let mut sent = 0;
    loop {
        match client.try_write(&[7; 65_536]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    let draining = maniac_runtime::spawn(async move {
        let (mut server, mut got) = (server, 0);
        let mut buf = vec![0; 65_536];
        while got < sent {
            got += server.read(&mut buf).await.unwrap();
        }
        server
    });
    client.writable().await.unwrap();
    drop(draining.await.unwrap());
}

async fn proxy() {
    let (mut client, mut front) = tcp_pair().await;
    let (mut back, server) = tcp_pair().await;
    let proxy =
        maniac_runtime::spawn(async move { copy_bidirectional(&mut front, &mut back).await.unwrap() });
    let server = maniac_runtime::spawn(echo_back(server));
    client.write_all(&pattern(0, 10_000)).await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, pattern(0, 10_000));
    assert_eq!(proxy.await.unwrap(), (10_000, 10_000));
    assert_eq!(server.await.unwrap().unwrap(), 10_000);
}

/// A read that comes back short has emptied a TCP socket, and the next waits at once: what arrives then must be seen.
async fn short_reads() {
    let (mut client, mut server) = tcp_pair().await;
    client.set_nodelay(true).unwrap();
    let sending = maniac_runtime::spawn(async move {
        for n in 0..3000u64 {
            client.write_all(&pattern(n, 1 + (n % 50) as usize)).await.unwrap();
            if n % 3 == 0 {
                maniac_runtime::task::yield_now().await;
            }
        }
    });
    let (mut total, mut buf) = (0, [0; 64]);
    loop {
        match server.read(&mut buf).await.unwrap() {
            0 => break,
            count => total += count as u64,
        }
    }
    sending.await.unwrap();
    assert_eq!(total, (0..3000).map(|n| 1 + n % 50).sum());
}

/// A read ends at urgent data, and is short without having emptied the socket.
async fn urgent_data() {
    let (client, mut server) = tcp_pair().await;
    let client = client.into_std().await.unwrap();
    send_urgent(&client);
    let (mut all, mut buf) = (Vec::new(), [0; 64]);
    while all.len() < 11 {
        let count = server.read(&mut buf).await.unwrap();
        assert!(count > 0);
        all.extend_from_slice(&buf[..count]);
    }
    assert_eq!(all, b"beforebehind"[..6].iter().chain(b"ehind").copied().collect::<Vec<u8>>());
}

/// "before", the urgent byte "b", "ehind".
fn send_urgent(stream: &std::net::TcpStream) {
    /// MSG_OOB
    const URGENT: i32 = 1;
    let socket = socket2::SockRef::from(stream);
    assert_eq!(socket.send(b"before").unwrap(), 6);
    assert_eq!(socket.send_with_flags(b"b", URGENT).unwrap(), 1);
    assert_eq!(socket.send(b"ehind").unwrap(), 5);
}

/// A socket goes on working on other workers than the one that it was made on.
async fn moved_between_workers() {
    let mut pair = tcp_pair().await;
    for round in 0..200u64 {
        pair = maniac_runtime::spawn(async move {
            let (mut client, mut server) = pair;
            let reading = maniac_runtime::spawn(async move {
                let mut buf = [0; 8];
                server.read_exact(&mut buf).await.unwrap();
                assert_eq!(buf, round.to_le_bytes());
                server
            });
            maniac_runtime::task::yield_now().await;
            client.write_all(&round.to_le_bytes()).await.unwrap();
            (client, reading.await.unwrap())
        })
        .await
        .unwrap();
    }
}

/// All that wait for a peer hear that it is gone.
async fn readers_of_a_gone_peer() {
    let (client, server) = tcp_pair().await;
    let (mut reader, writer) = client.into_split();
    let reading = maniac_runtime::spawn(async move { reader.read(&mut [0; 4]).await.unwrap() });
    maniac_runtime::task::yield_now().await;
    drop(server);
    assert_eq!(reading.await.unwrap(), 0);
    drop(writer);
}

/// Many tasks that write a little at the same time: on a ring the driver does it, without one each by itself.
async fn gathered() {
    const TASKS: usize = 64;
    let (mut readers, mut writers) = (Vec::new(), Vec::new());
    for n in 0..TASKS {
        let (mut one, other) = UnixStream::pair().unwrap();
        readers.push(other);
        writers.push(maniac_runtime::spawn(async move {
            for round in 0..10 {
                one.write_all(&pattern((n + round) as u64, 64)).await.unwrap();
            }
            crate::support::metrics().await
        }));
    }
    let mut submitted = 0;
    for writer in writers {
        let (kind, metrics) = writer.await.unwrap();
        submitted = submitted.max(metrics.submitted);
        assert!(kind != DriverKind::Poll || metrics.submitted == 0, "{metrics:?}");
    }
    let (kind, _) = crate::support::metrics().await;
    assert!(kind != DriverKind::Uring || submitted > 0, "no write went along with another");
    for (n, mut reader) in readers.into_iter().enumerate() {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        let sent: Vec<u8> = (0..10).flat_map(|round| pattern((n + round) as u64, 64)).collect();
        assert_eq!(all, sent);
    }
}
