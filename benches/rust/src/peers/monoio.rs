//! monoio: its tasks never leave their thread, so it stands beside the others for comparison only.

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpListener;
use monoio::net::udp::UdpSocket;
use monoio::task::JoinHandle;
use monoio::{FusionDriver, FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::cell::RefCell;
use std::time::Duration;

pub const NAME: &str = "monoio (thread-bound)";

type Inner = FusionRuntime<monoio::time::TimeDriver<IoUringDriver>, monoio::time::TimeDriver<LegacyDriver>>;

pub struct Runtime(RefCell<Inner>);

pub fn start(workers: usize) -> Runtime {
    assert_eq!(workers, 1, "monoio has one thread a runtime");
    Runtime(RefCell::new(RuntimeBuilder::<FusionDriver>::new().enable_timer().build().unwrap()))
}

pub fn run<F: Future + 'static>(runtime: &Runtime, future: F) -> F::Output {
    runtime.0.borrow_mut().block_on(future)
}

pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    monoio::spawn(future)
}

pub async fn join<T>(handle: JoinHandle<T>) -> T {
    handle.await
}

pub use super::wake_and_wait as yield_now;

pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    monoio::time::sleep(duration)
}

pub fn detach<T>(handle: JoinHandle<T>) {
    drop(handle);
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
                let (count, mut back) = stream.read(buf).await;
                let Ok(count @ 1..) = count else { return };
                back.truncate(count);
                let (written, back) = stream.write_all(back).await;
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
        detach(spawn(async move { stream.write_all(vec![7]).await.0.map(drop).unwrap() }));
    }
}

/// Sends each datagram back.
pub async fn echo_datagrams(socket: std::net::UdpSocket) {
    let socket = UdpSocket::from_std(socket).unwrap();
    let mut buf = vec![0; 1024];
    loop {
        let (received, mut back) = socket.recv_from(buf).await;
        let (count, from) = received.unwrap();
        back.truncate(count);
        let (sent, back) = socket.send_to(back, from).await;
        sent.unwrap();
        buf = back;
    }
}

super::bodies!();
