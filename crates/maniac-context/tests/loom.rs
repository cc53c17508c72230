//! The list of slabs that the overflow handler reads, in all interleavings.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p maniac-context --release --test loom`
#![cfg(loom)]

use std::panic::catch_unwind;
use std::sync::Mutex;

use loom::sync::Arc;
use loom::thread;
use maniac_context::model::{Geometry, Registry, weaken};

const SMALL: Geometry = Geometry { len: 100, stride: 10, guard: 4, usable: 5 };
const LARGE: Geometry = Geometry { len: 400, stride: 40, guard: 4, usable: 30 };

/// The weakened ordering is the process's, so one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn with_weakened(name: Option<&'static str>, model: fn()) -> bool {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    weaken(name);
    let failed = catch_unwind(|| loom::model(model)).is_err();
    weaken(None);
    failed
}

/// Two threads register slabs while a third, as a handler would, looks an address up.
fn register_and_look_up() {
    let registry = Arc::new(Registry::new());
    let threads = [(1_000, SMALL), (2_000, LARGE)].map(|(address, geometry)| {
        let registry = Arc::clone(&registry);
        thread::spawn(move || {
            registry.register(address, geometry);
            // What a thread registered it finds, whatever others add.
            assert_eq!(registry.stack_guarded_by(address + geometry.stride), Some(geometry.usable));
        })
    });
    let found = registry.stack_guarded_by(2_000);
    assert!(matches!(found, None | Some(30)), "{found:?}");
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(registry.stack_guarded_by(1_003), Some(5));
    assert_eq!(registry.stack_guarded_by(1_004), None, "above the guard");
    assert_eq!(registry.stack_guarded_by(2_363), Some(30));
    assert_eq!(registry.stack_guarded_by(2_400), None, "past the end");
}

/// A slab leaves while another of its geometry comes and one of another geometry is looked up.
fn leave_and_reuse() {
    let registry = Arc::new(Registry::new());
    let first = registry.register(1_000, SMALL);
    let threads = [(5_000, SMALL), (7_000, LARGE)].map(|(address, geometry)| {
        let registry = Arc::clone(&registry);
        thread::spawn(move || {
            registry.register(address, geometry);
            assert_eq!(registry.stack_guarded_by(address + 1), Some(geometry.usable));
        })
    });
    first.unregister();
    assert_eq!(registry.stack_guarded_by(1_001), None);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(registry.stack_guarded_by(5_000), Some(5));
    assert_eq!(registry.stack_guarded_by(7_000), Some(30));
    assert_eq!(registry.stack_guarded_by(1_001), None);
}

#[test]
fn a_registered_slab_is_found() {
    assert!(!with_weakened(None, register_and_look_up));
}

#[test]
fn entries_are_reused_whole() {
    assert!(!with_weakened(None, leave_and_reuse));
}

#[test]
fn each_named_ordering_is_needed() {
    for name in ["registry.walk", "registry.push"] {
        assert!(with_weakened(Some(name), register_and_look_up), "{name} could be relaxed");
    }
}
