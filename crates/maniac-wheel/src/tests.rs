//! Tests of the whole wheel that look inside it. What can be seen from outside is tested in `tests/`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::id::MAX_GENERATION;
use crate::refs::Refs;
use crate::slots::SEGMENT;
use crate::store::{DUE, Ref};
use crate::testing::Random;
use crate::wheel::HalfCascaded;
use crate::{SPOKES_PER_LEVEL, TimerId, TimerWheel};

const L0: u64 = 1 << 20;
const L1: u64 = 1 << 30;
const L2: u64 = 1 << 36;

fn poll<T>(wheel: &mut TimerWheel<T>, now: u64, budget: usize) -> Vec<(TimerId, u64)> {
    let mut fired = Vec::new();
    wheel.poll(now, budget, |id, deadline, _| fired.push((id, deadline)));
    fired
}

/// Makes the wheel look for its first timer.
fn forget_soonest<T>(wheel: &mut TimerWheel<T>) {
    wheel.soonest = Ref { deadline: 0, ..Ref::NONE };
}

/// Makes the next timer filed in a spoke get this generation.
fn set_generation<T>(wheel: &mut TimerWheel<T>, level: usize, spoke: usize, generation: u32) {
    wheel.store.levels[level][spoke].slots.set_next_generation(generation);
}

#[test]
fn a_stale_id_stays_stale_through_the_wrap_of_generations() {
    let mut wheel = TimerWheel::new(0);
    let first = wheel.schedule_timer(5 * L0, 1).unwrap();
    assert_eq!(wheel.cancel_timer(first), Some(1));
    set_generation(&mut wheel, 0, 5, MAX_GENERATION);
    let last = wheel.schedule_timer(5 * L0, 2).unwrap();
    assert_eq!((last.generation(), last.slot()), (MAX_GENERATION, first.slot()));
    assert_eq!(wheel.cancel_timer(first), None);
    assert_eq!(wheel.cancel_timer(last), Some(2));
    // The generation after the last is the first again: only here, after 4,194,303 timers, does the id mean another.
    let again = wheel.schedule_timer(5 * L0, 3).unwrap();
    assert_eq!(again, first);
    assert_eq!(wheel.cancel_timer(last), None);
    assert_eq!(wheel.cancel_timer(again), Some(3));
}

#[test]
fn generations_outlive_the_memory_of_their_slots() {
    let mut wheel = TimerWheel::new(0);
    let first = wheel.schedule_timer(5 * L0, ()).unwrap();
    wheel.clear();
    assert_eq!(wheel.store.levels[0][5].slots.capacity(), 0);
    let second = wheel.schedule_timer(5 * L0, ()).unwrap();
    assert_ne!(first, second);
    assert_eq!(wheel.cancel_timer(first), None);
    assert_eq!(wheel.len(), 1);
}

#[test]
fn a_reference_whose_generation_comes_again_does_not_fire_another_timer_early() {
    // Late timers: the second gets slot and generation of the first, whose reference is still in the heap.
    let mut wheel = TimerWheel::new(0);
    wheel.schedule_timer(10, "keeps the heap").unwrap();
    let first = wheel.schedule_timer(20, "cancelled").unwrap();
    wheel.cancel_timer(first);
    set_generation(&mut wheel, DUE, 0, first.generation());
    let second = wheel.schedule_timer(1_000, "other").unwrap();
    assert_eq!(first, second);
    assert_eq!(poll(&mut wheel, 999, 9).len(), 1);
    assert_eq!(wheel.next_deadline(), Some(1_000));
    assert_eq!(poll(&mut wheel, 1_000, 9), [(second, 1_000)]);

    // A spoke's first timer, and the wheel's.
    let mut wheel = TimerWheel::new(0);
    let first = wheel.schedule_timer(3 * L1, "cancelled").unwrap();
    wheel.cancel_timer(first);
    set_generation(&mut wheel, 1, 3, first.generation());
    let second = wheel.schedule_timer(3 * L1 + 5, "other").unwrap();
    assert_eq!(first, second);
    assert_eq!(wheel.next_deadline(), Some(3 * L1 + 5));
    assert_eq!(poll(&mut wheel, 3 * L1 + 4, 9), []);
    assert_eq!(poll(&mut wheel, 3 * L1 + 5, 9), [(second, 3 * L1 + 5)]);
}

