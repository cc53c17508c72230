//! Sleeping, time-outs, intervals, virtual time.

use maniac_runtime as maniac;
use maniac_runtime::runtime::Runtime;
use maniac_runtime::time::{self, Duration, Instant, MissedTickBehavior};

#[test]
fn sleeps_are_never_early_and_in_order() {
    let runtime = Runtime::builder().worker_count(2).build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let (sender, receiver) = std::sync::mpsc::channel();
        let handles: Vec<_> = (0..100u64)
            .map(|n| {
                let sender = sender.clone();
                maniac::spawn(async move {
                    let wanted = Duration::from_micros(n * 300);
                    time::sleep(wanted).await;
                    assert!(start.elapsed() >= wanted);
                    sender.send(n).unwrap();
                })
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
        assert_eq!(receiver.try_iter().count(), 100);
    });
}

/// A timer fires by the clock of the role that has it; the task may then run where the clock is behind.
#[test]
fn sleepers_that_move_between_workers_wake() {
    let runtime = Runtime::builder().worker_count(2).build().unwrap();
    let sleeping = runtime.spawn(async {
        for _ in 0..10 {
            let sleepers: Vec<_> = (0..1000_u64)
                .map(|n| {
                    maniac::spawn(async move {
                        for round in 0..3 {
                            time::sleep(Duration::from_millis(1)).await;
                            // Long enough for the other worker to come and steal.
                            (0..2000).fold(n, |sum, _| std::hint::black_box(sum.wrapping_mul(7) + round));
                        }
                    })
                })
                .collect();
            for sleeper in sleepers {
                sleeper.await.unwrap();
            }
        }
    });
    runtime.block_on(sleeping).unwrap();
}

#[test]
fn timeout_drops_the_future() {
    let runtime = Runtime::builder().worker_count(1).build().unwrap();
    runtime.block_on(async {
        assert!(time::timeout(Duration::from_millis(3), std::future::pending::<()>()).await.is_err());
        let inside = maniac::spawn(async {
            time::timeout(Duration::from_millis(3), std::future::pending::<()>()).await.is_err()
        });
        assert!(inside.await.unwrap());
    });
}

#[test]
fn virtual_time_jumps_to_the_next_timer() {
    let runtime = Runtime::new_single_threaded().unwrap();
    runtime.block_on(async {
        time::pause();
        let start = Instant::now();
        let real = std::time::Instant::now();
        let day = maniac::spawn(async { time::sleep(Duration::from_secs(86_400)).await });
        let mut interval = time::interval(Duration::from_secs(3600));
        for _ in 0..24 {
            interval.tick().await;
        }
        assert_eq!(start.elapsed().as_secs() / 3600, 23);
        day.await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(86_400));
        // Years too, through timers longer than the wheel.
        time::sleep(Duration::from_secs(86_400 * 365 * 3)).await;
        assert!(start.elapsed() >= Duration::from_secs(86_400 * 365 * 3));
        assert!(real.elapsed() < Duration::from_secs(60));
    });
}

#[test]
fn missed_ticks() {
    let runtime = Runtime::new_single_threaded().unwrap();
    runtime.block_on(async {
        time::pause();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let seconds = |instant: Instant| instant.duration_since(start).as_secs_f64();
        for (behavior, expected) in [
            (MissedTickBehavior::Burst, [0.0, 1.0, 2.0, 3.0, 4.0]),
            (MissedTickBehavior::Delay, [0.0, 1.0, 4.5, 5.5, 6.5]),
            (MissedTickBehavior::Skip, [0.0, 1.0, 4.0, 5.0, 6.0]),
        ] {
            let base = seconds(Instant::now());
            let mut interval = time::interval(second);
            interval.set_missed_tick_behavior(behavior);
            let mut ticks = Vec::new();
            ticks.push(seconds(interval.tick().await) - base);
            time::advance(Duration::from_millis(3500)).await;
            for _ in 0..4 {
                ticks.push(seconds(interval.tick().await) - base);
            }
            let close = ticks.iter().zip(expected).all(|(tick, wanted)| (tick - wanted).abs() < 0.01);
            assert!(close, "{behavior:?}: {ticks:?}");
        }
    });
}
