//! Compression and decompression, a bounded piece at a time: the formats behind one trait, and the loop that all of them run in.

use super::task::{CHUNK, Fault, Stop};
use brotli::enc::StandardAlloc;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::stream::raw::{self, CParameter, DParameter, InBuffer, Operation as _, OutBuffer};

/// Output bytes of one piece.
const PIECE: usize = 64 * 1024;

/// What is read or written, by JavaScript's number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Gzip,
    Gunzip,
    Deflate,
    Inflate,
    DeflateRaw,
    InflateRaw,
    BrotliCompress,
    BrotliDecompress,
    ZstdCompress,
    ZstdDecompress,
}

/// What the format leaves open; the facade has checked it.
pub(crate) struct Settings {
    pub(crate) level: i32,
    /// Base-two logarithm of the window; 0 is the format's own.
    pub(crate) window: u32,
    /// Bytes of output that are allowed.
    pub(crate) limit: usize,
    pub(crate) checksum: bool,
    /// Bytes of input, if that is known; 0 if not.
    pub(crate) size_hint: usize,
    /// Brotli's mode.
    pub(crate) mode: u32,
}

/// What a piece of work came to.
#[derive(Default)]
pub(crate) struct Piece {
    read: usize,
    written: usize,
    /// There is nothing more to give, whatever comes.
    ended: bool,
}

/// What [`Codec::pump`] came to.
pub(crate) struct Pumped {
    pub(crate) read: usize,
    /// There is more to give, for which there was no room.
    pub(crate) more: bool,
}

/// One of the formats, in one direction.
pub(crate) trait Codec: Send {
    /// Takes some of `input` and writes into some of `output`. `last` says that no input follows this.
    ///
    /// # Errors
    ///
    /// What the data is wrong in.
    fn piece(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Piece, Fault>;

    /// Goes on until `input` is used up, or there are about `most` more bytes in `output`.
    ///
    /// # Errors
    ///
    /// As [`piece`](Self::piece), [`Fault::Truncated`] if the data lacks its end, [`Fault::Stopped`], [`Fault::Memory`].
    fn pump(
        &mut self,
        input: &[u8],
        last: bool,
        output: &mut Vec<u8>,
        most: usize,
        stop: &Stop,
    ) -> Result<Pumped, Fault> {
        let (mut read, most) = (0, output.len().saturating_add(most));
        let mut room = vec![0; PIECE];
        loop {
            stop.check()?;
            let end = input.len().min(read + CHUNK);
            let last = last && end == input.len();
            let piece = self.piece(&input[read..end], &mut room, last)?;
            read += piece.read;
            output.try_reserve(piece.written).map_err(|_| Fault::Memory)?;
            output.extend_from_slice(&room[..piece.written]);
            if piece.ended {
                // What follows the end is nobody's.
                return Ok(Pumped { read: input.len(), more: false });
            }
            let used_up = read == input.len() && piece.written < PIECE;
            if used_up && !last {
                return Ok(Pumped { read, more: false });
            }
            if piece.read == 0 && piece.written == 0 {
                return Err(if last { Fault::Truncated } else { Fault::Corrupt });
            }
            if output.len() >= most {
                return Ok(Pumped { read, more: true });
            }
        }
    }
}

/// All of `input` at once.
pub(crate) fn whole(
    format: Format,
    settings: &Settings,
    input: &[u8],
    stop: &Stop,
) -> Result<Vec<u8>, Fault> {
    let sized = Settings { size_hint: input.len(), ..*settings };
    let mut codec = format.open(&sized).ok_or(Fault::Invalid)?;
    let mut output = Vec::new();
    // One byte too many is enough to know.
    let pumped = codec.pump(input, true, &mut output, settings.limit.saturating_add(1), stop)?;
    if pumped.more || output.len() > settings.limit {
        return Err(Fault::TooLong);
    }
    output.shrink_to_fit();
    Ok(output)
}

impl Format {
    pub(crate) fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Gzip,
            1 => Self::Gunzip,
            2 => Self::Deflate,
            3 => Self::Inflate,
            4 => Self::DeflateRaw,
            5 => Self::InflateRaw,
            6 => Self::BrotliCompress,
            7 => Self::BrotliDecompress,
            8 => Self::ZstdCompress,
            9 => Self::ZstdDecompress,
            _ => return None,
        })
    }

    /// A compressor or decompressor; `None` if its library refuses the settings.
    pub(crate) fn open(self, settings: &Settings) -> Option<Box<dyn Codec>> {
        let window = if settings.window == 0 { 15 } else { settings.window as u8 };
        let level = u32::try_from(settings.level).map_or_else(|_| Compression::default(), Compression::new);
        Some(match self {
            Self::Gzip => Box::new(Compress::new_gzip(level, window)),
            Self::Deflate => Box::new(Compress::new_with_window_bits(level, true, window)),
            Self::DeflateRaw => Box::new(Compress::new_with_window_bits(level, false, window)),
            Self::Gunzip => Box::new(Gunzip { member: Decompress::new_gzip(window), between: false, window }),
            Self::Inflate => Box::new(Decompress::new_with_window_bits(true, window)),
            Self::InflateRaw => Box::new(Decompress::new_with_window_bits(false, window)),
            Self::BrotliCompress => brotli_compress(settings)?,
            Self::BrotliDecompress => {
                let alloc = StandardAlloc::default;
                Box::new(Unbrotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))))
            }
            Self::ZstdCompress => zstd_compress(settings)?,
            Self::ZstdDecompress => {
                let mut decoder = raw::Decoder::new().ok()?;
                if settings.window != 0 {
                    decoder.set_parameter(DParameter::WindowLogMax(settings.window)).ok()?;
                }
                Box::new(Unzstd { decoder, between: false })
            }
        })
    }
}

