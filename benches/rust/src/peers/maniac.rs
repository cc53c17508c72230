//! Ours.

use maniac_io::net::{DatagramBatch, TcpListener, TcpStream, UdpSocket};
use maniac_runtime::runtime::Runtime;
use maniac_runtime::task::JoinHandle;
use std::time::Duration;

pub const NAME: &str = "maniac";

pub fn start(workers: usize) -> Runtime {
    Runtime::builder().worker_count(workers).build().unwrap()
}

pub fn run<F: Future<Output: Send> + Send + 'static>(runtime: &Runtime, future: F) -> F::Output {
    runtime.block_on(runtime.spawn(future)).unwrap()
}

pub fn spawn_on<F: Future<Output: Send> + Send + 'static>(
    runtime: &Runtime,
    future: F,
) -> JoinHandle<F::Output> {
    runtime.spawn(future)
}

pub fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    maniac_runtime::spawn(future)
}

pub async fn join<T>(handle: JoinHandle<T>) -> T {
    handle.await.unwrap()
}

pub fn yield_now() -> impl Future<Output = ()> {
    maniac_runtime::task::yield_now()
}

pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    maniac_runtime::time::sleep(duration)
}

pub fn detach<T>(handle: JoinHandle<T>) {
    drop(handle);
}

fn listen(listener: std::net::TcpListener) -> TcpListener {
    TcpListener::from_std(listener).unwrap()
}

fn no_delay(stream: &TcpStream) {
    stream.set_nodelay(true).unwrap();
}

async fn readable(stream: &TcpStream) {
    stream.readable().await.unwrap();
}

fn try_read(stream: &TcpStream, buf: &mut [u8]) -> std::io::Result<usize> {
    stream.try_read(buf)
}

fn socket(socket: std::net::UdpSocket) -> UdpSocket {
    UdpSocket::from_std(socket).unwrap()
}

/// Sends datagrams back, as many in one call as there are.
pub async fn echo_batches(datagrams: std::net::UdpSocket) {
    let socket = socket(datagrams);
    let mut batch = DatagramBatch::new(64, 1024);
    loop {
        socket.recv_many(&mut batch).await.unwrap();
        let answers: Vec<_> = batch.iter().map(|datagram| (datagram.bytes, datagram.from)).collect();
        let mut sent = 0;
        while sent < answers.len() {
            sent += socket.send_many(&answers[sent..]).await.unwrap();
        }
    }
}

super::bodies!();
super::servers!();
