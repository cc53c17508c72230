//! Every interleaving of the runtime's protocols, and every reordering that their memory orderings allow. Each ordering that has a name is also
//! weakened, and a model must then fail.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p maniac-runtime --release --test loom`
//!
//! The files under test are compiled right into this program, on loom's atomics; the rest of the runtime is not there.
#![cfg(loom)]
#![allow(dead_code, reason = "the files under test serve the runtime; each model uses a part of them")]

#[path = "../../src/role/batch.rs"]
mod batch;
#[path = "../../src/role/inbox.rs"]
mod inbox;
#[path = "../../src/role/next.rs"]
mod next;
#[path = "../../src/role/park.rs"]
mod park;
#[path = "../../src/shim.rs"]
mod shim;
#[path = "../../src/task/state.rs"]
mod state;
#[path = "../../src/role/word.rs"]
mod word;

mod glimpse;
mod handoff;
mod join;
mod queues;
mod sleep;
mod slot;
mod suspend;
mod wake;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What every failure of a model says that is not a data race found by loom.
const LOST: &str = "lost";

/// The model holds. At most three preemptions happen in an execution (two for models of three busy threads, unless MANIAC_DEEP is set), unless
/// `LOOM_MAX_PREEMPTIONS` says otherwise.
fn check(model: fn()) {
    check_bounded(model, 3);
}

fn check_wide(model: fn()) {
    check_bounded(model, if std::env::var_os("MANIAC_DEEP").is_some() { 3 } else { 2 });
}

fn check_bounded(model: fn(), preemptions: usize) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    for probe in [false, true] {
        shim::probe(probe);
        builder.check(model);
    }
}

/// With `name` weakened the model fails: by what it asserts, or by a data race.
fn fails_without(model: fn(), names: &[&'static str]) {
    for name in names {
        shim::weaken(Some(name));
        let result = catch_unwind(AssertUnwindSafe(|| check_bounded(model, 3)));
        shim::weaken(None);
        let panic = result.expect_err(&format!("the model does not notice that {name} is weakened"));
        let message =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let expected =
            message.is_some_and(|text| text.contains(LOST) || text.contains("Causality violation"));
        assert!(expected, "{name}: {message:?}");
    }
}

/// Runs `f` on another thread of the model.
fn spawn<T: Send + Sync + 'static>(
    shared: &loom::sync::Arc<T>,
    f: impl FnOnce(&T) + 'static,
) -> loom::thread::JoinHandle<()> {
    let shared = loom::sync::Arc::clone(shared);
    loom::thread::spawn(move || f(&shared))
}
