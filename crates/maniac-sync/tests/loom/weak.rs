//! Each named ordering, weakened to relaxed, makes a model fail.

use crate::{mpsc, oneshot, spsc};
use std::{env, process::Command};

type Model = fn();

/// The orderings, each with a model that needs it.
const NEEDED: &[(&str, &str)] = &[
    ("seat.back", "oneshot send"),
    ("seat.give", "oneshot send"),
    ("mpsc.claim", "mpsc room"),
    ("mpsc.close", "mpsc end"),
    ("mpsc.collect", "mpsc room"),
    ("mpsc.end", "mpsc end"),
    ("mpsc.link", "mpsc late sender"),
    ("mpsc.made", "mpsc room"),
    ("mpsc.observe", "mpsc late sender"),
    ("mpsc.ready", "mpsc late sender"),
    ("mpsc.room", "mpsc room"),
    ("mpsc.senders", "mpsc end"),
    ("mpsc.tail", "mpsc two senders"),
    ("mpsc.wait", "mpsc changing waker"),
    ("mpsc.wake", "mpsc changing waker"),
    ("spsc.publish", "spsc plain"),
    ("spsc.released", "spsc waiting"),
    ("spsc.spare", "spsc plain"),
    ("spsc.wait", "spsc waiting"),
    ("oneshot.load", "oneshot send"),
    ("oneshot.set", "oneshot send"),
    ("oneshot.wait", "oneshot send"),
];

const MODELS: &[(&str, Model)] = &[
    ("mpsc two senders", || mpsc::two_senders(None, 1, 1)),
    ("mpsc late sender", || mpsc::late_sender(2)),
    ("mpsc changing waker", mpsc::changing_waker),
    ("mpsc end", mpsc::end_is_synchronized),
    ("mpsc room", mpsc::room_is_synchronized),
    ("spsc plain", || spsc::plain(4)),
    ("spsc waiting", || spsc::waiting(4, 2)),
    ("oneshot send", oneshot::send_and_wait),
];

/// Runs one model, with one ordering weakened, as its parent test asks; else does nothing.
#[test]
fn child() {
    let (Ok(ordering), Ok(model)) = (env::var("MANIAC_WEAKEN"), env::var("MANIAC_MODEL")) else { return };
    let (_, run) = MODELS.iter().find(|(name, _)| *name == model).unwrap();
    maniac_sync::weaken(Some(Box::leak(ordering.into_boxed_str())));
    run();
}

/// Whether a model fails with an ordering weakened. In a process of its own: a failure inside a destructor aborts.
fn fails(ordering: &str, model: &str) -> bool {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["weak::child", "--exact"]).env("MANIAC_WEAKEN", ordering).env("MANIAC_MODEL", model);
    !child.env("RUST_BACKTRACE", "0").output().unwrap().status.success()
}

#[test]
fn every_ordering_is_needed() {
    let kept: Vec<_> = NEEDED.iter().filter(|(ordering, model)| !fails(ordering, model)).collect();
    assert!(kept.is_empty(), "these models do not need these orderings: {kept:?}");
}
