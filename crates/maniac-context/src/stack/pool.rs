//! The pool: lists of idle stacks in front of the slabs.

use std::array;
use std::fmt;
use std::mem::ManuallyDrop;
#[cfg(coroutines)]
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::{Guard, StackPoolConfig};
use super::error::StackError;
use super::memory::{self, Memory, Slabs};

/// Sizes of stacks: the powers of two from the smallest to the largest.
const CLASSES: usize = (StackPoolConfig::MAX_STACK_SIZE.trailing_zeros()
    - StackPoolConfig::MIN_STACK_SIZE.trailing_zeros()) as usize
    + 1;

/// Idle stacks of one size, and the slabs that more are cut from.
struct Lists {
    /// With the memory they have touched; the last one in is the next one out.
    hot: Vec<Memory>,
    /// With address space only.
    cold: Vec<Memory>,
    /// Stacks handed out and not yet back.
    live: usize,
    slabs: Slabs,
}

/// What the pool and its stacks share. It dies with the last of them, and the slabs with it.
struct Shared {
    config: StackPoolConfig,
    default_class: usize,
    classes: [Mutex<Lists>; CLASSES],
}

impl Shared {
    fn lists(&self, class: usize) -> MutexGuard<'_, Lists> {
        // No operation leaves the lists half-changed, so a panic elsewhere does not matter.
        self.classes[class].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stacks for coroutines, kept for reuse. Cloning it gives another handle to the same pool.
///
/// Getting and putting take O(1) under a short lock. A scheduler keeps its own few idle coroutines in front of it.
///
/// ```
/// use maniac_context::stack::{StackPool, StackPoolConfig};
/// let pool = StackPool::new(StackPoolConfig::default())?;
/// let first = pool.get()?;
/// let address = first.base_address();
/// drop(first);
/// assert_eq!(pool.get()?.base_address(), address); // the one used last comes first
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
#[derive(Clone)]
pub struct StackPool {
    shared: Arc<Shared>,
}

/// What a pool holds; see [`StackPool::stats`].
///
/// ```
/// # use maniac_context::stack::StackPool;
/// let pool = StackPool::new(Default::default())?;
/// let (_first, second) = (pool.get()?, pool.get()?);
/// drop(second);
/// let stats = pool.stats();
/// assert_eq!((stats.live, stats.hot, stats.cold, stats.carved), (1, 1, 0, 2));
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Stacks handed out, those of abandoned coroutines included.
    pub live: usize,
    /// Idle stacks that keep the memory they have touched.
    pub hot: usize,
    /// Idle stacks whose memory was given back.
    pub cold: usize,
    /// Stacks cut from slabs so far: `live + hot + cold`.
    pub carved: usize,
    /// What guards the newest slab of the default size; `None` before the first stack, and on Windows, where the
    /// kernel makes the guards.
    pub guard: Option<Guard>,
}

