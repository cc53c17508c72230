//! UDP and Unix datagrams.

use maniac_io::net::{DatagramBatch, MAX_DATAGRAMS, UdpSocket, UnixDatagram};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

on_both_drivers! {
    udp udp_many udp_connected udp_refused udp_multicast udp_shared unix_datagram
}

async fn udp() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = server.local_addr().unwrap();
    let mut buf = [0; 16];
    for n in 0..100u8 {
        assert_eq!(client.send_to(&[n; 5], addr).await.unwrap(), 5);
        assert_eq!(server.peek_from(&mut buf).await.unwrap(), (5, client.local_addr().unwrap()));
        let (count, from) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..count], from), (&[n; 5][..], client.local_addr().unwrap()));
        server.send_to(&buf[..2], from).await.unwrap();
        assert_eq!(client.recv(&mut buf).await.unwrap(), 2);
    }
    // What does not fit is cut; an empty datagram is one too.
    client.send_to(&[1; 100], addr).await.unwrap();
    assert_eq!(server.recv_from(&mut buf).await.unwrap().0, 16);
    client.send_to(&[], addr).await.unwrap();
    assert_eq!(server.recv_from(&mut buf).await.unwrap().0, 0);
    assert_eq!(server.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(client.send_to(&vec![0; 70_000], addr).await.is_err(), "too long for a datagram");
    client.try_send_to(b"now", addr).unwrap();
    server.readable().await.unwrap();
    assert_eq!(server.try_recv_from(&mut buf).unwrap().0, 3);
}

/// Batches both ways: more than a call moves, cut ones, empty ones, futures dropped while they wait.
async fn udp_many() {
    let (a, b) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (from, to) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let mut batch = DatagramBatch::new(1000, 8);
    assert_eq!(b.try_recv_many(&mut batch).unwrap_err().kind(), ErrorKind::WouldBlock);
    let datagrams: Vec<_> = (0..100u8).map(|n| (vec![n; usize::from(n) % 10], to)).collect();
    let mut got = Vec::new();
    let mut left = &datagrams[..];
    while got.len() < datagrams.len() {
        // Few enough for the socket's buffer, so that the system throws none away.
        let sent = a.send_many(&left[..left.len().min(40)]).await.unwrap();
        assert!(sent <= MAX_DATAGRAMS && (sent > 0 || left.is_empty()));
        left = &left[sent..];
        let dropped = maniac_runtime::time::timeout(Duration::ZERO, b.recv_many(&mut batch)).await;
        let count = match dropped {
            Ok(count) => count.unwrap(),
            Err(_) => b.recv_many(&mut batch).await.unwrap(),
        };
        assert!(count == batch.len() && (1..=MAX_DATAGRAMS).contains(&count) && !batch.is_empty());
        got.extend(batch.iter().map(|one| (one.bytes.to_vec(), one.from, one.is_cut)));
    }
    for ((sent, _), (bytes, sender, is_cut)) in datagrams.iter().zip(got) {
        assert_eq!((&bytes[..], sender), (&sent[..sent.len().min(8)], from));
        assert_eq!(is_cut, sent.len() > 8 && cfg!(any(target_os = "linux", target_os = "android")));
    }
    assert_eq!(a.send_many::<&[u8]>(&[]).await.unwrap(), 0);
    // What was sent before a failure counts; the failure is the first of the next call.
    let long = [(vec![1; 2], to), (vec![0; 70_000], to)];
    assert_eq!(a.send_many(&long).await.unwrap(), 1);
    assert!(a.send_many(&long[1..]).await.is_err());
}

async fn udp_connected() {
    let (a, b) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    a.connect(b.local_addr().unwrap()).await.unwrap();
    b.connect(a.local_addr().unwrap()).await.unwrap();
    assert_eq!(a.peer_addr().unwrap(), b.local_addr().unwrap());
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(b"not for you", b.local_addr().unwrap()).await.unwrap();
    a.send(b"for you").await.unwrap();
    let mut buf = [0; 32];
    assert_eq!(b.recv(&mut buf).await.unwrap(), 7);
    let b = UdpSocket::from_std(b.into_std().await.unwrap()).unwrap();
    a.set_broadcast(true).unwrap();
    a.set_ttl(9).unwrap();
    assert!(a.broadcast().unwrap() && a.ttl().unwrap() == 9);
    drop(b);
}

