//! Slides 4, 5, 6 and 9: the two models, `sync_await`, preemption, drivers chosen at run time.

use crate::run;

#[test]
#[rustfmt::skip]
fn slide_4_1() {
    type Data = usize;
    struct Client;
    impl Client {
        async fn get(&self, place: &str) -> String {
            maniac::task::yield_now().await;
            place.to_uppercase()
        }
    }
    async fn parse(response: String) -> Data {
        response.len()
    }
    #[allow(non_upper_case_globals)]
    static client: Client = Client;
    #[allow(non_upper_case_globals)]
    static url: &str = "a place";
    // slide 4.1 begin
async fn fetch_data() -> Data {
    let response = client.get(url).await;  // State machine
    parse(response).await
}
    // slide 4.1 end
    assert_eq!(run(async { maniac::spawn(fetch_data()).await.unwrap() }), 7);
}

#[test]
#[rustfmt::skip]
fn slide_4_2() {
    type Result = u64;
    fn deep_recursive_function() {
        fn descend(depth: u32) -> u32 {
            if depth == 0 { 0 } else { 1 + std::hint::black_box(descend(depth - 1)) }
        }
        assert_eq!(descend(1000), 1000);
    }
    async fn async_operation() -> u64 {
        maniac::task::yield_now().await;
        42
    }
    use maniac::sync_await;
    // slide 4.2 begin
fn compute_heavy() -> Result {
    // Full call stack preserved
    // Can be preempted mid-execution
    deep_recursive_function();
    // deviates: docs/decisions/0004-slides-that-need-words.md
    //- sync_await(async_operation());  // Bridge to async!
    sync_await(async_operation())  // Bridge to async!
    // deviates end
}
    // slide 4.2 end
    assert_eq!(run(async { maniac::spawn_stackful(compute_heavy).await.unwrap() }), 42);
}

/// Slide 5's storage: a cache in front of pages that are loaded asynchronously.
struct Storage {
    cache: std::collections::HashMap<u32, Vec<u8>>,
}

type Result<T> = std::result::Result<T, std::io::Error>;

impl Storage {
    async fn load_page_async(&self, page: u32, buf: &mut [u8]) -> Result<()> {
        maniac::task::yield_now().await;
        buf.fill(page as u8);
        Ok(())
    }
}

#[test]
#[rustfmt::skip]
fn slide_5_1() {
    impl Storage {
        // The problem stands as the slide has it: a signature with nothing to say inside. (`unproblematic` below is the answer.)
        // slide 5.1 begin
// Inside a synchronous callback (e.g., SQLite VFS)
// deviates: docs/decisions/0004-slides-that-need-words.md
//- fn read_page(&self, page: u32, buf: &mut [u8]) -> Result<()> {
fn read_page_without(&self, page: u32, buf: &mut [u8]) -> Result<()> {
// deviates end
    // How do we call async storage here?
    // .await doesn't work in sync contexts!
    // deviates: docs/decisions/0004-slides-that-need-words.md
    Err(std::io::ErrorKind::Unsupported.into())
    // deviates end
}
        // slide 5.1 end
    }
    let storage = Storage { cache: Default::default() };
    assert!(storage.read_page_without(1, &mut [0; 4]).is_err());
}

#[test]
#[rustfmt::skip]
fn slide_5_2() {
    use maniac::sync_await;
    impl Storage {
        // slide 5.2 begin
fn read_page(&self, page: u32, buf: &mut [u8]) -> Result<()> {
    // Check cache first (fast path - no async needed)
    if let Some(data) = self.cache.get(&page) {
        buf.copy_from_slice(&data);
        return Ok(());
    }

    // Slow path: async I/O via sync_await
    sync_await(self.load_page_async(page, buf))
}
        // slide 5.2 end
    }
    let pages = run(async {
        maniac::spawn_stackful(|| {
            let storage = Storage { cache: [(1, vec![9; 4])].into_iter().collect() };
            let (mut cached, mut loaded) = ([0; 4], [0; 4]);
            storage.read_page(1, &mut cached).unwrap();
            storage.read_page(2, &mut loaded).unwrap();
            (cached, loaded)
        })
        .await
        .unwrap()
    });
    assert_eq!(pages, ([9; 4], [2; 4]));
}

/// On one worker: the ticker ticks beside a loop that never yields.
#[test]
#[rustfmt::skip]
fn slide_6_1() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    static TICKS: AtomicU32 = AtomicU32::new(0);
    fn heavy_computation(i: u64) {
        std::hint::black_box(i * i);
        if i % 1024 == 0 && TICKS.load(SeqCst) == 5 {
            std::panic::resume_unwind(Box::new("the others were not starved"));
        }
    }
    // slide 6.1 begin
// This starves other tasks in Tokio/async-std
async fn cpu_bound() {
    for i in 0..1_000_000_000 {
        heavy_computation(i);  // No await = no yield
    }
}
    // slide 6.1 end
    let runtime = maniac::runtime::Runtime::builder().worker_count(1).build().unwrap();
    let loops = runtime.spawn(cpu_bound());
    let ticker = runtime.spawn(async {
        for _ in 0..5 {
            maniac::time::sleep(std::time::Duration::from_millis(1)).await;
            TICKS.fetch_add(1, SeqCst);
        }
    });
    let ended = runtime.block_on(loops).expect_err("the loop came to its end while others waited");
    assert_eq!(*ended.into_panic().downcast::<&str>().unwrap(), "the others were not starved");
    runtime.block_on(ticker).unwrap();
}

#[test]
#[rustfmt::skip]
fn slide_9_1() {
    // slide 9.1 begin
pub enum FusionRuntime<L, R> {
    Left(L),   // io_uring (preferred on Linux 5.6+)
    Right(R),  // Fallback to mio/epoll
}
    // slide 9.1 end
    // The enum that is chosen at run time in this runtime is the driver.
    use maniac::runtime::{DriverKind, Runtime};
    let chosen: FusionRuntime<Runtime, Runtime> =
        match Runtime::builder().worker_count(1).driver(DriverKind::Uring).build() {
            Ok(runtime) => FusionRuntime::Left(runtime),
            Err(_) => FusionRuntime::Right(Runtime::builder().worker_count(1).driver(DriverKind::Poll).build().unwrap()),
        };
    let (FusionRuntime::Left(runtime) | FusionRuntime::Right(runtime)) = chosen;
    assert_eq!(runtime.block_on(async { 1 }), 1);
}
