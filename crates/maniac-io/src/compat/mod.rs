//! Streams of other crates as ours, and ours as theirs.
//!
//! Files, sockets and pipes of this crate have the traits of the other crates by themselves (see [`io`](crate::io)); what lives
//! here is for everything else.

pub mod tokio;
