//! The stall detector: each long poll is reported once, with its task's name and place, and with a backtrace where its own thread can give one.
//!
//! Nothing is timed: a hog computes until it has been reported. On a busy machine any poll may take long, so that others may be reported too; what is
//! counted is a task's own reports.

mod hog;

use hog::hog;
use maniac::runtime::{Preemption, Runtime, RuntimeBuilder, Stall, TaskState};
use maniac::task::{Builder, JoinHandle};
use maniac::time::Duration;
use maniac_runtime as maniac;
use std::sync::{Arc, Mutex, MutexGuard};

const AFTER: Duration = Duration::from_millis(5);

/// What a test looks at of a stall.
struct Told {
    name: String,
    stall: String,
    backtrace: Option<String>,
    demoted: bool,
    ended: bool,
    ran: Duration,
}

/// What was told so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Told>>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Told>> {
        self.0.lock().unwrap()
    }

    /// How often the task of this name was told.
    fn count(&self, name: &str) -> usize {
        self.lock().iter().filter(|told| told.name == name).count()
    }

    /// What was told first of the task of this name.
    fn first(&self, name: &str) -> Told {
        let mut log = self.lock();
        let at = log.iter().position(|told| told.name == name).expect("it was told");
        log.remove(at)
    }
}

/// A runtime that tells its stalls.
fn runtime(builder: RuntimeBuilder) -> (Runtime, Log) {
    let log = Log::default();
    let telling = log.clone();
    let tell = move |stall: &Stall| {
        let told = Told {
            name: stall.name.clone().unwrap_or_default(),
            stall: stall.to_string(),
            backtrace: stall.backtrace.as_ref().map(ToString::to_string),
            demoted: stall.demoted,
            ended: stall.ended,
            ran: stall.ran,
        };
        telling.lock().push(told);
    };
    (builder.stall_after(AFTER).on_stall(tell).build().unwrap(), log)
}

/// Computes until the task of this name was told so often.
fn hog_until(log: &Log, name: &str, count: usize) {
    assert!(hog(|| log.count(name) >= count), "{name} was never told");
}

fn spawn(runtime: &Runtime, name: &str, future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let _entered = runtime.handle().enter();
    Builder::new().name(name).spawn(future).unwrap()
}

#[test]
fn each_long_poll_is_told_once() {
    for preemption in [Preemption::HandOff, Preemption::Off] {
        let (runtime, log) = runtime(RuntimeBuilder::new().worker_count(2).preemption(preemption));
        // The first goes on through the reports of the second's two polls.
        let seen = log.clone();
        let first = spawn(&runtime, "first", async move {
            hog_until(&seen, "first", 1);
            hog_until(&seen, "second", 2);
        });
        let seen = log.clone();
        let second = spawn(&runtime, "second", async move {
            hog_until(&seen, "second", 1);
            maniac::task::yield_now().await;
            hog_until(&seen, "second", 2);
        });
        runtime.block_on(async { (first.await.unwrap(), second.await.unwrap()) });
        assert_eq!((log.count("first"), log.count("second")), (1, 2));
        assert_eq!(runtime.metrics().stalls, log.lock().len() as u64);
        let first = log.first("first");
        assert!(first.ran >= AFTER && !first.ended, "{}", first.stall);
        let place = format!("\"first\", spawned at {}", file!());
        assert!(first.stall.contains(&place), "{}", first.stall);
        assert!(first.backtrace.is_none(), "it never came by");
    }
}

#[test]
fn a_lone_worker_without_preemption_is_watched() {
    let (runtime, log) = runtime(RuntimeBuilder::new().worker_count(1).preemption(Preemption::Off));
    runtime.block_on(spawn(&runtime, "lonely", async move { hog_until(&log, "lonely", 1) })).unwrap();
}

/// Runs what stalls in the task of this name until its backtrace was told, which names a function: on a busy machine its thread may not get to it in time.
fn shows(log: &Log, name: &str, function: &str, stall: impl Fn()) {
    let shown = hog(|| {
        log.lock().clear();
        stall();
        let backtrace = log.first(name).backtrace;
        backtrace.inspect(|trace| assert!(trace.contains(function), "{trace}")).is_some()
    });
    assert!(shown, "{name} never had its turn in time");
}

/// A poll that comes by a leaf future again and again, as one that receives from a channel that never runs dry.
async fn greedy(log: Log) {
    while log.count("greedy") == 0 {
        come_by_a_leaf().await;
    }
}

#[inline(never)]
async fn come_by_a_leaf() {
    std::future::poll_fn(|cx| maniac::coop::poll_proceed(cx).map(drop)).await;
}

#[test]
fn a_poll_that_comes_by_a_leaf_shows_where() {
    let (runtime, log) = runtime(RuntimeBuilder::new().worker_count(1).preemption(Preemption::Off));
    shows(&log, "greedy", "come_by_a_leaf", || {
        runtime.block_on(spawn(&runtime, "greedy", greedy(log.clone()))).unwrap();
    });
}

