//! Slides 23, 34 and 40: servers, and streams of other runtimes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;

/// Starts a server that runs as long as this process, and has three clients speak with it at the same time.
fn speak_with(server: fn() -> std::io::Result<()>, address: &'static OnceLock<SocketAddr>) {
    let serving = std::thread::spawn(server);
    while address.get().is_none() && !serving.is_finished() {
        std::thread::yield_now();
    }
    let Some(address) = address.get() else { panic!("the server has ended: {:?}", serving.join()) };
    let mut clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    for round in 0..50u8 {
        for (n, client) in (0..).zip(&mut clients) {
            client.write_all(&[round, n, 3]).unwrap();
        }
        for (n, client) in (0..).zip(&mut clients) {
            let mut back = [0; 3];
            client.read_exact(&mut back).unwrap();
            assert_eq!(back, [round, n, 3]);
        }
    }
    for mut client in clients {
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "the server closes what the client has closed");
    }
}

#[rustfmt::skip]
mod slide_23 {
    use std::io;
    use maniac::net::TcpStream;

    pub static ADDRESS: std::sync::OnceLock<std::net::SocketAddr> = std::sync::OnceLock::new();

    // slide 23.1 begin
use maniac::net::TcpListener;

#[maniac::main]
// deviates: docs/decisions/0004-slides-that-need-words.md
//- async fn main() -> io::Result<()> {
//-     let listener = TcpListener::bind("0.0.0.0:8080").await?;
pub async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ADDRESS.set(listener.local_addr()?).unwrap();
// deviates end

    loop {
        let (stream, addr) = listener.accept().await?;
        println!("Connection from {}", addr);

        maniac::spawn(async move {
            handle_connection(stream).await
        });
    }
}

async fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    let mut buf = vec![0u8; 4096];

    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 { break; }
        stream.write_all(&buf[..n]).await?;
    }
    Ok(())
}
    // slide 23.1 end
}

#[test]
fn slide_23_1() {
    speak_with(slide_23::main, &slide_23::ADDRESS);
}

#[rustfmt::skip]
mod slide_40 {
    pub static ADDRESS: std::sync::OnceLock<std::net::SocketAddr> = std::sync::OnceLock::new();

    // slide 40.1 begin
use maniac::net::{TcpListener, TcpStream};
use std::io;

#[maniac::main]
// deviates: docs/decisions/0004-slides-that-need-words.md
//- async fn main() -> io::Result<()> {
//-     let listener = TcpListener::bind("127.0.0.1:8080").await?;
pub async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ADDRESS.set(listener.local_addr()?).unwrap();
// deviates end
    println!("Listening on :8080");

    loop {
        let (stream, addr) = listener.accept().await?;
        println!("New connection: {}", addr);

        maniac::spawn(async move {
            if let Err(e) = handle(stream).await {
                eprintln!("Error: {}", e);
            }
        });
    }
}

async fn handle(mut stream: TcpStream) -> io::Result<()> {
    let mut buf = vec![0u8; 1024];
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 { return Ok(()); }
        stream.write_all(&buf[..n]).await?;
    }
}
    // slide 40.1 end
}

#[test]
fn slide_40_1() {
    speak_with(slide_40::main, &slide_40::ADDRESS);
}

#[cfg(feature = "tokio-compat")]
#[test]
#[rustfmt::skip]
fn slide_34_1() {
    let (tokio_stream, mut peer) = tokio::io::duplex(64);
    let text = crate::run(async {
        // slide 34.1 begin
// Use tokio types with maniac runtime
use maniac::compat::tokio::TokioCompat;

let stream = TokioCompat::new(tokio_stream);
        // slide 34.1 end
        let answer = maniac::spawn(async move {
            let mut stream = stream;
            maniac::io::AsyncWriteExt::write_all(&mut stream, b"to tokio").await.unwrap();
        });
        answer.await.unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut peer, &mut text).await.unwrap();
        text
    });
    assert_eq!(text, "to tokio");
}
