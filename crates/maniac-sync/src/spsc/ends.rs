//! The ends that never wait, and what the waiting ends have in common with them.

use super::{
    error::{PopError, PushError},
    ring::{NoRoom, NoValue, Reader, Writer},
};
use std::fmt;

impl<T, const P: u32, const WAITS: bool> Writer<T, P, WAITS> {
    #[inline(always)]
    pub(super) fn try_push(&mut self, value: T) -> Result<(), PushError<T>> {
        match self.room() {
            Ok(_) => {
                // SAFETY: [local] there is room for one.
                unsafe { self.write(value) };
                self.publish();
                Ok(())
            }
            Err(why) => Err(PushError::new(why, value)),
        }
    }

    pub(super) fn push_slice(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        let mut rest = values;
        while !rest.is_empty() {
            let Ok(room) = self.room() else { break };
            let (now, later) = rest.split_at(rest.len().min(room as usize));
            // SAFETY: [local] there is room for so many.
            unsafe { self.write_slice(now) };
            rest = later;
        }
        let written = values.len() - rest.len();
        if written != 0 {
            self.publish();
        }
        written
    }

    pub(super) fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let mut chunk = WriteChunk::new(self);
        let mut values = values.into_iter();
        let mut count = 0;
        while chunk.has_room() {
            let Some(value) = values.next() else { break };
            chunk.written = true;
            // SAFETY: [local] there is room for one.
            unsafe { chunk.writer.write(value) };
            count += 1;
        }
        count
    }
}

impl<T, const P: u32, const WAITS: bool> Reader<T, P, WAITS> {
    #[inline(always)]
    pub(super) fn try_pop(&mut self) -> Result<T, PopError> {
        match self.ready() {
            Ok(_) => {
                // SAFETY: [local] there is one.
                let value = unsafe { self.read() };
                self.release();
                Ok(value)
            }
            Err(NoValue::Empty) => Err(PopError::Empty),
            Err(NoValue::Closed) => Err(PopError::Closed),
        }
    }

    pub(super) fn pop_slice(&mut self, values: &mut [T]) -> usize
    where
        T: Copy,
    {
        let mut count = 0;
        while count < values.len() {
            let Ok(ready) = self.ready() else { break };
            let rest = &mut values[count..];
            let now = rest.len().min(ready as usize);
            // SAFETY: [local] there are so many.
            unsafe { self.read_slice(&mut rest[..now]) };
            self.release();
            count += now;
        }
        count
    }

    pub(super) fn pop_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let before = buffer.len();
        // The least that there is, so that hardly ever more than one allocation is needed.
        buffer.reserve(self.ready().map_or(0, |ready| limit.min(ready as usize)));
        buffer.extend(ReadChunk::new(self, limit));
        buffer.len() - before
    }
}

/// The writing end of a [`SegSpsc`](super::SegSpsc). Dropping it closes the queue; what was pushed can still be popped.
///
/// ```
/// # use maniac_sync::spsc::SegSpsc;
/// let (mut producer, consumer) = SegSpsc::<_, 4>::new().split();
/// producer.try_push(1).unwrap();
/// assert_eq!(consumer.len(), 1);
/// ```
pub struct Producer<T, const P: u32> {
    writer: Writer<T, P, false>,
}

impl<T, const P: u32> Producer<T, P> {
    pub(super) fn new(writer: Writer<T, P, false>) -> Self {
        Self { writer }
    }