#[test]
fn an_entry_keeps_its_slot_while_references_to_it_move_down() {
    let mut wheel = TimerWheel::new(0);
    let deadline = 30 * L2 + 5 * L1 + 7 * L0 + 11;
    let id = wheel.schedule_timer(deadline, ()).unwrap();
    assert_eq!((id.level(), id.spoke()), (2, 30));
    for (now, cascaded) in
        [(30 * L2 - 1, 0), (30 * L2, 1), (30 * L2 + 5 * L1 - 1, 1), (30 * L2 + 5 * L1, 2), (deadline - 1, 2)]
    {
        assert_eq!(poll(&mut wheel, now, 1), []);
        assert_eq!(wheel.counters.cascaded, cascaded);
        assert_eq!(wheel.deadline(id), Some(deadline));
        assert_eq!(wheel.next_deadline(), Some(deadline));
    }
    assert_eq!(wheel.run.waiting(), 1);
    assert_eq!(poll(&mut wheel, deadline, 1), [(id, deadline)]);
}

#[test]
fn a_timer_can_be_cancelled_wherever_its_reference_is() {
    let deadline = 30 * L2 + 5 * L1 + 7 * L0 + 11;
    for now in [0, 30 * L2, 30 * L2 + 5 * L1, deadline - 11, deadline - 1] {
        let mut wheel = TimerWheel::new(0);
        let id = wheel.schedule_timer(deadline, 1).unwrap();
        assert_eq!(poll(&mut wheel, now, 1), []);
        assert_eq!(wheel.cancel_timer(id), Some(1));
        assert_eq!(wheel.next_deadline(), None);
        assert_eq!(poll(&mut wheel, deadline, 1), []);
        assert!(!wheel.has_backlog());
    }
}

/// Timers at the start of level 1's spoke 2 up to its end.
fn many_in_a_second(count: u64) -> (TimerWheel<u64>, Vec<TimerId>) {
    let mut wheel = TimerWheel::new(0);
    let ids =
        (0..count).map(|number| wheel.schedule_timer(2 * L1 + number * 1_000, number).unwrap()).collect();
    (wheel, ids)
}

#[test]
fn a_spoke_cascades_in_parts_and_nothing_overtakes() {
    let (mut wheel, _) = many_in_a_second(100);
    assert_eq!(poll(&mut wheel, 2 * L1, 1), []);
    assert_eq!(wheel.half, Some(HalfCascaded { level: 1, slot: 8 }));
    assert!(wheel.has_backlog());
    assert_eq!(wheel.next_deadline(), Some(2 * L1));
    // Two late ones. The first lies before the tick that is half-way, and need not wait for it.
    wheel.schedule_timer(2 * L1 - 1, 100).unwrap();
    wheel.schedule_timer(2 * L1 + 500, 101).unwrap();
    assert_eq!(wheel.next_deadline(), Some(2 * L1 - 1));
    let now = 2 * L1 + 4_000;
    let mut fired = Vec::new();
    let mut polls = 0;
    while wheel.has_backlog() {
        fired.extend(poll(&mut wheel, now, 1).into_iter().map(|(_, deadline)| deadline + 1 - 2 * L1));
        polls += 1;
    }
    assert_eq!(fired, [0, 1, 501, 1_001, 2_001, 3_001, 4_001]);
    assert_eq!(polls, 12 + 6);
    assert_eq!(wheel.next_deadline(), Some(2 * L1 + 5_000));
    assert_eq!(poll(&mut wheel, 3 * L1, 1_000).len(), 95);
}

#[test]
fn a_late_timer_of_a_half_cascaded_tick_fires_when_that_is_done() {
    // The spoke has nothing for its first tick but the late timer.
    let mut wheel = TimerWheel::new(0);
    for number in 1..=10 {
        wheel.schedule_timer(2 * L1 + number * L0, ()).unwrap();
    }
    assert_eq!(poll(&mut wheel, 2 * L1 + 600, 1), []);
    assert!(wheel.half.is_some());
    let late = wheel.schedule_timer(2 * L1 + 500, ()).unwrap();
    assert_eq!(late.level(), DUE);
    assert_eq!(poll(&mut wheel, 2 * L1 + 600, 1), [(late, 2 * L1 + 500)]);
    assert!(wheel.half.is_none() && !wheel.has_backlog());
    assert_eq!(poll(&mut wheel, 3 * L1, 99).len(), 10);
}

