//! The shared state of a [`SegSpsc`](super::SegSpsc), and what its two ends do with it: a ring of positions over a directory
//! of segments that exist only while they are in use.

use crate::{
    seat::Seat,
    shim::{Arc, AtomicBool, AtomicPtr, AtomicU64, Ordering, Padded, UnsafeCell, ordering},
};
use std::{
    mem::MaybeUninit,
    ptr::{self, NonNull},
    task::Waker,
};

/// Segments in the directory.
pub(super) const SEGMENTS: u64 = if cfg!(loom) { 2 } else { 64 };
/// Flag of [`Ring::head`]: the producer is gone or has closed the queue.
const CLOSED: u64 = 1 << 63;
/// Flag of [`Ring::released`]: the consumer is gone or has closed the queue.
const GONE: u64 = 1 << 63;
/// Flag of both words: the other end's waker is in its seat; who overwrites the flag wakes it.
const WAITING: u64 = 1 << 62;
const POSITION: u64 = WAITING - 1;
/// The consumer keeps at most so many drained segments for the producer; it frees further ones.
const MAX_SPARE: u64 = 2;

pub(super) type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// What the two ends share. `P` is the binary logarithm of a segment's length.
pub(super) struct Ring<T, const P: u32> {
    /// `CLOSED | WAITING | position`: the next position to write. Written by the producer, but for the consumer's WAITING.
    head: Padded<AtomicU64>,
    /// `GONE | WAITING | position`: the first position of the first segment that is not drained. Written by the consumer,
    /// but for the producer's WAITING.
    released: Padded<AtomicU64>,
    /// The next position to read, for whoever asks how full the queue is.
    tail: AtomicU64,
    /// As GONE, where the producer can look at every push without a trip of the consumer's cache line.
    gone: Padded<AtomicBool>,
    /// The segment of position `p` is in place `(p >> P) & 63`.
    directory: [AtomicPtr<Slot<T>>; SEGMENTS as usize],
    producer_seat: Seat,
    consumer_seat: Seat,
}

// SAFETY: values are moved from one end's thread to the other's, never shared; all else is atomic or a seat [INV-5].
unsafe impl<T: Send, const P: u32> Send for Ring<T, P> {}
// SAFETY: [INV-5, INV-6] as above.
unsafe impl<T: Send, const P: u32> Sync for Ring<T, P> {}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    Full,
    Closed,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    Empty,
    Closed,
}

const fn segment_of<const P: u32>(position: u64) -> u64 {
    position >> P
}

/// The slot of `position` in its segment.
///
/// # Safety
///
/// The segment is alive, for as long as the reference is.
#[inline(always)]
unsafe fn slot<'a, T, const P: u32>(segment: *const Slot<T>, position: u64) -> &'a Slot<T> {
    let index = (position & (Ring::<T, P>::LEN - 1)) as usize;
    // SAFETY: [local] the index is below the segment's length.
    let slot = unsafe { segment.add(index) };
    // SAFETY: [caller] the caller's promise.
    unsafe { &*slot }
}

impl<T, const P: u32> Ring<T, P> {
    /// Values per segment.
    pub(super) const LEN: u64 = {
        assert!(P <= 20, "a segment of a SegSpsc holds at most 2^20 values");
        1 << P
    };

    pub(super) fn new() -> Self {
        Self {
            head: Padded(AtomicU64::new(0)),
            released: Padded(AtomicU64::new(0)),
            tail: AtomicU64::new(0),
            gone: Padded(AtomicBool::new(false)),
            directory: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            producer_seat: Seat::new(),
            consumer_seat: Seat::new(),
        }
    }

    fn place(&self, position: u64) -> &AtomicPtr<Slot<T>> {
        &self.directory[(segment_of::<P>(position) & (SEGMENTS - 1)) as usize]
    }

    pub(super) fn len(&self) -> usize {
        let tail = self.tail.load(Ordering::Acquire);
        let head = self.head.load(Ordering::Acquire) & POSITION;
        (head.saturating_sub(tail)).min(SEGMENTS << P) as usize
    }

    pub(super) fn is_closed(&self) -> bool {
        self.head.load(Ordering::Acquire) & CLOSED != 0 || self.gone.load(Ordering::Acquire)
    }

    /// How many segments exist.
    pub(super) fn segments(&self) -> usize {
        self.directory.iter().filter(|place| !place.load(Ordering::Relaxed).is_null()).count()
    }

