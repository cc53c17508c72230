//! A wheel beside its model: each call goes to both, and what they say must be the same.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of this")]

use std::collections::{BTreeMap, HashMap};

use maniac_wheel::{TimerId, TimerWheel, WheelError};

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A number below 2^bits whose magnitude is as random as itself: every scale is as likely as every other.
    pub fn scaled(&mut self, bits: u64) -> u64 {
        let bits = self.below(bits + 1);
        self.next() & ((1 << bits) - 1)
    }
}

/// Deadline and the number of the schedule call: the order in which timers fire.
type Key = (u64, u64);

/// What a wheel should be, in the simplest data structure that can say it.
pub struct Checked {
    pub wheel: TimerWheel<u64>,
    pub now: u64,
    timers: BTreeMap<Key, TimerId>,
    keys: HashMap<TimerId, Key>,
    ids: Vec<TimerId>,
    /// Ids of timers that fired or were cancelled, the latest few.
    stale: Vec<TimerId>,
    scheduled: u64,
    /// How often something rare was seen, so that a test can tell whether it tests anything.
    pub seen: HashMap<&'static str, u64>,
}

impl Checked {
    pub fn new(wheel: TimerWheel<u64>) -> Self {
        Self {
            now: wheel.now(),
            wheel,
            timers: BTreeMap::new(),
            keys: HashMap::new(),
            ids: Vec::new(),
            stale: Vec::new(),
            scheduled: 0,
            seen: HashMap::new(),
        }
    }

    pub fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn added(&mut self, id: TimerId, deadline: u64) {
        let key = (deadline, self.scheduled);
        self.scheduled += 1;
        assert_eq!(self.timers.insert(key, id), None);
        assert_eq!(self.keys.insert(id, key), None, "{id:?} was given out twice");
        self.ids.push(id);
    }

    fn gone(&mut self, id: TimerId) -> Key {
        let key = self.keys.remove(&id).expect("the timer was live");
        assert_eq!(self.timers.remove(&key), Some(id));
        if self.stale.len() < 1000 {
            self.stale.push(id);
        } else {
            let place = self.scheduled as usize % 1000;
            self.stale[place] = id;
        }
        key
    }

    /// A live timer, if there is one.
    pub fn any(&mut self, random: &mut Random) -> Option<TimerId> {
        while !self.ids.is_empty() {
            let place = random.below(self.ids.len() as u64) as usize;
            if self.keys.contains_key(&self.ids[place]) {
                return Some(self.ids[place]);
            }
            self.ids.swap_remove(place);
        }
        None
    }

    pub fn first(&self) -> Option<TimerId> {
        self.timers.values().next().copied()
    }

    pub fn len(&self) -> usize {
        self.timers.len()
    }

    pub fn schedule(&mut self, deadline: u64) {
        let range = self.wheel.max_deadline();
        match self.wheel.schedule_timer(deadline, self.scheduled) {
            Ok(id) => {
                assert!(deadline <= range);
                self.saw(["level 0", "level 1", "level 2", "late"][id.level()]);
                self.added(id, deadline);
            }
            Err(WheelError::BeyondRange { value, deadline_ns, max_deadline_ns, .. }) => {
                assert_eq!((value, deadline_ns, max_deadline_ns), (self.scheduled, deadline, range));
                assert!(deadline > range);
                self.saw("beyond range");
            }
            Err(error) => {
                assert_eq!(error.into_value(), self.scheduled);
                self.saw("spoke full");
            }
        }
    }

    pub fn schedule_best_fit(&mut self, deadline: u64) {
        let range = self.wheel.max_deadline();
        let (id, actual) = self.wheel.schedule_timer_best_fit(deadline, self.scheduled);
        assert!(actual <= deadline && actual <= range);
        if actual != deadline.min(range) {
            self.saw("best fit in an earlier spoke");
        }
        self.added(id, actual);
    }

    pub fn cancel(&mut self, id: TimerId) {
        assert_eq!(self.wheel.deadline(id), Some(self.keys[&id].0));
        let (_, value) = self.gone(id);
        assert_eq!(self.wheel.get_mut(id), Some(&mut value.clone()));
        assert_eq!(self.wheel.cancel_timer(id), Some(value));
    }

    /// Tries some ids that must mean nothing.
    pub fn cancel_stale(&mut self, random: &mut Random) {
        for _ in 0..5 {
            if !self.stale.is_empty() {
                let id = self.stale[random.below(self.stale.len() as u64) as usize];
                if !self.keys.contains_key(&id) {
                    assert_eq!(self.wheel.cancel_timer(id), None, "{id:?} is stale");
                    assert_eq!(self.wheel.get_mut(id), None);
                    assert_eq!(self.wheel.deadline(id), None);
                }
            }
            let foreign = TimerId::from_bits(random.next()).filter(|id| !self.keys.contains_key(id));
            assert_eq!(foreign.and_then(|id| self.wheel.cancel_timer(id)), None);
        }
    }

    pub fn check(&mut self) {
        let first = self.timers.keys().next().map(|key| key.0);
        assert_eq!(self.wheel.next_deadline(), first);
        assert_eq!(self.wheel.len(), self.timers.len());
        assert_eq!(self.wheel.is_empty(), self.timers.is_empty());
        assert_eq!(self.wheel.now(), self.now);
    }

    pub fn clear(&mut self) {
        self.wheel.clear();
        for id in self.timers.values().copied().collect::<Vec<_>>() {
            self.gone(id);
        }
    }

    /// Polls and compares what fires, and in which order.
    pub fn poll(&mut self, now: u64, budget: usize) -> usize {
        if now < self.now {
            self.saw("backwards");
        }
        self.now = self.now.max(now);
        let mut fired = Vec::new();
        let count = self.wheel.poll(now, budget, |id, deadline, value| fired.push((id, (deadline, value))));
        assert_eq!(count, fired.len());
        assert!(count <= budget);
        for (id, key) in &fired {
            let (first, expected) =
                self.timers.first_key_value().expect("a timer fired that was not scheduled");
            assert_eq!((expected, first), (id, key), "out of order at {}", self.now);
            assert!(key.0 <= self.now, "early");
            self.gone(*id);
        }
        let left = self.timers.range(..=(self.now, u64::MAX)).next().is_some();
        if count < budget && left {
            // Only the work of cascading may stand between.
            self.saw("half cascaded");
            assert!(self.wheel.has_backlog());
        }
        if left {
            self.saw("carried over");
            assert!(self.wheel.has_backlog());
        }
        count
    }

    /// Polls until nothing is left that is due now.
    pub fn drain(&mut self, budget: usize) {
        let mut idle = 0;
        loop {
            let count = self.poll(self.now, budget);
            if !self.wheel.has_backlog() {
                break;
            }
            idle = if count == 0 { idle + 1 } else { 0 };
            assert!(idle <= 4 + 4 * self.scheduled as usize, "no progress");
        }
        assert!(self.timers.range(..=(self.now, u64::MAX)).next().is_none(), "late");
    }
}