#[test]
fn two_spokes_that_begin_with_one_tick_both_cascade_from_their_start() {
    let mut wheel = TimerWheel::new(0);
    // Level 2's spoke 20 is left half-way at slot 8; then level 1's first spoke within it follows from slot 0.
    for number in 0..10 {
        wheel.schedule_timer(20 * L2 + 40 * L1 + number, ()).unwrap();
    }
    assert_eq!(poll(&mut wheel, 19 * L2, 1), []);
    for number in 0..20 {
        assert_eq!(wheel.schedule_timer(20 * L2 + number, ()).unwrap().level(), 1);
    }
    assert_eq!(poll(&mut wheel, 20 * L2 + 19, 1), []);
    assert_eq!(wheel.half, Some(HalfCascaded { level: 2, slot: 8 }));
    let mut fired = Vec::new();
    while wheel.has_backlog() {
        fired.extend(poll(&mut wheel, 20 * L2 + 19, 1).into_iter().map(|(_, deadline)| deadline - 20 * L2));
    }
    assert_eq!(fired, (0..20).collect::<Vec<_>>());
    assert_eq!(poll(&mut wheel, 21 * L2, 99).len(), 10);
}

#[test]
fn timers_of_one_deadline_keep_their_order_when_the_count_of_timers_passes_32_bits() {
    for deadline in [5 * L0, 3 * L1, 30 * L2, 10] {
        let mut wheel = TimerWheel::new(0);
        wheel.scheduled = (1 << 32) - 5;
        wheel.gone = wheel.scheduled;
        // Filed so that slots and order run against each other.
        let holes: Vec<_> = (0..10).map(|_| wheel.schedule_timer(deadline, 99).unwrap()).collect();
        holes.iter().for_each(|id| assert!(wheel.cancel_timer(*id).is_some()));
        wheel.scheduled = (1 << 32) - 5;
        wheel.gone = wheel.scheduled;
        for number in 0..10 {
            wheel.schedule_timer(deadline, number).unwrap();
        }
        let mut fired = Vec::new();
        wheel.poll(deadline, 99, |_, _, number| fired.push(number));
        assert_eq!(fired, (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn a_half_cascaded_spoke_that_is_forgotten_leaves_no_trace() {
    let mut wheel = TimerWheel::new(0);
    let (now, end) = (19 * L2, 20 * L2);
    let far = wheel.schedule_timer(end + 40 * L1, 0).unwrap();
    assert_eq!(poll(&mut wheel, now, 1), []);
    let soon: Vec<_> =
        (0..20).map(|number| wheel.schedule_timer(now + 2 * L1 + number, 0).unwrap()).collect();
    let later: Vec<_> = (0..4).map(|number| wheel.schedule_timer(end + number, 0).unwrap()).collect();
    assert_eq!((far.level(), soon[0].level(), later[0].level()), (2, 1, 1));
    // A spoke of level 1 is left half-way at slot 8 and forgotten.
    assert_eq!(poll(&mut wheel, now + 2 * L1, 1), []);
    assert_eq!(wheel.half, Some(HalfCascaded { level: 1, slot: 8 }));
    soon.iter().for_each(|id| assert!(wheel.cancel_timer(*id).is_some()));
    assert_eq!(wheel.next_deadline(), Some(end));
    // Where the next ones begin, of level 2 and of level 1 with one tick, they cascade from their first slot on.
    assert_eq!(poll(&mut wheel, end + 3, 9).len(), 4);
    assert_eq!(poll(&mut wheel, end + 40 * L1, 9), [(far, end + 40 * L1)]);
}

#[test]
fn a_spoke_ranked_while_it_is_half_way_fires_each_timer_once() {
    let (mut wheel, ids) = many_in_a_second(1_000);
    poll(&mut wheel, 2 * L1, 10);
    assert_eq!(wheel.half, Some(HalfCascaded { level: 1, slot: 80 }));
    // The first timers go, moved or not, and the next one must be looked for.
    for id in &ids[..100] {
        wheel.cancel_timer(*id);
    }
    assert_eq!(wheel.next_deadline(), Some(2 * L1 + 100_000));
    assert!(matches!(wheel.refs[1][2], Refs::Ranked(_)));
    poll(&mut wheel, 2 * L1, 10);
    forget_soonest(&mut wheel);
    assert_eq!(wheel.next_deadline(), Some(2 * L1 + 100_000));
    assert!(matches!(wheel.refs[1][2], Refs::List(_)), "it need not be ranked again");
    let mut fired = 0;
    while !wheel.is_empty() {
        fired += poll(&mut wheel, 3 * L1, 100).len();
    }
    assert_eq!(fired, 900);
    assert_eq!(wheel.counters.cascaded, 80 + 900, "what was ranked is not looked for in the slots again");
    wheel.schedule_timer(9 * L1, 0).unwrap();
    assert_eq!(poll(&mut wheel, 9 * L1, 1).len(), 1);
}

#[test]
fn a_ranked_spoke_of_level_0_gives_each_timer_to_the_run_once() {
    let mut wheel = TimerWheel::new(0);
    let first = wheel.schedule_timer(5 * L0, ()).unwrap();
    (1..200).for_each(|number| assert!(wheel.schedule_timer(5 * L0 + number, ()).is_ok()));
    wheel.cancel_timer(first);
    assert_eq!(wheel.next_deadline(), Some(5 * L0 + 1));
    assert!(matches!(wheel.refs[0][5], Refs::Ranked(_)));
    assert_eq!(poll(&mut wheel, 5 * L0, 1), []);
    assert_eq!(wheel.run.waiting(), 199);
}

#[test]
fn ranking_is_for_large_spokes_and_bounded_by_what_is_live() {
    let mut wheel = TimerWheel::new(0);
    let mut ids: Vec<_> = (0..50).map(|number| wheel.schedule_timer(9 * L1 + number, ()).unwrap()).collect();
    wheel.cancel_timer(ids.remove(0));
    assert_eq!(wheel.next_deadline(), Some(9 * L1 + 1));
    assert_eq!(wheel.stats().levels[1].ranked_spokes, 0);
    ids.extend((50..200).map(|number| wheel.schedule_timer(9 * L1 + number, ()).unwrap()));
    wheel.cancel_timer(ids.remove(0));
    assert_eq!(wheel.next_deadline(), Some(9 * L1 + 2));
    assert_eq!(wheel.stats().levels[1].ranked_spokes, 1);
    // Time-outs that come and go, later than the first: the ranking does not grow without end.
    for number in 0..if cfg!(miri) { 500 } else { 100_000 } {
        let id = wheel.schedule_timer(9 * L1 + 1_000 + number, ()).unwrap();
        wheel.cancel_timer(id);
    }
    assert!(wheel.stats().levels[1].references <= 512);
    assert_eq!(wheel.next_deadline(), Some(9 * L1 + 2));
    ids.drain(..).for_each(|id| assert!(wheel.cancel_timer(id).is_some()));
    let last = wheel.schedule_timer(9 * L1 + 5_000, ()).unwrap();
    assert_eq!(wheel.next_deadline(), Some(9 * L1 + 5_000));
    wheel.cancel_timer(last);
    wheel.schedule_timer(10 * L1, ()).unwrap();
    assert_eq!(wheel.next_deadline(), Some(10 * L1));
    assert_eq!(wheel.stats().levels[1].references, 0);
}

#[test]
fn late_timers_that_come_and_go_leave_nothing_behind() {
    let mut wheel = TimerWheel::new(0);
    let count = if cfg!(miri) { 300 } else { 100_000 };
    for number in 0..count {
        let id = wheel.schedule_timer(number % 1_000, ()).unwrap();
        wheel.cancel_timer(id);
    }
    assert!(wheel.late.is_empty());
    let kept = wheel.schedule_timer(0, ()).unwrap();
    for number in 0..count {
        let id = wheel.schedule_timer(number % 1_000, ()).unwrap();
        wheel.cancel_timer(id);
    }
    assert!(wheel.late.len() <= 64);
    assert_eq!(poll(&mut wheel, 10, 10), [(kept, 0)]);
}

#[test]
#[cfg_attr(miri, ignore = "needs more timers than miri has patience for")]
fn memory_comes_back_after_a_burst() {
    let count: u64 = 200_000;
    let empty = TimerWheel::<u64>::new(0).stats().bytes;
    assert!(empty < 1024, "{empty} bytes without a timer");
    let mut random = Random::new(7);
    for (span, at_once) in [(1, false), (L1, false), (60 * L1, false), (600 * L2, false), (70 * L1, true)] {
        for cancelled in [false, true] {
            let mut wheel = TimerWheel::new(0);
            let ids: Vec<_> = (0..count)
                .map(|number| {
                    let deadline = if at_once { span } else { 1 + random.below(span) };
                    wheel.schedule_timer(deadline, number).unwrap()
                })
                .collect();
            let full = wheel.stats();
            assert_eq!(full.timers as u64, count);
            assert!(full.bytes as u64 >= count * 32);
            let bound = 2 * 32 * count + 24 * count * u64::from(span == 1) + 300_000;
            assert!(full.bytes as u64 <= bound, "{} bytes for {count}", full.bytes);
            if cancelled {
                ids.into_iter().for_each(|id| assert!(wheel.cancel_timer(id).is_some()));
            } else {
                poll(&mut wheel, 700 * L2, usize::MAX);
            }
            assert!(wheel.is_empty());
            // What is left: three levels of spokes, and up to 8 entries and 8 references for each spoke.
            let left = wheel.stats();
            assert!(left.bytes <= 3 * 1024 * (64 + 32 + 8 * (32 + 16)) + 70_000, "{left:?}");
            assert_eq!(left.fired + left.cancelled, count);
            wheel.clear();
            assert!(wheel.stats().bytes <= 3 * 1024 * 64 + 70_000);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "needs more timers than miri has patience for")]
fn memory_comes_back_although_a_few_long_timers_stay() {
    let count = 100 * SEGMENT;
    let mut wheel = TimerWheel::new(0);
    let mut ids: Vec<_> = (0..count).map(|_| wheel.schedule_timer(50 * L2, 7_u64).unwrap()).collect();
    let mut random = Random::new(8);
    let kept: Vec<_> = (0..3).map(|_| ids.swap_remove(random.below(ids.len() as u64) as usize)).collect();
    ids.into_iter().for_each(|id| assert!(wheel.cancel_timer(id).is_some()));
    let level = &wheel.stats().levels[2];
    assert_eq!((level.timers, level.fullest_spoke), (3, 3));
    // Each survivor holds one segment at most, and its neighbours in it are used again.
    assert!(level.slots <= 3 * SEGMENT, "{level:?}");
    kept.into_iter().for_each(|id| assert_eq!(wheel.deadline(id), Some(50 * L2)));
}

#[test]
fn a_panic_in_the_callback_loses_only_that_timer() {
    let mut wheel = TimerWheel::new(0);
    let ids: Vec<_> = (0..10).map(|number| wheel.schedule_timer(L0 + number, number).unwrap()).collect();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        wheel.poll(2 * L0, 100, |_, _, number| assert!(number != 3, "three"));
    }));
    assert!(panic.is_err());
    assert_eq!((wheel.len(), wheel.counters.fired), (6, 4));
    assert_eq!(wheel.deadline(ids[3]), None);
    assert_eq!(wheel.next_deadline(), Some(L0 + 4));
    assert_eq!(poll(&mut wheel, 2 * L0, 100).len(), 6);
}

#[test]
fn a_panic_in_a_destructor_leaves_a_cleared_wheel() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0 || std::thread::panicking(), "bomb");
        }
    }
    let mut wheel = TimerWheel::new(0);
    for number in 0..10 {
        wheel.schedule_timer(number * L0, Bomb(number == 5)).unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| wheel.clear())).is_err());
    assert!(wheel.is_empty());
    assert_eq!(wheel.next_deadline(), None);
    let id = wheel.schedule_timer(5 * L0, Bomb(false)).unwrap();
    assert_eq!(poll(&mut wheel, 5 * L0, 9), [(id, 5 * L0)]);
}