async fn udp_refused() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    socket.connect(free).await.unwrap();
    socket.send(b"anybody?").await.unwrap();
    assert_eq!(socket.recv(&mut [0; 4]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

async fn udp_multicast() {
    let receiver = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let group = Ipv4Addr::new(224, 0, 0, 251);
    if let Err(error) = receiver.join_multicast_v4(group, Ipv4Addr::LOCALHOST) {
        return eprintln!("skipped: no multicast here: {error}");
    }
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    sender.set_multicast_loop_v4(true).unwrap();
    sender.set_multicast_ttl_v4(1).unwrap();
    assert!(sender.multicast_loop_v4().unwrap() && sender.multicast_ttl_v4().unwrap() == 1);
    let to = SocketAddr::from((group, receiver.local_addr().unwrap().port()));
    if let Err(error) = sender.send_to(b"all", to).await {
        return eprintln!("skipped: multicast is not routed here: {error}");
    }
    let received = maniac_runtime::time::timeout(Duration::from_secs(5), receiver.recv(&mut [0; 8])).await;
    match received {
        Ok(count) => assert_eq!(count.unwrap(), 3),
        Err(_) => eprintln!("skipped: multicast does not come back here"),
    }
    receiver.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
}

/// Many tasks on one socket.
async fn udp_shared() {
    let server = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let addr = server.local_addr().unwrap();
    let servers: Vec<_> = (0..4)
        .map(|_| {
            let server = Arc::clone(&server);
            maniac_runtime::spawn(async move {
                let mut buf = [0; 16];
                loop {
                    let (count, from) = server.recv_from(&mut buf).await.unwrap();
                    if count == 0 {
                        return;
                    }
                    server.send_to(&buf[..count], from).await.unwrap();
                }
            })
        })
        .collect();
    let clients: Vec<_> = (0..16u8)
        .map(|n| {
            maniac_runtime::spawn(async move {
                let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                client.connect(addr).await.unwrap();
                for round in 0..50 {
                    client.send(&[n, round]).await.unwrap();
                    let mut buf = [0; 16];
                    assert_eq!(client.recv(&mut buf).await.unwrap(), 2);
                    assert_eq!(buf[..2], [n, round]);
                }
            })
        })
        .collect();
    for task in clients {
        task.await.unwrap();
    }
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..4 {
        client.send_to(&[], addr).await.unwrap();
    }
    for task in servers {
        task.await.unwrap();
    }
}

async fn unix_datagram() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    let a = UnixDatagram::bind(&here).unwrap();
    let b = UnixDatagram::bind(&there).unwrap();
    a.send_to(b"hello", &there).await.unwrap();
    let mut buf = [0; 16];
    let (count, from) = b.recv_from(&mut buf).await.unwrap();
    assert_eq!((count, from.as_pathname()), (5, Some(here.as_path())));
    b.connect(&here).unwrap();
    assert_eq!(b.peer_addr().unwrap().as_pathname(), Some(here.as_path()));
    b.send(b"back").await.unwrap();
    assert_eq!(a.peek_from(&mut buf).await.unwrap().0, 4);
    assert_eq!(a.recv(&mut buf).await.unwrap(), 4);
    // A full queue is waited for.
    let sending = maniac_runtime::spawn(async move {
        for n in 0..2000u32 {
            b.send(&n.to_le_bytes()).await.unwrap();
        }
    });
    for n in 0..2000u32 {
        assert_eq!(a.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(buf[..4], n.to_le_bytes());
    }
    sending.await.unwrap();
    assert_eq!(UnixDatagram::bind(&here).unwrap_err().kind(), ErrorKind::AddrInUse);
}