    fn alloc() -> NonNull<Slot<T>> {
        let slots: Box<[Slot<T>]> = (0..Self::LEN).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
        // SAFETY: [local] a box is never null.
        unsafe { NonNull::new_unchecked(Box::into_raw(slots).cast()) }
    }

    /// # Safety
    ///
    /// `segment` came from [`Ring::alloc`] and nobody uses it any more.
    unsafe fn free(segment: NonNull<Slot<T>>) {
        let slots = ptr::slice_from_raw_parts_mut(segment.as_ptr(), Self::LEN as usize);
        // SAFETY: [caller] it came from `Box::into_raw` of a slice of this length.
        drop(unsafe { Box::from_raw(slots) });
    }
}

impl<T, const P: u32> Drop for Ring<T, P> {
    fn drop(&mut self) {
        // The consumer has emptied the queue, or has left what came after it had gone.
        let mut rest = Rest::<T, P> {
            position: self.tail.load(Ordering::Relaxed),
            end: self.head.load(Ordering::Relaxed) & POSITION,
            ring: self,
        };
        rest.drop_all();
    }
}

/// Drops the values left in a ring, then its segments, also when a value's destructor panics.
struct Rest<'a, T, const P: u32> {
    ring: &'a Ring<T, P>,
    position: u64,
    end: u64,
}

impl<T, const P: u32> Rest<'_, T, P> {
    fn drop_all(&mut self) {
        while self.position < self.end {
            let segment = self.ring.place(self.position).load(Ordering::Relaxed);
            // SAFETY: [INV-7] the segments of all positions from the tail to the head exist.
            let slot = unsafe { slot::<T, P>(segment, self.position) };
            self.position += 1;
            slot.with_mut(|value| {
                // SAFETY: [INV-6] written and not yet read; nobody else is left.
                unsafe { value.cast::<T>().drop_in_place() };
            });
        }
    }
}

impl<T, const P: u32> Drop for Rest<'_, T, P> {
    fn drop(&mut self) {
        // After a panic the other values still have to be dropped; a second panic ends the process, as everywhere.
        self.drop_all();
        for place in &self.ring.directory {
            if let Some(segment) = NonNull::new(place.load(Ordering::Relaxed)) {
                // SAFETY: [local] nobody else is left.
                unsafe { Ring::<T, P>::free(segment) };
            }
        }
    }
}

/// The writing end. `WAITS`: the consumer may wait, so that each publication must look for its flag.
pub(super) struct Writer<T, const P: u32, const WAITS: bool> {
    pub(super) ring: Arc<Ring<T, P>>,
    /// The next position to write.
    head: u64,
    /// The segment of `head` ends here; up to here there is room.
    limit: u64,
    /// The segment that ends at `limit`, null before the first.
    segment: *mut Slot<T>,
}

/// The reading end.
pub(super) struct Reader<T, const P: u32, const WAITS: bool> {
    pub(super) ring: Arc<Ring<T, P>>,
    /// The next position to read.
    tail: u64,
    /// Values up to here are known to be there.
    seen: u64,
    /// The segment of `tail`, null until its first value is asked for.
    segment: *mut Slot<T>,
    /// Where `segment` ends; `tail` when that is drained or there is none.
    end: u64,
    /// The first segment after the producer's that has no spare yet.
    spare: u64,
    /// GONE once the queue is closed from this end.
    gone: u64,
}

// SAFETY: [INV-6, INV-7] the pointers lead into the ring, whose values are `Send`.
unsafe impl<T: Send, const P: u32, const WAITS: bool> Send for Writer<T, P, WAITS> {}
// SAFETY: [INV-6, INV-7] as above.
unsafe impl<T: Send, const P: u32, const WAITS: bool> Send for Reader<T, P, WAITS> {}
// SAFETY: [local] by shared reference an end gives lengths and flags only.
unsafe impl<T: Send, const P: u32, const WAITS: bool> Sync for Writer<T, P, WAITS> {}
// SAFETY: [local] as above.
unsafe impl<T: Send, const P: u32, const WAITS: bool> Sync for Reader<T, P, WAITS> {}

/// Makes both ends of a new queue.
pub(super) fn ends<T, const P: u32, const WAITS: bool>() -> (Writer<T, P, WAITS>, Reader<T, P, WAITS>) {
    let ring = Arc::new(Ring::new());
    let writer = Writer { ring: Arc::clone(&ring), head: 0, limit: 0, segment: ptr::null_mut() };
    (writer, Reader { ring, tail: 0, seen: 0, segment: ptr::null_mut(), end: 0, spare: 1, gone: 0 })
}

