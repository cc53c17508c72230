//! 100,000 suspended coroutines at once, and what each costs. One process, one test: it measures the process.
#![cfg(all(target_os = "linux", not(miri), not(loom), not(maniac_asan)))]
#![expect(clippy::print_stdout, reason = "a test reports what it saw")]

use maniac_context::coroutine::{Coroutine, Outcome, ResumeWith};
use maniac_context::stack::{Guard, StackPool, StackPoolConfig};

/// A field of /proc/self/status, in bytes.
fn status(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

fn suspend_many(count: usize, stack_size: usize) {
    let pool = StackPool::new(StackPoolConfig::new().stack_size(stack_size)).unwrap();
    drop(pool.get().unwrap());
    if pool.stats().guard != Some(Guard::Install) {
        println!("not run: this kernel has no MADV_GUARD_INSTALL");
        return;
    }
    let mut coroutines: Vec<Coroutine<usize, usize, usize>> = Vec::with_capacity(count);
    let before = (status("VmRSS:"), status("VmPTE:"), mappings());
    for index in 0..count {
        let mut coroutine = Coroutine::new(pool.get().unwrap());
        // SAFETY: the closure holds nothing across its suspension.
        let outcome = unsafe { coroutine.start(move |suspender| index + suspender.suspend(index)) };
        assert!(matches!(outcome, Outcome::Suspended(out) if out == index));
        coroutines.push(coroutine);
    }
    let after = (status("VmRSS:"), status("VmPTE:"), mappings());
    let resident = (after.0 - before.0) / count;
    let tables = (after.1 - before.1) / count;
    println!(
        "{count} suspended coroutines of {} KiB: {resident} B resident each, {tables} B of page tables each, \
         {} more mappings",
        stack_size >> 10,
        after.2.saturating_sub(before.2),
    );
    // One page of stack, and bookkeeping: the pool's lists and the coroutine itself.
    assert!(resident <= 4_300, "{resident} bytes each");
    assert!(after.2 < before.2 + 100, "{} mappings", after.2);
    for (index, coroutine) in coroutines.iter_mut().enumerate() {
        assert!(matches!(coroutine.resume(ResumeWith::Value(1)), Outcome::Finished(sum) if sum == index + 1));
    }
    drop(coroutines);
    assert_eq!(pool.stats().live, 0);
    pool.trim();
    let left = status("VmRSS:").saturating_sub(before.0) / count;
    assert!(left <= 200, "{left} bytes each stay resident after a trim");
}

#[test]
fn a_hundred_thousand_coroutines_are_suspended_at_once() {
    suspend_many(100_000, StackPoolConfig::DEFAULT_STACK_SIZE);
    suspend_many(120_000, 64 << 10);
}
