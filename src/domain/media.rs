//! The media of a message: kind, source, type and caption.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};
use std::path::PathBuf;

use crate::domain::secret::Secret;

/// In Unicode scalar values.
pub const CAPTION_LIMIT: usize = 1024;

#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Display,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum MediaKind {
    /// JPEG or PNG.
    Image,
    /// MP4 or 3GP.
    Video,
}
enum_words!(MediaKind, "a media kind");

impl MediaKind {
    /// The types that WhatsApp supports. `video/3gp` and `video/3gpp` name the same type.
    pub fn mime_types(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["image/jpeg", "image/png"],
            Self::Video => &["video/mp4", "video/3gp", "video/3gpp"],
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaSource {
    /// A public http(s) URL that the provider fetches.
    Url(String),
    /// The id of an asset already uploaded to the provider (Kaleyra).
    Id(String),
    Upload(Upload),
}

/// A file that the caller uploaded, kept until it is submitted; with a token, also afterwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// Part of the public URL from which the provider fetches it; absent where it is uploaded to
    /// the provider.
    pub token: Option<Secret>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    pub kind: MediaKind,
    pub source: MediaSource,
    /// One of [`MediaKind::mime_types`], given by the caller or derived from the URL's extension.
    pub mime_type: Option<String>,
    /// At most [`CAPTION_LIMIT`] characters.
    pub caption: Option<String>,
}

/// Only types that WhatsApp supports.
pub fn mime_type_of_extension(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "mp4" => Some("video/mp4"),
        "3gp" => Some("video/3gp"),
        _ => None,
    }
}

/// Extensions of files that WhatsApp does not support.
const UNSUPPORTED_IMAGES: [&str; 8] = ["webp", "gif", "heic", "heif", "avif", "bmp", "tif", "svg"];
const UNSUPPORTED_VIDEOS: [&str; 6] = ["mov", "webm", "avi", "mkv", "m4v", "wmv"];

/// The extension, in lower case, and the kind of an image or a video that WhatsApp does not
/// support.
pub fn find_unsupported_extension(name: &str) -> Option<(&'static str, MediaKind)> {
    let (_, extension) = name.rsplit_once('.')?;
    let images = UNSUPPORTED_IMAGES.map(|other| (other, MediaKind::Image));
    let videos = UNSUPPORTED_VIDEOS.map(|other| (other, MediaKind::Video));
    images
        .into_iter()
        .chain(videos)
        .find(|(other, _)| extension.eq_ignore_ascii_case(other))
}

/// Without a dot.
pub fn extension_of_mime_type(mime_type: &str) -> Option<&'static str> {
    match mime_type {
        "image/jpeg" => Some("jpg"),
        "image/png" => Some("png"),
        "video/mp4" => Some("mp4"),
        "video/3gp" | "video/3gpp" => Some("3gp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_reported_with_the_accepted_ones() {
        assert_eq!(
            "audio".parse::<MediaKind>().unwrap_err().to_string(),
            "`audio` is not a media kind; use image or video"
        );
    }
}
