//! Size classes: how far apart the slots of a leaf lie.

/// The distance between two slots of a leaf: a multiple of 64 bytes, at most 1,024.
///
/// A task whose header and future are larger than the largest class keeps its future in a box.
///
/// ```
/// use maniac_arena::SizeClass;
/// assert_eq!(SizeClass::for_size(65).unwrap().stride(), 128);
/// assert!(SizeClass::for_size(1025).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SizeClass(u8);

impl SizeClass {
    /// How many classes there are.
    pub const COUNT: usize = 16;
    /// The distance between two classes, in bytes; also every slot's alignment.
    pub const STEP: usize = 64;
    /// The smallest class: 64 bytes.
    pub const SMALLEST: SizeClass = SizeClass(0);

    /// The smallest class whose slots hold `bytes`, or `None` where none does.
    #[must_use]
    pub const fn for_size(bytes: usize) -> Option<SizeClass> {
        if bytes > Self::COUNT * Self::STEP {
            return None;
        }
        let steps = bytes.div_ceil(Self::STEP);
        Some(SizeClass(if steps == 0 { 0 } else { (steps - 1) as u8 }))
    }

    /// The distance between two slots, in bytes.
    #[must_use]
    pub const fn stride(self) -> usize {
        (self.0 as usize + 1) * Self::STEP
    }

    /// This class's number, below [`SizeClass::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gets_the_tightest_class() {
        for bytes in 0..=1024 {
            let class = SizeClass::for_size(bytes).expect("up to 1,024 bytes there is a class");
            assert!(class.stride() >= bytes);
            assert!(class.index() == 0 || class.stride() - SizeClass::STEP < bytes, "{bytes} bytes");
            assert!(class.index() < SizeClass::COUNT);
        }
        assert_eq!(SizeClass::for_size(1025), None);
    }
}
