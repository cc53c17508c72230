//! Sockets, pipes and names, on both drivers.
#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod beside_hogs;
mod buffered;
mod datagrams;
mod local;
mod names;
mod sockets;
mod streams;

use maniac_io::net::{TcpListener, TcpStream};

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

async fn echo_back(mut stream: TcpStream) -> std::io::Result<u64> {
    let (mut buf, mut total) = ([0; 1024], 0);
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(total),
            count => {
                stream.write_all(&buf[..count]).await?;
                total += count as u64;
            }
        }
    }
}
