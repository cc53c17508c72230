//! Futures, permits, chunks and ends that are forgotten: they leak, and nothing worse. miri needs `-Zmiri-ignore-leaks` here.
#![cfg(not(loom))]
#![allow(missing_docs, clippy::mem_forget)]

use maniac_sync::{mpsc, spsc};
use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn forgotten_futures_and_permits() {
    let (sender, mut receiver) = mpsc::channel(2);
    std::mem::forget(sender.try_reserve().unwrap());
    sender.try_send(1).unwrap();
    // Half of the room is lost, and nothing else.
    let mut waits = pin!(sender.send(2));
    assert!(poll(waits.as_mut()).is_pending());
    let mut recv = Box::pin(receiver.recv());
    assert_eq!(poll(recv.as_mut()), Poll::Ready(Some(1)));
    std::mem::forget(recv);
    assert_eq!(poll(waits.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
    // One that waits for a message.
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(recv.as_mut()).is_pending());
    std::mem::forget(recv);
    sender.try_send(3).unwrap();
    assert_eq!(receiver.recv_blocking(), Some(3));
    // One that waits for room, and for the close.
    sender.try_send(4).unwrap();
    let mut send = Box::pin(sender.send(5));
    assert!(poll(send.as_mut()).is_pending());
    std::mem::forget(send);
    let mut closed = Box::pin(sender.closed());
    assert!(poll(closed.as_mut()).is_pending());
    std::mem::forget(closed);
    drop(receiver);
    assert!(sender.try_send(6).is_err());
}

#[test]
fn forgotten_chunks() {
    let (mut producer, mut consumer) = spsc::SegSpsc::<_, 2>::new().split();
    let mut chunk = producer.write_chunk();
    (0..6).for_each(|number| chunk.push(number.to_string()).unwrap());
    std::mem::forget(chunk);
    assert!(consumer.try_pop().is_err());
    producer.try_push("6".into()).unwrap();
    let mut chunk = consumer.read_chunk(5);
    assert_eq!(chunk.by_ref().take(4).collect::<String>(), "0123");
    std::mem::forget(chunk);
    assert_eq!(consumer.try_pop().unwrap(), "4");
    drop(producer);
    assert_eq!(consumer.read_chunk(usize::MAX).collect::<String>(), "56");
}

#[test]
fn forgotten_ends_leak_and_no_more() {
    let (sender, receiver) = mpsc::channel(1);
    std::mem::forget(receiver);
    sender.try_send(String::from("leaked")).unwrap();
    drop(sender);
    let (producer, consumer) = spsc::SegSpsc::<u8, 2>::new().split();
    std::mem::forget(consumer);
    drop(producer);
}
