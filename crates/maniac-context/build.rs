//! Sets `cfg(coroutines)` for the targets that corosensei supports on stable Rust. The dependency in Cargo.toml has
//! the same list. Sets `cfg(preemption)` for those of them on which a coroutine can be left at an arbitrary instruction.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(coroutines)");
    println!("cargo::rustc-check-cfg=cfg(preemption)");
    let target = |name: &str| env::var(format!("CARGO_CFG_{name}")).unwrap_or_default();
    let unix = env::var_os("CARGO_CFG_UNIX").is_some();
    let windows = env::var_os("CARGO_CFG_WINDOWS").is_some();
    let supported = match target("TARGET_ARCH").as_str() {
        "x86_64" => unix || windows,
        "aarch64" | "riscv64" | "loongarch64" | "x86" => unix,
        "arm" => unix && target("TARGET_VENDOR") != "apple",
        _ => false,
    };
    if supported {
        println!("cargo::rustc-cfg=coroutines");
    }
    let sixty_four = target("TARGET_POINTER_WIDTH") == "64";
    let arch = matches!(target("TARGET_ARCH").as_str(), "x86_64" | "aarch64" | "riscv64" | "loongarch64");
    let switch = match target("TARGET_OS").as_str() {
        "linux" | "macos" => sixty_four && arch,
        "windows" => target("TARGET_ARCH") == "x86_64",
        _ => false,
    };
    // Neither loom nor miri knows signals.
    let modelled = env::var_os("CARGO_CFG_LOOM").is_some() || env::var_os("CARGO_CFG_MIRI").is_some();
    if switch && !modelled {
        println!("cargo::rustc-cfg=preemption");
    }
}
