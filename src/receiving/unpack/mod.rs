//! Decompresses callback bodies for parsing, up to a size limit. The journal stores them
//! compressed.
//!
//! The first bytes decide, because proxies unpack bodies but leave the header, and senders write a
//! charset into it. `Content-Encoding` matters only where the bytes are ambiguous.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Maximum bytes of an unpacked body.
pub const UNPACKED_LIMIT: u64 = 32 * 1024 * 1024;

/// Maximum bytes of a body that is still compressed after an encoding was removed: each encoding
/// may multiply the size, and decoding takes time.
const INTERMEDIATE_LIMIT: u64 = 4 * 1024 * 1024;
/// Maximum number of encodings of one body, one inside another.
const ENCODINGS_LIMIT: usize = 3;
/// Deflate's maximum compression ratio.
const DEFLATE_RATIO: u64 = 1032;
/// Bytes are not text if more than one in this many is a control character; of random bytes, one in
/// nine is.
const CONTROL_SHARE: usize = 16;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Number of bytes in which control characters are counted.
const SAMPLE: usize = 256;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("content-encoding `{0}` is not supported")]
    Unknown(String),
    #[error("the body is not valid {0}")]
    Broken(&'static str),
    #[error("the body unpacks to more than {} MiB", .0 / 1024 / 1024)]
    TooLarge(u64),
    #[error("the body is compressed more than {ENCODINGS_LIMIT} times")]
    TooOften,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CompressionFormat {
    Gzip,
    Zlib,
    /// Without header, as some senders understand `deflate`.
    Deflate,
}

/// An upper bound of the unpacked size, from the first bytes and the length alone.
pub fn max_unpacked_size(body: &[u8], content_encoding: Option<&str>) -> u64 {
    let labels = Labels(content_encoding.unwrap_or_default());
    match labels.compression(body) {
        None => u64::try_from(body.len()).unwrap_or(u64::MAX),
        // Each encoding may multiply the size.
        Some(format) if labels.are_several() || is_compressed_again(body, format) => UNPACKED_LIMIT,
        Some(_) => unpacked_bound(body.len()).min(UNPACKED_LIMIT),
    }
}

/// A body that is not compressed is borrowed, whatever its header says.
pub fn unpack<'b>(
    body: &'b [u8],
    content_encoding: Option<&str>,
) -> Result<Cow<'b, [u8]>, UnpackError> {
    let labels = Labels(content_encoding.unwrap_or_default());
    let mut unpacked = Cow::Borrowed(body);
    for decoded in 0..ENCODINGS_LIMIT {
        let Some(format) = labels.compression(&unpacked) else {
            return labels.check_text(&unpacked, decoded).map(|()| unpacked);
        };
        let limit = if is_compressed_again(&unpacked, format) {
            INTERMEDIATE_LIMIT
        } else {
            UNPACKED_LIMIT
        };
        match decode(&unpacked, format, limit) {
            Ok(bytes) => unpacked = Cow::Owned(bytes),
            // Two bytes do not prove that it is zlib, nor does a label prove that it is deflate.
            Err(UnpackError::Broken(_)) if format != CompressionFormat::Gzip => {
                return labels.check_text(&unpacked, decoded).map(|()| unpacked);
            }
            Err(error) => return Err(error),
        }
    }
    match labels.compression(&unpacked) {
        Some(CompressionFormat::Gzip) => Err(UnpackError::TooOften),
        _ => Ok(unpacked),
    }
}

/// The content-encodings that a request names.
struct Labels<'h>(&'h str);

