//! The chain of segments: from a claimed position to its slot, growth at the end, and the receiver's walk along it,
//! which gives drained segments back. Who may claim a position is not decided here.

use super::segment::{Header, NOT_OBSERVED, Segment, Slot, first_len, max_len};
use crate::shim::{AtomicPtr, AtomicU64, Ordering, ordering};
use std::ptr::{self, NonNull};

/// How many segments ahead of the senders a drained one may be placed for reuse; beyond that it is freed.
const MAX_AHEAD: usize = 2;

/// The position in a channel's state word.
///
/// Its upper bits count claims and wrap around; the lower ones belong to the channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positions {
    pub(super) shift: u32,
}

impl Positions {
    #[inline(always)]
    pub(super) const fn mask(self) -> u64 {
        u64::MAX >> self.shift
    }

    #[inline(always)]
    pub(super) const fn of(self, state: u64) -> u64 {
        state >> self.shift
    }

    /// How far `to` lies after `from`. Positions before it give more than half of [`Positions::mask`].
    #[inline(always)]
    const fn distance(self, from: u64, to: u64) -> u64 {
        to.wrapping_sub(from) & self.mask()
    }

    #[inline(always)]
    const fn is_behind(self, distance: u64) -> bool {
        distance > self.mask() / 2
    }
}

/// The senders' ends of the chain.
pub(super) struct Chain<T> {
    /// The segment that senders look at first; null before the first one. Moves forward only.
    tail: AtomicPtr<Segment<T>>,
    /// The very first segment. Read only while `tail`, or the receiver's own pointer, is still null.
    root: AtomicPtr<Segment<T>>,
}

/// The receiver's place in the chain.
pub(super) struct Cursor<T> {
    /// The segment of the next position, null before the first.
    segment: *mut Segment<T>,
    /// The first segment that is not yet given back: `segment` or one before it.
    oldest: *mut Segment<T>,
    /// The next slot of `segment`, its `len`, and its lap.
    index: u32,
    len: u32,
    lap: u8,
}

