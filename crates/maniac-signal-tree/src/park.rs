//! Who must be woken. This module decides; blocking and waking threads is the caller's.
//!
//! `searching` counts the workers that look for work in other partitions, among them those just woken to do so. Its
//! top bits are demands, left by who would have woken a worker but for a searcher: the last searcher may not end its
//! search without answering them. So one wake-up is under way at a time, and none is lost.

use crate::{
    MAX_PARTITIONS, Neighbours, PARTITION_WORDS, SignalTree, partition_bit,
    shim::{self, Ordering},
    waker::{HOME, PARKED, PERMIT, SEARCH},
};

/// A partition has work, and its worker was parked.
const DEMAND_OWNER: u64 = 1 << 63;
/// A partition has more work than its worker should do alone.
const DEMAND_THIEF: u64 = 1 << 62;
/// The searchers.
const COUNT: u64 = DEMAND_THIEF - 1;

/// Which partitions a worker looks at once more before it parks.
///
/// ```
/// use maniac_signal_tree::{Look, Neighbours, SignalTree};
///
/// let tree = SignalTree::new(2, 1)?;
/// let leaf = tree.add_leaf(0)?;
/// let _ = tree.set(leaf.slot(0));
/// let neighbours = Neighbours::all(1, 2)?;
/// assert!(!tree.prepare_park(1, Look::Also(&neighbours))); // worker 1 could steal that
/// assert!(tree.prepare_park(1, Look::Own));
/// # Ok::<(), maniac_signal_tree::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Look<'a> {
    /// Its own: a worker that never steals, from which nobody steals, and which is never woken to steal.
    Own,
    /// Its own and those that it steals from: all that belong to workers that look so.
    Also(&'a Neighbours),
}

