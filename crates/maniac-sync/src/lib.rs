//! Channels and wakers that need no executor: their ends wait asynchronously, under any executor, or by blocking a thread,
//! and both kinds mix on one channel.
//!
//! [`mpsc`] is the channel for most uses; [`spsc`] the fastest for one producer and one consumer; [`oneshot`] for one value;
//! [`waker`] for building one's own. No executor, clock or I/O lives here.
//!
//! The crate's README explains the protocols, numbers the invariants that its `unsafe` blocks rely on, and says how they
//! are proved.
//!
//! ```
//! # use maniac_sync::mpsc;
//! # pollster::block_on(async {
//! let (sender, mut receiver) = mpsc::channel(8);
//! std::thread::spawn(move || {
//!     for number in 0..100 {
//!         sender.send_blocking(number).unwrap();
//!     }
//! });
//! let mut sum = 0;
//! while let Some(number) = receiver.recv().await {
//!     sum += number;
//! }
//! assert_eq!(sum, 4_950);
//! # });
//! ```

pub mod mpsc;
pub mod oneshot;
mod park;
mod seat;
mod shim;
pub mod spsc;
pub mod wait;
pub mod waker;
mod wakes;

/// How many messages the runtime's parts take out of a channel at once: a good limit for
/// [`recv_many`](mpsc::Receiver::recv_many).
///
/// ```
/// assert_eq!(maniac_sync::MESSAGE_BATCH_SIZE, 4_096);
/// ```
pub const MESSAGE_BATCH_SIZE: usize = 4096;

#[cfg(loom)]
#[doc(hidden)]
pub use shim::weaken;
