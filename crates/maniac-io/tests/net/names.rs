//! Names and the forms of addresses.

use maniac_io::net::{TcpListener, TcpStream, lookup_host};
use std::io::ErrorKind;
use std::net::SocketAddr;

on_both_drivers! {
    names address_forms
}

async fn names() {
    let addrs: Vec<SocketAddr> = lookup_host("localhost:80").await.unwrap().collect();
    assert!(!addrs.is_empty() && addrs.iter().all(|addr| addr.ip().is_loopback()));
    assert_eq!(lookup_host("127.0.0.1:1").await.unwrap().next(), Some("127.0.0.1:1".parse().unwrap()));
    assert!(lookup_host("no such name.invalid:80").await.is_err());
    // More than may be looked up at a time.
    let many: Vec<_> = (0..100)
        .map(|_| maniac_runtime::spawn(async { lookup_host(("localhost", 1)).await.unwrap().count() }))
        .collect();
    for task in many {
        assert!(task.await.unwrap() > 0);
    }
}

async fn address_forms() {
    for (text, what) in
        [("localhost", "no port"), ("localhost:x", "port"), (":80", "no host"), ("h:65536", "port")]
    {
        let error = TcpStream::connect(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(what), "{error}");
    }
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ip = listener.local_addr().unwrap().ip();
    for stream in [
        TcpStream::connect((ip, port)).await,
        TcpStream::connect((ip.to_string(), port)).await,
        TcpStream::connect(format!("localhost:{port}")).await,
        TcpStream::connect(&format!("localhost:{port}")).await,
        TcpStream::connect(("localhost", port)).await,
        TcpStream::connect(vec![SocketAddr::new(ip, port)]).await,
        TcpStream::connect([SocketAddr::new(ip, port)]).await,
    ] {
        assert_eq!(stream.unwrap().peer_addr().unwrap().port(), port);
    }
}
