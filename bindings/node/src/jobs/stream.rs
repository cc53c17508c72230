//! What lives from one step to the next: a hash, or a compressor or decompressor with the input that it has not taken yet.

use super::codec::{Codec, Format, Pumped, Settings};
use super::hash::{Algorithm, Hasher};
use super::task::{Fault, Output, Stop};

/// Bytes that one step gives at most: what comes after is asked for.
const STEP: usize = 1024 * 1024;

/// See the module's page.
pub(crate) enum Stream {
    Hash {
        /// None once the digest was given.
        hasher: Option<Hasher>,
        length: usize,
    },
    Code {
        codec: Box<dyn Codec>,
        waiting: Vec<u8>,
        limit: usize,
    },
}

impl Stream {
    pub(crate) fn hash(algorithm: Algorithm, length: usize) -> Self {
        Self::Hash { hasher: Some(Hasher::new(algorithm)), length }
    }

    pub(crate) fn code(format: Format, settings: &Settings) -> Option<Self> {
        let codec = format.open(settings)?;
        Some(Self::Code { codec, waiting: Vec::new(), limit: settings.limit })
    }

    /// Takes `input`; the last step ends it. A hash gives its digest then.
    pub(crate) fn step(&mut self, input: &[u8], last: bool, stop: &Stop) -> Result<Output, Fault> {
        match self {
            Self::Hash { hasher, length } => {
                hasher.as_mut().ok_or(Fault::Invalid)?.update(input, stop)?;
                let digest = if last { hasher.take().map(|hasher| hasher.digest(*length)) } else { None };
                Ok(digest.unwrap_or_default().into())
            }
            Self::Code { codec, waiting, limit } => {
                waiting.extend_from_slice(input);
                let mut bytes = Vec::new();
                let Pumped { read, more } = codec.pump(waiting, last, &mut bytes, STEP, stop)?;
                waiting.drain(..read);
                *limit = limit.checked_sub(bytes.len()).ok_or(Fault::TooLong)?;
                Ok(Output { bytes, more })
            }
        }
    }
}
