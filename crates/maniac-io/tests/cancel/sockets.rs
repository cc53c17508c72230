//! Connections, datagrams and names: nobody who was let in is forgotten, no message is lost, none comes twice.

use crate::cut::Cutter;
use maniac_io::net::{
    DatagramBatch, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, lookup_host,
};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// How many connections a round tries to make.
const CONNECTIONS: u32 = 24;
/// How many datagrams a round sends, and how many of them are under way at the same time: fewer than any queue holds.
const DATAGRAMS: u32 = 40;
const WINDOW: u32 = 8;

/// Connects and accepts. A client that has its connection says a number, and each number must be heard.
macro_rules! connections {
    ($name:ident, $stream:ty, $listener:ty, $connect:expr) => {
        async fn $name(cutter: Cutter, listener: $listener) {
            let connect = $connect(&listener);
            let listener = Arc::new(listener);
            let clients = Arc::new(Mutex::new(Vec::<$stream>::new()));
            let accepted = Arc::new(Mutex::new(Vec::<$stream>::new()));
            let (dialled, dialler) = (Arc::clone(&clients), cutter.again());
            let dialling = maniac_runtime::spawn(async move {
                for _ in 0..CONNECTIONS {
                    let (connecting, clients) = (connect(), Arc::clone(&dialled));
                    let dial = async move {
                        let client = connecting.await.unwrap();
                        clients.lock().unwrap().push(client);
                    };
                    dialler.cut(dial).await;
                    dialler.pause().await;
                }
            });
            for _ in 0..CONNECTIONS * 2 {
                let (listener, accepted) = (Arc::clone(&listener), Arc::clone(&accepted));
                let accept = async move {
                    let (stream, _) = listener.accept().await.unwrap();
                    accepted.lock().unwrap().push(stream);
                };
                cutter.cut(accept).await;
            }
            dialling.await.unwrap();
            let mut clients = std::mem::take(&mut *clients.lock().unwrap());
            for (number, client) in (0u32..).zip(&mut clients) {
                client.write_all(&number.to_le_bytes()).await.unwrap();
            }
            let mut heard = vec![false; clients.len()];
            let mut streams = std::mem::take(&mut *accepted.lock().unwrap());
            while heard.contains(&false) {
                let mut stream = match streams.pop() {
                    Some(stream) => stream,
                    None => listener.accept().await.unwrap().0,
                };
                let mut number = [0; 4];
                // A client that was cut has said nothing, and may have reset the connection.
                if stream.read_exact(&mut number).await.is_ok() {
                    let was = &mut heard[u32::from_le_bytes(number) as usize];
                    assert!(!std::mem::replace(was, true), "a connection was accepted twice");
                }
            }
        }
    };
}

connections!(over_tcp, TcpStream, TcpListener, |listener: &TcpListener| {
    let addr = listener.local_addr().unwrap();
    move || TcpStream::connect(addr)
});
connections!(over_unix, UnixStream, UnixListener, |listener: &UnixListener| {
    let addr = listener.local_addr().unwrap();
    move || {
        let addr = addr.clone();
        async move { UnixStream::connect_addr(&addr).await }
    }
});

pub(crate) async fn tcp_connections(cutter: Cutter) {
    over_tcp(cutter, TcpListener::bind("127.0.0.1:0").await.unwrap()).await;
}

pub(crate) async fn unix_connections(cutter: Cutter) {
    let dir = tempfile::tempdir().unwrap();
    over_unix(cutter, UnixListener::bind(dir.path().join("socket")).unwrap()).await;
}

