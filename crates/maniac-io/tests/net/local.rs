//! Unix sockets, pipes, FIFOs.

use crate::support::pattern;
use maniac_io::net::{UnixListener, UnixStream, pipe};
use std::io::ErrorKind;

on_both_drivers! {
    unix_stream unix_abstract unix_errors pipes fifos
}

async fn unix_stream() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_path()));
    let mut client = UnixStream::connect(&path).await.unwrap();
    let (mut server, from) = listener.accept().await.unwrap();
    assert!(from.is_unnamed());
    assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(path.as_path()));
    assert!(client.local_addr().unwrap().is_unnamed());
    let sending = maniac_runtime::spawn(async move {
        client.write_all(&pattern(0, 1 << 20)).await.unwrap();
    });
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    sending.await.unwrap();
    assert!(all == pattern(0, 1 << 20));
    let again = UnixStream::from_std(server.into_std().await.unwrap()).unwrap();
    let listener = UnixListener::from_std(listener.into_std().await.unwrap()).unwrap();
    drop((again, listener));
}

#[cfg(target_os = "linux")]
async fn unix_abstract() {
    use maniac_io::net::{UnixDatagram, UnixSocketAddr};
    use std::os::linux::net::SocketAddrExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("maniac test {} {}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let addr = UnixSocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&addr).unwrap();
    let client = UnixStream::connect_addr(&addr).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    assert_eq!(server.local_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
    assert_eq!(server.peer_credentials().unwrap().pid, Some(std::process::id()));
    drop(client);
    let datagrams = UnixSocketAddr::from_abstract_name(format!("{name} d")).unwrap();
    let (a, b) = (UnixDatagram::bind_addr(&datagrams).unwrap(), UnixDatagram::unbound().unwrap());
    b.send_to_addr(b"named", &datagrams).await.unwrap();
    assert_eq!(a.recv(&mut [0; 8]).await.unwrap(), 5);
}

#[cfg(not(target_os = "linux"))]
async fn unix_abstract() {}

async fn unix_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert!(UnixListener::bind("x".repeat(200)).is_err(), "too long for an address");
    let (one, _other) = UnixStream::pair().unwrap();
    assert!(UnixStream::connect_addr(&one.local_addr().unwrap()).await.is_err(), "no name to connect to");
}

async fn pipes() {
    let (mut sender, mut receiver) = pipe::pipe().unwrap();
    let sending = maniac_runtime::spawn(async move {
        sender.write_all(&pattern(0, 500_000)).await.unwrap();
        sender
    });
    let mut all = vec![0; 500_000];
    receiver.read_exact(&mut all).await.unwrap();
    assert!(all == pattern(0, 500_000));
    drop(sending.await.unwrap());
    assert_eq!(receiver.read(&mut [0; 4]).await.unwrap(), 0);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut sender = pipe::Sender::from_owned_fd(writer.into()).unwrap();
    let mut receiver = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    sender.write_all(b"theirs").await.unwrap();
    receiver.read_exact(&mut [0; 6]).await.unwrap();
    drop(sender.into_owned_fd().await.unwrap());
    assert_eq!(receiver.read(&mut [0; 4]).await.unwrap(), 0);
    drop(receiver.into_owned_fd().await.unwrap());
}

#[cfg(target_os = "linux")]
async fn fifos() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    pipe::make_fifo(&path, 0o600).await.unwrap();
    let options = pipe::OpenOptions::new();
    assert_eq!(options.open_sender(&path).await.unwrap_err().raw_os_error(), Some(6));
    let mut receiver = options.open_receiver(&path).await.unwrap();
    let mut sender = options.open_sender(&path).await.unwrap();
    sender.write_all(b"one").await.unwrap();
    receiver.read_exact(&mut [0; 3]).await.unwrap();
    drop(sender);
    assert_eq!(receiver.read(&mut [0; 3]).await.unwrap(), 0);
    drop(receiver);
    let mut sender = pipe::OpenOptions::new().read_write(true).open_sender(&path).await.unwrap();
    sender.write_all(b"kept").await.unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(options.open_receiver(&file).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[cfg(not(target_os = "linux"))]
async fn fifos() {}