impl<T, const P: u32, const WAITS: bool> Writer<T, P, WAITS> {
    /// Makes sure that the slot of `head` can be written. Gives how many can be from there on without asking again.
    #[inline(always)]
    pub(super) fn room(&mut self) -> Result<u64, NoRoom> {
        if self.ring.gone.load(Ordering::Relaxed) {
            return Err(NoRoom::Closed);
        }
        if self.head == self.limit {
            self.enter_next()?;
        }
        Ok(self.limit - self.head)
    }

    /// Goes to the next segment, and makes it if it does not exist.
    #[cold]
    fn enter_next(&mut self) -> Result<(), NoRoom> {
        let released = self.ring.released.load(ordering("spsc.released", Ordering::Acquire));
        if released & GONE != 0 {
            return Err(NoRoom::Closed);
        }
        if segment_of::<P>(self.head) - segment_of::<P>(released & POSITION) >= SEGMENTS {
            return Err(NoRoom::Full);
        }
        let place = self.ring.place(self.head);
        let found = place.load(ordering("spsc.spare", Ordering::Acquire));
        self.segment = if found.is_null() {
            let new = Ring::<T, P>::alloc();
            // The consumer learns of it through the head.
            let order = ordering("spsc.spare", Ordering::Acquire);
            match place.compare_exchange(ptr::null_mut(), new.as_ptr(), Ordering::Relaxed, order) {
                Ok(_) => new.as_ptr(),
                Err(spare) => {
                    // SAFETY: [local] nobody else knows it.
                    unsafe { Ring::<T, P>::free(new) };
                    spare
                }
            }
        } else {
            found
        };
        self.limit = self.head + Ring::<T, P>::LEN;
        Ok(())
    }

    /// Writes a value without publishing it.
    ///
    /// # Safety
    ///
    /// [`Writer::room`] gave at least one more than was written since.
    #[inline(always)]
    pub(super) unsafe fn write(&mut self, value: T) {
        // SAFETY: [INV-7] the segment of `head` is alive.
        let slot = unsafe { slot::<T, P>(self.segment, self.head) };
        slot.with_mut(|place| {
            // SAFETY: [INV-6] beyond the published head the slot is the producer's.
            unsafe { (*place).write(value) };
        });
        self.head += 1;
    }

    /// Writes values from a slice, as many as `room`, without publishing them.
    ///
    /// # Safety
    ///
    /// [`Writer::room`] gave at least as many as the slice has.
    #[inline(always)]
    pub(super) unsafe fn write_slice(&mut self, values: &[T])
    where
        T: Copy,
    {
        #[cfg(loom)]
        for value in values {
            // SAFETY: [caller] the caller's promise.
            unsafe { self.write(*value) };
        }
        #[cfg(not(loom))]
        {
            // SAFETY: [INV-7] the segment of `head` is alive, and the index is below its length.
            let first = unsafe { self.segment.add((self.head & (Ring::<T, P>::LEN - 1)) as usize) };
            // SAFETY: [INV-6] beyond the published head the slots are the producer's; they have room for all, in one
            // segment; a slot is laid out as its value.
            unsafe { ptr::copy_nonoverlapping(values.as_ptr(), first.cast::<T>(), values.len()) };
            self.head += values.len() as u64;
        }
    }

    /// Publishes what was written, and wakes the consumer if it waits.
    #[inline(always)]
    pub(super) fn publish(&mut self) {
        if WAITS {
            let seen = self.ring.head.swap(self.head, ordering("spsc.publish", Ordering::AcqRel));
            if seen & WAITING != 0 {
                // SAFETY: [INV-5] the flag was set and the swap cleared it.
                unsafe { wake(&self.ring.consumer_seat) };
            }
        } else {
            self.ring.head.store(self.head, ordering("spsc.publish", Ordering::Release));
        }
    }

    /// Closes the queue: the consumer can still read what was written.
    fn close(&mut self) {
        let seen = self.ring.head.swap(self.head | CLOSED, ordering("spsc.publish", Ordering::AcqRel));
        if seen & WAITING != 0 {
            // SAFETY: [INV-5] the flag was set and the swap cleared it.
            unsafe { wake(&self.ring.consumer_seat) };
        }
    }

