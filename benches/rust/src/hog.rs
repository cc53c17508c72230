//! Work that holds a worker: arithmetic with no call of a runtime in it. And a ticker that notes how late it is beside that.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

const HALF_A_SECOND: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(1);

/// The steps that take half a second on a processor of their own.
static STEPS: LazyLock<u64> = LazyLock::new(|| {
    const TRIAL: u64 = 10_000_000;
    let fastest = (0..5).map(|_| {
        let start = Instant::now();
        arithmetic(TRIAL);
        start.elapsed()
    });
    let fastest = fastest.min().expect("five times");
    (TRIAL as f64 * HALF_A_SECOND.as_secs_f64() / fastest.as_secs_f64()) as u64
});

fn arithmetic(steps: u64) {
    let mut value = 88_172_645_463_325_252_u64;
    for _ in 0..steps {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
    }
    black_box(value);
}

fn for_half_a_second() {
    arithmetic(*STEPS);
}

pub fn for_ever() {
    loop {
        for_half_a_second();
    }
}

/// The ticks of a millisecond since a start until all hogs have ended, and how late each was, in microseconds.
pub struct Ticks {
    hogs: Arc<AtomicUsize>,
    start: Instant,
    count: u32,
    pub late: Vec<f64>,
}

impl Ticks {
    /// Of so many hogs, each of which is to call what `hog` gives.
    pub fn start(hogs: usize) -> Ticks {
        LazyLock::force(&STEPS);
        let hogs = Arc::new(AtomicUsize::new(hogs));
        Ticks { hogs, start: Instant::now(), count: 0, late: Vec::with_capacity(10_000) }
    }

    pub fn hog(&self) -> impl FnOnce() + Send + 'static {
        let left = Arc::clone(&self.hogs);
        move || {
            for_half_a_second();
            left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether there is a tick still to come, or one that is overdue.
    pub fn go_on(&self) -> bool {
        self.hogs.load(Ordering::Relaxed) > 0 || self.until_next().is_none()
    }

    fn next(&self) -> Instant {
        self.start + TICK * (self.count + 1)
    }

    /// How long to sleep for the next tick; nothing when it is overdue.
    pub fn until_next(&self) -> Option<Duration> {
        self.next().checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The tick has come.
    pub fn note(&mut self) {
        self.late.push(Instant::now().saturating_duration_since(self.next()).as_secs_f64() * 1e6);
        self.count += 1;
    }
}
