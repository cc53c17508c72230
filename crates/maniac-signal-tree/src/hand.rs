//! Where a search goes on, how much it takes, and what it took.

/// A clock hand: the place after the last bits taken, where the next search begins.
///
/// Each role has one for its own partition and, if it steals, another for the others'. Every bit that stays set is
/// met within one round.
///
/// ```
/// use maniac_signal_tree::{Hand, SignalTree, TakeMode};
///
/// let tree = SignalTree::new(1, 1)?;
/// let leaf = tree.add_leaf(0)?;
/// let mut hand = Hand::new();
/// for slot in [0, 64] {
///     tree.set(leaf.slot(slot));
/// }
/// assert_eq!(tree.take(0, &mut hand, TakeMode::Whole).unwrap().base(), 0);
/// tree.set(leaf.slot(0)); // comes after word 1 although its number is lower
/// assert_eq!(tree.take(0, &mut hand, TakeMode::Whole).unwrap().base(), 64);
/// # Ok::<(), maniac_signal_tree::TreeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hand {
    /// Leaf index times 64, plus word: the first word to look at.
    position: u32,
    /// The first bit to take of that word when less than a whole word is taken.
    bit: u8,
    /// The partition to steal from next.
    pub(crate) victim: u16,
}

impl Hand {
    /// A hand that begins at the first slot.
    pub fn new() -> Self {
        Self::default()
    }

    #[inline(always)]
    pub(crate) fn leaf(&self) -> u32 {
        self.position >> 6
    }

    #[inline(always)]
    pub(crate) fn word(&self) -> usize {
        (self.position & 63) as usize
    }

    /// The bit to begin at in `word` of `leaf`.
    #[inline(always)]
    pub(crate) fn bit_in(&self, leaf: u32, word: usize) -> u32 {
        if self.position == (leaf << 6 | word as u32) { u32::from(self.bit) } else { 0 }
    }

    /// The round goes on with the first bits of `leaf`.
    #[inline(always)]
    pub(crate) fn turn_to_leaf(&mut self, leaf: u32) {
        self.position = leaf << 6;
        self.bit = 0;
    }

    /// All bits of `word` are taken.
    #[inline(always)]
    pub(crate) fn pass_word(&mut self, leaf: u32, word: usize) {
        self.position = (leaf << 6 | word as u32) + 1;
        self.bit = 0;
    }

    /// `taken`, which is not bit 63, is the highest bit taken of `word`, which has more.
    pub(crate) fn pass_bit(&mut self, leaf: u32, word: usize, taken: u32) {
        self.position = leaf << 6 | word as u32;
        self.bit = taken as u8 + 1;
    }
}

/// How much of a signal word to take.
///
/// ```
/// use maniac_signal_tree::{Hand, SignalTree, TakeMode};
///
/// let tree = SignalTree::new(1, 1)?;
/// let leaf = tree.add_leaf(0)?;
/// (0..5).for_each(|slot| _ = tree.set(leaf.slot(slot)));
/// let mut hand = Hand::new();
/// assert_eq!(tree.take(0, &mut hand, TakeMode::Half).unwrap().bits(), 0b00111);
/// assert_eq!(tree.take(0, &mut hand, TakeMode::Half).unwrap().bits(), 0b01000);
/// assert_eq!(tree.take(0, &mut hand, TakeMode::Whole).unwrap().bits(), 0b10000);
/// # Ok::<(), maniac_signal_tree::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeMode {
    /// All of it: while nobody searches.
    Whole,
    /// Half of what is set from the hand on, at least one bit: what is left can be stolen. (A search that finds a
    /// setter and a clearing of summaries in conflict may take a whole word all the same.)
    Half,
}

/// Slots that were ready and are now the taker's: at least one, all of one signal word.
///
/// Must be run, or given back with [`SignalTree::restore`](crate::SignalTree::restore).
///
/// ```
/// use maniac_signal_tree::{Hand, SignalTree, TakeMode};
///
/// let tree = SignalTree::new(1, 1)?;
/// let leaf = tree.add_leaf(0)?;
/// tree.set(leaf.slot(65));
/// let mut taken = tree.take(0, &mut Hand::new(), TakeMode::Whole).unwrap();
/// assert_eq!((taken.base(), taken.bits(), taken.len()), (64, 0b10, 1));
/// assert_eq!(taken.pop(), Some(65));
/// assert_eq!(taken.pop(), None);
/// # Ok::<(), maniac_signal_tree::TreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the slots are no longer in the tree: run them or restore them"]
pub struct Taken {
    base: u32,
    bits: u64,
}

impl Taken {
    /// Slots `base + i` for every bit `i` set: what [`base`](Self::base) and [`bits`](Self::bits) gave, for a role that
    /// keeps a batch as two numbers. `base` is rounded down to the first slot of its signal word.
    #[inline]
    pub const fn new(base: u32, bits: u64) -> Self {
        Self { base: base & !63, bits }
    }

    /// The slot of bit 0.
    #[inline]
    pub const fn base(&self) -> u32 {
        self.base
    }

    /// Bit `i`: slot `base + i`.
    #[inline]
    pub const fn bits(&self) -> u64 {
        self.bits
    }

    /// How many slots are left in it.
    #[inline]
    pub const fn len(&self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Whether none is left.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// Removes the lowest slot.
    #[inline]
    pub const fn pop(&mut self) -> Option<u32> {
        if self.bits == 0 {
            return None;
        }
        let slot = self.base + self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(slot)
    }

    /// The slots, lowest first.
    pub fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        let mut rest = self.clone();
        std::iter::from_fn(move || rest.pop())
    }
}

/// The lower half of the bits of `word` (which has one), rounded up.
pub(crate) fn lower_half(word: u64) -> u64 {
    let mut upper = word;
    for _ in 0..word.count_ones().div_ceil(2) {
        upper &= upper - 1;
    }
    word & !upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_half_rounded_up() {
        for (word, half) in
            [(1, 1), (0b11, 1), (0b111, 0b011), (u64::MAX, u64::from(u32::MAX)), (1 << 63, 1 << 63)]
        {
            assert_eq!(lower_half(word), half, "{word:#b}");
        }
    }

    #[test]
    fn hand_moves_on_by_words_and_bits() {
        let mut hand = Hand::new();
        hand.pass_bit(2, 63, 4);
        assert_eq!((hand.leaf(), hand.word(), hand.bit_in(2, 63), hand.bit_in(2, 62)), (2, 63, 5, 0));
        hand.pass_word(2, 63);
        assert_eq!((hand.leaf(), hand.word(), hand.bit_in(3, 0)), (3, 0, 0));
    }
}