    /// Leaves a waker, if there is still no room. False if there may be, or if the seat is just being given back.
    pub(super) fn wait(&mut self, waker: &Waker) -> bool {
        let Ring { released, producer_seat: seat, .. } = &*self.ring;
        if !unwait(released, seat) {
            return false;
        }
        // SAFETY: [INV-5] the flag is clear and the seat not lent.
        unsafe { seat.put(waker) };
        let seen = released.load(Ordering::Relaxed);
        let full = segment_of::<P>(self.head) - segment_of::<P>(seen & POSITION) >= SEGMENTS;
        // What is no place to wait at is no value that the word can have.
        let expected = if full && seen & GONE == 0 { seen } else { u64::MAX };
        set_waiting(released, expected, seat)
    }
}

impl<T, const P: u32, const WAITS: bool> Drop for Writer<T, P, WAITS> {
    fn drop(&mut self) {
        self.close();
        forget_waker(&self.ring.released, &self.ring.producer_seat);
    }
}

impl<T, const P: u32, const WAITS: bool> Reader<T, P, WAITS> {
    /// How many values can be read from the next on without asking again: those of its segment that are known to be there.
    #[inline(always)]
    pub(super) fn ready(&mut self) -> Result<u64, NoValue> {
        if self.tail == self.seen {
            let head = self.ring.head.load(ordering("spsc.publish", Ordering::Acquire));
            self.seen = head & POSITION;
            if self.tail == self.seen {
                return Err(if head & CLOSED == 0 { NoValue::Empty } else { NoValue::Closed });
            }
        }
        if self.tail == self.end {
            self.enter_next();
        }
        Ok(self.seen.min(self.end) - self.tail)
    }

    /// Goes to the next segment: there is a value in it.
    #[cold]
    fn enter_next(&mut self) {
        // Only a forgotten chunk can have left the last one unreleased.
        self.release();
        // In place before the head that was seen went beyond its start.
        self.segment = self.ring.place(self.tail).load(Ordering::Relaxed);
        self.end = self.tail + Ring::<T, P>::LEN;
    }

    /// Reads a value. [`Reader::release`] says so to the producer.
    ///
    /// # Safety
    ///
    /// [`Reader::ready`] gave at least one more than was read since.
    #[inline(always)]
    pub(super) unsafe fn read(&mut self) -> T {
        // SAFETY: [INV-7] the segment of `tail` is alive.
        let slot = unsafe { slot::<T, P>(self.segment, self.tail) };
        let value = slot.with(|place| {
            // SAFETY: [INV-6] published, and the tail moves on so that it is read once.
            unsafe { place.cast::<T>().read() }
        });
        self.tail += 1;
        value
    }

    /// Reads as many values as the slice has.
    ///
    /// # Safety
    ///
    /// [`Reader::ready`] gave at least as many as the slice has.
    #[inline(always)]
    pub(super) unsafe fn read_slice(&mut self, values: &mut [T])
    where
        T: Copy,
    {
        #[cfg(loom)]
        for value in values {
            // SAFETY: [caller] the caller's promise.
            *value = unsafe { self.read() };
        }
        #[cfg(not(loom))]
        {
            // SAFETY: [INV-7] the segment of `tail` is alive, and the index is below its length.
            let first = unsafe { self.segment.add((self.tail & (Ring::<T, P>::LEN - 1)) as usize) };
            // SAFETY: [INV-6] so many are published, in one segment; a slot is laid out as its value.
            unsafe { ptr::copy_nonoverlapping(first.cast::<T>(), values.as_mut_ptr(), values.len()) };
            self.tail += values.len() as u64;
        }
    }

    /// Tells how far was read, and gives the segment back if it is drained.
    #[inline(always)]
    pub(super) fn release(&mut self) {
        self.ring.tail.store(self.tail, Ordering::Release);
        if self.tail == self.end {
            self.give_back();
        }
    }

    #[cold]
    fn give_back(&mut self) {
        let Some(segment) = NonNull::new(std::mem::replace(&mut self.segment, ptr::null_mut())) else {
            return;
        };
        // The producer comes here again only after it has seen the release below.
        self.ring.place(self.tail - 1).store(ptr::null_mut(), Ordering::Relaxed);
        self.keep_or_free(segment);
        if WAITS {
            self.swap_released();
        } else {
            let order = ordering("spsc.released", Ordering::Release);
            self.ring.released.store(self.tail | self.gone, order);
        }
    }

    /// Writes the `released` word, and wakes the producer if it waits.
    fn swap_released(&mut self) {
        let order = ordering("spsc.released", Ordering::AcqRel);
        let seen = self.ring.released.swap(self.tail | self.gone, order);
        if seen & WAITING != 0 {
            // SAFETY: [INV-5] the flag was set and the swap cleared it.
            unsafe { wake(&self.ring.producer_seat) };
        }
    }

