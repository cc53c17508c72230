//! Keys from passwords: argon2, scrypt, pbkdf2. What they may cost is the facade's to limit; what the system has not is a fault.

use super::hash::Algorithm;
use super::task::{Fault, Stop, WORDS};
use argon2::{Argon2, AssociatedData, Block, ParamsBuilder, Version};
use hmac::{Hmac, KeyInit, Mac};

/// Rounds of pbkdf2 between two looks at [`Stop`].
const ROUNDS: u32 = 1024;

/// How a key is made.
pub(crate) enum Derivation {
    Argon2 { kind: argon2::Algorithm, version: Version, costs: [u32; 3], length: usize, shared: [Vec<u8>; 3] },
    Scrypt { costs: [u32; 3], length: usize, salt: Vec<u8> },
    Pbkdf2 { digest: Algorithm, rounds: u32, length: usize, salt: Vec<u8> },
}

impl Derivation {
    /// Reads JavaScript's words; `shared` are the salt and, of argon2, secret and associated data.
    pub(crate) fn of(words: &[u32; WORDS], shared: Vec<Vec<u8>>) -> Option<Self> {
        let length = words[2] as usize;
        let costs = [words[3], words[4], words[5]];
        let kind = match words[1] {
            0 => argon2::Algorithm::Argon2d,
            1 => argon2::Algorithm::Argon2i,
            2 => argon2::Algorithm::Argon2id,
            3 => return Some(Self::Scrypt { costs, length, salt: shared.into_iter().next()? }),
            4 => {
                let (digest, salt) = (Algorithm::of(words[3])?, shared.into_iter().next()?);
                return Some(Self::Pbkdf2 { digest, rounds: words[4], length, salt });
            }
            _ => return None,
        };
        let version = Version::try_from(words[6]).ok()?;
        Some(Self::Argon2 { kind, version, costs, length, shared: shared.try_into().ok()? })
    }

    /// The key for `password`. argon2 and scrypt look at `stop` before they begin only.
    pub(crate) fn run(&self, password: &[u8], stop: &Stop) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Argon2 { kind, version, costs, length, shared } => {
                argon(*kind, *version, *costs, shared, password, *length)
            }
            Self::Scrypt { costs: [log_n, r, p], length, salt } => {
                let log_n = u8::try_from(*log_n).map_err(|_| Fault::Invalid)?;
                let params = scrypt::Params::new(log_n, *r, *p).map_err(|_| Fault::Invalid)?;
                affordable((128usize << log_n).saturating_mul(*r as usize))?;
                let mut key = vec![0; *length];
                scrypt::scrypt(password, salt, &params, &mut key).map_err(|_| Fault::Invalid)?;
                Ok(key)
            }
            Self::Pbkdf2 { digest, rounds, length, salt } => {
                let derive = match digest {
                    Algorithm::Sha224 => pbkdf2::<Hmac<sha2::Sha224>>,
                    Algorithm::Sha256 => pbkdf2::<Hmac<sha2::Sha256>>,
                    Algorithm::Sha384 => pbkdf2::<Hmac<sha2::Sha384>>,
                    Algorithm::Sha512 => pbkdf2::<Hmac<sha2::Sha512>>,
                    Algorithm::Sha512_224 => pbkdf2::<Hmac<sha2::Sha512_224>>,
                    Algorithm::Sha512_256 => pbkdf2::<Hmac<sha2::Sha512_256>>,
                    _ => return Err(Fault::Invalid),
                };
                derive(password, salt, *rounds, *length, stop)
            }
        }
    }
}

/// Refuses what the library would end the process for.
fn affordable(bytes: usize) -> Result<(), Fault> {
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| Fault::Memory)
}

fn argon(
    kind: argon2::Algorithm,
    version: Version,
    [memory, passes, lanes]: [u32; 3],
    [salt, secret, data]: &[Vec<u8>; 3],
    password: &[u8],
    length: usize,
) -> Result<Vec<u8>, Fault> {
    let data = AssociatedData::new(data).map_err(|_| Fault::Invalid)?;
    let mut params = ParamsBuilder::new();
    params.m_cost(memory).t_cost(passes).p_cost(lanes).data(data).output_len(length);
    let params = params.build().map_err(|_| Fault::Invalid)?;
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(params.block_count()).map_err(|_| Fault::Memory)?;
    blocks.resize(params.block_count(), Block::new());
    let context = if secret.is_empty() {
        Argon2::new(kind, version, params)
    } else {
        Argon2::new_with_secret(secret, kind, version, params).map_err(|_| Fault::Invalid)?
    };
    let mut key = vec![0; length];
    context
        .hash_password_into_with_memory(password, salt, &mut key, &mut *blocks)
        .map_err(|_| Fault::Invalid)?;
    Ok(key)
}

/// RFC 8018, section 5.2, with a look at `stop` now and then.
fn pbkdf2<M: Mac + KeyInit + Clone>(
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    length: usize,
    stop: &Stop,
) -> Result<Vec<u8>, Fault> {
    let keyed = <M as KeyInit>::new_from_slice(password).map_err(|_| Fault::Invalid)?;
    let mut key = vec![0; length];
    for (index, part) in (1_u32..).zip(key.chunks_mut(M::output_size())) {
        let mut mac = keyed.clone();
        mac.update(salt);
        mac.update(&index.to_be_bytes());
        let mut last = mac.finalize().into_bytes();
        part.copy_from_slice(&last[..part.len()]);
        for round in 1..rounds {
            if round % ROUNDS == 0 {
                stop.check()?;
            }
            let mut mac = keyed.clone();
            mac.update(&last);
            last = mac.finalize().into_bytes();
            part.iter_mut().zip(&last).for_each(|(byte, other)| *byte ^= other);
        }
    }
    Ok(key)
}
