//! The macros as programs use them.
#![cfg(any(feature = "iouring", feature = "mio"))]

use maniac::time::{Duration, sleep};

#[maniac::test]
async fn a_test_runs_in_a_runtime() {
    assert_eq!(maniac::spawn(async { 1 }).await.unwrap(), 1);
}

#[maniac::test(workers = 3)]
async fn results_work() -> Result<(), std::io::Error> {
    maniac::spawn(async { Ok::<(), std::io::Error>(()) }).await.map_err(std::io::Error::from)?
}

#[maniac::test(single_threaded)]
async fn single_threaded() {
    let home = std::thread::current().id();
    let there = maniac::spawn(async { std::thread::current().id() }).await.unwrap();
    assert_eq!(home, there);
}

#[maniac::test(start_paused)]
async fn paused() {
    sleep(Duration::from_secs(1_000_000)).await;
}

// SAFETY: the body holds nothing across its waits.
#[maniac::test(unsafe(coroutines), workers = 1)]
async fn coroutines() {
    let task = maniac::spawn_stackful(|| {
        maniac::sync_await(sleep(Duration::from_millis(1)));
        3
    });
    assert_eq!(task.await.unwrap(), 3);
}

#[maniac::test]
async fn join_runs_all_at_once() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let again = sender.clone();
    let (a, b, ()) = maniac::join!(
        async move {
            sender.send(1).unwrap();
            maniac::task::yield_now().await;
            "a"
        },
        async move {
            again.send(2).unwrap();
            7
        },
        async {}
    );
    assert_eq!((a, b), ("a", 7));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2]);
}

#[maniac::test]
async fn try_join_stops_at_the_first_error() {
    let good: Result<(i32, &str), String> = maniac::try_join!(async { Ok(1) }, async { Ok("two") });
    assert_eq!(good.unwrap(), (1, "two"));
    let bad: Result<((), ()), &str> = maniac::try_join!(std::future::pending(), async { Err("no") });
    assert_eq!(bad, Err("no"));
}

#[maniac::test]
async fn select_takes_the_first() {
    let value = maniac::select! {
        never = std::future::pending::<u32>() => never,
        value = async { 5 } => value + 1,
    };
    assert_eq!(value, 6);
    let late = maniac::select! {
        biased;
        () = sleep(Duration::from_secs(3600)) => "late",
        () = async {} => "now",
    };
    assert_eq!(late, "now");
}

#[maniac::test]
async fn select_disables_what_does_not_match() {
    let mut seen = Vec::new();
    let closed: Option<u32> = None;
    for ready in [true, false] {
        let text = maniac::select! {
            Some(value) = async { closed } => format!("{value}"),
            mut number = async { 4 }, if ready => {
                number += 1;
                number.to_string()
            }
            else => "nothing".to_string()
        };
        seen.push(text);
    }
    assert_eq!(seen, ["5", "nothing"]);
}

#[maniac::test]
async fn select_is_fair() {
    let mut firsts = 0;
    for _ in 0..1000 {
        maniac::select! {
            () = async {} => firsts += 1,
            () = async {} => {}
        }
    }
    // Each side is far from being left out; the chance of a false alarm is below 10^-100.
    assert!((200..800).contains(&firsts), "{firsts}");
}

#[maniac::test]
async fn handlers_may_use_what_futures_borrowed() {
    let mut buffer = vec![1, 2, 3];
    let length = maniac::select! {
        length = async { buffer.len() } => {
            buffer.push(4);
            length + buffer.len()
        }
    };
    assert_eq!(length, 7);
}

maniac::task_local! {
    static WHO: &'static str;
}

#[maniac::test(workers = 2)]
async fn task_locals_follow_their_scope() {
    assert!(WHO.try_with(|_| ()).is_err());
    let inner = WHO.scope("outer", async {
        maniac::task::yield_now().await;
        let inside = WHO.scope("inner", async { WHO.get() }).await;
        (WHO.get(), inside, WHO.sync_scope("sync", || WHO.get()), WHO.get())
    });
    let other = async { WHO.try_with(|who| *who).is_err() };
    let (inner, other) = maniac::join!(inner, other);
    assert_eq!(inner, ("outer", "inner", "sync", "outer"));
    assert!(other);
}
