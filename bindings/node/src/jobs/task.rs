//! What a job is to do, as JavaScript's words say it, and what can go wrong. The doing is in `hash.rs`, `codec.rs` and
//! `password.rs`; who does it when, in `lanes.rs`.

use super::codec::{self, Format};
use super::hash::{self, Algorithm};
use super::password::Derivation;
use super::stream::Stream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Words of JavaScript's array.
pub(crate) const WORDS: usize = 16;
/// Bytes between two looks at [`Stop`].
pub(crate) const CHUNK: usize = 256 * 1024;

/// Somebody may want a job to end early.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    ///
    /// [`Fault::Stopped`] when it is so.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.0.load(Ordering::Relaxed) { Err(Fault::Stopped) } else { Ok(()) }
    }
}

/// Why there is no result. The numbers are JavaScript's too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Stopped,
    /// Compressed data that is none.
    Corrupt,
    /// Compressed data that lacks its end.
    Truncated,
    /// More output than was allowed.
    TooLong,
    /// A window larger than was allowed.
    Window,
    /// The system has not so much memory.
    Memory,
    /// A file could not be opened or read.
    Open(i32),
    Read(i32),
    /// Parameters that the facade should have refused.
    Invalid,
    /// No thread could be had for it, or the code below failed.
    Lost,
}

impl Fault {
    /// The fault's number, and its detail.
    pub(crate) fn numbers(self) -> (i32, i32) {
        match self {
            Self::Stopped => (1, 0),
            Self::Corrupt => (2, 0),
            Self::Truncated => (3, 0),
            Self::TooLong => (4, 0),
            Self::Window => (5, 0),
            Self::Memory => (6, 0),
            Self::Open(errno) => (7, errno),
            Self::Read(errno) => (8, errno),
            Self::Invalid => (9, 0),
            Self::Lost => (10, 0),
        }
    }
}

/// What one result consists of.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// A stream has more to give before it takes anything.
    pub(crate) more: bool,
}

impl From<Vec<u8>> for Output {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, more: false }
    }
}

/// What is done with each input of a job.
pub(crate) enum Task {
    Hash(Algorithm, usize),
    /// The input is a path.
    HashFile(Algorithm, usize),
    Code(Format, codec::Settings),
    Derive(Derivation),
    /// One step of a stream; the last one ends it.
    Step(Arc<Mutex<Stream>>, bool),
}

/// A signed word.
fn signed(word: u32) -> i32 {
    word as i32
}

impl Task {
    /// Reads a task from JavaScript's words; `shared` are the inputs that belong to all others.
    pub(crate) fn decode(words: &[u32; WORDS], shared: Vec<Vec<u8>>) -> Option<Self> {
        match words[0] {
            0 => Some(Self::Hash(Algorithm::of(words[1])?, words[2] as usize)),
            1 => Some(Self::HashFile(Algorithm::of(words[1])?, words[2] as usize)),
            2 => Some(Self::Code(Format::of(words[1])?, settings(words))),
            3 => Some(Self::Derive(Derivation::of(words, shared)?)),
            _ => None,
        }
    }

    /// The stream that the words describe.
    pub(crate) fn stream(words: &[u32; WORDS]) -> Option<Stream> {
        match Self::decode(words, Vec::new())? {
            Self::Hash(algorithm, length) => Some(Stream::hash(algorithm, length)),
            Self::Code(format, settings) => Stream::code(format, &settings),
            _ => None,
        }
    }

    /// Whether the results are short, and all of one length: they cross as one.
    pub(crate) fn joins(&self) -> bool {
        matches!(self, Self::Hash(..) | Self::HashFile(..) | Self::Derive(_))
    }

    /// Whether an input's length says nothing about the work that it is.
    pub(crate) fn is_opaque(&self) -> bool {
        matches!(self, Self::HashFile(..) | Self::Derive(_))
    }

    /// Does it for one input.
    pub(crate) fn run(&self, input: &[u8], stop: &Stop) -> Result<Output, Fault> {
        stop.check()?;
        match self {
            Self::Hash(algorithm, length) => hash::bytes(*algorithm, *length, input, stop).map(Output::from),
            Self::HashFile(algorithm, length) => {
                hash::file(*algorithm, *length, input, stop).map(Output::from)
            }
            Self::Code(format, settings) => codec::whole(*format, settings, input, stop).map(Output::from),
            Self::Derive(derivation) => derivation.run(input, stop).map(Output::from),
            Self::Step(stream, last) => {
                stream.lock().unwrap_or_else(PoisonError::into_inner).step(input, *last, stop)
            }
        }
    }
}

fn settings(words: &[u32; WORDS]) -> codec::Settings {
    codec::Settings {
        level: signed(words[2]),
        window: words[3],
        limit: if words[4] == u32::MAX { usize::MAX } else { words[4] as usize },
        checksum: words[5] != 0,
        size_hint: words[6] as usize,
        mode: words[7],
    }
}
