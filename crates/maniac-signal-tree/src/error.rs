//! What can be refused.

use crate::{MAX_LEAVES, MAX_PARTITIONS};
use std::fmt;

/// Why the tree refused a request. Nothing was changed.
///
/// ```
/// use maniac_signal_tree::{SignalTree, TreeError};
///
/// let error = SignalTree::new(0, 8).unwrap_err();
/// assert_eq!(error, TreeError::Partitions { asked: 0 });
/// assert_eq!(error.to_string(), "a tree has 1 to 512 partitions, not 0: ask for a number in that range");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// The number of partitions is outside `1..=`[`MAX_PARTITIONS`].
    Partitions {
        /// The number asked for.
        asked: usize,
    },
    /// The number of leaves is outside `1..=`[`MAX_LEAVES`].
    Leaves {
        /// The number asked for.
        asked: usize,
    },
    /// Every leaf that the tree was made for has been added.
    Full {
        /// The limit that the tree was made with.
        max_leaves: usize,
    },
    /// The tree has no such partition.
    NoSuchPartition {
        /// The partition named.
        partition: usize,
        /// How many there are.
        partitions: usize,
    },
    /// No such leaf has been added.
    NoSuchLeaf {
        /// The leaf named.
        leaf: u32,
    },
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions { asked } => {
                write!(
                    f,
                    "a tree has 1 to {MAX_PARTITIONS} partitions, not {asked}: ask for a number in that range"
                )
            }
            Self::Leaves { asked } => {
                write!(
                    f,
                    "a tree has room for 1 to {MAX_LEAVES} leaves, not {asked}: ask for a number in that range"
                )
            }
            Self::Full { max_leaves } => {
                write!(f, "all {max_leaves} leaves of the tree are in use: make the tree with a higher limit")
            }
            Self::NoSuchPartition { partition, partitions } => {
                write!(f, "there is no partition {partition}: the tree was made with {partitions}")
            }
            Self::NoSuchLeaf { leaf } => {
                write!(f, "there is no leaf {leaf}: use an index that add_leaf returned")
            }
        }
    }
}

impl std::error::Error for TreeError {}
