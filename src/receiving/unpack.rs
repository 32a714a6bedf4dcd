//! Bodies that came compressed: unpacked for reading, within a bound. The journal keeps them as they came.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The most a body may unpack to, in bytes.
pub const UNPACKED_LIMIT: u64 = 32 * 1024 * 1024;

/// Deflate packs no better.
const DEFLATE_RATIO: u64 = 1032;

/// Why a body could not be unpacked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnpackError {
    /// An encoding nobody uses here.
    #[error("content-encoding `{0}` is not known")]
    Unknown(String),
    /// The bytes are not what the header says.
    #[error("the body is not valid {0}")]
    Broken(&'static str),
    /// More than [`UNPACKED_LIMIT`].
    #[error("the body unpacks to more than {} MiB", UNPACKED_LIMIT / 1024 / 1024)]
    TooLarge,
}

/// The most that a body can unpack to, without looking into it.
pub fn most_unpacked(body_bytes: usize, content_encoding: Option<&str>) -> u64 {
    let bytes = u64::try_from(body_bytes).unwrap_or(u64::MAX);
    match content_encoding {
        None => bytes,
        // Each may multiply what the one before it made.
        Some(several) if several.contains(',') => UNPACKED_LIMIT,
        Some(_) => bytes.saturating_mul(DEFLATE_RATIO).min(UNPACKED_LIMIT),
    }
}

/// The body as its sender meant it.
pub fn unpack(body: &[u8], content_encoding: Option<&str>) -> Result<Vec<u8>, UnpackError> {
    let encodings = content_encoding
        .unwrap_or_default()
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase());
    // The last encoding was applied last, so it comes off first.
    let mut encodings: Vec<String> = encodings
        .filter(|word| !word.is_empty() && word != "identity")
        .collect();
    let mut unpacked = body.to_vec();
    while let Some(encoding) = encodings.pop() {
        unpacked = match encoding.as_str() {
            "gzip" | "x-gzip" => read(MultiGzDecoder::new(unpacked.as_slice()), "gzip")?,
            // Some senders leave the zlib header out.
            "deflate" => match read(ZlibDecoder::new(unpacked.as_slice()), "deflate") {
                Err(UnpackError::Broken(_)) => {
                    read(DeflateDecoder::new(unpacked.as_slice()), "deflate")?
                }
                other => other?,
            },
            _ => return Err(UnpackError::Unknown(encoding)),
        };
    }
    Ok(unpacked)
}

fn read(decoder: impl Read, encoding: &'static str) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    let read = decoder
        .take(UNPACKED_LIMIT + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| UnpackError::Broken(encoding))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > UNPACKED_LIMIT {
        Err(UnpackError::TooLarge)
    } else {
        Ok(unpacked)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn no_body_unpacks_to_more_than_is_expected_of_it() {
        let zeros = vec![0; 4 * 1024 * 1024];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&zeros).unwrap();
        let packed = encoder.finish().unwrap();
        let most = most_unpacked(packed.len(), Some("gzip"));
        assert!(most >= 4 * 1024 * 1024, "{most}");
        assert!(most < 5 * 1024 * 1024, "{most}");
        assert_eq!(unpack(&packed, Some("gzip")), Ok(zeros));
        assert_eq!(most_unpacked(700, None), 700);
        assert_eq!(most_unpacked(700, Some("gzip, gzip")), UNPACKED_LIMIT);
        assert_eq!(most_unpacked(3_000_000, Some("gzip")), UNPACKED_LIMIT);
    }
}
