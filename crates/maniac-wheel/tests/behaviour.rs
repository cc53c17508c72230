//! What a wheel does, seen from outside.

use maniac_wheel::{
    DEFAULT_TICK_DURATION_NS, MAX_TICK_DURATION_NS, SPOKES_PER_LEVEL, TimerId, TimerWheel, WheelError,
};

const TICK: u64 = DEFAULT_TICK_DURATION_NS;
const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;

fn poll<T>(wheel: &mut TimerWheel<T>, now: u64) -> Vec<(TimerId, u64)> {
    let mut fired = Vec::new();
    wheel.poll(now, usize::MAX, |id, deadline, _| fired.push((id, deadline)));
    fired
}

/// Deadlines around every border that the wheel has.
fn borders(tick: u64, start: u64) -> Vec<u64> {
    let mut all = vec![start + 1, start + tick / 2, start + 12_345];
    for level in [tick, tick << 10, tick << 16] {
        for spokes in [1, 2, 3, 63, 64, 65, 511, 1_022, 1_023, 1_024, 1_025] {
            let border = (start / level + spokes) * level;
            all.extend([border - 1, border, border + 1]);
        }
    }
    all
}

#[test]
fn each_timer_fires_at_its_deadline_and_never_before() {
    for start in [0, 5, TICK * 1_023 + 17, 77 * HOUR + 123] {
        for tick in [1, 1 << 10, TICK, MAX_TICK_DURATION_NS] {
            for deadline in borders(tick, start) {
                let mut wheel = TimerWheel::with_tick(start, tick).unwrap();
                if deadline > wheel.max_deadline() {
                    continue;
                }
                let id = wheel.schedule_timer(deadline, ()).unwrap();
                assert_eq!(wheel.next_deadline(), Some(deadline));
                if deadline > start {
                    assert_eq!(poll(&mut wheel, deadline - 1), [], "{deadline} from {start}");
                }
                assert_eq!(wheel.next_deadline(), Some(deadline));
                assert_eq!(poll(&mut wheel, deadline), [(id, deadline)], "{deadline} from {start}");
                assert_eq!(wheel.next_deadline(), None);
            }
        }
    }
}

#[test]
fn a_jump_over_everything_fires_all_in_order() {
    let start = 77 * HOUR + 123;
    let mut wheel = TimerWheel::new(start);
    let mut deadlines = borders(TICK, start);
    deadlines.retain(|deadline| *deadline <= wheel.max_deadline());
    let mut expected: Vec<_> = deadlines
        .iter()
        .rev()
        .map(|deadline| (*deadline, wheel.schedule_timer(*deadline, ()).unwrap()))
        .collect();
    expected.sort_by_key(|timer| timer.0);
    let fired: Vec<_> = poll(&mut wheel, u64::MAX).into_iter().map(|(id, deadline)| (deadline, id)).collect();
    assert_eq!(fired, expected);
    assert_eq!(wheel.now(), u64::MAX);
}

#[test]
fn timers_of_one_deadline_fire_in_the_order_in_which_they_were_scheduled() {
    // The same deadline is first in level 2, then in level 1, in level 0 and in the current tick.
    let deadline = 3 * HOUR + TICK / 2;
    let mut wheel = TimerWheel::new(0);
    let mut expected = Vec::new();
    for now in [0, 3 * HOUR - 100 * SECOND, 3 * HOUR - SECOND / 2, deadline - 10] {
        assert_eq!(poll(&mut wheel, now), []);
        let ids: Vec<_> = (0..5).map(|_| wheel.schedule_timer(deadline, ()).unwrap()).collect();
        // Slots that are used again do not change the order.
        assert_eq!(wheel.cancel_timer(ids[3]), Some(()));
        assert_eq!(wheel.cancel_timer(ids[1]), Some(()));
        expected.extend([ids[0], ids[2], ids[4]]);
        expected.extend((0..4).map(|_| wheel.schedule_timer(deadline, ()).unwrap()));
    }
    let mut levels: Vec<_> = expected.iter().map(|id| id.level()).collect();
    levels.dedup();
    assert_eq!(levels, [2, 1, 0, 3]);
    let fired: Vec<_> = poll(&mut wheel, deadline).into_iter().map(|timer| timer.0).collect();
    assert_eq!(fired, expected);
}

#[test]
fn the_budget_bounds_a_poll_and_the_rest_follows() {
    let mut wheel = TimerWheel::new(0);
    for number in 0..100 {
        wheel.schedule_timer(number % 10 * TICK, number).unwrap();
    }
    assert_eq!(wheel.poll(SECOND, 0, |_, _, _| panic!("no budget")), 0);
    assert!(wheel.has_backlog());
    let mut fired = Vec::new();
    let mut last = 0;
    while wheel.has_backlog() {
        assert!(wheel.next_deadline().unwrap() <= SECOND);
        let count = wheel.poll(SECOND, 7, |_, deadline, number| {
            assert!(deadline >= last);
            last = deadline;
            fired.push(number);
        });
        assert!(count <= 7);
    }
    fired.sort_unstable();
    assert_eq!(fired, (0..100).collect::<Vec<_>>());
}

