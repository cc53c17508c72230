//! Sets `cfg(coroutines)` for the targets that corosensei supports on stable Rust. The dependency in Cargo.toml has
//! the same list.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(coroutines)");
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
}
