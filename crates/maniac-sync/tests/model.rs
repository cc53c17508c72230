//! The channels against plain models, step by step.
#![cfg(not(loom))]
#![allow(missing_docs)]

use maniac_sync::{
    mpsc::{self, TryRecvError, TryReserveError, TrySendError},
    spsc::{PopError, PushError, SegSpsc},
};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

const CASES: u32 = if cfg!(miri) { 4 } else { 256 };
const STEPS: usize = if cfg!(miri) { 40 } else { 400 };

#[derive(Clone, Debug)]
enum Step {
    TrySend,
    /// Starts a send and leaves it waiting if it has to.
    Send,
    /// Polls a waiting send.
    Poll(usize),
    /// Drops a waiting send.
    Cancel(usize),
    Reserve,
    UsePermit,
    DropPermit,
    Recv,
    RecvMany(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::TrySend),
        4 => Just(Step::Send),
        4 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => Just(Step::Reserve),
        2 => Just(Step::UsePermit),
        1 => Just(Step::DropPermit),
        8 => Just(Step::Recv),
        2 => (0..40_usize).prop_map(Step::RecvMany),
        1 => prop_oneof![40 => Just(Step::Recv), 1 => Just(Step::Close)],
    ]
}

/// What a bounded channel should do.
#[derive(Default)]
struct Model {
    queue: VecDeque<u64>,
    capacity: usize,
    permits: usize,
    /// Sends in the queue for room: their message, and whether they were granted room.
    waiting: Vec<(u64, bool)>,
    closed: bool,
}

impl Model {
    fn free(&self) -> usize {
        let granted = self.waiting.iter().filter(|waiting| waiting.1).count();
        self.capacity.saturating_sub(self.queue.len() + self.permits + granted)
    }

    fn has_waiters(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.1)
    }

    /// Gives free room to those who wait, in their order.
    fn grant(&mut self) {
        while self.free() > 0 && !self.closed {
            let Some(first) = self.waiting.iter_mut().find(|waiting| !waiting.1) else { return };
            first.1 = true;
        }
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A channel beside its model.
struct Run<'a> {
    sender: &'a mpsc::Sender<u64>,
    receiver: mpsc::Receiver<u64>,
    model: Model,
    waiting: Vec<mpsc::Send<'a, u64>>,
    permits: Vec<mpsc::Permit<'a, u64>>,
    bounded: bool,
}

impl Run<'_> {
    /// Whether something can be sent at once.
    fn is_open(&self) -> bool {
        !self.model.closed && self.model.free() > 0 && !self.model.has_waiters()
    }

    fn try_send(&mut self, value: u64) {
        let expected = if self.model.closed {
            Err(TrySendError::Closed(value))
        } else if self.is_open() {
            self.model.queue.push_back(value);
            Ok(())
        } else {
            Err(TrySendError::Full(value))
        };
        assert_eq!(self.sender.try_send(value), expected);
    }

    fn send(&mut self, value: u64) {
        let mut send = self.sender.send(value);
        let polled = poll(&mut send);
        if self.model.closed {
            assert_eq!(polled, Poll::Ready(Err(mpsc::SendError(value))));
        } else if self.is_open() {
            assert_eq!(polled, Poll::Ready(Ok(())));
            self.model.queue.push_back(value);
        } else {
            assert!(polled.is_pending());
            self.waiting.push(send);
            self.model.waiting.push((value, false));
        }
    }

    fn poll(&mut self, which: usize) {
        let (value, granted) = self.model.waiting[which];
        let polled = poll(&mut self.waiting[which]);
        if self.model.closed {
            assert_eq!(polled, Poll::Ready(Err(mpsc::SendError(value))));
        } else if granted {
            assert_eq!(polled, Poll::Ready(Ok(())));
            self.model.queue.push_back(value);
        } else {
            assert!(polled.is_pending());
            return;
        }
        drop(self.waiting.remove(which));
        self.model.waiting.remove(which);
    }

    fn cancel(&mut self, which: usize) {
        let (value, _) = self.model.waiting.remove(which);
        assert_eq!(self.waiting.remove(which).into_inner(), Some(value));
    }

    fn reserve(&mut self) {
        match self.sender.try_reserve() {
            Ok(permit) => {
                assert!(self.is_open());
                self.model.permits += usize::from(self.bounded);
                self.permits.push(permit);
            }
            Err(TryReserveError::Closed) => assert!(self.model.closed),
            Err(_) => assert!(!self.is_open()),
        }
    }

    /// Sends with the last permit, or drops it.
    fn permit(&mut self, value: Option<u64>) {
        let Some(permit) = self.permits.pop() else { return };
        self.model.permits -= usize::from(self.bounded);
        let Some(value) = value else { return };
        assert_eq!(permit.send(value).is_ok(), !self.model.closed);
        if !self.model.closed {
            self.model.queue.push_back(value);
        }
    }

    fn recv(&mut self) {
        let none = if self.model.closed { TryRecvError::Closed } else { TryRecvError::Empty };
        assert_eq!(self.receiver.try_recv(), self.model.queue.pop_front().ok_or(none));
    }

    fn recv_many(&mut self, limit: usize) {
        let mut buffer = Vec::new();
        let count = self.receiver.try_recv_many(&mut buffer, limit);
        assert_eq!(count, limit.min(self.model.queue.len()));
        assert_eq!(buffer, self.model.queue.drain(..count).collect::<Vec<_>>());
    }
}