    /// Pushes a value.
    ///
    /// # Errors
    ///
    /// The queue is full, or the consumer is gone; the value comes back.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
    /// producer.try_push(1).unwrap();
    /// assert_eq!(consumer.try_pop(), Ok(1));
    /// ```
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.writer.try_push(value)
    }

    /// Pushes the slice's first values, as many as there is room for, all at once, and gives their number.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, _consumer) = SegSpsc::<u8, 0>::new().split();
    /// assert_eq!(producer.push_slice(&[7; 100]), 64);
    /// ```
    #[inline]
    pub fn push_slice(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.writer.push_slice(values)
    }

    /// Pushes values until there are no more or the queue is full or closed, all at once, and gives their number. No value
    /// is taken from the iterator that is not pushed.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
    /// assert_eq!(producer.push_iter((0..3).map(|number| number.to_string())), 3);
    /// assert_eq!(consumer.try_pop().unwrap(), "0");
    /// ```
    pub fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        self.writer.push_iter(values)
    }

    /// A chunk to push values into one by one that the consumer sees all at once, when the chunk is dropped.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
    /// let mut chunk = producer.write_chunk();
    /// chunk.push(1).unwrap();
    /// chunk.push(2).unwrap();
    /// assert!(consumer.try_pop().is_err());
    /// drop(chunk);
    /// assert_eq!(consumer.try_pop(), Ok(1));
    /// ```
    pub fn write_chunk(&mut self) -> WriteChunk<'_, T, P> {
        WriteChunk::new(&mut self.writer)
    }

    /// How many values the queue holds, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, _consumer) = SegSpsc::<_, 4>::new().split();
    /// producer.try_push(1).unwrap();
    /// assert_eq!(producer.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.writer.ring.len()
    }

    /// Whether the queue holds no value, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// assert!(SegSpsc::<u8, 4>::new().split().0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the consumer is gone.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (producer, consumer) = SegSpsc::<u8, 4>::new().split();
    /// drop(consumer);
    /// assert!(producer.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.writer.ring.is_closed()
    }

    /// How many segments are allocated, in use or kept for use.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, _consumer) = SegSpsc::<u8, 4>::new().split();
    /// assert_eq!(producer.segments(), 0);
    /// producer.try_push(1).unwrap();
    /// assert_eq!(producer.segments(), 1);
    /// ```
    pub fn segments(&self) -> usize {
        self.writer.ring.segments()
    }
}

impl<T, const P: u32> fmt::Debug for Producer<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The reading end of a [`SegSpsc`](super::SegSpsc). Dropping it drops the values in the queue.
///
/// ```
/// # use maniac_sync::spsc::SegSpsc;
/// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
/// producer.try_push(1).unwrap();
/// assert_eq!(consumer.try_pop(), Ok(1));
/// ```
pub struct Consumer<T, const P: u32> {
    reader: Reader<T, P, false>,
}

impl<T, const P: u32> Consumer<T, P> {
    pub(super) fn new(reader: Reader<T, P, false>) -> Self {
        Self { reader }
    }

    /// Pops the next value.
    ///
    /// # Errors
    ///
    /// The queue is empty; or empty for ever, since the producer is gone.
    ///
    /// ```
    /// # use maniac_sync::spsc::{PopError, SegSpsc};
    /// let (_producer, mut consumer) = SegSpsc::<u8, 4>::new().split();
    /// assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    /// ```
    #[inline]
    pub fn try_pop(&mut self) -> Result<T, PopError> {
        self.reader.try_pop()
    }

    /// Pops as many values as there are, at most the slice's length, and gives their number.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
    /// producer.push_slice(&[1, 2, 3]);
    /// let mut values = [0; 2];
    /// assert_eq!(consumer.pop_slice(&mut values), 2);
    /// assert_eq!(values, [1, 2]);
    /// ```
    #[inline]
    pub fn pop_slice(&mut self, values: &mut [T]) -> usize
    where
        T: Copy,
    {
        self.reader.pop_slice(values)
    }

    /// Pops as many values as there are, at most `limit`, appends them to `buffer` and gives their number.
    ///
    /// ```
    /// # use maniac_sync::{MESSAGE_BATCH_SIZE, spsc::SegSpsc};
    /// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
    /// producer.push_iter(["a".to_string(), "b".to_string()]);
    /// let mut values = Vec::new();
    /// assert_eq!(consumer.pop_many(&mut values, MESSAGE_BATCH_SIZE), 2);
    /// ```
    pub fn pop_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.reader.pop_many(buffer, limit)
    }

    /// An iterator over what is there, at most `limit` values, that gives their room back all at once, when it is dropped.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
    /// producer.push_slice(&[1, 2, 3]);
    /// assert_eq!(consumer.read_chunk(2).sum::<i32>(), 3);
    /// ```
    pub fn read_chunk(&mut self, limit: usize) -> ReadChunk<'_, T, P> {
        ReadChunk::new(&mut self.reader, limit)
    }

    /// How many values the queue holds, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, consumer) = SegSpsc::<_, 4>::new().split();
    /// producer.try_push(1).unwrap();
    /// assert_eq!(consumer.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.reader.ring.len()
    }

    /// Whether the queue holds no value, as of some moment during the call.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// assert!(SegSpsc::<u8, 4>::new().split().1.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the producer is gone. Values may still be in the queue.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (producer, consumer) = SegSpsc::<u8, 4>::new().split();
    /// drop(producer);
    /// assert!(consumer.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.reader.ring.is_closed()
    }
}

