//! Servers' processor time for each request, and their memory for each connection. A server is a process of its own, with one worker
//! unless a bench says otherwise; the clients are this process, and its time does not count.

mod client;
mod ring;

use crate::measure::{Entry, Options, bench, cpu_nanos_of, resident_of};
use crate::peers::{compio, executor, go, green, maniac, monoio, tokio};
use client::{Client, accept_and_read};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const REQUESTS: usize = 64_000;
/// The length of a request and of its answer.
const MESSAGE: usize = 64;
/// Connections that are made, read from and closed in a round.
const ACCEPTS: usize = 2000;
const IDLE: usize = 4096;
const DATAGRAM_CLIENTS: usize = 64;
/// Workers of a server that has a hog beside it; all others have one.
const BESIDE_HOG: usize = 2;

/// What the fastest server of all does: a loop over the ring with nothing else in it.
const RING: &str = "raw multishot ring (limit)";
/// Our server without io_uring.
const POLL: &str = "maniac on epoll";
/// Our server with many datagrams a call.
const BATCHES: &str = "maniac, recv_many";

/// Whose servers there are for everything, ours first.
const ALL: [&str; 7] =
    [maniac::NAME, tokio::NAME, executor::NAME, green::NAME, go::NAME, monoio::NAME, compio::NAME];

pub fn run(options: &Options) {
    let group = "net";
    for connections in [64, 1024] {
        let name = format!("TCP echo of 64 B, {connections} connections, a request");
        bench(options, group, &name, "ns of the server's CPU", || {
            entries([POLL, RING], move |name| {
                let mut server = Server::<TcpStream>::start("echo", name, connections);
                Box::new(move || server.round(|client| client.exchange(REQUESTS / connections)))
            })
        });
    }
    bench(options, group, "UDP echo of 64 B, 64 sockets, a request", "ns of the server's CPU", || {
        entries([BATCHES], |name| {
            let mut server = Server::<UdpSocket>::start("udp", name, DATAGRAM_CLIENTS);
            Box::new(move || server.round(|client| client.exchange(REQUESTS / DATAGRAM_CLIENTS)))
        })
    });
    bench(options, group, "accept, byte, close", "ns of the server's CPU", || {
        entries([], |name| {
            let mut server = Server::<TcpStream>::start("accept", name, 0);
            let address = server.address;
            Box::new(move || server.round(|_| accept_and_read(address, ACCEPTS)))
        })
    });
    bench(options, group, "idle connection of the echo server, with its buffer of 1 KiB", "bytes", || {
        entries([], |name| Box::new(move || idle("echo", name)))
    });
    bench(options, group, "idle connection, waiting without a buffer", "bytes", || {
        [maniac::NAME, tokio::NAME, executor::NAME]
            .map(|name| Entry { name, round: Box::new(move || idle("idle", name)) })
            .into()
    });
}

