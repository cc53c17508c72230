//! monoio: its tasks never leave their thread, so it stands beside the others for comparison only.

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

pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    monoio::time::sleep(duration)
}

/// Answers each connection in a task of its own.
pub async fn echo(listener: std::net::TcpListener) {
    use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
    let listener = monoio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let answering = spawn(async move {
            let mut buf = vec![0; 1024];
            loop {
                let (count, mut back) = stream.read(buf).await;
                let Ok(count @ 1..) = count else { return };
                back.truncate(count);
                let (written, back) = stream.write_all(back).await;
                written.unwrap();
                buf = back;
            }
        });
        drop(answering);
    }
}

super::bodies!();