impl Codec for Compress {
    fn piece(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Piece, Fault> {
        let (read, written) = (self.total_in(), self.total_out());
        let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
        let status = self.compress(input, output, flush).map_err(|_| Fault::Lost)?;
        Ok(Piece {
            read: (self.total_in() - read) as usize,
            written: (self.total_out() - written) as usize,
            ended: status == Status::StreamEnd,
        })
    }
}

impl Codec for Decompress {
    fn piece(&mut self, input: &[u8], output: &mut [u8], _last: bool) -> Result<Piece, Fault> {
        let (read, written) = (self.total_in(), self.total_out());
        let status = self.decompress(input, output, FlushDecompress::None).map_err(|_| Fault::Corrupt)?;
        Ok(Piece {
            read: (self.total_in() - read) as usize,
            written: (self.total_out() - written) as usize,
            ended: status == Status::StreamEnd,
        })
    }
}

/// A gzip file may have several members, and be padded with zeros.
struct Gunzip {
    member: Decompress,
    /// A member has ended, and no other has begun.
    between: bool,
    window: u8,
}

impl Codec for Gunzip {
    fn piece(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Piece, Fault> {
        if self.between {
            match input.first() {
                None => return Ok(Piece { ended: last, ..Piece::default() }),
                Some(0) => return Ok(Piece { ended: true, ..Piece::default() }),
                Some(_) => {
                    self.member = Decompress::new_gzip(self.window);
                    self.between = false;
                }
            }
        }
        let mut piece = self.member.piece(input, output, last)?;
        self.between = piece.ended;
        piece.ended = piece.ended && last && piece.read == input.len();
        Ok(piece)
    }
}

struct Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>);

fn brotli_compress(settings: &Settings) -> Option<Box<dyn Codec>> {
    let mut encoder = BrotliEncoderStateStruct::new(StandardAlloc::default());
    let parameters = [
        (BrotliEncoderParameter::BROTLI_PARAM_QUALITY, u32::try_from(settings.level).unwrap_or(11)),
        (BrotliEncoderParameter::BROTLI_PARAM_LGWIN, if settings.window == 0 { 22 } else { settings.window }),
        (BrotliEncoderParameter::BROTLI_PARAM_MODE, settings.mode),
        (
            BrotliEncoderParameter::BROTLI_PARAM_SIZE_HINT,
            u32::try_from(settings.size_hint).unwrap_or(u32::MAX),
        ),
    ];
    for (parameter, value) in parameters {
        encoder.set_parameter(parameter, value).then_some(())?;
    }
    Some(Box::new(Brotli(Box::new(encoder))))
}

impl Codec for Brotli {
    fn piece(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Piece, Fault> {
        let operation = if last {
            BrotliEncoderOperation::BROTLI_OPERATION_FINISH
        } else {
            BrotliEncoderOperation::BROTLI_OPERATION_PROCESS
        };
        let (mut left, mut read, mut room, mut written) = (input.len(), 0, output.len(), 0);
        let done = self.0.compress_stream(
            operation,
            &mut left,
            input,
            &mut read,
            &mut room,
            output,
            &mut written,
            &mut None,
            &mut |_, _, _, _| (),
        );
        if !done {
            return Err(Fault::Lost);
        }
        Ok(Piece { read, written, ended: self.0.is_finished() })
    }
}

struct Unbrotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>);

impl Codec for Unbrotli {
    fn piece(&mut self, input: &[u8], output: &mut [u8], _last: bool) -> Result<Piece, Fault> {
        let (mut left, mut read, mut room, mut written, mut total) = (input.len(), 0, output.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            input,
            &mut room,
            &mut written,
            output,
            &mut total,
            &mut self.0,
        );
        match result {
            BrotliResult::ResultFailure => Err(Fault::Corrupt),
            BrotliResult::ResultSuccess => Ok(Piece { read, written, ended: true }),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
                Ok(Piece { read, written, ended: false })
            }
        }
    }
}