impl<T> Chain<T> {
    pub(super) fn new() -> Self {
        Self { tail: AtomicPtr::new(ptr::null_mut()), root: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The slot of `position` and the lap byte that makes it full.
    ///
    /// # Safety
    ///
    /// The caller has claimed `position` and not yet published it, with no other use of this chain's memory in between.
    #[inline(always)]
    pub(super) unsafe fn locate(
        &self,
        state: &AtomicU64,
        positions: Positions,
        position: u64,
    ) -> (NonNull<Slot<T>>, u8) {
        if let Some(segment) = NonNull::new(self.tail.load(ordering("mpsc.tail", Ordering::Acquire))) {
            // SAFETY: [INV-4] the tail, loaded after the claim, stays until the claimed position is consumed.
            let (header, len) = unsafe { Self::read(segment) };
            let distance = positions.distance(header.start, position);
            if distance < u64::from(len) {
                // SAFETY: [local] `distance` is below `len`.
                return (unsafe { Segment::slot(segment, distance as u32) }, header.lap);
            }
        }
        // SAFETY: [caller] the caller's promise.
        unsafe { self.locate_slow(state, positions, position) }
    }

    /// Walks, and grows the chain, to the segment of `position`.
    ///
    /// # Safety
    ///
    /// As for [`Chain::locate`].
    #[cold]
    unsafe fn locate_slow(
        &self,
        state: &AtomicU64,
        positions: Positions,
        position: u64,
    ) -> (NonNull<Slot<T>>, u8) {
        let mut segment = self.tail_or_root();
        loop {
            // SAFETY: [INV-4] a segment reached from the tail after the claim stays until the position is consumed.
            let (header, len) = unsafe { Self::read(segment) };
            let distance = positions.distance(header.start, position);
            if distance < u64::from(len) {
                // SAFETY: [local] `distance` is below `len`.
                return (unsafe { Segment::slot(segment, distance as u32) }, header.lap);
            }
            segment = if positions.is_behind(distance) {
                // Others moved the tail past the claimed position, which keeps every segment from its own on alive.
                let Some(prev) = NonNull::new(header.prev) else {
                    unreachable!("positions start at the root")
                };
                prev
            } else {
                // SAFETY: [INV-4] as above.
                unsafe { self.step(state, positions, segment) }
            };
        }
    }

    /// The segment after `segment`, made if need be; the tail is taken along.
    ///
    /// # Safety
    ///
    /// `segment` was reached from the tail by a sender whose claim is not yet published.
    unsafe fn step(
        &self,
        state: &AtomicU64,
        positions: Positions,
        segment: NonNull<Segment<T>>,
    ) -> NonNull<Segment<T>> {
        // SAFETY: [INV-4] alive, as the caller promises.
        let this = unsafe { segment.as_ref() };
        let next = match NonNull::new(this.next.load(ordering("mpsc.link", Ordering::Acquire))) {
            Some(next) => next,
            // SAFETY: [INV-4] alive, as the caller promises.
            None => unsafe { Self::grow(positions, segment) },
        };
        // Release: whoever finds `next` in the tail reads its header.
        let moved = self.tail.compare_exchange(
            segment.as_ptr(),
            next.as_ptr(),
            ordering("mpsc.tail", Ordering::Release),
            Ordering::Relaxed,
        );
        if moved.is_ok() {
            // Whoever claims after this read-modify-write (acquire) sees the tail beyond `segment`. So all who may still
            // hold it have claimed positions before the one that is read here.
            let seen = state.fetch_or(0, ordering("mpsc.observe", Ordering::Release));
            // The receiver acts on it only after it has consumed our own message, which we publish later.
            this.observed.store(positions.of(seen), Ordering::Relaxed);
        }
        next
    }

    /// Links a new segment behind `segment`, unless another thread was first. Gives what is linked there.
    ///
    /// # Safety
    ///
    /// `segment` is alive.
    unsafe fn grow(positions: Positions, segment: NonNull<Segment<T>>) -> NonNull<Segment<T>> {
        // SAFETY: [caller] alive, as the caller promises.
        let (header, len) = unsafe { Self::read(segment) };
        let start = header.start.wrapping_add(u64::from(len)) & positions.mask();
        let new = Segment::alloc((len * 2).min(max_len::<T>()), start, segment.as_ptr());
        // SAFETY: [caller] alive, as the caller promises.
        let this = unsafe { segment.as_ref() };
        Self::link(&this.next, new).unwrap_or_else(|other| {
            // SAFETY: [local] nobody else has seen it.
            unsafe { Segment::free(new) };
            other
        })
    }

    /// Puts `new` where there is no segment yet, or says which one is there.
    fn link(
        place: &AtomicPtr<Segment<T>>,
        new: NonNull<Segment<T>>,
    ) -> Result<NonNull<Segment<T>>, NonNull<Segment<T>>> {
        let linked = place.compare_exchange(
            ptr::null_mut(),
            new.as_ptr(),
            ordering("mpsc.link", Ordering::Release),
            ordering("mpsc.link", Ordering::Acquire),
        );
        match linked {
            Ok(_) => Ok(new),
            Err(other) => Err(NonNull::new(other).unwrap_or(new)),
        }
    }

    /// The tail; the root, made if need be, becomes the tail when there is none.
    fn tail_or_root(&self) -> NonNull<Segment<T>> {
        if let Some(tail) = NonNull::new(self.tail.load(ordering("mpsc.tail", Ordering::Acquire))) {
            return tail;
        }
        let root = match NonNull::new(self.root.load(ordering("mpsc.link", Ordering::Acquire))) {
            Some(root) => root,
            None => {
                let new = Segment::alloc(first_len::<T>(), 0, ptr::null_mut());
                Self::link(&self.root, new).unwrap_or_else(|other| {
                    // SAFETY: [local] nobody else has seen it.
                    unsafe { Segment::free(new) };
                    other
                })
            }
        };
        let first = self.tail.compare_exchange(
            ptr::null_mut(),
            root.as_ptr(),
            ordering("mpsc.tail", Ordering::Release),
            ordering("mpsc.tail", Ordering::Acquire),
        );
        match first {
            Ok(_) => root,
            Err(tail) => NonNull::new(tail).unwrap_or(root),
        }
    }

    /// A segment's header and length.
    ///
    /// # Safety
    ///
    /// `segment` is alive and placed in the chain.
    #[inline(always)]
    unsafe fn read(segment: NonNull<Segment<T>>) -> (Header<T>, u32) {
        // SAFETY: [caller] alive, as the caller promises.
        let this = unsafe { segment.as_ref() };
        let header = this.header.with(|header| {
            // SAFETY: [INV-4] only the receiver writes it, and only while the segment is out of everybody's reach.
            unsafe { *header }
        });
        (header, this.len)
    }
}

impl<T> Cursor<T> {
    pub(super) fn new() -> Self {
        Self { segment: ptr::null_mut(), oldest: ptr::null_mut(), index: 0, len: 0, lap: 0 }
    }

    /// The slot of the next position, which is `head`, if it is published.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and the chain and `head` are the cursor's.
    #[inline(always)]
    pub(super) unsafe fn ready(
        &mut self,
        chain: &Chain<T>,
        positions: Positions,
        head: u64,
    ) -> Option<NonNull<Slot<T>>> {
        if self.index == self.len {
            // SAFETY: [caller] the caller's promise.
            unsafe { self.enter_next(chain, positions, head) }?;
        }
        // SAFETY: [local] the cursor is in a segment: its index is not its length, as it is before the first.
        let segment = unsafe { NonNull::new_unchecked(self.segment) };
        // SAFETY: [INV-4] the receiver's own segment is alive; the index is below the length.
        let slot = unsafe { Segment::slot(segment, self.index) };
        // SAFETY: [INV-4] as above.
        unsafe { slot.as_ref() }.is_ready(self.lap).then_some(slot)
    }

    /// Counts the slot that [`Cursor::ready`] gave as consumed.
    #[inline(always)]
    pub(super) fn advance(&mut self) {
        self.index += 1;
    }

    /// Goes to the next segment, if there is one, and gives drained ones back.
    ///
    /// # Safety
    ///
    /// As for [`Cursor::ready`].
    #[cold]
    unsafe fn enter_next(&mut self, chain: &Chain<T>, positions: Positions, head: u64) -> Option<()> {
        let place = match NonNull::new(self.segment) {
            None => &chain.root,
            // SAFETY: [INV-4] the receiver's own segment is alive.
            Some(segment) => &unsafe { segment.as_ref() }.next,
        };
        let next = NonNull::new(place.load(ordering("mpsc.link", Ordering::Acquire)))?;
        if self.oldest.is_null() {
            self.oldest = next.as_ptr();
        }
        self.segment = next.as_ptr();
        // SAFETY: [INV-4] linked, and the receiver has not gone past it.
        let (header, len) = unsafe { Chain::read(next) };
        (self.index, self.len, self.lap) = (0, len, header.lap);
        // SAFETY: [caller] the caller's promise.
        unsafe { self.give_back(chain, positions, head) };
        Some(())
    }

    /// Gives back the segments before the cursor's own that no sender can still hold: `head` is the next position.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, `head` is the cursor's position, and the chain is the cursor's.
    unsafe fn give_back(&mut self, chain: &Chain<T>, positions: Positions, head: u64) {
        while self.oldest != self.segment {
            let Some(drained) = NonNull::new(self.oldest) else { return };
            // SAFETY: [INV-4] not yet given back.
            let this = unsafe { drained.as_ref() };
            let observed = this.observed.load(Ordering::Relaxed);
            if observed == NOT_OBSERVED || positions.is_behind(positions.distance(observed, head)) {
                return;
            }
            self.oldest = this.next.load(Ordering::Relaxed);
            // SAFETY: [INV-4] the tail has left it, and all who could have seen it there have published: it is ours.
            unsafe { Self::place_or_free(chain, positions, drained) };
        }
    }

    /// Puts a drained segment at the end of the chain, or frees it when enough lie there.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and nobody else can reach `segment`.
    unsafe fn place_or_free(chain: &Chain<T>, positions: Positions, segment: NonNull<Segment<T>>) {
        // SAFETY: [caller] alive.
        let this = unsafe { segment.as_ref() };
        this.next.store(ptr::null_mut(), Ordering::Relaxed);
        this.observed.store(NOT_OBSERVED, Ordering::Relaxed);
        // SAFETY: [caller] alive, and nobody else can reach it.
        let lap = unsafe { Chain::read(segment) }.0.lap;
        let mut last = NonNull::new(chain.tail.load(ordering("mpsc.tail", Ordering::Acquire)));
        let mut ahead = 0;
        while let Some(end) = last.filter(|_| ahead < MAX_AHEAD) {
            // SAFETY: [INV-4] only the receiver, which is here, gives segments back, and never those from the tail on.
            let after = unsafe { end.as_ref() };
            // SAFETY: [INV-4] as above.
            let (header, len) = unsafe { Chain::read(end) };
            if len > this.len {
                break;
            }
            last = NonNull::new(after.next.load(ordering("mpsc.link", Ordering::Acquire)));
            if last.is_none() {
                let start = header.start.wrapping_add(u64::from(len)) & positions.mask();
                // All slots hold the old lap's byte: each was published and consumed.
                let placed = Header { start, lap: lap ^ 1, prev: end.as_ptr() };
                this.header.with_mut(|header| {
                    // SAFETY: [caller] nobody else can reach the segment.
                    unsafe { *header = placed }
                });
                match Chain::link(&after.next, segment) {
                    Ok(_) => return,
                    Err(other) => last = Some(other),
                }
            }
            ahead += 1;
        }
        // SAFETY: [caller] nobody else can reach it.
        unsafe { Segment::free(segment) };
    }

    /// Frees all segments. Values in them are not dropped.
    ///
    /// # Safety
    ///
    /// Nobody uses the chain any more, and it is the cursor's.
    pub(super) unsafe fn free_all(&mut self, chain: &Chain<T>) {
        let first = if self.oldest.is_null() { chain.root.load(Ordering::Relaxed) } else { self.oldest };
        let mut rest = NonNull::new(first);
        while let Some(segment) = rest {
            // SAFETY: [INV-4] from the oldest on, the chain's segments are alive.
            rest = NonNull::new(unsafe { segment.as_ref() }.next.load(Ordering::Relaxed));
            // SAFETY: [caller] nobody uses the chain any more.
            unsafe { Segment::free(segment) };
        }
    }
}
