//! compio: like monoio's, its tasks never leave their thread.

use compio::buf::BufResult;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, UdpSocket};
use compio::runtime::{JoinHandle, Runtime};
use std::time::Duration;

pub const NAME: &str = "compio (thread-bound)";

/// Whether it can run here: it needs io_uring.
pub fn runs() -> bool {
    Runtime::new().is_ok()
}

pub fn start(workers: usize) -> Runtime {
    assert_eq!(workers, 1, "compio has one thread a runtime");
    Runtime::new().unwrap()
}

pub fn run<F: Future + 'static>(runtime: &Runtime, future: F) -> F::Output {
    runtime.block_on(future)
}

pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    compio::runtime::spawn(future)
}

pub async fn join<T>(handle: JoinHandle<T>) -> T {
    handle.await.unwrap()
}

pub fn detach<T>(handle: JoinHandle<T>) {
    handle.detach();
}

pub use super::wake_and_wait as yield_now;

pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    compio::time::sleep(duration)
}

/// Answers each connection in a task of its own.
pub async fn echo(listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        detach(spawn(async move {
            let mut buf = vec![0; 1024];
            loop {
                let BufResult(count, mut back) = stream.read(buf).await;
                let Ok(count @ 1..) = count else { return };
                back.truncate(count);
                let BufResult(written, back) = stream.write_all(back).await;
                written.unwrap();
                buf = back;
            }
        }));
    }
}

/// Sends each connection a byte, and closes it.
pub async fn answer_once(listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        detach(spawn(async move { stream.write_all(vec![7]).await.0.unwrap() }));
    }
}

/// Sends each datagram back.
pub async fn echo_datagrams(socket: std::net::UdpSocket) {
    let socket = UdpSocket::from_std(socket).unwrap();
    let mut buf = vec![0; 1024];
    loop {
        let BufResult(received, mut back) = socket.recv_from(buf).await;
        let (count, from) = received.unwrap();
        back.truncate(count);
        let BufResult(sent, back) = socket.send_to(back, from).await;
        sent.unwrap();
        buf = back;
    }
}

super::bodies!();