impl<T, const P: u32> fmt::Debug for Consumer<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// From [`Producer::write_chunk`] and [`Sender::write_chunk`](super::Sender::write_chunk): values that the consumer sees when
/// the chunk is dropped. If it is forgotten instead, it sees them with the next value.
///
/// ```
/// # use maniac_sync::spsc::SegSpsc;
/// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
/// let mut chunk = producer.write_chunk();
/// chunk.push(1).unwrap();
/// chunk.push(2).unwrap();
/// assert!(consumer.try_pop().is_err(), "not yet");
/// drop(chunk);
/// assert_eq!(consumer.try_pop(), Ok(1));
/// ```
#[derive(Debug)]
pub struct WriteChunk<'a, T, const P: u32, const WAITS: bool = false> {
    writer: &'a mut Writer<T, P, WAITS>,
    written: bool,
}

impl<'a, T, const P: u32, const WAITS: bool> WriteChunk<'a, T, P, WAITS> {
    pub(super) fn new(writer: &'a mut Writer<T, P, WAITS>) -> Self {
        Self { writer, written: false }
    }

    fn has_room(&mut self) -> bool {
        self.writer.room().is_ok()
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// The queue is full, or the consumer is gone; the value comes back.
    ///
    /// ```
    /// # use maniac_sync::spsc::SegSpsc;
    /// let (mut producer, _consumer) = SegSpsc::<_, 4>::new().split();
    /// producer.write_chunk().push(1).unwrap();
    /// assert_eq!(producer.len(), 1);
    /// ```
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        match self.writer.room() {
            Ok(_) => {
                // SAFETY: [local] there is room for one.
                unsafe { self.writer.write(value) };
                self.written = true;
                Ok(())
            }
            Err(why) => Err(PushError::new(why, value)),
        }
    }
}

impl<T, const P: u32, const WAITS: bool> Drop for WriteChunk<'_, T, P, WAITS> {
    fn drop(&mut self) {
        if self.written {
            self.writer.publish();
        }
    }
}

/// From [`Consumer::read_chunk`] and [`Receiver::read_chunk`](super::Receiver::read_chunk): an iterator that gives the room of
/// drained segments back as it goes, and the rest when it is dropped. Values that it has not given stay in the queue.
///
/// ```
/// # use maniac_sync::spsc::SegSpsc;
/// let (mut producer, mut consumer) = SegSpsc::<_, 4>::new().split();
/// producer.push_slice(&[1, 2, 3]);
/// assert_eq!(consumer.read_chunk(2).sum::<i32>(), 3);
/// assert_eq!(consumer.try_pop(), Ok(3), "stayed in the queue");
/// ```
#[derive(Debug)]
pub struct ReadChunk<'a, T, const P: u32, const WAITS: bool = false> {
    reader: &'a mut Reader<T, P, WAITS>,
    limit: usize,
    /// So many are there in this segment.
    ready: u64,
}

impl<'a, T, const P: u32, const WAITS: bool> ReadChunk<'a, T, P, WAITS> {
    pub(super) fn new(reader: &'a mut Reader<T, P, WAITS>, limit: usize) -> Self {
        Self { reader, limit, ready: 0 }
    }
}

impl<T, const P: u32, const WAITS: bool> Iterator for ReadChunk<'_, T, P, WAITS> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.limit == 0 {
            return None;
        }
        if self.ready == 0 {
            self.reader.release();
            self.ready = self.reader.ready().ok()?;
        }
        self.ready -= 1;
        self.limit -= 1;
        // SAFETY: [local] there is one.
        Some(unsafe { self.reader.read() })
    }
}

impl<T, const P: u32, const WAITS: bool> Drop for ReadChunk<'_, T, P, WAITS> {
    fn drop(&mut self) {
        self.reader.release();
    }
}

impl<T, const P: u32, const WAITS: bool> fmt::Debug for Writer<T, P, WAITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl<T, const P: u32, const WAITS: bool> fmt::Debug for Reader<T, P, WAITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl NoRoom {
    /// Whether waiting may help.
    pub(super) fn is_full(self) -> bool {
        self == Self::Full
    }
}
