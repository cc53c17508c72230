//! Limits, reuse, and what the operating system sees of it.
#![cfg(not(loom))]

use maniac_arena::{Arena, ArenaError, ArenaOptions, SizeClass, SlotPool};
use std::collections::HashSet;

fn options(change: impl FnOnce(&mut ArenaOptions)) -> ArenaOptions {
    let mut options = ArenaOptions::new();
    change(&mut options);
    options
}

#[test]
fn options_out_of_range_are_errors() {
    for slots in [0, 1, 63, 65, 96, 8192] {
        let error = Arena::new(options(|options| options.slots_per_leaf = slots)).unwrap_err();
        assert!(matches!(error, ArenaError::SlotsPerLeaf(n) if n == slots), "{error}");
        assert!(error.to_string().contains("power of two"));
    }
    for leaves in [0, (1 << 20) + 1] {
        let error = Arena::new(options(|options| options.max_leaves = leaves)).unwrap_err();
        assert!(matches!(error, ArenaError::MaxLeaves(n) if n == leaves), "{error}");
    }
}

#[test]
fn the_limit_of_leaves_is_an_error_and_reset_makes_room() {
    let arena = Arena::new(options(|options| {
        options.slots_per_leaf = 64;
        options.max_leaves = 3;
    }))
    .unwrap();
    let class = SizeClass::SMALLEST;
    let leaves: Vec<_> = (0..3).map(|_| arena.acquire_leaf(class, 0).unwrap()).collect();
    assert!(matches!(arena.acquire_leaf(class, 0), Err(ArenaError::Full(3))));
    let slot = leaves[1].slot(5);
    // SAFETY: the slot is this test's.
    unsafe { slot.as_ptr().write(77) };
    leaves[2].free_remote(9);
    // SAFETY: no slot is in use, and no pool was made.
    unsafe { arena.reset(true) };
    assert!(leaves.iter().all(|leaf| !leaf.has_remote()), "what was given back is forgotten");
    // SAFETY: mapped for ever.
    assert_eq!(unsafe { slot.as_ptr().read() }, 0, "discarded memory reads as zeros");
    let again: HashSet<u32> = (0..3).map(|_| arena.acquire_leaf(class, 0).unwrap().index()).collect();
    assert_eq!(again, HashSet::from([0, 1, 2]));
    assert_eq!(arena.leaf_count(), 3);
    // A leaf keeps its class.
    assert!(matches!(arena.acquire_leaf(SizeClass::for_size(65).unwrap(), 0), Err(ArenaError::Full(3))));
}

#[test]
fn reset_without_discarding_keeps_what_slots_hold() {
    let arena = Arena::new(options(|options| options.slots_per_leaf = 64)).unwrap();
    let slot = arena.acquire_leaf(SizeClass::SMALLEST, 0).unwrap().slot(0);
    // SAFETY: the slot is this test's.
    unsafe { slot.as_ptr().write(77) };
    // SAFETY: no slot is in use, and no pool was made.
    unsafe { arena.reset(false) };
    // SAFETY: mapped for ever.
    assert_eq!(unsafe { slot.as_ptr().read() }, 77);
}

#[test]
fn slots_lie_apart_and_aligned() {
    let arena = Arena::new(options(|options| options.slots_per_leaf = 64)).unwrap();
    let mut places = HashSet::new();
    for bytes in [1, 64, 65, 500, 1024] {
        let class = SizeClass::for_size(bytes).unwrap();
        let leaf = arena.acquire_leaf(class, 0).unwrap();
        for position in 0..leaf.slots() {
            let address = leaf.slot(position).as_ptr().addr().get();
            assert!(address.is_multiple_of(64));
            for step in 0..class.stride() / 64 {
                assert!(places.insert(address + step * 64), "two slots share memory");
            }
        }
    }
}

#[test]
#[should_panic(expected = "a slot of another pool")]
fn a_slot_of_another_pool_is_refused() {
    let arena = Arena::new(options(|options| options.slots_per_leaf = 64)).unwrap();
    let class = SizeClass::SMALLEST;
    let mut pools = [SlotPool::new(class), SlotPool::new(class)];
    for pool in &mut pools {
        pool.add_leaf(arena.acquire_leaf(class, 0).unwrap());
    }
    let slot = pools[0].allocate().unwrap();
    pools[1].free_local(slot);
}

#[cfg(all(target_os = "linux", not(miri)))]
mod linux {
    use super::*;
    use maniac_arena::{HugePages, page_size};

    /// The value in KiB of a field of the mapping in which `address` lies.
    fn smaps(address: usize, field: &str) -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/smaps").ok()?;
        let mut inside = false;
        for line in text.lines() {
            if let Some((from, to)) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')) {
                let (from, to) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16));
                if let (Ok(from), Ok(to)) = (from, to) {
                    inside = (from..to).contains(&address);
                    continue;
                }
            }
            if inside && line.starts_with(field) {
                return line.split_whitespace().nth(1)?.parse().ok();
            }
        }
        None
    }

    #[test]
    fn huge_pages_are_in_use_or_the_refusal_is_told() {
        let arena = Arena::new(options(|options| {
            options.huge_pages = true;
            options.preinitialize = true;
        }))
        .unwrap();
        assert_eq!(arena.huge_pages(), HugePages::Off, "nothing is mapped");
        let leaf = arena.acquire_leaf(SizeClass::for_size(1024).unwrap(), 0).unwrap();
        match arena.huge_pages() {
            HugePages::Advised => {
                let address = leaf.base().addr().get();
                let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
                let text = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
                if text.contains("VmFlags") && setting.is_ok_and(|setting| !setting.contains("[never]")) {
                    // Advice is no promise (memory may be in pieces), but the kernel knows of it.
                    assert!(smaps(address, "AnonHugePages:").is_some(), "no mapping at {address:x}");
                    assert!(text.lines().any(|line| line.starts_with("VmFlags") && line.contains(" hg")));
                }
            }
            HugePages::Refused(errno) => assert_ne!(errno, 0),
            other => panic!("on Linux there is advice or a refusal: {other:?}"),
        }
    }

    fn minor_faults() -> i64 {
        // SAFETY: zeros are a valid rusage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the call fills the structure in.
        assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) }, 0);
        usage.ru_minflt
    }

    fn faults_of_touching(preinitialize: bool) -> i64 {
        let arena = Arena::new(options(|options| options.preinitialize = preinitialize)).unwrap();
        let class = SizeClass::for_size(256).unwrap();
        let mut pool = SlotPool::new(class);
        for _ in 0..8 {
            pool.add_leaf(arena.acquire_leaf(class, 8).unwrap());
        }
        let before = minor_faults();
        for _ in 0..32_768 {
            let slot = pool.allocate().expect("eight leaves have 32,768 slots");
            // SAFETY: the slot is this test's, and has 256 bytes.
            unsafe { slot.as_ptr().write_bytes(1, 256) };
        }
        minor_faults() - before
    }

    // The address sanitizer's own memory is touched with it.
    #[cfg(not(maniac_asan))]
    #[test]
    fn preinitialised_slots_do_not_fault() {
        assert_eq!(faults_of_touching(true), 0);
        let pages = (32_768 * 256 / page_size()) as i64;
        assert!(faults_of_touching(false) >= pages / 512, "untouched slots are not there at first");
    }
}
