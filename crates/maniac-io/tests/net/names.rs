//! Names and the forms of addresses.

use crate::support;
use maniac_io::fs::{self, OpenOptions};
use maniac_io::net::{RESOLVER_THREADS, TcpListener, TcpStream, lookup_host, pipe};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

on_both_drivers! {
    names address_forms slow_names
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

/// The file of aliases that a child process's resolver reads for each name: a named pipe here, so that it takes until somebody writes.
const ALIASES: &str = "maniac-test-aliases";

/// What the child says.
const FILES_FIRST: &str = "the files were not kept waiting";

/// Names that take long to resolve delay no file operation.
async fn slow_names() {
    let aliases = std::env::var("HOSTALIASES").unwrap_or_default();
    if aliases.ends_with(ALIASES) {
        return files_beside_slow_names(Path::new(&aliases)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let aliases = dir.path().join(ALIASES);
    pipe::make_fifo(&aliases, 0o600).await.unwrap();
    let test = format!("names::slow_names::{}", support::metrics().await.0);
    let child = maniac_runtime::blocking::unblock(move || {
        support::in_subprocess(&test, "HOSTALIASES", aliases.to_str().unwrap())
    });
    let output = child.await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && (said.contains(FILES_FIRST) || said.contains("skipped")),
        "{output:?}"
    );
}

async fn files_beside_slow_names(aliases: &Path) {
    // A writer is let in if somebody reads: a resolver that waits.
    let open = async || pipe::OpenOptions::new().open_sender(aliases).await;
    // More than are resolved at a time.
    let names: Vec<_> = (0..RESOLVER_THREADS * 2)
        .map(|_| maniac_runtime::spawn(async { lookup_host("maniac-nowhere:80").await.map(Iterator::count) }))
        .collect();
    let _first = loop {
        match open().await {
            Ok(writer) => break writer,
            Err(_) if names.iter().all(maniac_runtime::task::JoinHandle::is_finished) => {
                return eprintln!("skipped: this system's resolver reads no file of aliases");
            }
            Err(_) => maniac_runtime::task::yield_now().await,
        }
    };
    let dir = tempfile::tempdir().unwrap();
    for number in 0..50 {
        let path = dir.path().join(number.to_string());
        fs::write(&path, "text").await.unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"text");
        fs::copy(&path, path.with_extension("copy")).await.unwrap();
        fs::remove_file(&path).await.unwrap();
    }
    let mut entries = fs::read_dir(dir.path()).await.unwrap();
    let mut count = 0;
    while entries.next_entry().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 50);
    assert!(
        !names.iter().any(maniac_runtime::task::JoinHandle::is_finished),
        "the names were to take longer than the files"
    );
    eprintln!("{FILES_FIRST}");
    // Not to wait for the names, which may take as long as the system's resolver likes.
    std::process::exit(0);
}
