//! Locks: between open files, by their handles, and what becomes of those that nobody waits for any more.

use crate::temp;
use maniac_io::fs::File;
use maniac_runtime::runtime::{DriverKind, Runtime};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

on_both_drivers! {
    exclude share are_of_the_open_file given_up nothing_stays_locked
}

async fn two() -> (tempfile::TempDir, File, File) {
    let dir = temp();
    let path = dir.path().join("file");
    let (one, other) = (File::create(&path).await.unwrap(), File::open(&path).await.unwrap());
    (dir, one, other)
}

fn is_held(file: &File) -> bool {
    match file.try_lock() {
        Ok(()) => {
            file.unlock().unwrap();
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            true
        }
    }
}

/// One at a time, whoever comes.
async fn exclude() {
    let (dir, ..) = two().await;
    let inside = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (path, inside) = (dir.path().join("file"), Arc::clone(&inside));
            maniac_runtime::spawn(async move {
                let file = File::open(path).await.unwrap();
                for _ in 0..20 {
                    file.lock().await.unwrap();
                    assert_eq!(inside.fetch_add(1, SeqCst), 0, "two have the lock");
                    maniac_runtime::task::yield_now().await;
                    inside.fetch_sub(1, SeqCst);
                    file.unlock().unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn share() {
    let (_dir, one, other) = two().await;
    one.lock_shared().await.unwrap();
    other.try_lock_shared().unwrap();
    assert_eq!(one.try_lock().unwrap_err().kind(), ErrorKind::WouldBlock);
    other.unlock().unwrap();
    one.lock().await.unwrap();
    assert_eq!(other.try_lock_shared().unwrap_err().kind(), ErrorKind::WouldBlock);
}

async fn are_of_the_open_file() {
    let (_dir, one, other) = two().await;
    let clone = one.try_clone().unwrap();
    one.lock().await.unwrap();
    clone.lock().await.unwrap();
    drop(one);
    assert!(is_held(&other));
    drop(clone);
    other.lock().await.unwrap();
    other.unlock().unwrap();
    other.unlock().unwrap();
}

/// Who waits no more gets no lock, then or later; the next on the same file does.
async fn given_up() {
    let (_dir, one, other) = two().await;
    one.lock().await.unwrap();
    let waiting = maniac_runtime::time::timeout(Duration::from_millis(5), other.lock()).await;
    assert!(waiting.is_err());
    assert_eq!(other.try_lock().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut again = std::pin::pin!(other.lock());
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(again.as_mut().poll(cx))).await.is_pending());
    one.unlock().unwrap();
    again.await.unwrap();
    assert!(is_held(&one));
    other.unlock().unwrap();
    one.lock().await.unwrap();
}

/// Dropped before it has the lock, just then, or after.
async fn nothing_stays_locked() {
    let (_dir, one, other) = two().await;
    let other = Arc::new(other);
    let (mut cut, mut held) = (0, 0);
    for turn in 0..200 {
        one.lock().await.unwrap();
        let locking = maniac_runtime::spawn({
            let other = Arc::clone(&other);
            async move { other.lock().await.unwrap() }
        });
        maniac_runtime::task::yield_now().await;
        one.unlock().unwrap();
        for _ in 0..turn {
            maniac_runtime::task::yield_now().await;
        }
        locking.abort();
        match locking.await {
            Ok(()) => {
                held += 1;
                assert!(is_held(&one));
                other.unlock().unwrap();
            }
            Err(_) => cut += 1,
        }
    }
    // Comes only if nothing is left.
    one.lock().await.unwrap();
    assert_eq!(cut + held, 200);
    assert!(cut > 0, "none was cut");
}

/// However many wait, and for however long, the pool's threads do other things, and the runtime ends.
#[test]
fn no_thread_waits() {
    if !matches!(DriverKind::from_env().unwrap(), None | Some(DriverKind::Auto | DriverKind::Poll)) {
        return eprintln!("skipped: MANIAC_DRIVER asks for another driver");
    }
    let runtime = Runtime::builder().driver(DriverKind::Poll).blocking_max_threads(1).build().unwrap();
    let dir = temp();
    let path = dir.path().join("file");
    // Dropped before the runtime, so that this fails, and does not wait, if a thread does.
    let held = std::fs::File::create(&path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let task = runtime.spawn(async move {
        for _ in 0..3 {
            let file = File::open(&path).await.unwrap();
            let waiting = maniac_runtime::time::timeout(Duration::from_millis(5), file.lock()).await;
            assert!(waiting.is_err());
        }
        let _waits = maniac_runtime::spawn(async move { File::open(&path).await?.lock().await });
        let other = maniac_runtime::blocking::spawn_blocking(|| 7);
        assert_eq!(maniac_runtime::time::timeout(crate::support::PATIENCE, other).await.unwrap().unwrap(), 7);
    });
    runtime.block_on(task).unwrap();
    drop(runtime);
    drop(held);
}
