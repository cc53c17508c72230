//! Why there is no stack.

use std::{fmt, io};

/// Why a pool could not be made or could not hand out a stack.
///
/// ```
/// use maniac_context::stack::{StackError, StackPool, StackPoolConfig};
/// let pool = StackPool::new(StackPoolConfig::new().max_stacks(1))?;
/// let _only = pool.get()?;
/// assert!(matches!(pool.get(), Err(StackError::PoolLimit { limit: 1 })));
/// # Ok::<(), StackError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum StackError {
    /// This target has no stack switch; see [`SUPPORTED`](crate::SUPPORTED).
    Unsupported,
    /// The size is zero or too large.
    Size {
        /// Bytes asked for.
        requested: usize,
        /// The smallest size; smaller ones are rounded up to it.
        min: usize,
        /// The largest size.
        max: usize,
    },
    /// As many stacks of this size are in use as the pool's configuration allows.
    PoolLimit {
        /// [`StackPoolConfig::max_stacks`](super::StackPoolConfig::max_stacks).
        limit: usize,
    },
    /// Another stack would take more memory mappings than the kernel allows a process.
    MappingLimit {
        /// Stacks that exist now, over all pools that guard by mapping.
        stacks: usize,
        /// The limit on mappings (`vm.max_map_count` unless configured).
        mappings: usize,
    },
    /// The system refused memory or address space.
    System {
        /// What was tried.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => {
                f.write_str("there are no coroutines on this target; block a thread instead")
            }
            Self::Size { requested, min, max } => {
                write!(f, "a stack of {requested} bytes is not possible; choose from {min} to {max}")
            }
            Self::PoolLimit { limit } => {
                write!(
                    f,
                    "all {limit} stacks of this size are in use; raise max_stacks or suspend fewer at once"
                )
            }
            Self::MappingLimit { stacks, mappings } => write!(
                f,
                "{stacks} stacks exist and one more would come too close to the limit of {mappings} memory mappings; \
                 raise vm.max_map_count, or use Linux 6.13 or newer, where guards need no mappings"
            ),
            Self::System { call, source } => {
                write!(
                    f,
                    "{call} failed while a stack was made: {source}; check the limits on memory and address space"
                )
            }
        }
    }
}

impl std::error::Error for StackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
