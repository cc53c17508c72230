//! What the macros of `maniac` expand to.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A number below `count`, for fairness only: the branch that `select!` looks at first.
///
/// ```
/// assert!(maniac_runtime::macros::random_below(3) < 3);
/// ```
#[must_use]
pub fn random_below(count: usize) -> usize {
    let state = STATE.get();
    // Begins somewhere else on every thread, then xorshift64 (Marsaglia, 2003).
    let mut next =
        if state == 0 { STATE.with(|cell| std::ptr::from_ref(cell).addr() as u64) | 1 } else { state };
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    STATE.set(next);
    // The upper bits, scaled: no division.
    ((u128::from(next) * count as u128) >> 64) as usize
}
