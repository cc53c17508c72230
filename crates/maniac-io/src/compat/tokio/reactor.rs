//! A runtime of tokio's beside ours, for what cannot do without one: its sockets and timers, `tokio::spawn`, `tokio::fs`.

use pin_project_lite::pin_project;
use std::cell::OnceCell;
use std::io;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

/// Never dropped: whoever uses it may outlive `main`.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The process's runtime of tokio's: one thread for its sockets, timers and tasks, and more for its blocking work, as tokio starts them.
///
/// What runs in its context is still a task of ours, polled by our workers and preempted like any other; only what it hands to tokio (a timer, a socket's
/// readiness, `tokio::spawn`) is seen to by that thread. A message costs a wake-up across threads more than with tokio, or with our own sockets.
///
/// ```
/// use maniac_io::compat::tokio::Reactor;
/// use std::time::Duration;
/// # fn main() -> std::io::Result<()> {
/// # let runtime = maniac_runtime::runtime::Runtime::new_multi_threaded(1, 64).unwrap();
/// let reactor = Reactor::start()?;
/// # runtime.block_on(async {
/// // Any future of a crate that is made for tokio.
/// let answer = reactor.run(async {
///     tokio::time::sleep(Duration::from_millis(1)).await;
///     tokio::spawn(async { 6 * 7 }).await.unwrap()
/// });
/// assert_eq!(maniac_runtime::spawn(answer).await.unwrap(), 42);
/// # });
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reactor {
    runtime: &'static Runtime,
}

// Not dropped when the thread ends: tokio's own thread-local may be gone by then, and the context ends with the thread.
thread_local!(static ATTACHED: OnceCell<ManuallyDrop<EnterGuard<'static>>> = const { OnceCell::new() });

impl Reactor {
    /// Starts the reactor, unless it was started already.
    ///
    /// # Errors
    /// What tokio says when the system refuses its thread or its epoll.
    ///
    /// ```
    /// # use maniac_io::compat::tokio::Reactor;
    /// let (one, other) = (Reactor::start()?, Reactor::start()?);
    /// assert_eq!(one.handle().id(), other.handle().id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start() -> io::Result<Reactor> {
        static STARTING: Mutex<()> = Mutex::new(());
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = match RUNTIME.get() {
            Some(runtime) => runtime,
            None => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(1).thread_name("maniac-tokio").enable_all();
                let built = builder.build()?;
                RUNTIME.get_or_init(|| built)
            }
        };
        Ok(Reactor { runtime })
    }

    /// tokio's own handle of it.
    ///
    /// ```
    /// # use maniac_io::compat::tokio::Reactor;
    /// let task = Reactor::start()?.handle().spawn(async { 42 });
    /// # let runtime = maniac_runtime::runtime::Runtime::new_single_threaded().unwrap();
    /// assert_eq!(runtime.block_on(task).unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn handle(&self) -> &'static Handle {
        self.runtime.handle()
    }

    /// Runs `future` in tokio's context, whichever thread polls it, and drops it there too. It must not call `sync_await` on a coroutine: that
    /// leaves the thread in the midst of a poll, and the context with it.
    ///
    /// Cancel safety: that of `future`.
    pub fn run<F: IntoFuture>(&self, future: F) -> InTokio<F::IntoFuture> {
        InTokio { handle: self.handle(), future: Some(future.into_future()) }
    }

    /// Puts this thread into tokio's context, until the guard is dropped. Guards are dropped in the order opposite to that in which they were made.
    ///
    /// ```
    /// # use maniac_io::compat::tokio::Reactor;
    /// let _entered = Reactor::start()?.enter();
    /// let socket = tokio::net::UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| {
    ///     socket.set_nonblocking(true)?;
    ///     Ok(socket)
    /// })?)?;
    /// assert!(socket.local_addr()?.port() > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> EnterGuard<'static> {
        self.runtime.enter()
    }

    /// Puts this thread into tokio's context for as long as it lives; nothing where the thread is in one already. For a whole runtime: each of its
    /// threads as it starts. The thread of `block_on` is the program's own: there, [`enter`](Reactor::enter).
    ///
    /// ```
    /// use maniac_io::compat::tokio::Reactor;
    /// use maniac_runtime::runtime::RuntimeBuilder;
    /// let reactor = Reactor::start()?;
    /// let runtime = RuntimeBuilder::new().worker_count(2).on_thread_start(move || reactor.attach()).build().unwrap();
    /// let task = runtime.spawn(async {
    ///     tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    /// });
    /// runtime.block_on(task).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn attach(&self) {
        // Within a guard this one would outlast it, and tokio panics when the outer one is dropped.
        if Handle::try_current().is_ok() {
            return;
        }
        ATTACHED.with(|attached| {
            attached.get_or_init(|| ManuallyDrop::new(self.enter()));
        });
    }
}

pin_project! {
    /// A future in tokio's context; made by [`Reactor::run`].
    ///
    /// ```
    /// use maniac_io::compat::tokio::{InTokio, Reactor};
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = maniac_runtime::runtime::Runtime::new_single_threaded().unwrap();
    /// let inside: InTokio<_> = Reactor::start()?.run(async { tokio::runtime::Handle::try_current().is_ok() });
    /// assert!(runtime.block_on(inside));
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    #[must_use = "a future does nothing until it is awaited"]
    pub struct InTokio<F> {
        handle: &'static Handle,
        // `None` from the drop on.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for InTokio<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let _entered = this.handle.enter();
            let mut future = this.future;
            future.set(None);
        }
    }
}

impl<F: Future> Future for InTokio<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.handle.enter();
        this.future.as_pin_mut().expect("it is there until the drop").poll(cx)
    }
}
