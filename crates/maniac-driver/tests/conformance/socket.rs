//! Sockets.

use crate::support::{Rig, both, errno, pair, peek};
use maniac_driver::op::{Accept, Close, Connect, Recv, RecvFrom, Send, SendTo, Shutdown};
use maniac_driver::{SharedFd, sys::SockAddr};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

fn listener() -> (SharedFd, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (SharedFd::new(listener.into()), addr)
}

fn stream() -> SharedFd {
    SharedFd::new(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().into())
}

fn connected(rig: &mut Rig) -> (SharedFd, SharedFd) {
    let (listener, addr) = listener();
    let client = stream();
    let accept = rig.driver.submit(Accept::new(listener));
    let connect = rig.driver.submit(Connect::new(client.clone(), addr.into()));
    let (accepted, connected) = rig.wait(both(accept, connect));
    connected.unwrap();
    (SharedFd::new(accepted.unwrap().0), client)
}

pub fn accepts_and_connects(rig: &mut Rig) {
    let (listener, addr) = listener();
    let mut accept = rig.driver.submit(Accept::new(listener));
    rig.glance();
    assert!(peek(&mut accept).is_pending());
    let client = stream();
    let connect = rig.driver.submit(Connect::new(client.clone(), addr.into()));
    let (accepted, connected) = rig.wait(both(accept, connect));
    connected.unwrap();
    let (server, peer) = accepted.unwrap();
    let client = socket2::SockRef::from(&client).local_addr().unwrap();
    assert_eq!(peer.as_socket(), client.as_socket());
    let server = Socket::from(server);
    assert!(server.nonblocking().unwrap());
    assert_eq!(server.local_addr().unwrap().as_socket(), Some(addr));
}

pub fn refused_connection(rig: &mut Rig) {
    let (listener, addr) = listener();
    drop(listener);
    assert_eq!(errno(rig.run(Connect::new(stream(), addr.into()))), libc::ECONNREFUSED);
    let missing = SockAddr::unix(rig.dir.join("missing")).unwrap();
    let socket = SharedFd::new(Socket::new(Domain::UNIX, Type::STREAM, None).unwrap().into());
    assert_eq!(errno(rig.run(Connect::new(socket, missing))), libc::ENOENT);
}

pub fn receives_and_sends(rig: &mut Rig) {
    let (server, client) = connected(rig);
    let (sent, buf) = rig.run(Send::new(client.clone(), b"hello".to_vec(), 0));
    assert_eq!((sent.unwrap(), &buf[..]), (5, &b"hello"[..]));
    let (received, buf) = rig.run(Recv::new(server.clone(), vec![0; 3], 0));
    assert_eq!((received.unwrap(), &buf[..]), (3, &b"hel"[..]));
    let (peeked, buf) = rig.run(Recv::new(server.clone(), vec![0; 9], libc::MSG_PEEK));
    assert_eq!((peeked.unwrap(), &buf[..]), (2, &b"lo"[..]));
    let (received, _) = rig.run(Recv::new(server, vec![0; 9], 0));
    assert_eq!(received.unwrap(), 2);
}

/// With MSG_TRUNC a stream counts what it throws away: nothing of the buffer is passed off as data that was never written.
pub fn counts_thrown_away(rig: &mut Rig) {
    let (server, client) = connected(rig);
    rig.run(Send::new(client.clone(), b"hello".to_vec(), 0)).0.unwrap();
    let mut used = vec![7; 64];
    used.clear();
    let (received, buf) = rig.run(Recv::new(server.clone(), used, libc::MSG_TRUNC));
    assert_eq!((received.unwrap(), &buf[..]), (5, &[0; 5][..]));
    // A datagram is both written and counted.
    let (sender, receiver) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    sender.send_to(b"hello", receiver.local_addr().unwrap()).unwrap();
    let receiver = SharedFd::new(receiver.into());
    let (received, buf) = rig.run(RecvFrom::new(receiver, Vec::with_capacity(3), libc::MSG_TRUNC));
    assert_eq!((received.unwrap().0, &buf[..3]), (5, &b"hel"[..]));
}

/// A buffer comes back when the kernel is through with it, whatever the flags ask.
pub fn copies_what_it_sends(rig: &mut Rig) {
    let (server, client) = connected(rig);
    let on = 1i32;
    let (at, len) = ((&raw const on).cast(), size_of::<i32>() as libc::socklen_t);
    // SAFETY: the option's value is alive for the call.
    let set = unsafe { libc::setsockopt(client.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ZEROCOPY, at, len) };
    assert_eq!(set, 0);
    rig.run(Send::new(client.clone(), vec![1; 40_000], libc::MSG_ZEROCOPY)).0.unwrap();
    rig.run(SendTo::new(client.clone(), vec![1; 100], None, libc::MSG_ZEROCOPY)).0.unwrap();
    assert!(rig.run(Recv::new(server, vec![0; 100], libc::MSG_WAITALL)).0.unwrap() > 0);
    // A send without a copy would have left its notification there.
    let (notified, _) = peek_errors(&client);
    assert_eq!(errno(notified), libc::EAGAIN);
}