#[test]
fn clearing_forgets_everything_but_time() {
    let (mut wheel, _) = many_in_a_second(20);
    (0..2_000).for_each(|number| assert!(wheel.schedule_timer(2 * L0 + number, 0).is_ok()));
    assert_eq!(poll(&mut wheel, 2 * L0 + 999, 10_000).len(), 1_000);
    (0..2_000).for_each(|number| assert!(wheel.schedule_timer(number, 0).is_ok()));
    assert_eq!((wheel.run.waiting(), wheel.late.len()), (1_000, 2_000));
    wheel.clear();
    assert_eq!((wheel.run.waiting(), wheel.late.len()), (0, 0));
    assert!(wheel.run.capacity() + wheel.late.capacity() <= 1_024);
    assert!(wheel.occupied.iter().all(|level| level.count() == 0));
    assert_eq!((wheel.soonest, wheel.now()), (Ref::NONE, 2 * L0 + 999));

    let (mut wheel, ids) = many_in_a_second(20);
    assert_eq!(poll(&mut wheel, 2 * L1, 1), []);
    assert!(wheel.has_backlog());
    wheel.clear();
    assert!(!wheel.has_backlog());
    assert!(ids.iter().all(|id| wheel.cancel_timer(*id).is_none()));
}

#[test]
fn spokes_without_live_timers_are_forgotten_when_they_are_looked_at() {
    let mut wheel = TimerWheel::new(0);
    for spoke in 1..SPOKES_PER_LEVEL as u64 {
        let id = wheel.schedule_timer(spoke * L0, ()).unwrap();
        wheel.cancel_timer(id);
    }
    assert_eq!(wheel.occupied[0].count(), SPOKES_PER_LEVEL - 1);
    wheel.schedule_timer(2 * L1, ()).unwrap();
    forget_soonest(&mut wheel);
    assert_eq!(wheel.next_deadline(), Some(2 * L1));
    assert_eq!(wheel.occupied[0].count(), 0);
}