fn run(capacity: Option<usize>, steps: Vec<Step>) {
    let (sender, receiver) = capacity.map_or_else(mpsc::unbounded, mpsc::channel);
    let mut run = Run {
        sender: &sender,
        receiver,
        model: Model { capacity: capacity.unwrap_or(usize::MAX), ..Model::default() },
        waiting: Vec::new(),
        permits: Vec::new(),
        bounded: capacity.is_some(),
    };
    for (step, value) in steps.into_iter().zip(0..) {
        let waiting = run.waiting.len();
        match step {
            Step::TrySend => run.try_send(value),
            Step::Send => run.send(value),
            Step::Poll(which) if waiting > 0 => run.poll(which % waiting),
            Step::Cancel(which) if waiting > 0 => run.cancel(which % waiting),
            Step::Poll(_) | Step::Cancel(_) => {}
            Step::Reserve => run.reserve(),
            Step::UsePermit => run.permit(Some(value)),
            Step::DropPermit => run.permit(None),
            Step::Recv => run.recv(),
            Step::RecvMany(limit) => run.recv_many(limit),
            Step::Close => {
                run.receiver.close();
                run.model.closed = true;
            }
        }
        run.model.grant();
        if !run.model.closed {
            assert_eq!(run.receiver.len(), run.model.queue.len());
        }
    }
}

#[derive(Clone, Debug)]
enum SpscStep {
    Push(usize),
    PushSlice(usize),
    PushChunk(usize),
    Pop(usize),
    PopSlice(usize),
    PopChunk(usize),
    PopMany(usize),
}

fn spsc_step() -> impl Strategy<Value = SpscStep> {
    (0..7, 0..90_usize).prop_map(|(kind, count)| match kind {
        0 => SpscStep::Push(count),
        1 => SpscStep::PushSlice(count),
        2 => SpscStep::PushChunk(count),
        3 => SpscStep::Pop(count),
        4 => SpscStep::PopSlice(count),
        5 => SpscStep::PopChunk(count),
        _ => SpscStep::PopMany(count),
    })
}

fn run_spsc<const P: u32>(steps: Vec<SpscStep>) {
    let (mut producer, mut consumer) = SegSpsc::<u64, P>::new().split();
    let mut model = VecDeque::new();
    let mut next = 0_u64;
    // All 64 segments hold so many from the first that is not drained.
    let mut drained = 0_u64;
    for step in steps {
        let room = (((drained >> P) << P) + (64 << P) - drained) as usize - model.len();
        match step {
            SpscStep::Push(count) => {
                for index in 0..count {
                    let expected = if index < room {
                        model.push_back(next);
                        Ok(())
                    } else {
                        Err(PushError::Full(next))
                    };
                    assert_eq!(producer.try_push(next), expected);
                    next += 1;
                }
            }
            SpscStep::PushSlice(count) => {
                let values: Vec<_> = (next..).take(count).collect();
                let pushed = producer.push_slice(&values);
                assert_eq!(pushed, count.min(room));
                model.extend(&values[..pushed]);
                next += count as u64;
            }
            SpscStep::PushChunk(count) => {
                let pushed = producer.push_iter((next..).take(count));
                assert_eq!(pushed, count.min(room));
                model.extend((next..).take(pushed));
                next += count as u64;
            }
            SpscStep::Pop(count) => {
                for _ in 0..count {
                    let expected = model.pop_front();
                    drained += u64::from(expected.is_some());
                    assert_eq!(consumer.try_pop(), expected.ok_or(PopError::Empty));
                }
            }
            SpscStep::PopSlice(count) => {
                let mut values = vec![0; count];
                let popped = consumer.pop_slice(&mut values);
                assert_eq!(popped, count.min(model.len()));
                assert_eq!(values[..popped], model.drain(..popped).collect::<Vec<_>>());
                drained += popped as u64;
            }
            SpscStep::PopChunk(count) => {
                let values: Vec<_> = consumer.read_chunk(count).collect();
                assert_eq!(values, model.drain(..count.min(model.len())).collect::<Vec<_>>());
                drained += values.len() as u64;
            }
            SpscStep::PopMany(count) => {
                let mut values = Vec::new();
                consumer.pop_many(&mut values, count);
                assert_eq!(values, model.drain(..count.min(model.len())).collect::<Vec<_>>());
                drained += values.len() as u64;
            }
        }
        assert_eq!(consumer.len(), model.len());
        let in_use = (drained + model.len() as u64).div_ceil(1 << P) - (drained >> P);
        assert!(producer.segments() as u64 <= in_use + 3, "{} for {in_use}", producer.segments());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bounded(capacity in 1..70_usize, steps in proptest::collection::vec(step(), 0..STEPS)) {
        run(Some(capacity), steps);
    }

    #[test]
    fn unbounded(steps in proptest::collection::vec(step(), 0..STEPS)) {
        run(None, steps);
    }

    #[test]
    fn spsc_of_ones(steps in proptest::collection::vec(spsc_step(), 0..STEPS / 8)) {
        run_spsc::<0>(steps);
    }

    #[test]
    fn spsc_of_fours(steps in proptest::collection::vec(spsc_step(), 0..STEPS / 8)) {
        run_spsc::<2>(steps);
    }
}
