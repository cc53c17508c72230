//! The runtimes. Each module has the same functions: `start(workers)`, `run(&runtime, future)` (as a task of the runtime, waited for
//! from outside), `spawn`, `join`, `detach`, `yield_now`, `sleep`, and from `bodies!` the same programs, word by word, on top of them. Where buffers
//! go with the operation, the servers are written anew; the rest have theirs from `servers!`. Go's programs are in `benches/go`.

pub mod compio;
pub mod executor;
pub mod go;
pub mod green;
pub mod maniac;
pub mod monoio;
mod servers;
pub mod tokio;

/// The programs that are measured.
macro_rules! bodies {
    () => {
        /// Spawns and joins in batches of 10,000.
        pub async fn spawn_join(count: usize) {
            for _ in 0..count / 10_000 {
                let mut handles = Vec::with_capacity(10_000);
                for n in 0..10_000_usize {
                    handles.push(spawn(async move { n }));
                }
                for handle in handles {
                    std::hint::black_box(join(handle).await);
                }
            }
        }

        /// Ten tasks that yield in turn.
        pub async fn yields(count: usize) {
            let mut handles = Vec::with_capacity(10);
            for _ in 0..10 {
                handles.push(spawn(async move {
                    for _ in 0..count / 10 {
                        yield_now().await;
                    }
                }));
            }
            for handle in handles {
                join(handle).await;
            }
        }

        /// Two tasks that wake each other, `count` times there and back.
        pub async fn ping_pong(count: usize) {
            let (here, there) = $crate::baton::pair();
            let other = spawn(async move {
                for _ in 0..count {
                    there.take().await;
                    there.give();
                }
            });
            let mine = spawn(async move {
                for _ in 0..count {
                    here.give();
                    here.take().await;
                }
            });
            join(mine).await;
            join(other).await;
        }

        /// A task that waits while another one wakes it again and again.
        pub async fn wakes(count: usize) {
            let waiting = spawn(std::future::poll_fn(move |cx| {
                // Notified from the first of these on.
                for _ in 0..count {
                    cx.waker().wake_by_ref();
                }
                std::task::Poll::Ready(())
            }));
            join(waiting).await;
        }

        /// Timers that are set and cancelled, beside many that stay.
        pub async fn timer_churn(pending: usize, count: usize) -> f64 {
            let far = std::time::Duration::from_secs(3600);
            let mut held = Vec::with_capacity(pending);
            for n in 0..pending {
                let mut timer = Box::pin(sleep(far + std::time::Duration::from_micros(n as u64)));
                poll_once(timer.as_mut()).await;
                held.push(timer);
            }
            let figure = {
                let start = std::time::Instant::now();
                for n in 0..count {
                    let timer = sleep(std::time::Duration::from_millis(10 + (n % 5000) as u64));
                    let mut timer = std::pin::pin!(timer);
                    poll_once(timer.as_mut()).await;
                }
                start.elapsed().as_nanos() as f64 / count as f64
            };
            drop(held);
            figure
        }

        /// Tasks that each wait for a timer within a fifth of a second.
        pub async fn timers_fire(count: usize) {
            let mut handles = Vec::with_capacity(count);
            for n in 0..count {
                let after = std::time::Duration::from_micros(1000 + (n as u64 * 7919) % 200_000);
                handles.push(spawn(sleep(after)));
            }
            for handle in handles {
                join(handle).await;
            }
        }

        /// How late, in microseconds, a ticker of 1 ms is beside tasks that compute for half a second each, to their end.
        #[allow(dead_code, reason = "beside hogs only some are run")]
        pub async fn ticker(hogs: usize) -> Vec<f64> {
            let mut ticks = $crate::hog::Ticks::start(hogs);
            for _ in 0..hogs {
                let hog = ticks.hog();
                detach(spawn(async move { hog() }));
            }
            while ticks.go_on() {
                if let Some(wait) = ticks.until_next() {
                    sleep(wait).await;
                }
                ticks.note();
            }
            ticks.late
        }

        async fn poll_once<F: std::future::Future>(mut future: std::pin::Pin<&mut F>) {
            std::future::poll_fn(|cx| {
                let _pending = future.as_mut().poll(cx);
                std::task::Poll::Ready(())
            })
            .await;
        }
    };
}
pub(crate) use bodies;
pub(crate) use servers::servers;

/// As any runtime's `yield_now` may be: wakes itself and waits once.
pub async fn wake_and_wait() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        if waited {
            return std::task::Poll::Ready(());
        }
        waited = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
