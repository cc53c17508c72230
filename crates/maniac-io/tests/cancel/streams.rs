//! Byte streams: what is written arrives, whole and in order, whatever was cut on either side.

use crate::cut::Cutter;
use crate::support::pattern;
use maniac_io::net::{
    OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpSocket, TcpStream, UnixStream, pipe as pipes,
};
use std::io::{IoSlice, IoSliceMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex as StdMutex};
use tokio::sync::Mutex;

/// How many writes there are in a round.
const WRITES: u64 = 30;

/// What has passed. It is noted in the same poll that got it, so nothing comes between.
#[derive(Default)]
struct Log {
    sent: AtomicU64,
    got: StdMutex<Vec<u8>>,
    ended: AtomicBool,
}

impl Log {
    fn receive(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.ended.store(true, SeqCst);
        }
        self.got.lock().unwrap().extend_from_slice(bytes);
    }

    fn send(&self, count: usize) {
        self.sent.fetch_add(count as u64, SeqCst);
    }
}

/// Writes and reads on one connection, for types that have the methods but no trait that says so. `owned`, or `borrowed` for what has
/// no calls on owned buffers.
macro_rules! exchange {
    (@write owned $writer:ident $bytes:ident) => {
        $writer.write_owned($bytes).await.0.unwrap()
    };
    (@write borrowed $writer:ident $bytes:ident) => {
        $writer.write(&$bytes).await.unwrap()
    };
    (@read owned $reader:ident $bytes:ident) => {{
        let (count, back) = $reader.read_owned($bytes).await;
        $bytes = back;
        count.unwrap()
    }};
    (@read borrowed $reader:ident $bytes:ident) => {
        $reader.read(&mut $bytes).await.unwrap()
    };
    ($name:ident, $writer:ty, $reader:ty, $buffers:ident) => {
        async fn $name(cutter: Cutter, writer: $writer, reader: $reader) {
            let log = Arc::new(Log::default());
            let (theirs, writers) = (Arc::clone(&log), cutter.again());
            let writing = maniac_runtime::spawn(async move {
                let writer = Arc::new(Mutex::new(writer));
                for _ in 0..WRITES {
                    let (writer, log) = (Arc::clone(&writer), Arc::clone(&theirs));
                    let (way, len) = (writers.below(4), writers.len());
                    let write = async move {
                        let mut writer = writer.lock_owned().await;
                        let bytes = pattern(log.sent.load(SeqCst), len);
                        let count = match way {
                            0 => exchange!(@write $buffers writer bytes),
                            1 => {
                                let (a, b) = bytes.split_at(len / 2);
                                writer.write_vectored(&[IoSlice::new(a), IoSlice::new(b)]).await.unwrap()
                            }
                            _ => writer.write(&bytes).await.unwrap(),
                        };
                        log.send(count);
                    };
                    writers.cut(write).await;
                    writers.pause().await;
                }
                // How much of the last is written is not told.
                let (sent, len) = (theirs.sent.load(SeqCst), writers.len());
                let last = async move {
                    writer.lock_owned().await.write_all(&pattern(sent, len)).await.unwrap();
                };
                match writers.cut(last).await {
                    Some(()) => (len, len),
                    None => (0, len),
                }
            });
            let reader = Arc::new(Mutex::new(reader));
            while !log.ended.load(SeqCst) {
                let (reader, log) = (Arc::clone(&reader), Arc::clone(&log));
                let (way, len) = (cutter.below(4), cutter.len());
                let read = async move {
                    let mut reader = reader.lock_owned().await;
                    let mut bytes = vec![0; len];
                    match way {
                        0 => {
                            let count = exchange!(@read $buffers reader bytes);
                            log.receive(&bytes[..count]);
                        }
                        1 => {
                            let (a, b) = bytes.split_at_mut(len / 2);
                            let mut into = [IoSliceMut::new(a), IoSliceMut::new(b)];
                            let count = reader.read_vectored(&mut into).await.unwrap();
                            log.receive(&bytes[..count]);
                        }
                        2 => reader.readable().await.unwrap(),
                        _ => {
                            let count = reader.read(&mut bytes).await.unwrap();
                            log.receive(&bytes[..count]);
                        }
                    }
                };
                cutter.cut(read).await;
                if cutter.below(4) == 0 {
                    cutter.pause().await;
                }
            }
            let (least, most) = writing.await.unwrap();
            let (sent, got) = (log.sent.load(SeqCst) as usize, log.got.lock().unwrap());
            assert!(got.len() >= sent + least && got.len() <= sent + most, "{} of {sent}", got.len());
            assert!(*got == pattern(0, got.len()), "what is read is not what was written");
        }
    };
}

exchange!(over_tcp, TcpStream, TcpStream, owned);
exchange!(over_unix, UnixStream, UnixStream, owned);
exchange!(over_pipe, pipes::Sender, pipes::Receiver, borrowed);
exchange!(over_halves, OwnedWriteHalf<TcpStream>, OwnedReadHalf<TcpStream>, owned);

/// Two ends of a connection with small buffers, so that writers wait.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(8192).unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    let client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

pub(crate) async fn tcp(cutter: Cutter) {
    let (client, server) = tcp_pair().await;
    over_tcp(cutter, client, server).await;
}

pub(crate) async fn unix(cutter: Cutter) {
    let (one, other) = UnixStream::pair().unwrap();
    over_unix(cutter, one, other).await;
}

pub(crate) async fn pipe(cutter: Cutter) {
    let (sender, receiver) = pipes::pipe().unwrap();
    over_pipe(cutter, sender, receiver).await;
}

/// Both directions of one connection at the same time.
pub(crate) async fn halves(cutter: Cutter) {
    let (one, other) = tcp_pair().await;
    let ((one_reads, one_writes), (other_reads, other_writes)) = (one.into_split(), other.into_split());
    let back = maniac_runtime::spawn(over_halves(cutter.again(), other_writes, one_reads));
    over_halves(cutter, one_writes, other_reads).await;
    back.await.unwrap();
}