fn peek_errors(fd: &SharedFd) -> (std::io::Result<isize>, [u8; 64]) {
    let mut buf = [0u8; 64];
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the buffer is alive for the call, and its length given.
    let got = unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags) };
    (if got < 0 { Err(std::io::Error::last_os_error()) } else { Ok(got) }, buf)
}

pub fn waits_for_data(rig: &mut Rig) {
    let (server, client) = connected(rig);
    let mut recv = rig.driver.submit(Recv::new(server, vec![0; 10], 0));
    rig.glance();
    rig.glance();
    assert!(peek(&mut recv).is_pending());
    let send = rig.driver.submit(Send::new(client, "data", 0));
    let ((received, buf), _) = rig.wait(both(recv, send));
    assert_eq!(received.unwrap(), 4);
    assert_eq!(buf, b"data");
}

pub fn end_of_stream(rig: &mut Rig) {
    let (server, client) = connected(rig);
    let recv = rig.driver.submit(Recv::new(server, vec![0; 10], 0));
    rig.glance();
    drop(client);
    let (received, _) = rig.wait(recv);
    assert_eq!(received.unwrap(), 0);
}

pub fn broken_pipe(rig: &mut Rig) {
    let (a, b) = pair();
    drop(b);
    let (sent, buf) = rig.run(Send::new(a, b"x".to_vec(), 0));
    assert_eq!(errno(sent), libc::EPIPE);
    assert_eq!(buf, b"x");
    let (reader, writer) = crate::support::pipe();
    drop(reader);
    let (written, _) = rig.run(maniac_driver::op::Write::new(writer, b"x".to_vec()));
    assert_eq!(errno(written), libc::EPIPE);
}

pub fn datagrams(rig: &mut Rig) {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (a_addr, b_addr) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let (a, b) = (SharedFd::new(a.into()), SharedFd::new(b.into()));
    let recv = rig.driver.submit(RecvFrom::new(b.clone(), vec![0; 100], 0));
    rig.glance();
    let send = rig.driver.submit(SendTo::new(a.clone(), b"ping".to_vec(), Some(b_addr.into()), 0));
    let ((received, buf), (sent, _)) = rig.wait(both(recv, send));
    let (count, from) = received.unwrap();
    assert_eq!((count, from.as_socket(), sent.unwrap()), (4, Some(a_addr), 4));
    assert_eq!(buf, b"ping");
    // A datagram that does not fit is cut, and with MSG_TRUNC its length is told.
    rig.run(SendTo::new(a, b"long".to_vec(), Some(b_addr.into()), 0)).0.unwrap();
    let (received, buf) = rig.run(RecvFrom::new(b, [0; 2], libc::MSG_TRUNC));
    assert_eq!((received.unwrap().0, &buf), (4, b"lo"));
}

pub fn unix_datagrams(rig: &mut Rig) {
    let path = rig.dir.join("socket");
    let named = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let unnamed = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let (named, unnamed) = (SharedFd::new(named.into()), SharedFd::new(unnamed.into()));
    let addr = SockAddr::unix(&path).unwrap();
    rig.run(SendTo::new(unnamed.clone(), b"hi".to_vec(), Some(addr.clone()), 0)).0.unwrap();
    let (received, _) = rig.run(RecvFrom::new(named.clone(), vec![0; 10], 0));
    let (count, from) = received.unwrap();
    assert_eq!(count, 2);
    assert!(from.len() == 0 && from.as_pathname().is_none());
    rig.run(Connect::new(unnamed.clone(), addr.clone())).unwrap();
    rig.run(SendTo::new(unnamed, b"hi".to_vec(), None, 0)).0.unwrap();
    rig.run(SendTo::new(named.clone(), b"self".to_vec(), Some(addr), 0)).0.unwrap();
    rig.run(RecvFrom::new(named.clone(), vec![0; 10], 0)).0.unwrap();
    let (received, _) = rig.run(RecvFrom::new(named, vec![0; 10], 0));
    let (count, from) = received.unwrap();
    assert_eq!((count, from.as_pathname()), (4, Some(path.as_path())));
}

