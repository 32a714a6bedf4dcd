//! Reads the properties of a media file on disk, in bounded memory whatever the file claims.
//!
//! Blocking.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::domain::media::MediaKind;
use crate::domain::media_properties::{MediaContent, MediaProperties};
use crate::domain::media_rules::kind_of_type;
use crate::sending::media_check::{image_properties, video_properties};

/// Bytes; larger files are too large for every provider and are not parsed.
pub(crate) const FILE_LIMIT: u64 = 17 * 1024 * 1024;
/// Every file signature is within this many bytes.
const SIGNATURE_BYTES: u64 = 8192;

pub(crate) fn inspect(path: &Path) -> io::Result<MediaProperties> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut start = Vec::new();
    file.by_ref()
        .take(SIGNATURE_BYTES)
        .read_to_end(&mut start)?;
    let mime_type = detect(&start);
    let content = match mime_type.and_then(kind_of_type) {
        _ if size > FILE_LIMIT => MediaContent::Unknown,
        Some(MediaKind::Image) => {
            MediaContent::Image(image_properties::read(path, mime_type.unwrap_or_default())?)
        }
        Some(MediaKind::Video) => MediaContent::Video(video_properties::read(path)?),
        None => MediaContent::Unknown,
    };
    Ok(MediaProperties {
        size,
        mime_type: mime_type.map(str::to_owned),
        content,
    })
}

fn detect(start: &[u8]) -> Option<&'static str> {
    // `infer` does not know these brands of 3GP.
    let brand = start.get(4..11);
    if matches!(brand, Some([name @ .., b'p' | b'2' | b'g' | b'e' | b's' | b'r']) if name == b"ftyp3g")
    {
        return Some("video/3gpp");
    }
    infer::get(start).map(|found| found.mime_type())
}
