//! One producer, one consumer: [`SegSpsc`], a queue over a directory of 64 segments of `2^P` values each.
//!
//! A segment is allocated when the producer reaches it and given back when the consumer has drained it, so that an empty
//! queue that was never used has none, and a drained one at most three: the one in use and two kept for the producer.
//! Position `p` lies in the directory's place `(p >> P) & 63`; bit 63 of the head position is the close flag.
//!
//! [`SegSpsc::split`] gives ends that never wait, which is the cheapest. [`channel`] gives ends that can wait,
//! asynchronously or by blocking their thread; their publications must look for the other end's waker, which costs one
//! read-modify-write for each (for a whole slice or chunk: one).

mod ends;
mod error;
mod ring;
mod waiting;

pub use self::{
    ends::{Consumer, Producer, ReadChunk, WriteChunk},
    error::{PopError, PushError, SendError},
    waiting::{Receiver, Recv, Send, Sender, channel},
};

use std::{fmt, marker::PhantomData};

/// A bounded single-producer single-consumer queue, not yet split into its ends. It allocates nothing; the ends share their
/// positions and the directory, and segments exist only while there are values in them.
///
/// It holds at most `64 << P` values: 64 segments of `2^P`. Room comes back a segment at a time. The slides' `P` is 12.
///
/// ```
/// # use maniac_sync::spsc::SegSpsc;
/// let (mut producer, mut consumer) = SegSpsc::<_, 12>::new().split();
/// producer.try_push("value").unwrap();
/// assert_eq!(consumer.try_pop(), Ok("value"));
/// ```
pub struct SegSpsc<T, const P: u32 = 12> {
    _values: PhantomData<T>,
}

impl<T, const P: u32> SegSpsc<T, P> {
    /// Values in a segment.
    pub const SEGMENT_LEN: usize = ring::Ring::<T, P>::LEN as usize;
    /// Segments in the directory.
    pub const SEGMENTS: usize = ring::SEGMENTS as usize;
    /// The most values that a queue holds.
    pub const MAX_LEN: usize = Self::SEGMENT_LEN * Self::SEGMENTS;

    /// A queue. `P` is at most 20; more does not compile.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let queue = SegSpsc::<u64, 8>::new();
    /// assert_eq!(SegSpsc::<u64, 8>::SEGMENT_LEN, 256);
    /// assert_eq!(SegSpsc::<u64, 8>::MAX_LEN, 16_384);
    /// # drop(queue);
    /// ```
    pub const fn new() -> Self {
        Self { _values: PhantomData }
    }

    /// The two ends.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
    /// std::thread::spawn(move || producer.push_slice(&[1, 2, 3])).join().unwrap();
    /// let mut values = [0; 3];
    /// assert_eq!(consumer.pop_slice(&mut values), 3);
    /// ```
    pub fn split(self) -> (Producer<T, P>, Consumer<T, P>) {
        let (writer, reader) = ring::ends();
        (Producer::new(writer), Consumer::new(reader))
    }
}

impl<T, const P: u32> Default for SegSpsc<T, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const P: u32> fmt::Debug for SegSpsc<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegSpsc").field("max_len", &Self::MAX_LEN).finish_non_exhaustive()
    }
}
