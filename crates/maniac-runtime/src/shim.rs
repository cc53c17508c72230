//! Atomics from `std`, or from loom in its models; orderings that a model can weaken by name.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A fence in the one order of all such fences; none in a model that weakens this name.
#[inline(always)]
pub(crate) fn fence_all(_name: &'static str) {
    #[cfg(loom)]
    if weakened(_name) {
        return;
    }
    fence(Ordering::SeqCst);
}

/// The frequent side of an asymmetric barrier.
#[inline(always)]
pub(crate) fn light_barrier(_name: &'static str) {
    #[cfg(not(loom))]
    maniac_context::membarrier::light();
    #[cfg(loom)]
    fence_all(_name);
}

/// The rare side of an asymmetric barrier; `false` if the system refused it and nothing is ordered.
pub(crate) fn heavy_barrier(_name: &'static str) -> bool {
    #[cfg(not(loom))]
    return maniac_context::membarrier::heavy().is_ok();
    #[cfg(loom)]
    {
        fence_all(_name);
        true
    }
}

/// Whether a model plants the bug of this name.
#[inline(always)]
pub(crate) fn planted(_name: &'static str) -> bool {
    #[cfg(loom)]
    return weakened(_name);
    #[cfg(not(loom))]
    false
}

/// The ordering that stands here, or `Relaxed` where a model weakened this name.
#[cfg(loom)]
pub(crate) fn ordering(name: &'static str, strong: Ordering) -> Ordering {
    if weakened(name) { Ordering::Relaxed } else { strong }
}

/// The ordering that stands here (its name is for the models).
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn ordering(_name: &'static str, strong: Ordering) -> Ordering {
    strong
}

#[cfg(loom)]
pub(crate) use models::{AtomicU32, AtomicU64, probe, weaken, weakened};

#[cfg(loom)]
mod models {
    use super::Ordering::{self, Relaxed};
    use std::cell::Cell;

    std::thread_local! {
        // loom runs all threads of a model on the thread that called `loom::model`.
        static WEAK: Cell<Option<&'static str>> = const { Cell::new(None) };
        static PROBE: Cell<bool> = const { Cell::new(false) };
    }

    /// Weakens the ordering of this name in the models that this thread runs from now on; `None` restores all.
    pub(crate) fn weaken(name: Option<&'static str>) {
        WEAK.set(name);
    }

    pub(crate) fn weakened(name: &str) -> bool {
        WEAK.get().is_some_and(|weak| weak == name)
    }

    /// Whether each load is preceded by a read-modify-write that changes nothing.
    ///
    /// loom looks for other interleavings where an access races with the *last* one of the same word. A compare-and-swap after a load by
    /// the same thread races, as far as loom sees, with that load alone, and not with what another thread did before: interleavings are missed.
    /// The additional access finds them. But it also keeps the load from giving an older value; therefore models run with it and without.
    pub(crate) fn probe(on: bool) {
        PROBE.set(on);
    }

    macro_rules! atomic {
        ($name:ident, $int:ty) => {
            /// loom's, with [`probe`].
            #[derive(Debug)]
            pub(crate) struct $name(loom::sync::atomic::$name);

            impl $name {
                pub(crate) fn new(value: $int) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                pub(crate) fn load(&self, order: Ordering) -> $int {
                    if PROBE.get() {
                        const NEVER: $int = <$int>::MAX - 1;
                        let _ = self.0.compare_exchange(NEVER, NEVER, Relaxed, Relaxed);
                    }
                    self.0.load(order)
                }
            }

            impl std::ops::Deref for $name {
                type Target = loom::sync::atomic::$name;

                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }
        };
    }

    atomic!(AtomicU32, u32);
    atomic!(AtomicU64, u64);
}
