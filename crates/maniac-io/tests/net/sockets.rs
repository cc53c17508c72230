//! Listening, connecting, options, readiness, limits.

use crate::support::{self, pattern};
use crate::{echo_back, tcp_pair};
use maniac_io::net::{Interest, TcpListener, TcpSocket, TcpStream, UnixStream};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

on_both_drivers! {
    thousand_connections refused readiness many_acceptors one_then_many options standard_library out_of_descriptors
}

async fn thousand_connections() {
    const CONNECTIONS: usize = 1000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = maniac_runtime::spawn(async move {
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            tasks.push(maniac_runtime::spawn(echo_back(listener.accept().await.unwrap().0)));
        }
        let mut total = 0;
        for task in tasks {
            total += task.await.unwrap().unwrap();
        }
        total
    });
    let barrier = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|n| {
            let barrier = Arc::clone(&barrier);
            maniac_runtime::spawn(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                barrier.fetch_add(1, Ordering::SeqCst);
                // All are open at the same time.
                while barrier.load(Ordering::SeqCst) < CONNECTIONS {
                    maniac_runtime::time::sleep(Duration::from_millis(1)).await;
                }
                for round in 0..5 {
                    let sent = pattern((n * round) as u64, 100);
                    stream.write_all(&sent).await.unwrap();
                    let mut got = [0; 100];
                    stream.read_exact(&mut got).await.unwrap();
                    assert_eq!(got[..], sent);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(server.await.unwrap(), CONNECTIONS as u64 * 500);
}

async fn refused() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for _ in 0..20 {
        assert_eq!(TcpStream::connect(free).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    // The next address is tried.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addrs = [free, listener.local_addr().unwrap()];
    let stream = TcpStream::connect(&addrs[..]).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), addrs[1]);
    assert_eq!(TcpStream::connect(&[][..]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(TcpListener::bind(addrs[1]).await.unwrap_err().kind(), ErrorKind::AddrInUse);
}

async fn readiness() {
    let (client, mut server) = tcp_pair().await;
    let event = client.ready(Interest::WRITABLE).await.unwrap();
    assert!(event.is_writable());
    let client = Arc::new(client);
    // Several wait for the same.
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let client = Arc::clone(&client);
            maniac_runtime::spawn(async move {
                loop {
                    client.readable().await.unwrap();
                    match client.try_read(&mut [0; 1]) {
                        Ok(count) => return count,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
            })
        })
        .collect();
    maniac_runtime::task::yield_now().await;
    server.write_all(&[1; 10]).await.unwrap();
    for task in waiting {
        assert_eq!(task.await.unwrap(), 1);
    }
    drop(server);
    assert!(client.ready(Interest::READABLE).await.unwrap().is_readable());
}

async fn many_acceptors() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let addr = listener.local_addr().unwrap();
    let acceptors: Vec<_> = (0..8)
        .map(|_| {
            let listener = Arc::clone(&listener);
            maniac_runtime::spawn(async move {
                for _ in 0..25 {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    stream.write_all(b"x").await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
    }
    for task in acceptors {
        task.await.unwrap();
    }
}

/// After one connection the listener asks before it accepts again: those that come meanwhile, or while nobody asks, are all found. What
/// is accepted or connected does not block, though nobody made it so afterwards.
async fn one_then_many() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    for count in [1, 1, 3, 0, 2, 1, 5] {
        let mut clients = Vec::new();
        for number in 0..count {
            let client = TcpStream::connect(addr).await.unwrap();
            assert!(rustix::fs::fcntl_getfl(&client).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
            assert_eq!(client.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "{number}");
            clients.push(client);
        }
        for client in clients {
            let (server, from) = listener.accept().await.unwrap();
            assert_eq!(from, client.local_addr().unwrap());
            assert!(rustix::fs::fcntl_getfl(&server).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
        }
        let none = std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_pending()));
        assert!(none.await, "there is no other");
    }
}

async fn options() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    assert!(socket.reuseaddr().unwrap());
    socket.set_reuseport(true).unwrap();
    assert!(socket.reuseport().unwrap());
    socket.set_send_buffer_size(50_000).unwrap();
    assert!(socket.send_buffer_size().unwrap() >= 50_000);
    socket.set_recv_buffer_size(50_000).unwrap();
    assert!(socket.recv_buffer_size().unwrap() >= 50_000);
    socket.set_keepalive(Some(Duration::from_secs(30))).unwrap();
    socket.set_linger(Some(Duration::from_secs(1))).unwrap();
    assert_eq!(socket.linger().unwrap(), Some(Duration::from_secs(1)));
    socket.set_nodelay(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let bound = socket.local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    assert_eq!(stream.local_addr().unwrap(), bound);
    assert!(stream.nodelay().unwrap());
    assert_eq!(stream.keepalive().unwrap(), Some(Duration::from_secs(30)));
    stream.set_keepalive(None).unwrap();
    assert_eq!(stream.keepalive().unwrap(), None);
    stream.set_ttl(42).unwrap();
    assert_eq!(stream.ttl().unwrap(), 42);
    assert!(stream.take_error().unwrap().is_none());
    if let Ok(socket) = TcpSocket::new_v6()
        && socket.bind("[::1]:0".parse().unwrap()).is_ok()
    {
        let listener = socket.listen(1).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(stream.peer_addr().unwrap().is_ipv6());
    }
}

async fn standard_library() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut client = TcpStream::from_std(client).unwrap();
    client.write_all(b"ours").await.unwrap();
    server.read_exact(&mut [0; 4]).await.unwrap();
    let (mut client, mut server) = (client.into_std().await.unwrap(), server.into_std().await.unwrap());
    client.set_nonblocking(false).unwrap();
    server.set_nonblocking(false).unwrap();
    client.write_all(b"theirs").unwrap();
    server.read_exact(&mut [0; 6]).unwrap();
    // And back.
    let mut client = TcpStream::from_std(client).unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
    drop(listener.into_std().await.unwrap());
}

/// In a process of its own: no descriptor is left, so a connection waits until there is one.
async fn out_of_descriptors() {
    if std::env::var_os("MANIAC_TEST_LIMIT").is_none() {
        let kind = support::metrics().await.0;
        let test = format!("sockets::out_of_descriptors::{kind}");
        let output = support::in_subprocess(&test, "MANIAC_TEST_LIMIT", "1");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(addr).await.unwrap();
    let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut hogs = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hogs.push(file);
    }
    /// EMFILE
    const MANY: i32 = 24;
    support::assert_errno(listener.accept().await, MANY);
    support::assert_errno(TcpStream::connect(addr).await, MANY);
    support::assert_errno(maniac_io::fs::read("/dev/null").await, MANY);
    support::assert_errno(UnixStream::pair(), MANY);
    hogs.truncate(hogs.len() - 2);
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"after all").await.unwrap();
    server.read_exact(&mut [0; 9]).await.unwrap();
}
