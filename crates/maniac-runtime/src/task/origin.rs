//! Where a task was spawned, and its name.

use std::panic::Location;

/// Where a task was spawned, and its name if it has one.
#[derive(Debug)]
pub(crate) enum Origin {
    /// Spawned without a name.
    Plain(&'static Location<'static>),
    /// Spawned by a builder that was given a name.
    Named(Box<Named>),
}

/// What only some tasks have, out of line.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) location: &'static Location<'static>,
}

impl Origin {
    #[track_caller]
    pub(crate) fn here(name: Option<String>) -> Origin {
        let location = Location::caller();
        match name {
            None => Origin::Plain(location),
            Some(name) => Origin::Named(Box::new(Named { name, location })),
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Origin::Plain(_) => None,
            Origin::Named(named) => Some(&named.name),
        }
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        match self {
            Origin::Plain(location) => location,
            Origin::Named(named) => named.location,
        }
    }
}
