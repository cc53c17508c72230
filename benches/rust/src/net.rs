//! An echo server's processor time for each request of 64 bytes. The server is a process of its own, with one worker; the client
//! is this process, and its time does not count.

mod client;
mod ring;

use crate::measure::{Entry, Options, bench, cpu_nanos_of};
use crate::peers::{maniac, monoio, tokio};
use client::Client;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

const REQUESTS: usize = 200_000;
/// The length of a request and of its answer.
const MESSAGE: usize = 64;

/// What the fastest server of all does: a loop over the ring with nothing else in it.
const RING: &str = "raw multishot ring (limit)";
/// Our server without io_uring.
const POLL: &str = "maniac on epoll";

pub fn run(options: &Options) {
    for connections in [64, 1024] {
        let name = format!("TCP echo of 64 B, {connections} connections, a request");
        bench(options, "net", &name, "ns of the server's CPU", || {
            [maniac::NAME, POLL, tokio::NAME, monoio::NAME, RING]
                .map(|server| {
                    let mut server = Server::start(server, connections);
                    Entry { name: server.name, round: Box::new(move || server.round()) }
                })
                .into()
        });
    }
}

/// A server's process and the connections to it.
struct Server {
    name: &'static str,
    process: Child,
    client: Client,
    connections: usize,
}

impl Server {
    fn start(name: &'static str, connections: usize) -> Server {
        let program = std::env::current_exe().expect("this program's path");
        let driver = if name == POLL { "poll" } else { "auto" };
        let mut process = Command::new(program)
            .arg(format!("--echo-of={name}"))
            .env("MANIAC_DRIVER", driver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("the server's address");
        let address: SocketAddr = line.trim().parse().expect("an address");
        Server { name, process, client: Client::connect(address, connections), connections }
    }

    fn round(&mut self) -> f64 {
        let before = cpu_nanos_of(self.process.id());
        let each = REQUESTS / self.connections;
        self.client.exchange(each);
        (cpu_nanos_of(self.process.id()) - before) / (each * self.connections) as f64
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("a process of ours");
    }
}

/// The server's process: says where it listens, and answers until it is killed or its parent is gone.
pub fn child(name: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::thread::spawn(|| {
        // The end of the input is the end of the parent.
        let _end = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    match name {
        maniac::NAME | POLL => maniac::run(&maniac::start(1), maniac::echo(listener)),
        tokio::NAME => tokio::run(&tokio::start(1), tokio::echo(listener)),
        monoio::NAME => monoio::run(&monoio::start(1), monoio::echo(listener)),
        RING => ring::echo(&listener),
        other => panic!("{other} is no server"),
    }
}