struct Zstd(raw::Encoder<'static>);

fn zstd_compress(settings: &Settings) -> Option<Box<dyn Codec>> {
    let mut encoder = raw::Encoder::new(settings.level).ok()?;
    if settings.window != 0 {
        encoder.set_parameter(CParameter::WindowLog(settings.window)).ok()?;
    }
    encoder.set_parameter(CParameter::ChecksumFlag(settings.checksum)).ok()?;
    if settings.size_hint != 0 {
        encoder.set_pledged_src_size(Some(settings.size_hint as u64)).ok()?;
    }
    Some(Box::new(Zstd(encoder)))
}

impl Codec for Zstd {
    fn piece(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Piece, Fault> {
        let (mut from, mut into) = (InBuffer::around(input), OutBuffer::around(output));
        if !input.is_empty() {
            self.0.run(&mut from, &mut into).map_err(|_| Fault::Lost)?;
        }
        let mut ended = false;
        if last && from.pos() == input.len() {
            ended = self.0.finish(&mut into, true).map_err(|_| Fault::Lost)? == 0;
        }
        Ok(Piece { read: from.pos(), written: into.pos(), ended })
    }
}

/// A zstd file may have several frames.
struct Unzstd {
    decoder: raw::Decoder<'static>,
    /// A frame has ended, and no other has begun.
    between: bool,
}

impl Codec for Unzstd {
    fn piece(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Result<Piece, Fault> {
        if self.between && input.is_empty() {
            return Ok(Piece { ended: last, ..Piece::default() });
        }
        let (mut from, mut into) = (InBuffer::around(input), OutBuffer::around(output));
        let hint = self.decoder.run(&mut from, &mut into).map_err(|error| {
            // The library's own words: its errors reach Rust as text only.
            let window = error.to_string().contains("too much memory");
            if window { Fault::Window } else { Fault::Corrupt }
        })?;
        self.between = hint == 0;
        let (read, written) = (from.pos(), into.pos());
        Ok(Piece { read, written, ended: self.between && last && read == input.len() })
    }
}
