//! Memory that the process locks: installed guards are refused there, mapped ones are not. A process of its own,
//! since locking is the process's.
#![cfg(all(target_os = "linux", not(miri), not(loom), not(maniac_asan)))]

use maniac_context::coroutine::{Coroutine, Outcome};
use maniac_context::stack::{Guard, StackPool, StackPoolConfig};

/// mlock2(2): lock pages when they are touched; not before.
const MCL_ONFAULT: libc::c_int = 4;

fn use_it(pool: &StackPool) -> usize {
    let mut coroutine = Coroutine::<(), (), usize>::new(pool.get().unwrap());
    // SAFETY: the closure does not suspend.
    match unsafe {
        coroutine.start(|_| std::hint::black_box([7_u8; 9000]).iter().map(|&byte| usize::from(byte)).sum())
    } {
        Outcome::Finished(sum) => sum,
        _ => unreachable!(),
    }
}

#[test]
fn stacks_are_had_on_locked_memory_too() {
    let pool = StackPool::new(StackPoolConfig::new().stack_size(32 << 10)).unwrap();
    let mut held = vec![pool.get().unwrap()];
    let before = pool.stats().guard;
    // SAFETY: mlockall(2) changes no memory's content.
    if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | MCL_ONFAULT) } != 0 {
        println!("not run: {}", std::io::Error::last_os_error());
        return;
    }
    // The slab in use refuses further guards; a new one takes over, guarded by mappings.
    for _ in 0..100 {
        held.push(pool.get().unwrap());
    }
    assert_eq!(pool.stats().guard, Some(Guard::Protect), "{before:?} before");
    assert_eq!(use_it(&pool), 63_000);
    let strict = StackPool::new(StackPoolConfig::new().guard(Guard::Install)).unwrap();
    let error = strict.get().unwrap_err();
    assert!(error.to_string().contains("MADV_GUARD_INSTALL"), "{error}");
    // SAFETY: undoes the locking.
    unsafe { libc::munlockall() };
    drop(held);
    assert_eq!(use_it(&pool), 63_000);
    assert_eq!(pool.stats().live, 0);
}
