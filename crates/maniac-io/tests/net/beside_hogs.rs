//! Connections beside tasks that never yield: each gets its replies while those compute.

use crate::echo_back;
use crate::support::{PATIENCE, WORKERS};
use maniac_io::net::TcpListener;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

on_both_drivers! {
    beside_one beside_as_many_as_workers
}

const CONNECTIONS: usize = 32;
const ROUNDS: u8 = 10;

async fn beside_one() {
    echoes_beside(1).await;
}

async fn beside_as_many_as_workers() {
    echoes_beside(WORKERS).await;
}

/// Begins the connections, then the hogs, and only then sends: every reply comes while each hog is in its one poll.
async fn echoes_beside(hogs: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begin, begun) = std::sync::mpsc::channel();
    // On a thread that is no runtime's, so that it is not held up itself.
    let clients = std::thread::spawn(move || converse(address, &begun));
    let mut servers = Vec::new();
    for _ in 0..CONNECTIONS {
        servers.push(maniac_runtime::spawn(echo_back(listener.accept().await.unwrap().0)));
    }
    let (computing, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let hogs: Vec<_> = (0..hogs)
        .map(|_| {
            let (computing, answered) = (Arc::clone(&computing), Arc::clone(&answered));
            maniac_runtime::spawn(async move {
                computing.fetch_add(1, SeqCst);
                compute_until(&answered)
            })
        })
        .collect();
    let count = hogs.len();
    let told = std::thread::spawn(move || {
        let start = Instant::now();
        while computing.load(SeqCst) < count && start.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        begin.send(()).unwrap();
        let replies = clients.join().unwrap();
        answered.store(true, SeqCst);
        replies
    });
    for hog in hogs {
        assert!(hog.await.unwrap(), "the hog waited in vain for the connections");
    }
    assert_eq!(told.join().unwrap(), [usize::from(ROUNDS); CONNECTIONS], "replies on each connection");
    for server in servers {
        assert_eq!(server.await.unwrap().unwrap(), u64::from(ROUNDS));
    }
}

/// Computes until `done`. `false`: in vain.
fn compute_until(done: &AtomicBool) -> bool {
    let (mut x, start) = (1_u64, Instant::now());
    while !done.load(SeqCst) {
        for round in 0..100_000_u64 {
            x = std::hint::black_box(x.wrapping_mul(31).wrapping_add(round));
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
    }
    true
}

/// Opens the connections, and when told so sends a byte on each of them and waits for the replies, some rounds; gives how many came on each.
fn converse(address: SocketAddr, begun: &std::sync::mpsc::Receiver<()>) -> Vec<usize> {
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut replies = vec![0; CONNECTIONS];
    begun.recv().unwrap();
    for round in 0..ROUNDS {
        for stream in &mut streams {
            stream.set_read_timeout(Some(PATIENCE / 2)).unwrap();
            stream.write_all(&[round]).unwrap();
        }
        for (which, stream) in streams.iter_mut().enumerate() {
            let mut reply = [u8::MAX];
            if stream.read_exact(&mut reply).is_err() {
                // One that gets none is enough.
                return replies;
            }
            replies[which] += usize::from(reply == [round]);
        }
    }
    replies
}
