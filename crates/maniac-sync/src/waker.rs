//! Wakers shared by one task that waits and many that wake: the diatomic waker, of the crate `diatomic-waker`.
//!
//! It holds two places for a waker and says in one atomic word which of them is current, so that the waiting side can store
//! a new waker while another is being woken, without a lock, and keeps its waker from one wait to the next instead of
//! cloning it for each. [`WakeSink`] is the side that waits, [`WakeSource`] the side that wakes; [`DiatomicWaker`] is what both
//! share, for those who want to place it themselves.
//!
//! Register, then look again, then wait: a [`WakeSource::notify`] that comes after the registration is never lost, and what
//! was written before it is seen by the look that follows the registration. If the waker's own code panics in `notify`, the
//! pair does not wake again.
//!
//! The channels of this crate do not use it: their own words say who is to wake, which README.md explains.
//!
//! ```
//! # use maniac_sync::waker::WakeSink;
//! # use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//! let mut sink = WakeSink::new();
//! let source = sink.source();
//! let flag = Arc::new(AtomicBool::new(false));
//! let theirs = flag.clone();
//! std::thread::spawn(move || {
//!     theirs.store(true, Ordering::Release);
//!     source.notify();
//! });
//! # pollster::block_on(async {
//! sink.wait_until(|| flag.load(Ordering::Acquire).then_some(())).await;
//! # });
//! ```

#[doc(inline)]
pub use diatomic_waker::{DiatomicWaker, WakeSink, WakeSinkRef, WakeSource, WakeSourceRef};
