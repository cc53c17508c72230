//! Hash functions: of bytes, of files, and bit by bit.

use super::task::{CHUNK, Fault, Stop};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use sha2::digest::DynDigest;
use std::ffi::CString;
use std::hash::Hasher as _;
use twox_hash::{xxhash3_64, xxhash3_128};

/// Which function, by JavaScript's number.
#[derive(Clone, Copy)]
pub(crate) enum Algorithm {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512_224,
    Sha512_256,
    Blake3,
    Xxh3,
    Xxh128,
}

impl Algorithm {
    pub(crate) fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Sha224,
            1 => Self::Sha256,
            2 => Self::Sha384,
            3 => Self::Sha512,
            4 => Self::Sha512_224,
            5 => Self::Sha512_256,
            6 => Self::Blake3,
            7 => Self::Xxh3,
            8 => Self::Xxh128,
            _ => return None,
        })
    }
}

/// A hash under way.
pub(crate) enum Hasher {
    Sha(Box<dyn DynDigest + Send>),
    Blake3(Box<blake3::Hasher>),
    Xxh3(Box<xxhash3_64::Hasher>),
    Xxh128(Box<xxhash3_128::Hasher>),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha224 => Self::Sha(Box::new(sha2::Sha224::default())),
            Algorithm::Sha256 => Self::Sha(Box::new(sha2::Sha256::default())),
            Algorithm::Sha384 => Self::Sha(Box::new(sha2::Sha384::default())),
            Algorithm::Sha512 => Self::Sha(Box::new(sha2::Sha512::default())),
            Algorithm::Sha512_224 => Self::Sha(Box::new(sha2::Sha512_224::default())),
            Algorithm::Sha512_256 => Self::Sha(Box::new(sha2::Sha512_256::default())),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
            Algorithm::Xxh3 => Self::Xxh3(Box::default()),
            Algorithm::Xxh128 => Self::Xxh128(Box::default()),
        }
    }

    /// # Errors
    ///
    /// [`Fault::Stopped`].
    pub(crate) fn update(&mut self, input: &[u8], stop: &Stop) -> Result<(), Fault> {
        for chunk in input.chunks(CHUNK) {
            stop.check()?;
            match self {
                Self::Sha(hash) => hash.update(chunk),
                Self::Blake3(hash) => {
                    hash.update(chunk);
                }
                Self::Xxh3(hash) => hash.write(chunk),
                Self::Xxh128(hash) => hash.write(chunk),
            }
        }
        Ok(())
    }

    /// The digest; `length` counts where the function gives as much as is wanted.
    pub(crate) fn digest(self, length: usize) -> Vec<u8> {
        match self {
            Self::Sha(hash) => hash.finalize().into_vec(),
            Self::Blake3(hash) => {
                let mut digest = vec![0; length];
                hash.finalize_xof().fill(&mut digest);
                digest
            }
            // The canonical form: the most significant byte first.
            Self::Xxh3(hash) => hash.finish().to_be_bytes().to_vec(),
            Self::Xxh128(hash) => hash.finish_128().to_be_bytes().to_vec(),
        }
    }
}

/// The digest of `input`.
pub(crate) fn bytes(
    algorithm: Algorithm,
    length: usize,
    input: &[u8],
    stop: &Stop,
) -> Result<Vec<u8>, Fault> {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(input, stop)?;
    Ok(hasher.digest(length))
}

/// The digest of what the file at `path` holds.
pub(crate) fn file(algorithm: Algorithm, length: usize, path: &[u8], stop: &Stop) -> Result<Vec<u8>, Fault> {
    let path = CString::new(path).map_err(|_| Fault::Invalid)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let open = || rustix::fs::open(&*path, flags, Mode::empty());
    let fd = retry_on_intr(open).map_err(|errno| Fault::Open(number(errno)))?;
    let size = rustix::fs::fstat(&fd).map_or(0, |stat| stat.st_size as usize);
    // One byte more: the read that fills a file's own size need not be followed by one that finds the end.
    let mut buffer = vec![0; size.saturating_add(1).min(CHUNK)];
    let mut hasher = Hasher::new(algorithm);
    loop {
        stop.check()?;
        let count = retry_on_intr(|| rustix::io::read(&fd, &mut *buffer));
        let count = count.map_err(|errno| Fault::Read(number(errno)))?;
        hasher.update(&buffer[..count], stop)?;
        if count == 0 {
            return Ok(hasher.digest(length));
        }
    }
}

/// As libuv numbers it.
fn number(errno: Errno) -> i32 {
    -errno.raw_os_error()
}