#[test]
fn an_overdue_timer_overtakes_those_that_are_carried_over() {
    let mut wheel = TimerWheel::new(10 * SECOND);
    for number in 1..10 {
        wheel.schedule_timer(10 * SECOND + number * TICK, ()).unwrap();
    }
    assert_eq!(wheel.poll(20 * SECOND, 3, |_, _, ()| ()), 3);
    let overdue = wheel.schedule_timer(7, ()).unwrap();
    let between = wheel.schedule_timer(10 * SECOND + 5 * TICK + 1, ()).unwrap();
    let mut fired = poll(&mut wheel, 0);
    assert_eq!(fired.remove(0), (overdue, 7));
    assert_eq!(fired[2], (between, 10 * SECOND + 5 * TICK + 1));
    assert_eq!(fired.len(), 7);
}

#[test]
fn time_does_not_go_backwards() {
    let mut wheel = TimerWheel::new(HOUR);
    let id = wheel.schedule_timer(HOUR + 5, ()).unwrap();
    assert_eq!(poll(&mut wheel, 0), []);
    assert_eq!(wheel.now(), HOUR);
    assert_eq!(wheel.next_deadline(), Some(HOUR + 5));
    assert_eq!(poll(&mut wheel, HOUR + 5), [(id, HOUR + 5)]);
    // A deadline between the two times is past, whatever a poll says.
    let id = wheel.schedule_timer(HOUR + 1, ()).unwrap();
    assert_eq!(poll(&mut wheel, HOUR), [(id, HOUR + 1)]);
    assert_eq!(wheel.now(), HOUR + 5);
}

#[test]
fn the_end_of_time_is_within_range() {
    for tick in [1, TICK, MAX_TICK_DURATION_NS] {
        for before in
            [0, 1, 5, tick - 1, tick, 3 * tick, (tick << 16) - 1, tick << 16, tick << 20, tick << 26]
        {
            let mut wheel = TimerWheel::with_tick(u64::MAX - before, tick).unwrap();
            let mut deadlines: Vec<u64> =
                [0, 1, before / 2, before].into_iter().map(|ns| (u64::MAX - 1).saturating_sub(ns)).collect();
            deadlines.retain(|deadline| *deadline <= wheel.max_deadline());
            deadlines.sort_unstable();
            for deadline in &deadlines {
                wheel.schedule_timer(*deadline, ()).unwrap();
            }
            // No deadline at all.
            assert!(matches!(wheel.schedule_timer(u64::MAX, ()), Err(WheelError::BeyondRange { .. })));
            let (_, actual) = wheel.schedule_timer_best_fit(u64::MAX, ());
            assert_eq!(actual, wheel.max_deadline());
            deadlines.push(actual);
            assert_eq!(wheel.next_deadline(), deadlines.first().copied());
            let fired: Vec<_> = poll(&mut wheel, u64::MAX).into_iter().map(|timer| timer.1).collect();
            assert_eq!(fired, deadlines, "{before} ns before the end with a tick of {tick}");
            // And after it.
            wheel.schedule_timer(u64::MAX - 1, ()).unwrap();
            assert_eq!(poll(&mut wheel, 0).len(), 1);
        }
    }
}

#[test]
fn the_range_moves_with_time() {
    let mut wheel = TimerWheel::new(0);
    let spoke = TICK << 16;
    assert_eq!(wheel.max_deadline(), 1_024 * spoke - 1);
    assert_eq!(poll(&mut wheel, spoke - 1), []);
    assert_eq!(wheel.max_deadline(), 1_024 * spoke - 1);
    assert_eq!(poll(&mut wheel, spoke), []);
    assert_eq!(wheel.max_deadline(), 1_025 * spoke - 1);
    let id = wheel.schedule_timer(1_025 * spoke - 1, ()).unwrap();
    assert_eq!(wheel.schedule_timer(1_025 * spoke, ()).unwrap_err().into_value(), ());
    assert_eq!(poll(&mut wheel, 1_025 * spoke - 2), []);
    assert_eq!(poll(&mut wheel, 1_025 * spoke - 1), [(id, 1_025 * spoke - 1)]);
}