    /// Puts a drained segment where the producer will need one next, or frees it if enough lie there.
    fn keep_or_free(&mut self, segment: NonNull<Slot<T>>) {
        // Something was read, so that the head is not 0.
        let writing = segment_of::<P>((self.ring.head.load(Ordering::Relaxed) & POSITION) - 1);
        self.spare = self.spare.max(writing + 1);
        while self.spare - writing <= MAX_SPARE && self.spare - segment_of::<P>(self.tail) < SEGMENTS {
            let place = self.ring.place(self.spare << P);
            self.spare += 1;
            // Release: our reads of its values come before the producer's next writes.
            let order = ordering("spsc.spare", Ordering::Release);
            if place.compare_exchange(ptr::null_mut(), segment.as_ptr(), order, Ordering::Relaxed).is_ok() {
                return;
            }
        }
        // SAFETY: [local] nobody else knows it any more.
        unsafe { Ring::<T, P>::free(segment) };
    }

    /// Closes the queue: the producer cannot write any more.
    fn close(&mut self) {
        self.gone = GONE;
        self.ring.gone.store(true, Ordering::Release);
        // Any position is right here: the producer looks at the flag first.
        self.swap_released();
    }

    /// Leaves a waker, if there is still nothing to read. False if there may be, or if the seat is just being given back.
    pub(super) fn wait(&mut self, waker: &Waker) -> bool {
        let Ring { head, consumer_seat: seat, .. } = &*self.ring;
        if !unwait(head, seat) {
            return false;
        }
        // SAFETY: [INV-5] the flag is clear and the seat not lent.
        unsafe { seat.put(waker) };
        // Equal only if nothing was published, nor the queue closed.
        set_waiting(head, self.tail, seat)
    }
}

impl<T, const P: u32, const WAITS: bool> Drop for Reader<T, P, WAITS> {
    fn drop(&mut self) {
        self.release();
        self.close();
        let mut values = Drain { reader: self };
        values.drop_all();
        drop(values);
        forget_waker(&self.ring.head, &self.ring.consumer_seat);
    }
}

/// Drops what can be read, also when a value's destructor panics.
struct Drain<'a, T, const P: u32, const WAITS: bool> {
    reader: &'a mut Reader<T, P, WAITS>,
}

impl<T, const P: u32, const WAITS: bool> Drain<'_, T, P, WAITS> {
    fn drop_all(&mut self) {
        while self.reader.ready().is_ok() {
            // SAFETY: [local] there is at least one.
            let value = unsafe { self.reader.read() };
            self.reader.release();
            drop(value);
        }
    }
}

impl<T, const P: u32, const WAITS: bool> Drop for Drain<'_, T, P, WAITS> {
    fn drop(&mut self) {
        self.drop_all();
    }
}

/// Takes the waker out of a seat and wakes it.
///
/// # Safety
///
/// As for [`Seat::take`].
#[cold]
unsafe fn wake(seat: &Seat) {
    // SAFETY: [caller] the caller's promise.
    if let Some(waker) = unsafe { seat.take() } {
        waker.wake();
    }
}

/// Sets the flag if the word still is `expected`, which has no flag set. Otherwise takes the seat back.
fn set_waiting(word: &AtomicU64, expected: u64, seat: &Seat) -> bool {
    let order = ordering("spsc.wait", Ordering::Release);
    let set = word.compare_exchange(expected, expected | WAITING, order, Ordering::Relaxed).is_ok();
    if !set {
        // SAFETY: [INV-5] the flag is not set.
        unsafe { seat.take_back() };
    }
    set
}

/// Clears the flag that a former wait of this end may have left set. Whether the seat is this end's then.
fn unwait(word: &AtomicU64, seat: &Seat) -> bool {
    if word.load(Ordering::Relaxed) & WAITING != 0 {
        let seen = word.fetch_and(!WAITING, Ordering::Relaxed);
        if seen & WAITING != 0 {
            // SAFETY: [INV-5] we cleared the flag ourselves.
            unsafe { seat.take_back() };
        }
    }
    !seat.is_lent()
}

/// Drops the waker that this end may have left.
fn forget_waker(word: &AtomicU64, seat: &Seat) {
    if unwait(word, seat) {
        // SAFETY: [INV-5] the flag is clear and the seat not lent.
        drop(unsafe { seat.take() });
    }
}
