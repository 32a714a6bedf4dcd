//! What is sent: an image or a video, where its bytes are, and the words beside it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The longest caption, in Unicode scalars.
pub const CAPTION_LIMIT: usize = 1024;

/// The kind of a media message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MediaKind {
    /// A picture: JPEG or PNG.
    Image,
    /// A film: MP4 or 3GP.
    Video,
}

impl MediaKind {
    /// Every kind, in the order they are listed.
    pub const ALL: [Self; 2] = [Self::Image, Self::Video];

    /// The word used in JSON, URLs and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
        }
    }

    /// The types that WhatsApp takes for this kind. `video/3gp` and `video/3gpp` are two names of one type.
    pub fn mime_types(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["image/jpeg", "image/png"],
            Self::Video => &["video/mp4", "video/3gp", "video/3gpp"],
        }
    }
}

/// A word that names no media kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a media kind; use image or video")]
pub struct NotAKind(pub String);

impl FromStr for MediaKind {
    type Err = NotAKind;

    fn from_str(text: &str) -> Result<Self, NotAKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| NotAKind(text.to_owned()))
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Where the bytes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaSource {
    /// A public http(s) address that the provider fetches.
    Url(String),
    /// The id of an asset uploaded to the provider before (Kaleyra).
    Id(String),
    /// A file that the caller uploaded to us.
    Upload(Upload),
}

/// A file that the caller uploaded, kept in the data folder until it was handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    /// Where it lies on this machine.
    pub path: PathBuf,
    /// Bytes it has.
    pub size: u64,
}

/// The media of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// Image or video.
    pub kind: MediaKind,
    /// Where the bytes are.
    pub source: MediaSource,
    /// One of [`MediaKind::mime_types`], when the caller gave it or the address's extension tells it.
    pub mime_type: Option<String>,
    /// The words under it, at most [`CAPTION_LIMIT`] characters.
    pub caption: Option<String>,
}

/// The type that a file name's extension tells, if it is one that WhatsApp takes.
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

/// The extension that a provider expects of a file of this type.
pub fn extension_of_mime_type(mime_type: &str) -> Option<&'static str> {
    match mime_type {
        "image/jpeg" => Some("jpg"),
        "image/png" => Some("png"),
        "video/mp4" => Some("mp4"),
        "video/3gp" | "video/3gpp" => Some("3gp"),
        _ => None,
    }
}