#[test]
fn best_fit_takes_the_latest_spoke_with_room() {
    let mut wheel = TimerWheel::new(0).with_spoke_limit(1);
    // From the last spoke of level 2 down to the first of level 0, each takes one.
    let mut last = u64::MAX;
    // Level 2 leaves the spokes 0 to 15 to level 1, which leaves its spoke 0 to level 0, which leaves its own to the past.
    for _ in 0..(SPOKES_PER_LEVEL - 16) + (SPOKES_PER_LEVEL - 1) + (SPOKES_PER_LEVEL - 1) {
        let (_, actual) = wheel.schedule_timer_best_fit(u64::MAX, ());
        assert!(actual < last);
        last = actual;
    }
    assert_eq!(last, 2 * TICK - 1);
    for _ in 0..3 {
        assert_eq!(wheel.schedule_timer_best_fit(u64::MAX, ()).1, TICK - 1);
    }
    assert_eq!(wheel.next_deadline(), Some(TICK - 1));
    let mut last = 0;
    let fired = wheel.poll(u64::MAX, usize::MAX, |_, deadline, ()| {
        assert!(deadline >= last);
        last = deadline;
    });
    assert_eq!(fired, 3 * SPOKES_PER_LEVEL - 18 + 3);
}

#[test]
fn a_timer_of_two_years_is_exact_in_the_end() {
    let deadline = 2 * 365 * 24 * HOUR + 7;
    let mut wheel = TimerWheel::new(0);
    let (mut id, mut actual) = wheel.schedule_timer_best_fit(deadline, ());
    let mut steps = 1;
    while actual < deadline {
        let next = wheel.next_deadline().unwrap();
        assert_eq!(next, actual);
        assert_eq!(poll(&mut wheel, next), [(id, actual)]);
        (id, actual) = wheel.schedule_timer_best_fit(deadline, ());
        steps += 1;
    }
    assert_eq!(poll(&mut wheel, deadline - 1), []);
    assert_eq!(poll(&mut wheel, deadline), [(id, deadline)]);
    assert!(steps < 1_000);
}

#[test]
fn ids_that_no_wheel_gave_out_are_stale() {
    let mut wheel = TimerWheel::new(0);
    for number in 0..100 {
        wheel.schedule_timer(number * SECOND, number).unwrap();
    }
    for level in 0..4_u64 {
        for spoke in [0, 1, 1_023, 1_024, 4_095_u64] {
            for slot in [0, 1, 4_095, 4_096, 8_191, (1 << 28) - 1] {
                for generation in [900, 4_194_303] {
                    let id = TimerId::from_bits(level << 62 | generation << 40 | spoke << 28 | slot).unwrap();
                    assert_eq!(wheel.cancel_timer(id), None);
                    assert_eq!(wheel.get_mut(id), None);
                    assert_eq!(wheel.deadline(id), None);
                }
            }
        }
    }
    assert_eq!(wheel.len(), 100);
}

#[test]
fn an_empty_wheel_has_nothing_to_say() {
    let mut wheel = TimerWheel::<()>::new(0);
    for now in [0, 1, TICK, HOUR, 1 << 50, u64::MAX] {
        assert_eq!(wheel.next_deadline(), None);
        assert!(!wheel.has_backlog());
        assert_eq!(poll(&mut wheel, now), []);
    }
    wheel.clear();
    assert!(wheel.is_empty());
    assert_eq!(
        format!("{wheel:?}"),
        "TimerWheel { len: 0, now_ns: 18446744073709551615, tick_ns: 1048576, .. }"
    );
}

#[test]
fn values_are_dropped_exactly_once() {
    use std::rc::Rc;
    let value = Rc::new(());
    let mut wheel = TimerWheel::new(0);
    let mut ids = Vec::new();
    for number in 0..1_000 {
        ids.push(wheel.schedule_timer(number * SECOND / 10, value.clone()).unwrap());
    }
    assert_eq!(Rc::strong_count(&value), 1_001);
    drop(wheel.cancel_timer(ids[500]));
    wheel.poll(10 * SECOND, usize::MAX, |_, _, value| drop(value));
    assert_eq!(Rc::strong_count(&value), 1_001 - 1 - 101);
    wheel.clear();
    assert_eq!(Rc::strong_count(&value), 1);
    wheel.schedule_timer(20 * SECOND, value.clone()).unwrap();
    drop(wheel.schedule_timer(u64::MAX, value.clone()));
    drop(wheel);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_wheel_moves_between_threads_with_its_values() {
    fn sendable<T: Send + Sync + Unpin>(_: &T) {}
    let mut wheel = TimerWheel::new(0);
    sendable(&wheel);
    wheel.schedule_timer(5, String::from("moved")).unwrap();
    let fired = std::thread::spawn(move || {
        let mut fired = Vec::new();
        wheel.poll(5, 1, |_, _, value| fired.push(value));
        fired
    });
    assert_eq!(fired.join().unwrap(), ["moved"]);
}
