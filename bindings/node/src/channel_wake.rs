//! Waking: how an end that has something to do reaches the thread that waits for it, be it asleep in its event loop or in a
//! blocking call; and the handles that are on their way from one environment to another.

use crate::channel_ends::{Half, Kind};
use crate::uv;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where an environment learns which of its ends have something to do, or what else it is told. Any thread may post.
pub(crate) struct Post<T>(Mutex<Posted<T>>);

struct Posted<T> {
    /// The environment's `uv_async`; null once it ends.
    handle: *mut uv::Handle,
    /// Each end at most once, so bounded by the ends.
    woken: Vec<T>,
}

// SAFETY: [INV-7] the handle is used under the lock only, by a call that any thread may make.
unsafe impl<T: Send> Send for Posted<T> {}

impl<T> Post<T> {
    pub(crate) fn new(handle: *mut uv::Handle) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Posted { handle, woken: Vec::new() })))
    }

    /// The first since the environment last looked wakes it.
    pub(crate) fn put(&self, letter: T) {
        let mut posted = lock(&self.0);
        posted.woken.push(letter);
        if posted.woken.len() == 1 && !posted.handle.is_null() {
            // SAFETY: [INV-7] open: it is closed after `close` has taken the lock.
            unsafe { uv::uv_async_send(posted.handle) };
        }
    }

    /// All that were posted since the last look.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut lock(&self.0).woken)
    }

    /// Nobody is woken any more.
    pub(crate) fn close(&self) {
        lock(&self.0).handle = ptr::null_mut();
    }
}

/// The waker of an end.
pub(crate) struct EndWaker {
    post: Arc<Post<u32>>,
    end: u32,
    posted: AtomicBool,
}

impl EndWaker {
    pub(crate) fn new(post: Arc<Post<u32>>, end: u32) -> Arc<Self> {
        Arc::new(Self { post, end, posted: AtomicBool::new(false) })
    }

    /// The environment looks after the end now: what comes later is posted anew.
    pub(crate) fn looked(&self) {
        self.posted.store(false, Ordering::SeqCst);
    }
}

impl Wake for EndWaker {
    fn wake(self: Arc<Self>) {
        if !self.posted.swap(true, Ordering::SeqCst) {
            self.post.put(self.end);
        }
    }
}

/// Wakes a thread that waits in [`block`].
struct ThreadWaker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// Blocks this thread until `poll` is ready, at most for `limit`.
pub(crate) fn block<T>(limit: Duration, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    let own = Arc::new(ThreadWaker { thread: std::thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&own));
    loop {
        own.woken.store(false, Ordering::SeqCst);
        if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        while !own.woken.load(Ordering::SeqCst) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::park_timeout(left);
        }
    }
}

/// An end without an environment: a handle names it.
struct Parked {
    owner: u64,
    kind: Kind,
    half: Half,
}

/// Bounded by what programs park.
static PARKED: LazyLock<Mutex<HashMap<u64, Parked>>> = LazyLock::new(Mutex::default);
static LAST: AtomicU64 = AtomicU64::new(0);

/// A number that nothing else in this process has, for an environment.
pub(crate) fn unique() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// Parks an end for whoever gets its token, which no handle of another process can meet by chance.
pub(crate) fn park(owner: u64, kind: Kind, half: Half) -> u64 {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let mut parked = lock(&PARKED);
    loop {
        let token = HASHER.hash_one(unique());
        if let Entry::Vacant(place) = parked.entry(token) {
            place.insert(Parked { owner, kind, half });
            return token;
        }
    }
}

/// Takes an end that was parked, if it is of that kind and side.
pub(crate) fn unpark(token: u64, kind: Kind, sends: bool) -> Option<Half> {
    let mut parked = lock(&PARKED);
    let found = parked.get(&token)?;
    if found.kind != kind || matches!(found.half, Half::Tx(_)) != sends {
        return None;
    }
    parked.remove(&token).map(|parked| parked.half)
}

/// Closes what an environment parked and nobody took.
pub(crate) fn unpark_all(owner: u64) {
    let mut parked = lock(&PARKED);
    let ended: Vec<_> = parked.extract_if(|_, parked| parked.owner == owner).collect();
    drop(parked);
    // Closing wakes others, so not under the lock.
    drop(ended);
}
