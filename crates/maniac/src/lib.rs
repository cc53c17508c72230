//! An M:N async runtime: stackful and stackless tasks, fair scheduling, io_uring with fallback.
//!
//! ```
//! #[maniac::main]
//! async fn main() {
//!     let handle = maniac::spawn(async { 6 * 7 });
//!     assert_eq!(handle.await.unwrap(), 42);
//! }
//! ```
//!
//! Files and sockets read and write without blocking a thread, and without a runtime of somebody else's:
//!
//! ```
//! # #[cfg(all(unix, any(feature = "iouring", feature = "mio")))]
//! #[maniac::main]
//! async fn main() -> std::io::Result<()> {
//!     use maniac::net::{TcpListener, TcpStream};
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     maniac::spawn(async move {
//!         let (mut stream, _) = listener.accept().await?;
//!         stream.write_all(&maniac::fs::read("Cargo.toml").await?).await
//!     });
//!     let mut text = String::new();
//!     maniac::io::AsyncReadExt::read_to_string(&mut TcpStream::connect(address).await?, &mut text).await?;
//!     assert!(text.starts_with("[package]"));
//!     Ok(())
//! }
//! # #[cfg(not(all(unix, any(feature = "iouring", feature = "mio"))))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | default | compiles in | without it |
//! |---|---|---|---|
//! | `iouring` | yes | the io_uring driver, on Linux | readiness only |
//! | `mio` | yes | the readiness driver: epoll, kqueue | no files or sockets where io_uring is refused or unknown |
//! | `bytes` | yes | `Bytes` and `BytesMut` as operation buffers | `Vec`, `Box`, arrays, strings, [`fs::AlignedBuf`] and [`buf::PoolBuf`] remain |
//! | `futures` | | `futures-io`'s traits on files, sockets and pipes | [`io`]'s own traits remain |
//! | `tracing` | | events of the `tracing` crate for tasks that stall (`maniac::stall`) and deadlocks (`maniac::deadlock`) | hooks and metrics remain |
//! | `tokio-compat` | yes | tokio's I/O traits on files, sockets and pipes, and `compat::tokio`; nothing of its runtime | [`io`]'s own traits remain |
//! | `watch` | | `fs::Watcher`, changes of files and directories, by the `notify` crate | none |
//! | `tokio-compat-rt` | | `compat::tokio::Reactor`: a runtime of tokio's, with one thread, for crates that need its sockets, timers or `tokio::spawn` | such crates panic: "there is no reactor running" |
//!
//! With neither driver everything compiles, and building a runtime says what is missing.
#![forbid(unsafe_code)]

#[cfg(feature = "tokio-compat")]
pub use maniac_io::compat;
pub use maniac_io::{buf, fs, io};
#[cfg(unix)]
pub use maniac_io::{net, process, signal};
pub use maniac_macros::{join, main, select, test, try_join};
pub use maniac_runtime::task_local;
pub use maniac_runtime::{
    SyncAwaitError, block_on, blocking, coop, on_thread, runtime, spawn, spawn_local, spawn_stackful,
    sync_await, task, time, try_sync_await,
};

/// The driver, for crates that bring operations or descriptors of their own.
///
/// ```
/// assert!(maniac::driver::metrics().is_none(), "only a worker has a driver");
/// ```
pub mod driver {
    pub use maniac_driver::op::Operation;
    pub use maniac_driver::{
        DriverKind, Interest, Metrics, Op, OwnedDescriptor, Probe, Ready, ReadyEvent, Registration, Remote,
        SharedFd, op,
    };
    pub use maniac_runtime::driver::{metrics, probe, remote, submit, try_submit};

    /// A driver of one's own, without a runtime: for hosts with an event loop of their own, as the Node package is.
    ///
    /// ```
    /// # #[cfg(all(unix, feature = "mio"))] {
    /// use maniac::driver::host::{Driver, DriverConfig, ThreadPerJob};
    /// let mut driver = Driver::new(DriverConfig::new(), std::sync::Arc::new(ThreadPerJob)).unwrap();
    /// let root = driver.run(maniac::driver::op::StatAt::new(None, "/", true).unwrap()).unwrap().unwrap();
    /// assert!(root.is_dir());
    /// # }
    /// ```
    pub mod host {
        pub use maniac_driver::buf::{AlignedBuf, DEFAULT_ALIGN};
        pub use maniac_driver::{
            Completions, Driver, DriverConfig, Job, NoOffload, Offload, ThreadPerJob, Unparker,
            huge_pages_allowed, probe, sys,
        };
    }
}

/// Channels, wakers and locks that need no runtime.
pub mod sync {
    pub use maniac_runtime::sync::{TrackedMutex, TrackedMutexGuard};
    pub use maniac_sync::{MESSAGE_BATCH_SIZE, mpsc, oneshot, spsc, wait, waker};
    /// Locks and signals of a well-kept crate: tokio's `sync` part, which needs no runtime.
    pub use tokio::sync::{
        Barrier, BarrierWaitResult, Mutex, MutexGuard, Notify, OnceCell, OwnedMutexGuard,
        OwnedSemaphorePermit, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
        broadcast, watch,
    };
    pub use tokio_util::sync::{CancellationToken, DropGuard};
}

/// What the macros expand to needs this. Not for use by name.
#[doc(hidden)]
pub mod __private {
    pub use maniac_runtime::macros::random_below;
}