impl Labels<'_> {
    fn names(&self) -> impl DoubleEndedIterator<Item = String> {
        let names = self.0.split(',');
        names
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty() && name != "identity")
    }

    fn are_several(&self) -> bool {
        self.names().nth(1).is_some()
    }

    fn compression(&self, bytes: &[u8]) -> Option<CompressionFormat> {
        match bytes {
            [0x1f, 0x8b, 8, ..] => Some(CompressionFormat::Gzip),
            // A zlib header is a multiple of 31 and begins with `x` for the usual window size.
            [b'x', flags, ..] if u16::from_be_bytes([b'x', *flags]).is_multiple_of(31) => {
                Some(CompressionFormat::Zlib)
            }
            _ if str::from_utf8(bytes).is_err() && self.names().any(|name| name == "deflate") => {
                Some(CompressionFormat::Deflate)
            }
            _ => None,
        }
    }

    /// Names the encoding of bytes that are neither text nor a known compression, after `decoded`
    /// encodings were removed.
    fn check_text(&self, bytes: &[u8], decoded: usize) -> Result<(), UnpackError> {
        if bytes.starts_with(&ZSTD_MAGIC) {
            return Err(UnpackError::Unknown("zstd".to_owned()));
        }
        let is_utf16 = matches!(
            bytes,
            [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, ..] | [_, 0, ..]
        );
        if is_utf16 || str::from_utf8(bytes).is_ok() {
            return Ok(());
        }
        let sample = &bytes[..bytes.len().min(SAMPLE)];
        let is_control = |byte: &&u8| **byte < b' ' && !byte.is_ascii_whitespace();
        if sample.iter().filter(is_control).count() * CONTROL_SHARE <= sample.len() {
            return Ok(());
        }
        match self.names().rev().nth(decoded).as_deref() {
            None => Ok(()),
            Some("gzip" | "x-gzip") => Err(UnpackError::Broken("gzip")),
            Some("deflate") => Err(UnpackError::Broken("deflate")),
            Some(other) => Err(UnpackError::Unknown(other.to_owned())),
        }
    }
}

fn is_compressed_again(compressed: &[u8], format: CompressionFormat) -> bool {
    let mut start = [0; 3];
    let read = match format {
        CompressionFormat::Gzip => MultiGzDecoder::new(compressed).read_exact(&mut start),
        CompressionFormat::Zlib => ZlibDecoder::new(compressed).read_exact(&mut start),
        CompressionFormat::Deflate => DeflateDecoder::new(compressed).read_exact(&mut start),
    };
    read.is_ok() && Labels("").compression(&start).is_some()
}

fn decode(
    compressed: &[u8],
    format: CompressionFormat,
    limit: u64,
) -> Result<Vec<u8>, UnpackError> {
    match format {
        // A line break after the last member is not a member.
        CompressionFormat::Gzip => {
            let members = compressed.trim_ascii_end();
            read_all(compressed, MultiGzDecoder::new(members), "gzip", limit)
        }
        CompressionFormat::Zlib => {
            read_all(compressed, ZlibDecoder::new(compressed), "deflate", limit)
        }
        CompressionFormat::Deflate => {
            match read_all(compressed, ZlibDecoder::new(compressed), "deflate", limit) {
                Err(UnpackError::Broken(_)) => {
                    let mut decoder = DeflateDecoder::new(compressed);
                    let unpacked = read_all(compressed, &mut decoder, "deflate", limit)?;
                    // Almost any bytes begin with a valid deflate stream, so it must be all of
                    // them.
                    if u64::try_from(compressed.len()).ok() == Some(decoder.total_in()) {
                        Ok(unpacked)
                    } else {
                        Err(UnpackError::Broken("deflate"))
                    }
                }
                other => other,
            }
        }
    }
}

fn read_all(
    compressed: &[u8],
    decoder: impl Read,
    encoding: &'static str,
    limit: u64,
) -> Result<Vec<u8>, UnpackError> {
    // A buffer that grows is copied, and both copies are in memory at that time.
    let capacity = unpacked_bound(compressed.len()).min(limit + 1);
    let mut unpacked = Vec::with_capacity(usize::try_from(capacity).unwrap_or_default());
    let mut limited = decoder.take(limit + 1);
    // Some senders leave out the checksum, or write something after it.
    if limited.read_to_end(&mut unpacked).is_err() && !is_whole_text(&unpacked) {
        return Err(UnpackError::Broken(encoding));
    }
    if u64::try_from(unpacked.len()).unwrap_or(u64::MAX) > limit {
        Err(UnpackError::TooLarge(limit))
    } else {
        Ok(unpacked)
    }
}

/// Whether a text begins and ends like a callback, so that it may have been unpacked completely.
fn is_whole_text(unpacked: &[u8]) -> bool {
    let text = unpacked.trim_ascii_end();
    matches!(text, [b'{', .., b'}'] | [b'[', .., b']'] | [b'<', .., b'>'])
}

fn unpacked_bound(compressed_bytes: usize) -> u64 {
    u64::try_from(compressed_bytes)
        .unwrap_or(u64::MAX)
        .saturating_mul(DEFLATE_RATIO)
}

#[cfg(test)]
mod tests;
