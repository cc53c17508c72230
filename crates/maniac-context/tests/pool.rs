//! The pool of stacks: sizes, reuse, limits, memory given back. All but what touches the stacks runs under miri.
#![cfg(not(loom))]

use std::collections::HashSet;
use std::sync::Arc;

use maniac_context::stack::{Stack, StackError, StackPool, StackPoolConfig};

fn pool(config: StackPoolConfig) -> StackPool {
    StackPool::new(config).unwrap()
}

/// Touches every page of the usable part.
#[cfg(unix)]
fn touch(stack: &Stack, value: u8) {
    let bottom = stack.base_address() - stack.usable_size();
    for address in (bottom..stack.base_address()).step_by(4096) {
        // SAFETY: the stack is ours and nothing runs on it.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address).write(value) };
    }
}

#[test]
fn sizes_are_checked_and_rounded() {
    for bad in [0, StackPoolConfig::MAX_STACK_SIZE + 1, usize::MAX] {
        let error = StackPool::new(StackPoolConfig::new().stack_size(bad)).unwrap_err();
        assert!(matches!(error, StackError::Size { requested, .. } if requested == bad), "{error}");
    }
    let pool = pool(StackPoolConfig::new().stack_size(100_000));
    assert!(matches!(pool.get_sized(0), Err(StackError::Size { .. })));
    let stack = pool.get().unwrap();
    assert!(stack.usable_size() >= 131_072);
    assert_eq!(stack.base_address() % 4096, 0);
    let tiny = pool.get_sized(1).unwrap();
    assert!(tiny.usable_size() >= StackPoolConfig::MIN_STACK_SIZE);
    let sizes = if cfg!(miri) { 15..18 } else { 15..31 };
    for bits in sizes {
        if let Ok(stack) = pool.get_sized(1 << bits) {
            assert!(stack.usable_size() >= 1 << bits);
        }
    }
}

#[test]
fn stacks_do_not_overlap() {
    let pool = pool(StackPoolConfig::new().stack_size(16 << 10));
    let count = if cfg!(miri) { 20 } else { 500 };
    let stacks: Vec<_> = (0..count).map(|_| pool.get().unwrap()).collect();
    let mut ranges: Vec<_> = stacks
        .iter()
        .map(|stack| (stack.base_address() - stack.usable_size(), stack.base_address()))
        .collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        // Windows allocates each by itself, with one guard page.
        let gap = if cfg!(unix) { 64 << 10 } else { 4096 };
        assert!(pair[0].1 + gap <= pair[1].0, "a guard lies between {pair:x?}");
    }
}

#[test]
fn the_one_used_last_comes_first_and_the_surplus_turns_cold() {
    let pool = pool(StackPoolConfig::new().stack_size(16 << 10).max_hot(2));
    let stacks: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
    let addresses: Vec<_> = stacks.iter().map(Stack::base_address).collect();
    assert_eq!(pool.stats().live, 5);
    drop(stacks); // in order: 0 and 1 stay hot
    let stats = pool.stats();
    assert_eq!((stats.live, stats.hot, stats.cold, stats.carved), (0, 2, 3, 5));
    assert_eq!(pool.get().unwrap().base_address(), addresses[1]);
    let first = pool.get().unwrap();
    let second = pool.get().unwrap();
    assert_eq!((first.base_address(), second.base_address()), (addresses[1], addresses[0]));
    let cold = pool.get().unwrap();
    assert!(addresses[2..].contains(&cold.base_address()));
    assert_eq!(pool.stats().carved, 5, "idle ones are used before new ones are cut");
    drop((first, second, cold));
    assert_eq!(pool.trim(), 2);
    assert_eq!(pool.stats().hot, 0);
}

#[test]
fn a_limit_is_an_error_and_holds_for_each_size() {
    let pool = pool(StackPoolConfig::new().stack_size(16 << 10).max_stacks(3));
    let mut stacks: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    let error = pool.get().unwrap_err();
    assert!(matches!(error, StackError::PoolLimit { limit: 3 }));
    assert!(error.to_string().contains("max_stacks"), "{error}");
    let _other_size = pool.get_sized(32 << 10).unwrap();
    stacks.pop();
    let _again = pool.get().unwrap();
}

#[test]
fn stacks_outlive_their_pool_and_may_go_back_from_any_thread() {
    let pool = pool(StackPoolConfig::new().stack_size(16 << 10));
    let stacks: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    drop(pool);
    for stack in stacks {
        std::thread::spawn(move || {
            #[cfg(unix)]
            touch(&stack, 1);
            drop(stack);
        })
        .join()
        .unwrap();
    }
}