pub fn unix_streams(rig: &mut Rig) {
    let path = rig.dir.join("socket");
    let listener = SharedFd::new(std::os::unix::net::UnixListener::bind(&path).unwrap().into());
    let client = SharedFd::new(Socket::new(Domain::UNIX, Type::STREAM, None).unwrap().into());
    let accept = rig.driver.submit(Accept::new(listener));
    let connect = rig.driver.submit(Connect::new(client.clone(), SockAddr::unix(&path).unwrap()));
    let (accepted, connected) = rig.wait(both(accept, connect));
    connected.unwrap();
    let (server, peer) = accepted.unwrap();
    assert!(peer.is_unix());
    rig.run(Send::new(client, "x", 0)).0.unwrap();
    assert_eq!(rig.run(Recv::new(SharedFd::new(server), [0; 4], 0)).0.unwrap(), 1);
}

pub fn shuts_down(rig: &mut Rig) {
    let (server, client) = connected(rig);
    rig.run(Shutdown::new(client.clone(), std::net::Shutdown::Write)).unwrap();
    assert_eq!(rig.run(Recv::new(server.clone(), [0; 4], 0)).0.unwrap(), 0);
    rig.run(Send::new(server, "still", 0)).0.unwrap();
    assert_eq!(rig.run(Recv::new(client.clone(), [0; 8], 0)).0.unwrap(), 5);
    assert_eq!(errno(rig.run(Shutdown::new(stream(), std::net::Shutdown::Both))), libc::ENOTCONN);
}

pub fn closes_sockets(rig: &mut Rig) {
    let (server, client) = connected(rig);
    let closing = rig.wait(client.unwrap_last()).expect("no other closer");
    rig.run(Close::new(closing)).unwrap();
    assert_eq!(rig.run(Recv::new(server, [0; 4], 0)).0.unwrap(), 0);
}

pub fn large_transfer(rig: &mut Rig) {
    const SIZE: usize = 4 << 20;
    let (server, client) = connected(rig);
    let (mut sent, mut received) = (0, 0);
    let mut sending = Some(rig.driver.submit(Send::new(client.clone(), vec![1; SIZE], 0)));
    let mut receiving = Some(rig.driver.submit(Recv::new(server.clone(), vec![0; 100_000], 0)));
    while received < SIZE {
        // What was done at once brings no report.
        let ready = sending.as_ref().is_some_and(maniac_driver::Op::is_complete);
        if ready || receiving.as_ref().is_some_and(maniac_driver::Op::is_complete) {
            rig.glance();
        } else {
            rig.turn();
        }
        if let Some(op) = sending.take() {
            match op.try_take() {
                Ok((count, _)) => {
                    sent += count.unwrap();
                    let rest = vec![1; SIZE - sent];
                    sending = (sent < SIZE).then(|| rig.driver.submit(Send::new(client.clone(), rest, 0)));
                }
                Err(op) => sending = Some(op),
            }
        }
        match receiving.take().unwrap().try_take() {
            Ok((count, buf)) => {
                received += count.unwrap();
                assert!(buf.iter().all(|&byte| byte == 1));
                receiving = Some(rig.driver.submit(Recv::new(server.clone(), vec![0; 100_000], 0)));
            }
            Err(op) => receiving = Some(op),
        }
    }
    assert_eq!((sent, received), (SIZE, SIZE));
}

/// Several accepts wait on one socket, and each connection goes to one of them.
pub fn accepts_many(rig: &mut Rig) {
    let (listener, addr) = listener();
    let mut accepts: Vec<_> = (0..20).map(|_| rig.driver.submit(Accept::new(listener.clone()))).collect();
    rig.glance();
    let clients: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
    rig.until(|_| accepts.iter().all(maniac_driver::Op::is_complete));
    let peers: std::collections::HashSet<_> =
        accepts.drain(..).map(|op| op.try_take().unwrap().unwrap().1.as_socket().unwrap()).collect();
    let expected: std::collections::HashSet<_> =
        clients.iter().map(|client| client.local_addr().unwrap()).collect();
    assert_eq!(peers, expected);
}

/// A receive and a send wait on one socket at the same time, and neither holds up the other.
pub fn both_directions_at_once(rig: &mut Rig) {
    let (a, b) = pair();
    let mut recv = rig.driver.submit(Recv::new(a.clone(), [0; 8], 0));
    let mut sends = Vec::new();
    // Until the socket is full.
    loop {
        let mut send = rig.driver.submit(Send::new(a.clone(), vec![0; 100_000], 0));
        rig.glance();
        rig.glance();
        if peek(&mut send).is_pending() {
            sends.push(send);
            break;
        }
    }
    assert!(peek(&mut recv).is_pending());
    rig.run(Send::new(b.clone(), "hello", 0)).0.unwrap();
    assert_eq!(rig.wait(recv).0.unwrap(), 5);
    let mut send = sends.pop().unwrap();
    while peek(&mut send).is_pending() {
        rig.run(Recv::new(b.clone(), vec![0; 1 << 20], 0)).0.unwrap();
        rig.glance();
        if send.is_complete() {
            break;
        }
    }
}