impl fmt::Debug for StackPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl StackPool {
    /// A pool; it maps nothing until the first stack is wanted.
    ///
    /// # Errors
    /// [`StackError::Size`] for a stack size that is zero or too large.
    pub fn new(config: StackPoolConfig) -> Result<Self, StackError> {
        let default_class = StackPoolConfig::class_of(config.stack_size)?;
        let classes = array::from_fn(|class| {
            let slabs = Slabs::new(StackPoolConfig::MIN_STACK_SIZE << class, &config);
            Mutex::new(Lists { hot: Vec::new(), cold: Vec::new(), live: 0, slabs })
        });
        let shared = Shared { config, default_class, classes };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A stack of the configured size.
    ///
    /// # Errors
    /// See [`StackError`].
    pub fn get(&self) -> Result<Stack, StackError> {
        self.get_class(self.shared.default_class)
    }

    /// A stack of at least this many usable bytes.
    ///
    /// # Errors
    /// See [`StackError`].
    pub fn get_sized(&self, bytes: usize) -> Result<Stack, StackError> {
        self.get_class(StackPoolConfig::class_of(bytes)?)
    }

    fn get_class(&self, class: usize) -> Result<Stack, StackError> {
        let memory = self.take(class)?;
        Ok(Stack { memory: ManuallyDrop::new(memory), class, pool: Arc::clone(&self.shared) })
    }

    fn take(&self, class: usize) -> Result<Memory, StackError> {
        let mut guard = self.shared.lists(class);
        let lists = &mut *guard;
        let limit = self.shared.config.max_stacks;
        if lists.live >= limit {
            return Err(StackError::PoolLimit { limit });
        }
        let memory = match lists.hot.pop().or_else(|| lists.cold.pop()) {
            Some(memory) => memory,
            // System calls under the lock: rare (once a stack, and stacks are kept), and others of this size would
            // only wait for the same kernel lock.
            None => {
                let memory = lists.slabs.carve()?;
                // Room for every stack that exists, so that putting one back never allocates.
                let carved = lists.slabs.carved();
                lists.hot.reserve(carved.min(self.shared.config.max_hot));
                lists.cold.reserve(carved);
                memory
            }
        };
        lists.live += 1;
        Ok(memory)
    }

    /// Gives the memory of all idle stacks back to the system, and returns how many had any. For a program that has
    /// become quiet.
    ///
    /// ```
    /// # use maniac_context::stack::StackPool;
    /// let pool = StackPool::new(Default::default())?;
    /// drop(pool.get()?);
    /// assert_eq!(pool.trim(), 1);
    /// assert_eq!(pool.trim(), 0);
    /// # Ok::<(), maniac_context::stack::StackError>(())
    /// ```
    pub fn trim(&self) -> usize {
        let mut trimmed = 0;
        for class in 0..CLASSES {
            // One at a time, so that the lock is free between the system calls.
            loop {
                let Some(mut memory) = self.shared.lists(class).hot.pop() else { break };
                // SAFETY: [INV-6] an idle stack is empty.
                unsafe { memory.discard() };
                self.shared.lists(class).cold.push(memory);
                trimmed += 1;
            }
        }
        trimmed
    }

    /// Bytes below the usable ones of its stacks, where a signal's frame finds room.
    #[must_use]
    pub fn signal_reserve(&self) -> usize {
        memory::reserve(&self.shared.config)
    }

    /// What the pool holds now.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let mut stats = PoolStats {
            live: 0,
            hot: 0,
            cold: 0,
            carved: 0,
            guard: self.shared.lists(self.shared.default_class).slabs.guard(),
        };
        for class in 0..CLASSES {
            let lists = self.shared.lists(class);
            stats.live += lists.live;
            stats.hot += lists.hot.len();
            stats.cold += lists.cold.len();
            stats.carved += lists.slabs.carved();
        }
        stats
    }
}

/// A stack, owned: nothing else touches its address range until it is dropped, which puts it back into its pool.
///
/// ```
/// # use maniac_context::stack::StackPool;
/// let stack = StackPool::new(Default::default())?.get_sized(100_000)?;
/// assert!(stack.usable_size() >= 100_000);
/// # Ok::<(), maniac_context::stack::StackError>(())
/// ```
pub struct Stack {
    /// Moved out when the stack is dropped.
    memory: ManuallyDrop<Memory>,
    class: usize,
    pool: Arc<Shared>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("base", &format_args!("{:#x}", self.base_address()))
            .field("usable_size", &self.usable_size())
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// Bytes that calls may use. Below them is room for one signal frame, then the guard.
    #[must_use]
    pub fn usable_size(&self) -> usize {
        self.memory.usable_size(self.signal_reserve())
    }

    /// Bytes below the usable ones, where a signal's frame finds room.
    #[must_use]
    pub fn signal_reserve(&self) -> usize {
        memory::reserve(&self.pool.config)
    }

    /// One past the highest address.
    #[must_use]
    pub fn base_address(&self) -> usize {
        self.memory.base().get()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: [local] taken once, here; the field is not used afterwards.
        let mut memory = unsafe { ManuallyDrop::take(&mut self.memory) };
        let max_hot = self.pool.config.max_hot;
        let mut lists = self.pool.lists(self.class);
        lists.live -= 1;
        if lists.hot.len() < max_hot {
            lists.hot.push(memory);
            return;
        }
        drop(lists);
        // SAFETY: [INV-6] an idle stack is empty: whoever ran on it is done, or it would own the `Stack`.
        unsafe { memory.discard() };
        self.pool.lists(self.class).cold.push(memory);
    }
}

#[cfg(not(coroutines))]
impl Stack {
    /// Proves that this is unreachable: there is no stack.
    pub(crate) fn never(&self) -> ! {
        self.memory.never()
    }
}

// SAFETY: [INV-4] base and limit enclose memory that is this value's alone, is aligned to pages, is at least
// `MIN_STACK_SIZE` long and has a guard at its low end; it stays mapped as long as the value exists [INV-5].
#[cfg(coroutines)]
unsafe impl crate::switch::Switchable for Stack {
    #[inline]
    fn base(&self) -> NonZeroUsize {
        self.memory.base()
    }

    #[inline]
    fn limit(&self) -> NonZeroUsize {
        self.memory.guard()
    }

    #[cfg(windows)]
    #[inline]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.memory.teb_fields()
    }

    #[cfg(windows)]
    #[inline]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.memory.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}