#[test]
fn many_threads_get_and_put() {
    let pool = Arc::new(pool(StackPoolConfig::new().stack_size(16 << 10).max_hot(3)));
    let (threads, rounds) = if cfg!(miri) { (3, 20) } else { (8, 5_000) };
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let pool = Arc::clone(&pool);
            std::thread::spawn(move || {
                let mut held = Vec::new();
                for round in 0..rounds {
                    let stack = if round % 7 == 0 { pool.get_sized(40_000) } else { pool.get() }.unwrap();
                    let address = std::ptr::with_exposed_provenance_mut::<usize>(stack.base_address() - 8);
                    // SAFETY: the stack is this thread's alone; nothing runs on it.
                    unsafe { address.write(thread * 1_000_000 + round) };
                    held.push((stack, thread * 1_000_000 + round));
                    if held.len() > round % 5 {
                        for (stack, written) in held.drain(..) {
                            let address =
                                std::ptr::with_exposed_provenance::<usize>(stack.base_address() - 8);
                            // SAFETY: as above, and it was written.
                            assert_eq!(unsafe { address.read() }, written);
                        }
                    }
                    if round % 1000 == 999 {
                        pool.trim();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let stats = pool.stats();
    assert_eq!(stats.live, 0);
    assert_eq!(stats.hot + stats.cold, stats.carved);
    let all: Vec<_> = (0..stats.carved).map(|_| pool.get().unwrap().base_address()).collect();
    assert!(!all.is_empty());
    let held: Vec<_> = (0..20).map(|_| pool.get().unwrap()).collect();
    let distinct: HashSet<_> = held.iter().map(Stack::base_address).collect();
    assert_eq!(distinct.len(), 20);
}

#[cfg(all(target_os = "linux", not(miri)))]
mod linux {
    use maniac_context::stack::Guard;

    use super::*;

    /// Resident bytes of the mappings that cover an address range.
    fn resident(start: usize, end: usize) -> usize {
        let mut pages = vec![0_u8; (end - start) / 4096];
        // SAFETY: mincore(2) fills the vector, one byte a page, for a mapped range.
        let result = unsafe {
            libc::mincore(std::ptr::with_exposed_provenance_mut(start), end - start, pages.as_mut_ptr())
        };
        assert_eq!(result, 0);
        pages.iter().filter(|&&page| page & 1 != 0).count() * 4096
    }

    fn range(stack: &Stack) -> (usize, usize) {
        (stack.base_address() - stack.usable_size(), stack.base_address())
    }

    #[test]
    fn memory_is_committed_as_touched_and_given_back_when_cold() {
        for guard in [Guard::Auto, Guard::Protect] {
            let pool = pool(StackPoolConfig::new().stack_size(1 << 20).max_hot(1).guard(guard));
            let (hot, cold) = (pool.get().unwrap(), pool.get().unwrap());
            let (hot_range, cold_range) = (range(&hot), range(&cold));
            assert_eq!(resident(cold_range.0, cold_range.1), 0, "nothing is committed by reserving");
            touch(&hot, 1);
            touch(&cold, 1);
            assert_eq!(resident(cold_range.0, cold_range.1), 1 << 20);
            drop(hot);
            drop(cold);
            assert_eq!(resident(hot_range.0, hot_range.1), 1 << 20, "a hot stack is kept as it is");
            assert_eq!(resident(cold_range.0, cold_range.1), 0, "a cold one gives its memory back");
            assert_eq!(pool.trim(), 1);
            assert_eq!(resident(hot_range.0, hot_range.1), 0);
            let again = pool.get().unwrap();
            touch(&again, 2);
        }
    }

    #[test]
    fn guards_refuse_the_kernel_too() {
        use std::io::Read;
        for guard in [Guard::Auto, Guard::Protect] {
            let pool = pool(StackPoolConfig::new().stack_size(16 << 10).guard(guard));
            let stacks: Vec<_> = (0..40).map(|_| pool.get().unwrap()).collect();
            for stack in &stacks {
                // Below the usable part lies the reserve for a signal frame, which can be touched, then the guard.
                let limit = (0..16)
                    .map(|page| stack.base_address() - stack.usable_size() - page * 4096)
                    .find(|&address| !readable(address - 4096))
                    .expect("a guard within 64 KiB below the usable part");
                assert!(limit <= stack.base_address() - stack.usable_size() - 1024);
                for address in (limit - (64 << 10)..limit).step_by(4096) {
                    assert!(!readable(address), "{address:#x} lies in the guard of a {guard:?} stack");
                }
                assert!(readable(limit));
            }
        }

        /// Whether the kernel can read a byte there.
        fn readable(address: usize) -> bool {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let byte = std::ptr::with_exposed_provenance(address);
            // SAFETY: write(2) reads one byte, or gives EFAULT where nothing can be read.
            let written = unsafe { libc::write(std::os::fd::AsRawFd::as_raw_fd(&writer), byte, 1) };
            if written == 1 {
                reader.read_exact(&mut [0]).unwrap();
            }
            written == 1
        }
    }

    #[test]
    fn slabs_are_unmapped_with_the_last_of_pool_and_stacks() {
        let pool = pool(StackPoolConfig::new().stack_size(64 << 10));
        let stack = pool.get().unwrap();
        let (start, end) = range(&stack);
        drop(pool);
        assert!(mapped(start, end));
        drop(stack);
        assert!(!mapped(start, end));

        fn mapped(start: usize, end: usize) -> bool {
            let mut pages = vec![0_u8; (end - start) / 4096];
            // SAFETY: as in `resident`; an unmapped range gives ENOMEM.
            unsafe {
                libc::mincore(std::ptr::with_exposed_provenance_mut(start), end - start, pages.as_mut_ptr())
                    == 0
            }
        }
    }
}
