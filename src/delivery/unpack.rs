//! Bodies that came compressed: unpacked for reading, within a bound. The journal keeps them as they came.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The most a body may unpack to, in bytes.
pub const UNPACKED_LIMIT: u64 = 32 * 1024 * 1024;

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
