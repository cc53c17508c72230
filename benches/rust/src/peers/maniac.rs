//! Ours.

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

/// Answers each connection in a task of its own.
pub async fn echo(listener: std::net::TcpListener) {
    let listener = maniac_io::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let answering = spawn(async move {
            let mut buf = [0; 1024];
            while let Ok(count @ 1..) = stream.read(&mut buf).await {
                stream.write_all(&buf[..count]).await.unwrap();
            }
        });
        drop(answering);
    }
}

super::bodies!();
