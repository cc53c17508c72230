//! A runtime driven by a host's loop.
#![cfg(unix)]

use maniac_runtime as maniac;
use maniac_runtime::runtime::Runtime;
use maniac_runtime::time::{Duration, Instant, sleep};
use std::os::fd::AsRawFd;

/// Waits as a host's loop would: for the descriptor, at most until the next timer.
fn wait(runtime: &Runtime, fd: &impl AsRawFd) {
    let timeout = runtime.next_deadline().map_or(-1, |deadline| {
        let left = deadline.duration_since(Instant::now());
        i32::try_from(left.as_millis()).unwrap_or(i32::MAX) + 1
    });
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    unsafe { libc::poll(&raw mut poll, 1, timeout) };
}

fn drive<T>(runtime: &Runtime, task: &maniac::task::JoinHandle<T>) {
    let fd = runtime.wake_fd().unwrap();
    while !task.is_finished() {
        if !runtime.tick() && !task.is_finished() {
            wait(runtime, &fd);
        }
    }
}

#[test]
fn timers_and_tasks() {
    let runtime = Runtime::new_single_threaded().unwrap();
    let task = runtime.spawn(async {
        let mut sum = 0;
        for n in 0..10u64 {
            sleep(Duration::from_millis(1)).await;
            sum += maniac::spawn(async move { n }).await.unwrap();
        }
        sum
    });
    drive(&runtime, &task);
    assert_eq!(runtime.block_on(task).unwrap(), 45);
}

#[test]
fn wakes_from_other_threads_make_the_descriptor_readable() {
    let runtime = Runtime::new_single_threaded().unwrap();
    for _ in 0..200 {
        let task = runtime.spawn(async {
            let value = maniac::blocking::unblock(|| 1).await;
            let local =
                maniac::spawn_local(async move { maniac::blocking::unblock(move || value + 1).await });
            local.await.unwrap()
        });
        drive(&runtime, &task);
        assert_eq!(runtime.block_on(task).unwrap(), 2);
    }
}

#[test]
fn spawns_from_other_threads_are_seen() {
    let runtime = Runtime::new_single_threaded().unwrap();
    let handle = runtime.handle().clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let spawner = std::thread::spawn(move || {
        for n in 0..300 {
            let sender = sender.clone();
            drop(handle.spawn(async move { sender.send(n).unwrap() }));
        }
    });
    let fd = runtime.wake_fd().unwrap();
    let mut seen = Vec::new();
    while seen.len() < 300 {
        if !runtime.tick() {
            seen.extend(receiver.try_iter());
            if seen.len() < 300 {
                wait(&runtime, &fd);
            }
        }
    }
    spawner.join().unwrap();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..300));
}

/// What its last poll began goes to the kernel, though nobody drives the runtime any more.
#[test]
fn what_a_root_began_before_it_completed_is_done() {
    use maniac_driver::{SharedFd, op::Send};
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;
    let runtime = Runtime::new_single_threaded().unwrap();
    let (mut reader, writer) = UnixStream::pair().unwrap();
    reader.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut begun = None;
    runtime.block_on(async {
        let send = Send::new(SharedFd::new(writer.into()), b"abc".to_vec(), 0);
        begun = Some(maniac::driver::submit(send).unwrap());
    });
    let mut bytes = [0; 3];
    loop {
        match reader.read_exact(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result.expect("the bytes lie with a runtime that nobody drives"),
        }
    }
    assert_eq!(&bytes, b"abc");
    drop(begun);
}