impl SignalTree {
    /// The worker begins to search other partitions, unless `limit` workers do so already. Whether it may. A worker that
    /// was woken to search, or searches already, may always.
    ///
    /// A search ends with [`end_search`](Self::end_search), as soon as the worker has work from wherever and before it
    /// runs any, or with [`prepare_park`](Self::prepare_park).
    ///
    /// # Panics
    /// If there is no such worker.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(3, 1)?;
    /// assert!(tree.begin_search(0, 1) && tree.begin_search(0, 1));
    /// assert!(!tree.begin_search(1, 1));
    /// assert_eq!(tree.end_search(0), None);
    /// assert!(tree.begin_search(1, 1));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn begin_search(&self, worker: usize, limit: usize) -> bool {
        let permits = &self.wakers[worker].permits;
        if permits.load(Ordering::Relaxed) >= SEARCH {
            return true;
        }
        let mut now = self.searching.load(Ordering::Relaxed);
        while now & COUNT < limit as u64 {
            match self.searching.compare_exchange_weak(now, now + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    permits.fetch_add(SEARCH, Ordering::AcqRel);
                    return true;
                }
                Err(changed) => now = changed,
            }
        }
        false
    }

    /// How many workers search.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert_eq!(SignalTree::new(3, 1)?.searchers(), 0);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn searchers(&self) -> usize {
        (self.searching.load(Ordering::Relaxed) & COUNT) as usize
    }

    /// How many workers are parked. Reads a word of each.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert_eq!(SignalTree::new(3, 1)?.sleepers(), 0);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn sleepers(&self) -> usize {
        self.wakers.iter().filter(|waker| waker.is_parked()).count()
    }

    /// The worker has work, and searches no longer. Does nothing if it did not search. Returns the worker that the
    /// caller must wake, if any: this was the last searcher, somebody relied on it, and there is more work.
    ///
    /// # Panics
    /// If there is no such worker.
    ///
    /// ```
    /// # use maniac_signal_tree::{Look, Neighbours, SetOutcome, SignalTree};
    /// let tree = SignalTree::new(3, 1)?;
    /// let leaf = tree.add_leaf(1)?;
    /// assert!(tree.prepare_park(1, Look::Also(&Neighbours::all(1, 3)?)) && tree.begin_search(0, 1));
    /// assert_eq!(tree.set(leaf.slot(0)), SetOutcome::OwnerParked { partition: 1 });
    /// assert_eq!(tree.notify(1), None); // worker 0 will find it ...
    /// assert_eq!(tree.end_search(0), Some(1)); // ... but found something else
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn end_search(&self, worker: usize) -> Option<usize> {
        let permits = &self.wakers[worker].permits;
        if permits.load(Ordering::Relaxed) < SEARCH { None } else { self.release(take_searches(permits)) }
    }

    /// The worker says that it will park, and looks once more. `true`: its thread may now block, until it is woken by
    /// whoever got this worker from [`notify`](Self::notify), [`unpark_one`](Self::unpark_one), [`unpark`](Self::unpark)
    /// or [`end_search`](Self::end_search), or for a reason of its own. Either way it then calls
    /// [`cancel_park`](Self::cancel_park). `false`: there is something to do; nothing needs cancelling.
    ///
    /// Whoever wakes it may do so before it blocks: the caller's way of blocking must remember that. Call
    /// [`take_last`](Self::take_last) before, not after. With [`Look::Also`] this ends the worker's search, unless it is
    /// the last and somebody relies on it; with [`Look::Own`] a search must have been ended before.
    ///
    /// # Panics
    /// If there is no such worker.
    ///
    /// ```
    /// # use maniac_signal_tree::{Look, SignalTree};
    /// let tree = SignalTree::new(1, 1)?;
    /// assert!(tree.prepare_park(0, Look::Own));
    /// assert!(tree.unpark(0)); // say, for a timer: now wake its thread
    /// tree.cancel_park(0);
    ///
    /// assert!(!tree.unpark(0)); // awake, but the permit is kept
    /// assert!(!tree.prepare_park(0, Look::Own));
    /// assert!(tree.prepare_park(0, Look::Own));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[must_use = "the thread may block only if this is true"]
    pub fn prepare_park(&self, worker: usize, look: Look<'_>) -> bool {
        let permits = &self.wakers[worker].permits;
        let held = permits.load(Ordering::Relaxed) / SEARCH;
        let parked = match look {
            Look::Own if held != 0 => return false,
            Look::Own => PARKED | HOME,
            Look::Also(neighbours) => {
                if held != 0 {
                    if !self.leave_without_work(held, neighbours) {
                        return false;
                    }
                    permits.fetch_sub(held * SEARCH, Ordering::AcqRel);
                }
                PARKED
            }
        };
        // Relaxed: the looks that follow publish it, and cancel_park acquires what a permit stands for.
        let mut ready = permits.fetch_or(parked, Ordering::Relaxed) != 0;
        if let Look::Also(_) = look {
            let (word, bit) = partition_bit(worker);
            self.stealers[word].fetch_or(bit, shim::ordering("park.stealers", Ordering::AcqRel));
        }
        ready = ready || self.any_word(worker, shim::look, |word| word != 0);
        if let Look::Also(neighbours) = look {
            ready = ready || self.any_ready_among(neighbours);
        }
        if ready {
            self.cancel_park(worker);
        }
        !ready
    }

    /// The worker is awake: it consumes its permit. Returns whether it was woken to search (or does so already).
    ///
    /// # Panics
    /// If there is no such worker.
    ///
    /// ```
    /// # use maniac_signal_tree::{Look, Neighbours, SignalTree};
    /// let tree = SignalTree::new(2, 1)?;
    /// assert!(tree.prepare_park(1, Look::Also(&Neighbours::all(1, 2)?)));
    /// assert_eq!(tree.unpark_one(0), Some(1));
    /// assert!(tree.cancel_park(1));
    /// assert_eq!((tree.sleepers(), tree.searchers()), (0, 1));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn cancel_park(&self, worker: usize) -> bool {
        let (word, bit) = partition_bit(worker);
        if self.stealers[word].load(Ordering::Relaxed) & bit != 0 {
            self.stealers[word].fetch_and(!bit, Ordering::AcqRel);
        }
        let order = shim::ordering("cancel.permits", Ordering::AcqRel);
        let before = self.wakers[worker].permits.fetch_and(!(PERMIT | PARKED | HOME), order);
        before & !(PARKED | HOME) >= SEARCH
    }

    /// There is work in `partition`, whose worker may be parked. Returns the worker that the caller must wake, if any:
    /// the partition's own, if it is parked and nobody searches (a searcher will find the work, unless it is that of a
    /// worker from which nobody steals).
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::{Look, SignalTree};
    /// let tree = SignalTree::new(2, 1)?;
    /// assert_eq!(tree.notify(1), None);
    /// assert!(tree.prepare_park(1, Look::Own));
    /// assert_eq!(tree.notify(1), Some(1));
    /// assert_eq!(tree.notify(1), None);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn notify(&self, partition: usize) -> Option<usize> {
        let permits = self.wakers[partition].permits.load(Ordering::Relaxed);
        if permits & PARKED == 0 {
            None
        } else if permits & HOME != 0 {
            self.disturb(partition).then_some(partition)
        } else {
            self.wake(DEMAND_OWNER, || self.claim(partition))
        }
    }

    /// There is work that a further worker should share. Returns the worker that the caller must wake, if any: one that
    /// is parked and steals, the next at or behind number `near`, if nobody searches.
    ///
    /// ```
    /// # use maniac_signal_tree::{Look, Neighbours, SignalTree};
    /// let tree = SignalTree::new(4, 1)?;
    /// for worker in [0, 3] {
    ///     assert!(tree.prepare_park(worker, Look::Also(&Neighbours::all(worker, 4)?)));
    /// }
    /// assert_eq!(tree.unpark_one(1), Some(3));
    /// assert_eq!(tree.unpark_one(1), None); // worker 3 searches
    /// tree.cancel_park(3);
    /// tree.end_search(3);
    /// assert_eq!(tree.unpark_one(1), Some(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn unpark_one(&self, near: usize) -> Option<usize> {
        self.wake(DEMAND_THIEF, || self.claim_any(near))
    }

    /// [`unpark_one`](Self::unpark_one), choosing the nearest of `neighbours`.
    ///
    /// ```
    /// # use maniac_signal_tree::{Look, Neighbours, SignalTree};
    /// let tree = SignalTree::new(4, 1)?;
    /// for worker in 1..4 {
    ///     assert!(tree.prepare_park(worker, Look::Also(&Neighbours::all(worker, 4)?)));
    /// }
    /// let neighbours = Neighbours::new(0, &[&[3], &[1, 2]])?;
    /// assert_eq!(tree.unpark_neighbour(&neighbours), Some(3));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn unpark_neighbour(&self, neighbours: &Neighbours) -> Option<usize> {
        self.wake(DEMAND_THIEF, || {
            neighbours.find(0, &|word| self.look_stealers(word), &mut |worker| self.claim(worker))
        })
    }

    /// There is something for `worker` that is not in the tree: a message in its inbox, an earlier timer. Whether the
    /// caller must wake it. If it is awake it will not park before it has looked.
    ///
    /// # Panics
    /// If there is no such worker.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert!(!SignalTree::new(1, 1)?.unpark(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn unpark(&self, worker: usize) -> bool {
        let permits = &self.wakers[worker].permits;
        let before = permits.fetch_or(PERMIT, shim::ordering("unpark.permits", Ordering::AcqRel));
        before & PARKED != 0 && self.disturb(worker)
    }

    /// Makes `worker` awake, if it is parked, for work that only it can do. Whether the caller must wake it.
    fn disturb(&self, worker: usize) -> bool {
        self.wakers[worker].permits.fetch_and(!(PARKED | HOME), Ordering::AcqRel) & PARKED != 0
    }

    /// Wakes whom `claim` gives, as a searcher; or leaves `demand` with those who search.
    #[cold]
    fn wake(&self, demand: u64, claim: impl Fn() -> Option<usize>) -> Option<usize> {
        let mut now = self.searching.load(Ordering::Relaxed);
        loop {
            // Always a read-modify-write: the searcher that answers the demand must see what this thread has done.
            let next = if now == 0 { 1 } else { now | demand };
            let order = shim::ordering("wake.searching", Ordering::AcqRel);
            match self.searching.compare_exchange_weak(now, next, order, Ordering::Relaxed) {
                Ok(_) => break,
                Err(changed) => now = changed,
            }
        }
        if now != 0 {
            return None;
        }
        claim().or_else(|| self.release(1))
    }

    /// Ends `held` searches; answers the demands if they were the last. Returns the worker that must be woken.
    fn release(&self, held: u64) -> Option<usize> {
        let mut held = held;
        loop {
            let demands = self.leave(held);
            if demands == 0 {
                return None;
            }
            // One search goes on, and becomes that of the worker woken.
            if held > 1 {
                self.searching.fetch_sub(held - 1, Ordering::AcqRel);
                held = 1;
            }
            let woken = self.find_ready(|partition| {
                let permits = self.wakers[partition].permits.load(Ordering::Relaxed);
                if permits & (PARKED | HOME) != PARKED {
                    return None;
                }
                // There may be more such partitions: the worker woken goes on with the demands. They are put back
                // while the search is still this thread's.
                self.searching.fetch_or(demands, Ordering::AcqRel);
                self.claim(partition)
            });
            if woken.is_some() {
                return woken;
            }
            if demands & DEMAND_THIEF != 0
                && let Some(thief) = self.find_ready(|partition| self.claim_any(partition))
            {
                return Some(thief);
            }
        }
    }

    /// Ends `held` searches of a worker that found nothing, unless they were the last, there are demands and there is
    /// work after all: then the worker has to search again. Whether they have ended.
    fn leave_without_work(&self, held: u64, neighbours: &Neighbours) -> bool {
        loop {
            let demands = self.leave(held);
            if demands == 0 {
                return true;
            }
            if self.any_ready_among(neighbours) {
                // It may be the work of several partitions.
                self.searching.fetch_or(demands, Ordering::AcqRel);
                return false;
            }
        }
    }

    /// Takes `held` off the count of searchers and returns 0; but if they are the last and there are demands, takes and
    /// returns those instead.
    fn leave(&self, held: u64) -> u64 {
        let mut now = self.searching.load(Ordering::Relaxed);
        loop {
            let demands = if now & COUNT == held { now & !COUNT } else { 0 };
            let next = if demands == 0 { now - held } else { held };
            let order = shim::ordering("leave.searching", Ordering::AcqRel);
            match self.searching.compare_exchange_weak(now, next, order, Ordering::Relaxed) {
                Ok(_) => return demands,
                Err(changed) => now = changed,
            }
        }
    }

    /// Makes `worker`, if it is parked, awake and the owner of the caller's search. Who does must wake it.
    fn claim(&self, worker: usize) -> Option<usize> {
        let permits = &self.wakers[worker].permits;
        let mut now = permits.load(Ordering::Relaxed);
        while now & PARKED != 0 {
            let claimed = (now & !(PARKED | HOME)) + SEARCH;
            match permits.compare_exchange_weak(now, claimed, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(worker),
                Err(changed) => now = changed,
            }
        }
        None
    }

    /// Claims any parked worker that steals, the first at or behind number `near` if there is one.
    fn claim_any(&self, near: usize) -> Option<usize> {
        let (first, bit) = partition_bit(near % MAX_PARTITIONS);
        let ahead = bit.wrapping_neg();
        for step in 0..=PARTITION_WORDS {
            let word = (first + step) & (PARTITION_WORDS - 1);
            let part = match step {
                0 => ahead,
                PARTITION_WORDS => !ahead,
                _ => u64::MAX,
            };
            let mut stealers = self.look_stealers(word) & part;
            while stealers != 0 {
                let worker = word * 64 + stealers.trailing_zeros() as usize;
                stealers &= stealers - 1;
                if let Some(worker) = self.claim(worker) {
                    return Some(worker);
                }
            }
        }
        None
    }

    /// The parked workers of a word. One that parks later sees what this thread has done.
    fn look_stealers(&self, word: usize) -> u64 {
        shim::look("claim.stealers", &self.stealers[word])
    }
}

/// Takes the searches that a worker is counted for.
fn take_searches(permits: &shim::AtomicU64) -> u64 {
    let flags = PARKED | HOME;
    (permits.fetch_and(PERMIT | flags, Ordering::AcqRel) & !flags) / SEARCH
}
