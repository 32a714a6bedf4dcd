//! Decompresses callback bodies for parsing, up to a size limit. The journal stores them
//! compressed.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Bytes.
pub const UNPACKED_LIMIT: u64 = 32 * 1024 * 1024;

/// Deflate's maximum compression ratio.
const DEFLATE_RATIO: u64 = 1032;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("content-encoding `{0}` is not supported")]
    Unknown(String),
    #[error("the body is not valid {0}")]
    Broken(&'static str),
    #[error("the body unpacks to more than {} MiB", UNPACKED_LIMIT / 1024 / 1024)]
    TooLarge,
}

/// An upper bound of the unpacked size, from the body's length alone.
pub fn max_unpacked_size(body_bytes: usize, content_encoding: Option<&str>) -> u64 {
    let bytes = u64::try_from(body_bytes).unwrap_or(u64::MAX);
    match content_encoding {
        None => bytes,
        // Each encoding may multiply the size.
        Some(several) if several.contains(',') => UNPACKED_LIMIT,
        Some(_) => bytes.saturating_mul(DEFLATE_RATIO).min(UNPACKED_LIMIT),
    }
}

pub fn unpack(body: &[u8], content_encoding: Option<&str>) -> Result<Vec<u8>, UnpackError> {
    let encodings = content_encoding
        .unwrap_or_default()
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase());
    // Encodings are listed in the order in which they were applied.
    let mut encodings: Vec<String> = encodings
        .filter(|word| !word.is_empty() && word != "identity")
        .collect();
    let mut unpacked = body.to_vec();
    while let Some(encoding) = encodings.pop() {
        unpacked = match encoding.as_str() {
            "gzip" | "x-gzip" => decode(MultiGzDecoder::new(unpacked.as_slice()), "gzip")?,
            // Some senders omit the zlib header.
            "deflate" => match decode(ZlibDecoder::new(unpacked.as_slice()), "deflate") {
                Err(UnpackError::Broken(_)) => {
                    decode(DeflateDecoder::new(unpacked.as_slice()), "deflate")?
                }
                other => other?,
            },
            _ => return Err(UnpackError::Unknown(encoding)),
        };
    }
    Ok(unpacked)
}

fn decode(decoder: impl Read, encoding: &'static str) -> Result<Vec<u8>, UnpackError> {
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
    fn the_size_bound_holds_for_highly_compressed_bodies() {
        let zeros = vec![0; 4 * 1024 * 1024];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&zeros).unwrap();
        let packed = encoder.finish().unwrap();
        let limit = max_unpacked_size(packed.len(), Some("gzip"));
        assert!(limit >= 4 * 1024 * 1024, "{limit}");
        assert!(limit < 5 * 1024 * 1024, "{limit}");
        assert_eq!(unpack(&packed, Some("gzip")), Ok(zeros));
        assert_eq!(max_unpacked_size(700, None), 700);
        assert_eq!(max_unpacked_size(700, Some("gzip, gzip")), UNPACKED_LIMIT);
        assert_eq!(max_unpacked_size(3_000_000, Some("gzip")), UNPACKED_LIMIT);
    }
}
