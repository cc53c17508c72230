//! Finding ready words and taking their bits, and lowering the summaries that say "maybe" where there is nothing.

use crate::{
    GROUPS, Hand, Neighbours, SignalTree, TakeMode, Taken, WORDS_PER_LEAF,
    hand::lower_half,
    leaf::Leaf,
    partition_bit,
    set::group_of,
    shim::{self, AtomicU64, OnceLock, Ordering},
    waker::{GROUP_BITS, HAS_TASKS},
};

/// Who searches, and so which summaries it may lower.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Searcher {
    /// The partition's worker: all but the last path down to a word, which will likely be set again.
    Worker,
    /// The same before it parks: all.
    Parker,
    /// Another worker: those of words only, and not of the last path.
    Thief,
}

/// What [`SignalTree::take_here`] found.
enum Here {
    Taken(Taken),
    /// No slot is ready.
    Nothing,
    /// The general search must tell.
    Elsewhere,
}

/// One search.
struct Search<'a> {
    tree: &'a SignalTree,
    partition: usize,
    hand: &'a mut Hand,
    mode: TakeMode,
    who: Searcher,
}

impl SignalTree {
    /// Takes ready slots of the worker's own partition: all or half of the next signal word that has any, with one
    /// atomic operation. Only the worker may call it.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::{Hand, SignalTree, TakeMode};
    /// let tree = SignalTree::new(1, 1)?;
    /// let leaf = tree.add_leaf(0)?;
    /// let mut hand = Hand::new();
    /// assert!(tree.take(0, &mut hand, TakeMode::Whole).is_none());
    /// let _ = tree.set(leaf.slot(70));
    /// assert_eq!(tree.take(0, &mut hand, TakeMode::Whole).unwrap().base(), 64);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn take(&self, partition: usize, hand: &mut Hand, mode: TakeMode) -> Option<Taken> {
        match self.take_here(partition, hand, mode) {
            Here::Taken(taken) => Some(taken),
            Here::Nothing => None,
            Here::Elsewhere => self.search(partition, hand, mode, Searcher::Worker),
        }
    }

    /// [`take`](Self::take), a whole word, by a worker that will park if it gets nothing. It leaves no summary up
    /// that points at nothing, so that idle workers do not look here. (`take` leaves one path up on purpose: the same
    /// few tasks are set and taken over and over.) Only the worker may call it.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::{Hand, SignalTree, TakeMode};
    /// let tree = SignalTree::new(1, 1)?;
    /// let leaf = tree.add_leaf(0)?;
    /// let mut hand = Hand::new();
    /// let _ = tree.set(leaf.slot(70));
    /// assert!(tree.take_last(0, &mut hand).is_some());
    /// assert!(tree.maybe_ready(0)); // nothing is, but the summaries are still up
    /// assert!(tree.take_last(0, &mut hand).is_none());
    /// assert!(!tree.maybe_ready(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn take_last(&self, partition: usize, hand: &mut Hand) -> Option<Taken> {
        let taken = self.search(partition, hand, TakeMode::Whole, Searcher::Parker);
        if taken.is_none() {
            self.lower_root(partition);
        }
        taken
    }

    /// [`take`](Self::take) from a partition that is not the caller's. By anybody.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::{Hand, SignalTree, TakeMode};
    /// let tree = SignalTree::new(2, 1)?;
    /// let leaf = tree.add_leaf(1)?;
    /// (0..4).for_each(|slot| _ = tree.set(leaf.slot(slot)));
    /// let stolen = tree.steal_from(1, &mut Hand::new(), TakeMode::Half).unwrap();
    /// assert_eq!(stolen.bits(), 0b11);
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn steal_from(&self, victim: usize, hand: &mut Hand, mode: TakeMode) -> Option<Taken> {
        self.search(victim, hand, mode, Searcher::Thief)
    }

    /// Takes ready slots of the first partition among `neighbours` that has any: nearest tier first, within a tier in
    /// turn. Looks only at partitions whose root bit is up.
    ///
    /// ```
    /// # use maniac_signal_tree::{Hand, Neighbours, SignalTree, TakeMode};
    /// let tree = SignalTree::new(4, 2)?;
    /// let (near, far) = (tree.add_leaf(3)?, tree.add_leaf(1)?);
    /// let _ = (tree.set(near.slot(0)), tree.set(far.slot(0)));
    /// let neighbours = Neighbours::new(2, &[&[3], &[0, 1]])?; // 2 and 3 share a cache
    /// let mut hand = Hand::new();
    /// let mut steal = || tree.steal(&neighbours, &mut hand, TakeMode::Half).map(|taken| taken.base());
    /// assert_eq!((steal(), steal(), steal()), (Some(near.slot(0)), Some(far.slot(0)), None));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn steal(&self, neighbours: &Neighbours, hand: &mut Hand, mode: TakeMode) -> Option<Taken> {
        let from = usize::from(hand.victim);
        neighbours.find(from, &|word| self.roots[word].load(Ordering::Acquire), &mut |victim| {
            let taken = self.steal_from(victim, hand, mode);
            if taken.is_some() {
                // Less than MAX_PARTITIONS.
                hand.victim = victim as u16 + 1;
            }
            taken
        })
    }

    /// Whether `partition` may have ready slots: bit 62 of its status word. One load; `false` is certain (but for sets
    /// that have not returned).
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert!(!SignalTree::new(1, 1)?.maybe_ready(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    #[inline]
    pub fn maybe_ready(&self, partition: usize) -> bool {
        self.wakers[partition].summary.status.load(Ordering::Acquire) & HAS_TASKS != 0
    }

    /// Whether `partition` has ready slots: follows the summaries down to a word that is not empty.
    ///
    /// # Panics
    /// If there is no such partition.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// assert!(!SignalTree::new(1, 1)?.is_ready(0));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn is_ready(&self, partition: usize) -> bool {
        self.any_word(partition, |_, place| place.load(Ordering::Acquire), |word| word != 0)
    }

    /// Whether any partition but `partition` has ready slots.
    ///
    /// ```
    /// # use maniac_signal_tree::SignalTree;
    /// let tree = SignalTree::new(3, 1)?;
    /// let leaf = tree.add_leaf(1)?;
    /// let _ = tree.set(leaf.slot(0));
    /// assert!(tree.any_ready_except(0) && !tree.any_ready_except(1));
    /// # Ok::<(), maniac_signal_tree::TreeError>(())
    /// ```
    pub fn any_ready_except(&self, partition: usize) -> bool {
        self.find_ready(|ready| (ready != partition).then_some(())).is_some()
    }

    /// Whether any of `neighbours` has ready slots.
    pub(crate) fn any_ready_among(&self, neighbours: &Neighbours) -> bool {
        let roots = |word: usize| self.roots[word].load(Ordering::Acquire);
        neighbours.find(0, &roots, &mut |partition| self.is_ready(partition).then_some(())).is_some()
    }

    /// Calls `visit` with each partition that has ready slots until it gives something.
    pub(crate) fn find_ready<T>(&self, mut visit: impl FnMut(usize) -> Option<T>) -> Option<T> {
        for (index, root) in self.roots.iter().enumerate() {
            let mut up = root.load(Ordering::Acquire);
            while up != 0 {
                let partition = index * 64 + up.trailing_zeros() as usize;
                up &= up - 1;
                if self.is_ready(partition)
                    && let Some(found) = visit(partition)
                {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Whether `test` holds for a signal word of `partition` that the summaries point at. Every word is read by `read`,
    /// which is told its level. Lowers nothing.
    pub(crate) fn any_word(
        &self,
        partition: usize,
        read: impl Fn(&'static str, &AtomicU64) -> u64,
        mut test: impl FnMut(u64) -> bool,
    ) -> bool {
        let summary = &self.wakers[partition].summary;
        let mut groups = read("park.status", &summary.status) & GROUP_BITS;
        while groups != 0 {
            let group = groups.trailing_zeros();
            groups &= groups - 1;
            let mut leaves = read("park.group", &summary.groups[group as usize & (GROUPS - 1)]);
            while leaves != 0 {
                let index = group << 6 | leaves.trailing_zeros();
                leaves &= leaves - 1;
                let Some(leaf) = self.leaves.get(index as usize).and_then(OnceLock::get) else { continue };
                if leaf.link().partition() != partition {
                    continue;
                }
                let mut words = read("park.summary", &leaf.head.summary);
                while words != 0 {
                    let word = words.trailing_zeros() as usize & (WORDS_PER_LEAF - 1);
                    words &= words - 1;
                    if test(read("park.word", &leaf.words[word])) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// The common case of [`take`](Self::take): a word of the hand's leaf, if the hand comes to it before it comes
    /// to another leaf.
    #[inline(always)]
    fn take_here(&self, partition: usize, hand: &mut Hand, mode: TakeMode) -> Here {
        let (index, first) = (hand.leaf(), hand.word());
        let Some(leaf) = self.leaves.get(index as usize).and_then(OnceLock::get) else {
            return Here::Elsewhere;
        };
        let words = leaf.head.summary.load(Ordering::Acquire);
        if words == 0 || leaf.link().partition() != partition {
            return Here::Elsewhere;
        }
        let ahead = words & (u64::MAX << first);
        if ahead == 0 && !self.is_only_leaf(partition, index) {
            hand.turn_to_leaf(index + 1);
            return Here::Elsewhere;
        }
        let word = (if ahead == 0 { words } else { ahead }).trailing_zeros() as usize & (WORDS_PER_LEAF - 1);
        let place = &leaf.words[word];
        let bits = claim(place, mode, hand, index, word);
        if bits != 0 {
            return Here::Taken(Taken::new(base(index, word), bits));
        }
        // Of the last path up nothing is lowered.
        let last =
            !has_two(words) && place.load(Ordering::Relaxed) == 0 && self.is_only_leaf(partition, index);
        if last { Here::Nothing } else { Here::Elsewhere }
    }

    /// Whether no summary of `partition` points at another leaf.
    #[inline(always)]
    fn is_only_leaf(&self, partition: usize, index: u32) -> bool {
        let (group, leaf_bit) = group_of(index);
        let waker = &self.wakers[partition];
        waker.groups_up() == 1 << group && waker.summary.groups[group].load(Ordering::Acquire) == leaf_bit
    }

    /// The general case.
    #[inline(never)]
    fn search(&self, partition: usize, hand: &mut Hand, mode: TakeMode, who: Searcher) -> Option<Taken> {
        Search { tree: self, partition, hand, mode, who }.run()
    }

    /// Lowers the root bit and bit 62 of `partition`, whose groups the worker found empty.
    fn lower_root(&self, partition: usize) {
        let status = &self.wakers[partition].summary.status;
        let (word, bit) = partition_bit(partition);
        let mut now = status.load(Ordering::Relaxed);
        let root = self.roots[word].load(Ordering::Relaxed) & bit;
        if now & GROUP_BITS != 0 || now & HAS_TASKS | root == 0 {
            return;
        }
        self.roots[word].fetch_and(!bit, Ordering::AcqRel);
        while now & GROUP_BITS == 0 && !shim::is_weak("lower.root") {
            // The look at the status word.
            let order = Ordering::AcqRel;
            match status.compare_exchange_weak(now, now & !HAS_TASKS, order, Ordering::Acquire) {
                Ok(_) => return,
                Err(changed) => now = changed,
            }
        }
        if now & GROUP_BITS != 0 {
            self.roots[word].fetch_or(bit, Ordering::AcqRel);
        }
    }
}

impl Search<'_> {
    /// From the hand once around: what is at or behind it, then the rest, up to all of the hand's own word.
    #[inline(always)]
    fn run(&mut self) -> Option<Taken> {
        let (first, word) = (self.hand.leaf(), self.hand.word());
        let behind = u64::MAX << word;
        if let Some(taken) = self.lap(first, |at| u64::MAX << at, behind) {
            return Some(taken);
        }
        self.hand.turn_to_leaf(first);
        self.lap(first, |at| !(u64::MAX << at << 1), !(behind << 1))
    }

    /// The groups and the leaves that `part` admits, given the place of leaf `first`, and of that leaf `words`.
    #[inline]
    fn lap(&mut self, first: u32, part: impl Fn(u32) -> u64, words: u64) -> Option<Taken> {
        let waker = &self.tree.wakers[self.partition];
        let (first_group, _) = group_of(first);
        let mut groups = waker.groups_up() & part(first_group as u32);
        while groups != 0 {
            let group = groups.trailing_zeros() as usize & (GROUPS - 1);
            groups &= groups - 1;
            let mut leaves = waker.summary.groups[group].load(Ordering::Acquire);
            if leaves == 0 {
                self.lower_group(group);
            }
            if group == first_group {
                leaves &= part(first & 63);
            }
            while leaves != 0 {
                let index = (group as u32) << 6 | leaves.trailing_zeros();
                leaves &= leaves - 1;
                if let Some(taken) = self.leaf(index, if index == first { words } else { u64::MAX }) {
                    return Some(taken);
                }
            }
        }
        None
    }

    /// The words of leaf `index` that `mask` admits.
    #[inline(always)]
    fn leaf(&mut self, index: u32, mask: u64) -> Option<Taken> {
        let leaf: &Leaf = self.tree.leaves.get(index as usize)?.get()?;
        if leaf.link().partition() != self.partition {
            if self.who != Searcher::Thief {
                self.lower_leaf(index, leaf);
            }
            return None;
        }
        let mut words = leaf.head.summary.load(Ordering::Acquire) & mask;
        while words != 0 {
            let word = words.trailing_zeros() as usize & (WORDS_PER_LEAF - 1);
            words &= words - 1;
            let mut bits = claim(&leaf.words[word], self.mode, self.hand, index, word);
            if bits == 0 && leaf.words[word].load(Ordering::Relaxed) == 0 {
                bits = self.lower_word(leaf, word);
                if bits != 0 {
                    self.hand.pass_word(index, word);
                }
            }
            if bits != 0 {
                return Some(Taken::new(base(index, word), bits));
            }
        }
        if leaf.head.summary.load(Ordering::Relaxed) == 0 && self.may_lower_leaf() {
            self.lower_leaf(index, leaf);
        }
        None
    }

    /// Whether a group bit may be lowered: by the worker, and not of the last path.
    fn may_lower_leaf(&self) -> bool {
        match self.who {
            Searcher::Worker => !self.is_last_path(),
            Searcher::Parker => true,
            Searcher::Thief => false,
        }
    }

    /// Whether at most one path of the partition's summaries is up, down to the leaf level.
    fn is_last_path(&self) -> bool {
        let waker = &self.tree.wakers[self.partition];
        let groups = waker.groups_up();
        let leaves = &waker.summary.groups[groups.trailing_zeros() as usize & (GROUPS - 1)];
        !has_two(groups) && !has_two(leaves.load(Ordering::Relaxed))
    }

    /// Lowers the summary bit of a word that was found empty, and takes what is in the word then: the bits of setters
    /// that trusted the summary bit. A later setter sees that it is down.
    #[cold]
    fn lower_word(&self, leaf: &Leaf, word: usize) -> u64 {
        let summary = &leaf.head.summary;
        if self.who != Searcher::Parker && !has_two(summary.load(Ordering::Relaxed)) && self.is_last_path() {
            return 0;
        }
        summary.fetch_and(!(1 << word), Ordering::AcqRel);
        if shim::is_weak("lower.word") && leaf.words[word].load(Ordering::Acquire) == 0 {
            return 0;
        }
        take_all(&leaf.words[word])
    }

    /// Lowers the group bit of a leaf whose summary is empty or that has moved to another partition.
    #[cold]
    fn lower_leaf(&self, index: u32, leaf: &Leaf) {
        let (group, leaf_bit) = group_of(index);
        self.tree.wakers[self.partition].summary.groups[group].fetch_and(!leaf_bit, Ordering::AcqRel);
        loop {
            let link = leaf.link();
            if link.partition() != self.partition {
                break;
            }
            // From here on setters do not trust what is above the leaf.
            let next = link.unlinked(self.partition);
            if leaf.head.link.compare_exchange(link.0, next.0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                if shim::look("lower.leaf", &leaf.head.summary) != 0 {
                    self.tree.link_up(index, leaf);
                }
                break;
            }
        }
        if self.tree.wakers[self.partition].summary.groups[group].load(Ordering::Relaxed) == 0 {
            self.lower_group(group);
        }
    }

    /// Lowers the status bit of a group whose word is empty.
    #[cold]
    fn lower_group(&self, group: usize) {
        let summary = &self.tree.wakers[self.partition].summary;
        if self.who == Searcher::Thief
            || (self.who == Searcher::Worker && !has_two(summary.status.load(Ordering::Relaxed) & GROUP_BITS))
        {
            return;
        }
        summary.status.fetch_and(!(1 << group), Ordering::AcqRel);
        if shim::look("lower.group", &summary.groups[group]) != 0 {
            summary.status.fetch_or(1 << group | HAS_TASKS, Ordering::AcqRel);
        }
    }
}

/// Takes all bits of a word, or half of those from the hand on, and moves the hand behind them. 0: there are none.
#[inline(always)]
fn claim(place: &AtomicU64, mode: TakeMode, hand: &mut Hand, index: u32, word: usize) -> u64 {
    match mode {
        TakeMode::Whole => {
            // The load keeps the lines of empty words shared.
            let bits = if place.load(Ordering::Relaxed) == 0 { 0 } else { take_all(place) };
            if bits != 0 {
                hand.pass_word(index, word);
            }
            bits
        }
        TakeMode::Half => claim_half(place, hand, index, word),
    }
}

#[inline(never)]
fn claim_half(place: &AtomicU64, hand: &mut Hand, index: u32, word: usize) -> u64 {
    let from = hand.bit_in(index, word);
    let order = shim::ordering("take.acquire", Ordering::AcqRel);
    loop {
        let ahead = place.load(Ordering::Relaxed) & (u64::MAX << from);
        if ahead == 0 {
            return 0;
        }
        let wanted = lower_half(ahead);
        let bits = place.fetch_and(!wanted, order) & wanted;
        if bits != 0 {
            if wanted == ahead {
                hand.pass_word(index, word);
            } else {
                hand.pass_bit(index, word, 63 - wanted.leading_zeros());
            }
            return bits;
        }
    }
}

/// The first slot of a signal word.
#[inline(always)]
fn base(index: u32, word: usize) -> u32 {
    index << 12 | (word as u32) << 6
}

/// Takes what is in a signal word.
#[inline(always)]
fn take_all(word: &AtomicU64) -> u64 {
    word.swap(0, shim::ordering("take.acquire", Ordering::AcqRel))
}

/// Whether at least two bits are set.
#[inline(always)]
fn has_two(bits: u64) -> bool {
    bits & bits.wrapping_sub(1) != 0
}
