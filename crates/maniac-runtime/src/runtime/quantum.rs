//! The quantum: how long a poll may go on while others wait, and what is done about it then.
//!
//! What waits for a point in time, or for the outside world, is held up by every millisecond; tasks that are ready merely compete, and changing hands
//! costs them too. Where nothing waits, a poll may take as long as it likes.

use std::time::Duration;

/// What waits behind a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    Nothing,
    /// Tasks that are ready.
    Tasks,
    /// Timers that are due, operations, or the role's home thread.
    Events,
}

/// What is done about a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Nothing,
    /// Ask it to yield at its next leaf operation.
    Ask,
    /// Take the role from its thread.
    Seize,
}

/// See the module's page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantum {
    events: Duration,
    tasks: Duration,
}

/// So many quanta for mere competition, up to this long.
const COMPETITION: u32 = 10;
const COMPETITION_AT_MOST: Duration = Duration::from_millis(10);

impl Quantum {
    pub(crate) fn new(quantum: Duration) -> Quantum {
        let tasks = quantum.saturating_mul(COMPETITION).min(COMPETITION_AT_MOST).max(quantum);
        Quantum { events: quantum, tasks }
    }

    /// How long it is until a poll that began just now needs a look.
    pub(crate) fn shortest(&self) -> Duration {
        self.events
    }

    /// Between two looks at a poll that is about to become overdue.
    pub(crate) fn half(&self) -> Duration {
        self.events / 2
    }

    /// What to do about a poll that has gone on for `ran`.
    pub(crate) fn act(&self, waits: Waits, ran: Duration) -> Act {
        let quantum = match waits {
            Waits::Nothing => return Act::Nothing,
            Waits::Tasks => self.tasks,
            Waits::Events => self.events,
        };
        if ran < quantum {
            Act::Nothing
        } else if ran < quantum + self.half() {
            Act::Ask
        } else {
            Act::Seize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, Quantum, Waits};
    use std::time::Duration;

    const fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    #[test]
    fn nothing_waits_nothing_is_done() {
        let quantum = Quantum::new(micros(1000));
        assert_eq!(quantum.act(Waits::Nothing, Duration::from_secs(3600)), Act::Nothing);
    }

    #[test]
    fn events_wait_one_quantum_and_tasks_ten() {
        let quantum = Quantum::new(micros(1000));
        for (waits, limit) in [(Waits::Events, 1000), (Waits::Tasks, 10_000)] {
            assert_eq!(quantum.act(waits, micros(limit - 1)), Act::Nothing);
            assert_eq!(quantum.act(waits, micros(limit)), Act::Ask);
            assert_eq!(quantum.act(waits, micros(limit + 499)), Act::Ask);
            assert_eq!(quantum.act(waits, micros(limit + 500)), Act::Seize);
        }
    }

    #[test]
    fn tasks_wait_ten_milliseconds_at_most_but_never_less_than_events() {
        let tasks = |quantum| Quantum::new(micros(quantum)).tasks;
        assert_eq!(tasks(50), micros(500));
        assert_eq!(tasks(5_000), micros(10_000));
        assert_eq!(tasks(50_000), micros(50_000));
    }
}
