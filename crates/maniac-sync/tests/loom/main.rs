//! Models of every protocol, run by loom in all interleavings (up to a bound on preemptions), and the proof that each
//! named ordering is needed: with it weakened, a model fails.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p maniac-sync --release --test loom`;
//! MANIAC_DEEP=1 searches the largest models to the end.
#![cfg(loom)]
#![allow(missing_docs)]

mod mpsc;
mod oneshot;
mod spsc;
mod weak;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A model stops after so many executions, unless MANIAC_DEEP is set; most have fewer.
const MOST: usize = 30_000;

/// Runs a model with a bound on preemptions.
pub(crate) fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let deep = std::env::var_os("MANIAC_DEEP").is_some();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_permutations = (!deep).then_some(MOST);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let runs = runs.load(Ordering::Relaxed);
    #[expect(clippy::print_stdout, reason = "says what was searched")]
    let () = println!("{runs} executions{}", if !deep && runs + 1 >= MOST { ", not all" } else { "" });
}

struct Unpark(loom::sync::Notify);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls a future on this thread until it is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    // Not loom's park: it forgets an unpark that comes while the thread yields.
    let unpark = Arc::new(Unpark(loom::sync::Notify::new()));
    let waker = Waker::from(unpark.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => unpark.0.wait(),
        }
    }
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts, by loom's means, how often a value is dropped.
pub(crate) struct Counted(pub(crate) loom::sync::Arc<loom::sync::atomic::AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
    }
}
