//! Signals, sent by this process to itself. Others of these tests may send them too: each hears at least its own.

use crate::support;
use maniac_io::signal::unix::{SignalKind, signal};
use rustix::process::{Signal, getpid, kill_process};
use std::io::ErrorKind;
use std::task::{Context, Poll, Waker};

on_both_drivers! {
    heard by_all_who_listen kinds_are_told_apart while_nobody_waits refused ctrl_c_ends_a_wait
}

fn send(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

async fn heard() {
    let mut usr1 = signal(SignalKind::user_defined1()).unwrap();
    for _ in 0..20 {
        let waiting = maniac_runtime::spawn(async move {
            usr1.recv().await.unwrap();
            usr1
        });
        maniac_runtime::task::yield_now().await;
        send(Signal::USR1);
        usr1 = waiting.await.unwrap();
    }
}

async fn by_all_who_listen() {
    let mut listeners: Vec<_> = (0..5).map(|_| signal(SignalKind::user_defined1()).unwrap()).collect();
    // One that no longer listens takes nothing from the others.
    drop(listeners.pop());
    send(Signal::USR1);
    for listener in &mut listeners {
        listener.recv().await.unwrap();
    }
}

async fn kinds_are_told_apart() {
    let mut hangup = signal(SignalKind::hangup()).unwrap();
    let mut usr2 = signal(SignalKind::user_defined2()).unwrap();
    send(Signal::USR2);
    usr2.recv().await.unwrap();
    // These tests send no hang-up.
    assert_eq!(hangup.poll_recv(&mut Context::from_waker(Waker::noop())), Poll::Pending);
}

/// What came before the wait is not lost; several that come together may be one.
async fn while_nobody_waits() {
    let mut usr2 = signal(SignalKind::user_defined2()).unwrap();
    for _ in 0..1000 {
        send(Signal::USR2);
    }
    usr2.recv().await.unwrap();
}

async fn refused() {
    for kind in [9, 19, -1, 1000].map(SignalKind::from_raw) {
        assert_eq!(signal(kind).map(drop).unwrap_err().kind(), ErrorKind::InvalidInput, "{kind:?}");
    }
}

/// In a process of its own, since Ctrl-C is everybody's.
async fn ctrl_c_ends_a_wait() {
    if std::env::var_os("MANIAC_TEST_CTRL_C").is_none() {
        let kind = support::metrics().await.0;
        let test = format!("signals::ctrl_c_ends_a_wait::{kind}");
        let output = support::in_subprocess(&test, "MANIAC_TEST_CTRL_C", "1");
        return assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut interrupt = signal(SignalKind::interrupt()).unwrap();
    let waiting = maniac_runtime::spawn(maniac_io::signal::ctrl_c());
    // Sent until it is heard: when the task begins to listen is not told. This process does not die of it, for it listens.
    while !waiting.is_finished() {
        send(Signal::INT);
        interrupt.recv().await.unwrap();
        maniac_runtime::task::yield_now().await;
    }
    waiting.await.unwrap().unwrap();
}
