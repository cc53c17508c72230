//! What happens where guards are mappings and the kernel's limit on them is reached. One process, one test: the
//! count is the process's.
#![cfg(all(target_os = "linux", not(miri), not(loom), not(maniac_asan)))]

use maniac_context::stack::{Guard, StackError, StackPool, StackPoolConfig};

/// Takes stacks until there are no more.
fn fill(config: StackPoolConfig) -> (usize, StackError) {
    let pool = StackPool::new(config).unwrap();
    let mut stacks = Vec::new();
    loop {
        match pool.get() {
            Ok(stack) => stacks.push(stack),
            Err(error) => {
                if stacks.len() * 2 + 1_000 < machine_limit() {
                    // The rest of the process still works: a thread needs mappings of its own.
                    std::thread::spawn(|| ()).join().unwrap();
                }
                // So does the pool: what comes back can be had again.
                stacks.pop();
                drop(pool.get().expect("one came back"));
                return (stacks.len() + 1, error);
            }
        }
    }
}

fn machine_limit() -> usize {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap()
}

#[test]
fn the_limit_on_mappings_is_a_typed_error() {
    let small = StackPoolConfig::new().stack_size(16 << 10).guard(Guard::Protect);
    let (stacks, error) = fill(small.clone().max_mappings(2_000));
    assert!(matches!(error, StackError::MappingLimit { mappings: 2_000, stacks: 750 }), "{error:?}");
    assert_eq!(stacks, 750, "two mappings a stack, a quarter left to the process");
    assert!(error.to_string().contains("vm.max_map_count"), "{error}");

    // The machine's own limit, for a machine whose limit is not out of reach.
    let limit = machine_limit();
    if limit > 200_000 {
        println!("not run: vm.max_map_count is {limit}");
        return;
    }
    let (stacks, error) = fill(small.clone());
    println!("{stacks} stacks guarded by mappings with vm.max_map_count = {limit}: {error}");
    assert!(matches!(error, StackError::MappingLimit { .. }), "{error:?}");
    assert!(stacks * 2 <= limit && stacks * 2 > limit - 1_100, "{stacks} of {limit}");

    // A limit taken for higher than it is: the kernel's refusal is an error too, and what exists goes on.
    let (stacks, error) = fill(small.max_mappings(limit + 5_000));
    println!("past the limit: {stacks} stacks, then {error}");
    match error {
        StackError::MappingLimit { mappings, .. } => assert_eq!(mappings, limit),
        // An emulator shows its guest's mappings, not the kernel's.
        StackError::System { call: "mprotect", .. } if cfg!(not(target_arch = "x86_64")) => {}
        other => panic!("{other:?}"),
    }
}
