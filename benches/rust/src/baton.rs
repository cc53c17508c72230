//! What two tasks pass to and fro: the same for all runtimes, so that only their wake-ups differ.

use atomic_waker::AtomicWaker;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

#[derive(Default)]
struct Side {
    there: AtomicBool,
    waker: AtomicWaker,
}

/// One end of a pair.
pub struct Baton {
    mine: Arc<Side>,
    other: Arc<Side>,
}

/// Two ends; nobody has the baton yet.
pub fn pair() -> (Baton, Baton) {
    let (a, b) = (Arc::new(Side::default()), Arc::new(Side::default()));
    (Baton { mine: Arc::clone(&a), other: Arc::clone(&b) }, Baton { mine: b, other: a })
}

impl Baton {
    pub fn give(&self) {
        self.other.there.store(true, Ordering::Release);
        self.other.waker.wake();
    }

    pub async fn take(&self) {
        poll_fn(|cx| {
            if self.mine.there.swap(false, Ordering::Acquire) {
                return Poll::Ready(());
            }
            self.mine.waker.register(cx.waker());
            if self.mine.there.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
