//! Names the backends that this target and these features have, so that the sources say `cfg(maniac_uring)`,
//! `cfg(maniac_poll)` and `cfg(maniac_park)` instead of repeating the conditions. Loom's models run without a kernel, hence without any.

/// The architectures that the `io-uring` crate has bindings for, as in Cargo.toml.
const RING_ARCHS: [&str; 5] = ["x86_64", "aarch64", "riscv64", "loongarch64", "powerpc64"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(maniac_uring)");
    println!("cargo::rustc-check-cfg=cfg(maniac_poll)");
    println!("cargo::rustc-check-cfg=cfg(maniac_park)");
    let set = |name: &str| std::env::var_os(name).is_some();
    let is = |name: &str, values: &[&str]| std::env::var(name).is_ok_and(|is| values.contains(&is.as_str()));
    let loom = set("CARGO_CFG_LOOM");
    let linux = is("CARGO_CFG_TARGET_OS", &["linux"]) && is("CARGO_CFG_TARGET_ARCH", &RING_ARCHS);
    if linux && set("CARGO_FEATURE_IOURING") && !loom {
        println!("cargo::rustc-cfg=maniac_uring");
    }
    if set("CARGO_CFG_UNIX") && set("CARGO_FEATURE_MIO") && !loom {
        println!("cargo::rustc-cfg=maniac_poll");
    }
    if set("CARGO_CFG_WINDOWS") && !loom {
        println!("cargo::rustc-cfg=maniac_park");
    }
}