/// An entry for each server that runs here, and for `more`.
fn entries<const N: usize>(
    more: [&'static str; N],
    make: impl Fn(&'static str) -> Box<dyn FnMut() -> f64>,
) -> Vec<Entry> {
    ALL.into_iter()
        .filter(|name| (*name != go::NAME || go::runs()) && (*name != compio::NAME || compio::runs()))
        .chain(more)
        .map(|name| Entry { name, round: make(name) })
        .collect()
}

/// A client for servers of others, here Node's: connects so many times as `words` say and says so; then, for each line of its input, sends
/// so many requests on each connection, and says when they are answered.
pub fn exchange(address: &str, words: &[String]) {
    let address = address.parse().expect("an address");
    let [connections, each] = words else { panic!("the number of connections, and of requests on each") };
    let each = each.parse().expect("a number");
    let mut client = Client::<TcpStream>::connect(address, connections.parse().expect("a number"));
    println!("connected");
    for line in std::io::stdin().lines() {
        line.expect("a line");
        println!("{}", client.exchange(each));
    }
}

/// The bytes of the server's memory for a connection that has sent one request and got its answer.
fn idle(kind: &str, name: &str) -> f64 {
    let mut server = Server::<TcpStream>::start(kind, name, 64);
    server.client.exchange(1);
    let before = resident_of(server.process.id());
    let mut clients = Client::<TcpStream>::connect(server.address, IDLE);
    clients.exchange(1);
    (resident_of(server.process.id()) - before) / IDLE as f64
}

/// A server's process and the connections to it.
pub struct Server<Link: client::Link> {
    process: Child,
    address: SocketAddr,
    client: Client<Link>,
}

impl<Link: client::Link> Server<Link> {
    pub fn start(kind: &str, name: &str, connections: usize) -> Server<Link> {
        let workers = if kind == "hog" { BESIDE_HOG } else { 1 };
        let mut command = if name == go::NAME {
            let last = if kind == "hog" { format!(" {connections}") } else { String::new() };
            go::command(workers, &format!("serve-{kind}{last}"))
        } else {
            let mut command = Command::new(std::env::current_exe().expect("this program's path"));
            command.arg(format!("--serve={kind}:{workers}:{connections}:{name}"));
            if name == POLL {
                command.env("MANIAC_DRIVER", "poll");
            }
            command
        };
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the server's program");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("the server's address");
        let address =
            line.trim().parse().unwrap_or_else(|_| panic!("{name}'s {kind} server says '{}'", line.trim()));
        Server { process, address, client: Client::connect(address, connections) }
    }

    /// The server's processor time for each of the requests that `work` says it has made.
    fn round(&mut self, work: impl FnOnce(&mut Client<Link>) -> usize) -> f64 {
        let before = cpu_nanos_of(self.process.id());
        let count = work(&mut self.client);
        (cpu_nanos_of(self.process.id()) - before) / count as f64
    }

    /// How long answers took within `time`, in microseconds, and how many connections got none.
    pub fn watch(&mut self, time: Duration) -> (Vec<f64>, usize) {
        self.client.watch(time)
    }
}

impl<Link: client::Link> Drop for Server<Link> {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("a process of ours");
    }
}

/// A runtime's TCP server of a kind.
macro_rules! serve_tcp {
    ($peer:ident, $runtime:expr, $kind:expr, $hog_after:expr) => {{
        let runtime = $runtime;
        match $kind {
            "accept" => $peer::run(&runtime, $peer::answer_once(listener())),
            "idle" => $peer::run(&runtime, $peer::echo_without_buffer(listener())),
            _ => $peer::run(&runtime, $peer::echo(listener(), $hog_after)),
        }
    }};
}

/// The server's process: says where it listens, and answers until it is killed or its parent is gone.
pub fn child(words: &str) {
    let words: Vec<&str> = words.splitn(4, ':').collect();
    let [kind, workers, connections, name] = words[..] else { panic!("a kind, two numbers, a name") };
    let (workers, connections) = (workers.parse().expect("a number"), connections.parse().expect("a number"));
    std::thread::spawn(|| {
        // The end of the input is the end of the parent.
        let _end = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let hog_after = (kind == "hog").then_some(connections);
    if name == green::NAME {
        green::start(workers);
        return match kind {
            "accept" => green::answer_once(),
            "udp" => green::echo_datagrams(),
            _ => green::echo(hog_after),
        };
    }
    match (kind, name) {
        ("udp", maniac::NAME) => maniac::run(&maniac::start(workers), maniac::echo_datagrams(datagrams())),
        ("udp", BATCHES) => maniac::run(&maniac::start(workers), maniac::echo_batches(datagrams())),
        ("udp", tokio::NAME) => tokio::run(&tokio::start(workers), tokio::echo_datagrams(datagrams())),
        ("udp", executor::NAME) => {
            executor::run(&executor::start(workers), executor::echo_datagrams(datagrams()))
        }
        ("udp", monoio::NAME) => monoio::run(&monoio::start(workers), monoio::echo_datagrams(datagrams())),
        ("udp", compio::NAME) => compio::run(&compio::start(workers), compio::echo_datagrams(datagrams())),
        (_, maniac::NAME | POLL) => serve_tcp!(maniac, maniac::start(workers), kind, hog_after),
        (_, tokio::NAME) => serve_tcp!(tokio, tokio::start(workers), kind, hog_after),
        (_, executor::NAME) => serve_tcp!(executor, executor::start(workers), kind, hog_after),
        ("accept", monoio::NAME) => monoio::run(&monoio::start(workers), monoio::answer_once(listener())),
        (_, monoio::NAME) => monoio::run(&monoio::start(workers), monoio::echo(listener())),
        ("accept", compio::NAME) => compio::run(&compio::start(workers), compio::answer_once(listener())),
        (_, compio::NAME) => compio::run(&compio::start(workers), compio::echo(listener())),
        (_, RING) => ring::echo(&listener()),
        (_, other) => panic!("{other} is no server"),
    }
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    listener
}

fn datagrams() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    println!("{}", socket.local_addr().expect("an address"));
    socket
}
