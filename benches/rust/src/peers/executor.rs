//! async-executor with async-io: what smol is made of. One executor, run by as many threads as there are workers.

use async_executor::{Executor, Task};
use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use std::cell::Cell;
use std::time::Duration;

pub const NAME: &str = "smol (async-executor)";

thread_local! {
    static HERE: Cell<Option<&'static Executor<'static>>> = const { Cell::new(None) };
}

/// Leaked with its threads: the process ends with the benches.
pub struct Runtime(&'static Executor<'static>);

pub fn start(workers: usize) -> Runtime {
    let executor: &'static Executor<'static> = Box::leak(Box::new(Executor::new()));
    for _ in 0..workers {
        std::thread::spawn(move || {
            HERE.set(Some(executor));
            async_io::block_on(executor.run(future::pending::<()>()));
        });
    }
    Runtime(executor)
}

pub fn run<F: Future<Output: Send> + Send + 'static>(runtime: &Runtime, future: F) -> F::Output {
    future::block_on(runtime.0.spawn(future))
}

pub fn spawn_on<F: Future<Output: Send> + Send + 'static>(runtime: &Runtime, future: F) -> Task<F::Output> {
    runtime.0.spawn(future)
}

pub fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> Task<F::Output> {
    HERE.get().expect("a thread of the executor").spawn(future)
}

pub async fn join<T>(handle: Task<T>) -> T {
    handle.await
}

pub fn yield_now() -> impl Future<Output = ()> {
    future::yield_now()
}

pub async fn sleep(duration: Duration) {
    async_io::Timer::after(duration).await;
}

pub fn detach<T>(handle: Task<T>) {
    handle.detach();
}

type TcpStream = Async<std::net::TcpStream>;

fn listen(listener: std::net::TcpListener) -> Async<std::net::TcpListener> {
    Async::new(listener).unwrap()
}

fn no_delay(stream: &TcpStream) {
    stream.get_ref().set_nodelay(true).unwrap();
}

async fn readable(stream: &TcpStream) {
    stream.readable().await.unwrap();
}

fn try_read(stream: &TcpStream, buf: &mut [u8]) -> std::io::Result<usize> {
    std::io::Read::read(&mut stream.get_ref(), buf)
}

fn socket(socket: std::net::UdpSocket) -> Async<std::net::UdpSocket> {
    Async::new(socket).unwrap()
}

super::bodies!();
super::servers!();
