//! tokio's multi-threaded runtime.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

pub const NAME: &str = "tokio";

pub fn start(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
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
    tokio::spawn(future)
}

pub async fn join<T>(handle: JoinHandle<T>) -> T {
    handle.await.unwrap()
}

pub fn yield_now() -> impl Future<Output = ()> {
    tokio::task::yield_now()
}

pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    tokio::time::sleep(duration)
}

pub fn detach<T>(handle: JoinHandle<T>) {
    drop(handle);
}

fn listen(listener: std::net::TcpListener) -> TcpListener {
    listener.set_nonblocking(true).unwrap();
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
    socket.set_nonblocking(true).unwrap();
    UdpSocket::from_std(socket).unwrap()
}

super::bodies!();
super::servers!();