/// Sends numbered datagrams; each must come once, in order.
macro_rules! datagrams {
    ($name:ident, $socket:ty) => {
        async fn $name(cutter: Cutter, from: $socket, to: $socket) {
            let (from, to) = (Arc::new(from), Arc::new(to));
            let (sent, got) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let (sender, ours, theirs) = (cutter.again(), Arc::clone(&sent), Arc::clone(&got));
            let sending = maniac_runtime::spawn(async move {
                while ours.load(SeqCst) < DATAGRAMS {
                    let (from, ours) = (Arc::clone(&from), Arc::clone(&ours));
                    if ours.load(SeqCst) - theirs.load(SeqCst) >= WINDOW {
                        maniac_runtime::task::yield_now().await;
                        continue;
                    }
                    let send = async move {
                        let number = ours.load(SeqCst);
                        assert_eq!(from.send(&number.to_le_bytes()).await.unwrap(), 4);
                        ours.store(number + 1, SeqCst);
                    };
                    sender.cut(send).await;
                    sender.pause().await;
                }
            });
            while got.load(SeqCst) < DATAGRAMS {
                let (to, got, way) = (Arc::clone(&to), Arc::clone(&got), cutter.below(4));
                let receive = async move {
                    let mut buf = [0; 8];
                    let count = match way {
                        0 => to.recv_from(&mut buf).await.unwrap().0,
                        1 => {
                            to.peek(&mut buf).await.unwrap();
                            return;
                        }
                        2 => return to.readable().await.unwrap(),
                        _ => to.recv(&mut buf).await.unwrap(),
                    };
                    let number = got.load(SeqCst);
                    assert_eq!(buf[..count], number.to_le_bytes());
                    got.store(number + 1, SeqCst);
                };
                cutter.cut(receive).await;
            }
            sending.await.unwrap();
            assert!(to.try_recv(&mut [0; 8]).is_err(), "more than was sent");
        }
    };
}

datagrams!(over_udp, UdpSocket);
datagrams!(over_unix_datagrams, UnixDatagram);

pub(crate) async fn udp(cutter: Cutter) {
    let from = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    from.connect(to.local_addr().unwrap()).await.unwrap();
    over_udp(cutter, from, to).await;
}

/// Numbered datagrams in batches; each must come once, in order.
pub(crate) async fn udp_batches(cutter: Cutter) {
    let from = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let to = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (addr, sent, got) =
        (to.local_addr().unwrap(), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (sender, theirs) = (cutter.again(), Arc::clone(&got));
    let sending = maniac_runtime::spawn(async move {
        while sent.load(SeqCst) < DATAGRAMS {
            let (from, sent) = (Arc::clone(&from), Arc::clone(&sent));
            if sent.load(SeqCst) - theirs.load(SeqCst) >= WINDOW {
                maniac_runtime::task::yield_now().await;
                continue;
            }
            let send = async move {
                let first = sent.load(SeqCst);
                let numbers = first..(first + 5).min(DATAGRAMS);
                let datagrams: Vec<_> = numbers.map(|number| (number.to_le_bytes(), addr)).collect();
                let count = from.send_many(&datagrams).await.unwrap();
                sent.store(first + count as u32, SeqCst);
            };
            sender.cut(send).await;
            sender.pause().await;
        }
    });
    while got.load(SeqCst) < DATAGRAMS {
        let (to, got) = (Arc::clone(&to), Arc::clone(&got));
        let receive = async move {
            let mut batch = DatagramBatch::new(3, 8);
            to.recv_many(&mut batch).await.unwrap();
            for datagram in batch.iter() {
                let number = got.load(SeqCst);
                assert_eq!(datagram.bytes, number.to_le_bytes());
                got.store(number + 1, SeqCst);
            }
        };
        cutter.cut(receive).await;
    }
    sending.await.unwrap();
    assert!(to.try_recv(&mut [0; 8]).is_err(), "more than was sent");
}

pub(crate) async fn unix_datagrams(cutter: Cutter) {
    let (from, to) = UnixDatagram::pair().unwrap();
    over_unix_datagrams(cutter, from, to).await;
}

pub(crate) async fn names(cutter: Cutter) {
    for _ in 0..10 {
        let look_up = async {
            let addrs = lookup_host(("localhost", 80)).await.unwrap();
            assert!(addrs.into_iter().all(|addr| addr.ip().is_loopback()));
        };
        cutter.cut(look_up).await;
    }
    assert!(lookup_host(("localhost", 80)).await.unwrap().next().is_some());
}
