//! Decompresses callback bodies for parsing, up to a size limit. The journal stores them
//! compressed.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Bytes.
pub const UNPACKED_LIMIT: u64 = 32 * 1024 * 1024;

/// Bytes that a body with several encodings may unpack to before the last one is decoded: each
/// encoding may multiply the size, and decoding takes time.
const INTERMEDIATE_LIMIT: u64 = 4 * 1024 * 1024;
/// Deflate's maximum compression ratio.
const DEFLATE_RATIO: u64 = 1032;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("content-encoding `{0}` is not supported")]
    Unknown(String),
    #[error("the body is not valid {0}")]
    Broken(&'static str),
    #[error("the body unpacks to more than {} MiB", .0 / 1024 / 1024)]
    TooLarge(u64),
}

/// An upper bound of the unpacked size, from the body's length alone.
pub fn max_unpacked_size(body_bytes: usize, content_encoding: Option<&str>) -> u64 {
    match content_encoding {
        None => u64::try_from(body_bytes).unwrap_or(u64::MAX),
        // Each encoding may multiply the size.
        Some(several) if several.contains(',') => UNPACKED_LIMIT,
        Some(_) => unpacked_bound(body_bytes).min(UNPACKED_LIMIT),
    }
}

/// A body without encoding is borrowed.
pub fn unpack<'b>(
    body: &'b [u8],
    content_encoding: Option<&str>,
) -> Result<Cow<'b, [u8]>, UnpackError> {
    let encodings = content_encoding
        .unwrap_or_default()
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase());
    // Encodings are listed in the order in which they were applied.
    let mut encodings: Vec<String> = encodings
        .filter(|word| !word.is_empty() && word != "identity")
        .collect();
    let mut unpacked = Cow::Borrowed(body);
    while let Some(encoding) = encodings.pop() {
        let limit = if encodings.is_empty() {
            UNPACKED_LIMIT
        } else {
            INTERMEDIATE_LIMIT
        };
        unpacked = Cow::Owned(decode(&unpacked, &encoding, limit)?);
    }
    Ok(unpacked)
}

fn decode(packed: &[u8], encoding: &str, limit: u64) -> Result<Vec<u8>, UnpackError> {
    match encoding {
        "gzip" | "x-gzip" => read_all(packed, MultiGzDecoder::new(packed), "gzip", limit),
        // Some senders omit the zlib header.
        "deflate" => match read_all(packed, ZlibDecoder::new(packed), "deflate", limit) {
            Err(UnpackError::Broken(_)) => {
                read_all(packed, DeflateDecoder::new(packed), "deflate", limit)
            }
            other => other,
        },
        _ => Err(UnpackError::Unknown(encoding.to_owned())),
    }
}

fn read_all(
    packed: &[u8],
    decoder: impl Read,
    encoding: &'static str,
    limit: u64,
) -> Result<Vec<u8>, UnpackError> {
    // A buffer that grows is copied, and both copies are in memory at that time.
    let most = unpacked_bound(packed.len()).min(limit + 1);
    let mut unpacked = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    let read = decoder
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| UnpackError::Broken(encoding))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > limit {
        Err(UnpackError::TooLarge(limit))
    } else {
        Ok(unpacked)
    }
}

fn unpacked_bound(packed_bytes: usize) -> u64 {
    u64::try_from(packed_bytes)
        .unwrap_or(u64::MAX)
        .saturating_mul(DEFLATE_RATIO)
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
        assert_eq!(
            unpack(&packed, Some("gzip")).as_deref(),
            Ok(zeros.as_slice())
        );
        assert_eq!(max_unpacked_size(700, None), 700);
        assert_eq!(max_unpacked_size(700, Some("gzip, gzip")), UNPACKED_LIMIT);
        assert_eq!(max_unpacked_size(3_000_000, Some("gzip")), UNPACKED_LIMIT);
    }

    #[test]
    fn every_encoding_has_a_limit() {
        let gzip = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let limit = usize::try_from(UNPACKED_LIMIT).unwrap();
        let once = gzip(&vec![b' '; limit]);
        assert_eq!(unpack(&once, Some("gzip")).unwrap().len(), limit);
        let twice = gzip(&once);
        assert_eq!(unpack(&twice, Some("gzip, gzip")).unwrap().len(), limit);
        let over = gzip(&vec![b' '; limit + 1]);
        let reason = unpack(&over, Some("gzip")).unwrap_err().to_string();
        assert_eq!(reason, "the body unpacks to more than 32 MiB");
        let packed = gzip(&over);
        let reason = unpack(&packed, Some("gzip, gzip, gzip")).unwrap_err();
        assert_eq!(reason.to_string(), "the body unpacks to more than 4 MiB");
    }
}
