//! Ten thousand connections that mostly say nothing, the clients in a process of their own: what one costs, and that each still answers.
//! And as many (1,000 unless `MANIAC_DEEP=1`) whose clients read slowly: what is written to them waits, and costs no memory.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "the figures are for whoever reads the log")]

mod support;

use maniac_io::net::{TcpListener, TcpSocket, TcpStream};
use maniac_runtime::runtime::DriverKind;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const CONNECTIONS: usize = 10_000;
/// Where the client process finds the server; in this one it is not set.
const ADDRESS: &str = "MANIAC_TEST_IDLE_ADDRESS";
/// What a connection may cost in memory of the server's process, in bytes: a task, a socket, the driver's watch.
const DEAR: usize = 700;
/// The same, of one that waits to write, at the process's peak.
const DEAR_AT_PEAK: usize = 4096;

/// The process's memory is measured: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn uring() {
    serve(DriverKind::Uring, "127.0.0.2:0");
}

#[test]
fn poll() {
    // Another address, so that what lingers of the other test's connections takes none of these ports.
    serve(DriverKind::Poll, "127.0.0.3:0");
}

/// Lets this process, and the client that inherits it, have so many descriptors; says why if that cannot be.
fn allow_descriptors() -> Result<(), String> {
    let wanted = CONNECTIONS as u64 + 200;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = now.maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        .map_err(|error| format!("{now:?} is too few descriptors, and more are refused: {error}"))
}

fn serve(kind: DriverKind, address: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(why) = allow_descriptors() {
        return eprintln!("SKIPPED: {CONNECTIONS} idle connections: {why}");
    }
    let Some(runtime) = support::runtime(kind) else { return };
    let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
    let mut client = start_client("client", listener.local_addr().unwrap());
    let mut said = BufReader::new(client.stdout.take().unwrap());
    let before = resident();
    let serving = runtime.spawn(async move {
        let mut tasks = Vec::with_capacity(CONNECTIONS);
        while tasks.len() < CONNECTIONS {
            tasks.push(maniac_runtime::spawn(echo(listener.accept().await.unwrap().0)));
        }
        let mut total = 0;
        for task in tasks {
            total += task.await.unwrap().unwrap();
        }
        total
    });
    expect_line(&mut said, "all connected");
    let each = resident().saturating_sub(before) / CONNECTIONS;
    eprintln!("{kind}: {CONNECTIONS} idle connections, {each} bytes of this process's memory each");
    assert!(each < DEAR, "{each} bytes are too many for a connection that says nothing");
    client.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    expect_line(&mut said, "all answered");
    let total = runtime.block_on(serving).unwrap();
    assert_eq!(total, 2 * 8 * CONNECTIONS);
    assert!(client.wait().unwrap().success());
}

/// Gives back what comes. Between messages it holds no buffer.
async fn echo(mut stream: TcpStream) -> std::io::Result<usize> {
    let mut total = 0;
    loop {
        stream.readable().await?;
        let message = {
            let mut buf = [0; 256];
            stream.try_read(&mut buf).map(|count| buf[..count].to_vec())
        };
        match message {
            Ok(message) if message.is_empty() => return Ok(total),
            Ok(message) => {
                stream.write_all(&message).await?;
                total += message.len();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The memory of this process that is there, in bytes.
fn resident() -> usize {
    status("VmRSS:")
}

fn status(what: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

fn start_client(test: &str, server: std::net::SocketAddr) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ADDRESS, server.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads lines, those of the test harness among them, until one is `line`.
fn expect_line(from: &mut impl BufRead, line: &str) {
    let mut text = String::new();
    while !text.trim_end().ends_with(line) {
        text.clear();
        assert!(from.read_line(&mut text).unwrap() > 0, "the client has ended before {line:?}");
    }
}

/// The second process; by itself it has nothing to test.
#[test]
fn client() {
    let Ok(server) = std::env::var(ADDRESS) else { return };
    let mut streams: Vec<_> = (0..CONNECTIONS as u64)
        .map(|number| {
            let mut stream = std::net::TcpStream::connect(&server).unwrap();
            exchange(&mut stream, number);
            stream
        })
        .collect();
    println!("all connected");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    for (number, stream) in (0u64..).zip(&mut streams) {
        exchange(stream, !number);
    }
    drop(streams);
    println!("all answered");
}

fn exchange(stream: &mut std::net::TcpStream, number: u64) {
    let mut back = [0; 8];
    stream.write_all(&number.to_le_bytes()).unwrap();
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, number.to_le_bytes());
}

/// What each slow reader is sent: 1,000 of them many times what they may cost.
const SENT: usize = 256 << 10;

fn slow_readers() -> usize {
    if std::env::var_os("MANIAC_DEEP").is_some() { CONNECTIONS } else { 1000 }
}

#[test]
fn slow_uring() {
    serve_slow(DriverKind::Uring, "127.0.0.4:0");
}

#[test]
fn slow_poll() {
    serve_slow(DriverKind::Poll, "127.0.0.5:0");
}

fn serve_slow(kind: DriverKind, address: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(why) = allow_descriptors() {
        return eprintln!("SKIPPED: slow readers: {why}");
    }
    let Some(runtime) = support::runtime(kind) else { return };
    let listener = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        // What the kernel holds for each: it has less room for all of them than it may give one.
        socket.set_send_buffer_size(8 << 10)?;
        socket.bind(address.parse().unwrap())?;
        socket.listen(1024)
    });
    let listener = listener.unwrap();
    let data: &'static [u8] = Box::leak(support::pattern(0, SENT).into_boxed_slice());
    let mut client = start_client("slow_client", listener.local_addr().unwrap());
    let mut said = BufReader::new(client.stdout.take().unwrap());
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmHWM:");
    let serving = runtime.spawn(async move {
        let mut tasks = Vec::new();
        while tasks.len() < slow_readers() {
            let (mut stream, _) = listener.accept().await.unwrap();
            tasks.push(maniac_runtime::spawn(async move { stream.write_all(data).await }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
    expect_line(&mut said, "all connected");
    // Whoever has room for all of it is done by now.
    assert!(!serving.is_finished(), "the clients were to be slower");
    client.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    expect_line(&mut said, "all read");
    runtime.block_on(serving).unwrap();
    let each = status("VmHWM:").saturating_sub(before) / slow_readers();
    eprintln!(
        "{kind}: {} slow readers of {SENT} bytes, {each} bytes of this process's memory each at most",
        slow_readers()
    );
    assert!(each < DEAR_AT_PEAK, "{each} bytes are too many for a connection that waits");
    assert!(client.wait().unwrap().success());
}

/// The second process; by itself it has nothing to test.
#[test]
fn slow_client() {
    let Ok(server) = std::env::var(ADDRESS) else { return };
    let mut streams: Vec<_> = (0..slow_readers())
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(&server).unwrap();
            let mut first = [0; 100];
            stream.read_exact(&mut first).unwrap();
            (stream, 100)
        })
        .collect();
    println!("all connected");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let data = support::pattern(0, SENT);
    // A piece of each, round and round.
    let mut buf = vec![0; 10_000];
    while !streams.is_empty() {
        streams.retain_mut(|(stream, done)| {
            let count = stream.read(&mut buf).unwrap();
            assert!(buf[..count] == data[*done..*done + count], "other bytes after {done}");
            *done += count;
            count > 0 || *done < SENT
        });
    }
    println!("all read");
}
