//! The few lines in which the architectures differ: where a signal frame holds the program counter and the stack pointer, how far below the
//! latter the interrupted code may have data, and the floating-point control words. Where there are no signals, what makes such a frame.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "loongarch64")]
mod loongarch64;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(all(target_arch = "x86_64", windows))]
mod x86_64_windows;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::*;
#[cfg(target_arch = "loongarch64")]
pub(super) use loongarch64::*;
#[cfg(target_arch = "riscv64")]
pub(super) use riscv64::*;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::*;
#[cfg(all(target_arch = "x86_64", windows))]
pub(super) use x86_64_windows::*;