/// A computation that spawns, and never yields.
#[inline(never)]
fn call_the_runtime(log: &Log, name: &str) {
    while log.count(name) == 0 {
        drop(maniac::spawn(async {}));
    }
}

#[test]
fn a_poll_that_calls_the_runtime_shows_where() {
    let (runtime, log) = runtime(RuntimeBuilder::new().worker_count(1).preemption(Preemption::Off));
    shows(&log, "caller", "call_the_runtime", || {
        let seen = log.clone();
        runtime
            .block_on(spawn(&runtime, "caller", async move { call_the_runtime(&seen, "caller") }))
            .unwrap();
    });
}

#[test]
fn a_demoted_poll_that_calls_the_runtime_shows_where() {
    let builder = RuntimeBuilder::new().worker_count(1).quantum(Duration::from_micros(100));
    let (runtime, log) = runtime(builder);
    // Demoted before it has stalled, unless the machine is busy elsewhere: then another one tries.
    let shown = hog(|| {
        log.lock().clear();
        let (seen, handle) = (log.clone(), runtime.handle().clone());
        let before = runtime.metrics().preemption.seized;
        let task = spawn(&runtime, "demoted", async move {
            assert!(hog(|| handle.metrics().preemption.seized > before));
            call_the_runtime(&seen, "demoted");
        });
        // Others wait behind it, until its worker goes on without it.
        runtime.block_on(async { (maniac::spawn(async {}).await.unwrap(), task.await.unwrap()) });
        let told = log.first("demoted");
        told.demoted
            && told.stall.ends_with("off its worker")
            && told.backtrace.is_some_and(|trace| trace.contains("call_the_runtime"))
    });
    assert!(shown);
}

#[test]
fn who_waits_in_sync_await_does_not_stall() {
    let (runtime, log) = runtime(RuntimeBuilder::new().worker_count(2));
    let (wake, woken) = maniac_sync::oneshot::channel();
    let patient = spawn(&runtime, "patient", async move { maniac::sync_await(woken).unwrap() });
    let waits = || {
        let dump = runtime.handle().dump();
        dump.tasks.iter().any(|task| matches!(task.state, TaskState::Suspended { .. }))
    };
    assert!(hog(waits));
    let before = log.count("patient");
    // Longer than the threshold, several times, by the reports of another.
    for round in 1..=3 {
        let seen = log.clone();
        runtime.block_on(spawn(&runtime, "hog", async move { hog_until(&seen, "hog", round) })).unwrap();
    }
    assert_eq!(log.count("patient"), before);
    wake.send(()).unwrap();
    runtime.block_on(patient).unwrap();
}

#[test]
fn who_goes_on_without_a_role_is_watched_too() {
    let (runtime, log) = runtime(RuntimeBuilder::new().worker_count(1));
    let late = spawn(&runtime, "late", async move {
        maniac::sync_await(maniac::task::yield_now());
        hog_until(&log, "late", 1);
    });
    runtime.block_on(late).unwrap();
}

#[test]
fn a_hook_that_panics_is_the_programs_own_affair() {
    let log = Log::default();
    let telling = log.clone();
    let builder = RuntimeBuilder::new().worker_count(1).stall_after(AFTER).on_stall(move |stall| {
        let (name, stall) = (stall.name.clone().unwrap_or_default(), stall.to_string());
        telling.lock().push(Told { name, stall, backtrace: None, demoted: false, ended: false, ran: AFTER });
        panic!("the hook's own");
    });
    let runtime = builder.build().unwrap();
    for round in 1..=2 {
        let seen = log.clone();
        runtime.block_on(spawn(&runtime, "told", async move { hog_until(&seen, "told", round) })).unwrap();
    }
}

#[test]
fn a_threshold_below_a_millisecond_is_refused() {
    let error = RuntimeBuilder::new().stall_after(Duration::from_micros(999)).build().unwrap_err();
    assert!(error.to_string().contains("stall_after must be 1 ms at least"), "{error}");
}

/// The hook runs on the monitor's thread, which the runtime's end must not wait for then.
#[test]
fn a_runtime_may_be_dropped_by_whoever_is_told_of_a_stall() {
    let held: Arc<Mutex<Option<Runtime>>> = Arc::default();
    let (ended, over) = (hog::Flag::default(), hog::Flag::default());
    let (owner, tell) = (Arc::clone(&held), ended.clone());
    let hook = move |_: &Stall| {
        drop(owner.lock().unwrap().take());
        tell.set();
    };
    let runtime = RuntimeBuilder::new().worker_count(1).stall_after(AFTER).on_stall(hook).build().unwrap();
    let until = over.clone();
    let stalls = runtime.spawn(async move { hog::hog_until(&until) });
    *held.lock().unwrap() = Some(runtime);
    hog::eventually("the hook comes back", || ended.get());
    over.set();
    hog::eventually("the task ends", || stalls.is_finished());
}
